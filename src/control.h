/*
 * The control plane of one node: gathers facts, lets node and vip decide,
 * and carries out what they say on both Redis, the peer, the record, the
 * gate and keepalived.
 *
 * Without a peer it only watches the one Redis, and holds while it is away.
 */
#ifndef CONTROL_H
#define CONTROL_H

#include "conf.h"
#include "epoch.h"
#include "gate.h"
#include "hold.h"
#include "loop.h"
#include "node.h"
#include "peer.h"
#include "redis.h"
#include "vip.h"
#include "vrrp.h"

#define CONTROL_SWITCHES	16

struct control;

/* What the control plane needs of the data plane, without naming it. */
struct control_ops {
	/* A handover begins, or its end has come: the VIP may leave, or not. */
	void	(*leaving)(bool, void *arg);
	/* The VIP has left: say goodbye to those who came by it. */
	void	(*let_go)(void *arg);
	/* What waited since the gate closed, at all workers. */
	struct hold_report (*hold_report)(void *arg);
	void	*arg;
};

/* The steps of a change of the primary, in their order. */
#define CONTROL_STEPS(X)						\
	X(DETECT, "detect")	/* since the lost one was heard last */	\
	X(CLAIM, "claim")	/* getting the lead */			\
	X(READ, "read")		/* both Redis are read anew */		\
	X(WAIT, "wait")		/* no copy may be served */		\
	X(INTENT, "intent")	/* planned: both nodes agree */		\
	X(DRAIN, "drain")	/* answers in flight */			\
	X(FENCE, "fence")	/* the old primary, up to its last byte */ \
	X(UNDO, "undo")							\
	X(COMMIT, "commit")	/* failover: both nodes know */		\
	X(PROMOTE, "promote")						\
	X(FLIP, "flip")		/* reads, at both gates */		\
	X(OPEN, "open")		/* the gate, for those who waited */

enum control_step {
#define X(name, text) CONTROL_STEP_##name,
	CONTROL_STEPS(X)
#undef X
	CONTROL_STEP_COUNT
};

#define CONTROL_NO_STEP		(-1)	/* there was none */
#define CONTROL_LOST_UNKNOWN	(-1)

/* One change of the primary, as it was. */
struct control_switch {
	struct timespec	 at;
	bool		 planned;
	const char	*reason;	/* a word */
	enum side	 from;		/* NONE: the first start */
	enum side	 to;
	struct epoch	 epoch;
	int64_t		 hold_us; /* from the gate's closing to its opening */
	int64_t		 step_us[CONTROL_STEP_COUNT];	/* of the leader */
	uint64_t	 held;		/* requests that waited */
	int64_t		 longest_us;	/* of those */
	uint64_t	 in_doubt;
	uint64_t	 lost_writes;	/* acknowledged here: at most these */
	long long	 lost_bytes;	/* of the old primary's last known
					 * stream */
};

/* Over all changes since the start. */
struct control_sum {
	uint64_t	 switchovers;
	uint64_t	 failovers;
	uint64_t	 held;
	int64_t		 longest_us;
	uint64_t	 in_doubt;
	uint64_t	 lost_writes;
	long long	 lost_bytes;
};

const char	*control_step_name(enum control_step);

/* All of it, for the admin port to show. Valid until the next event. */
struct control_view {
	const struct conf	*conf;
	bool			 standalone;
	const struct node	*node;		/* not with standalone */
	const struct vip	*vip;
	const struct vrrp_view	*vrrp;		/* NULL: nothing is watched */
	const struct redis	*redis[2];	/* by side; NULL: none */
	bool			 peer_linked;
	int			 peer_protocol;	/* 0: none yet */
	const char		*peer_complaint; /* why it is refused, or "" */
	size_t			 vip_clients;	/* that came by the VIP here */
	size_t			 peer_vip_clients;	/* and there */
	const struct control_switch *switches;	/* newest first */
	unsigned		 nswitches;
	struct control_sum	 sum;
};

/*
 * Starts watching at once. NULL when something that it needs cannot be had;
 * why says what, for an operator. store may be NULL without a peer.
 */
struct control	*control_new(struct loop *, const struct conf *,
		    struct gate *, struct epoch_store *, struct tls *,
		    const struct control_ops *, char *why, size_t whysize);
void		 control_free(struct control *);
/* A new configuration is in force; it outlives its use here. */
void		 control_set_conf(struct control *, const struct conf *);

/* The addresses of both Redis by side, for the data plane. */
const struct conn_addr	*control_redis_addrs(const struct control *);

struct control_view	 control_view(const struct control *);

/*
 * An operator's order. fn is called exactly once, perhaps at once: ok, or
 * what is in the way. The order is given at either node.
 */
typedef void control_done_fn(bool ok, const char *text, void *arg);
void	control_switchover(struct control *, control_done_fn *, void *arg);
void	control_handover(struct control *, control_done_fn *, void *arg);
void	control_promote(struct control *, const char *node, control_done_fn *,
	    void *arg);
/* The one who asked is gone: fn is not called any more. */
void	control_forget(struct control *, void *arg);

/*
 * Somebody, "host:port", came by the VIP or has left again: told to the peer,
 * which may have to tell them that this node is gone.
 */
void	control_client_came(struct control *, const char *addr);
void	control_client_left(struct control *, const char *addr);

/* keepalived's words by way of a script. False: not our instance. */
bool	control_notify(struct control *, const struct vrrp_line *);

#endif
