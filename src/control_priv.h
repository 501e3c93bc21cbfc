/*
 * Shared by control.c (steps, the gate, when to look) and the other
 * control_*.c, whose part is named below, and by nobody else.
 */
#ifndef CONTROL_PRIV_H
#define CONTROL_PRIV_H

#include "control.h"
#include "msg.h"
#include "salvage.h"

#define CONTROL_EVENTS	32
#define CONTROL_SAMPLES	64

/* Something for node that came up while it was being carried out. */
struct control_event {
	enum node_event	event;
	enum side	side;
};

/* What an operator asked for here, or at the peer on this node's behalf. */
enum control_wish_kind { CONTROL_SWITCHOVER, CONTROL_HANDOVER,
	CONTROL_PROMOTE, CONTROL_YIELD };

enum control_wish_state {
	CONTROL_ASKING,		/* the peer, which leads */
	CONTROL_SWITCHING,	/* node does it */
	CONTROL_YIELDING,	/* vip does it, here */
	CONTROL_ASKING_YIELD	/* the peer holds the VIP */
};

struct control_wish {
	TAILQ_ENTRY(control_wish) link;
	enum control_wish_kind	 kind;
	enum control_wish_state	 state;
	char			 node[RECORD_NAME + 1];	/* of PROMOTE */
	uint64_t		 id;		/* for the peer's answer */
	uint64_t		 for_peer; /* its id, when it asked; else 0 */
	struct mono		 deadline;
	control_done_fn		*fn;		/* NULL: nobody waits */
	void			*arg;
};
TAILQ_HEAD(control_wishes, control_wish);

/* An offset of the primary, and what had been acknowledged before it. */
struct control_sample {
	enum side	 side;
	long long	 offset;
	uint64_t	 acked;
};

/* What a Redis was shown of the scripts that clients load. */
struct control_scripts {
	unsigned		 connection;	/* on that one */
	uint64_t		 number;	/* up to that one */
	uint64_t		 forgotten;
	unsigned		 awaited;	/* answers */
	unsigned		 refused;	/* on that connection */
};

struct control {
	struct loop		*loop;
	const struct conf	*conf;
	struct gate		*gate;
	struct epoch_store	*store;
	struct control_ops	 ops;
	enum side		 me;
	bool			 standalone;
	struct tls		*tls;
	struct conn_addr	 addr[2];
	struct redis		*redis[2];
	struct peer		*peer;
	struct vrrp		*vrrp;
	struct node		 node;
	struct vip		 vip;
	struct control_clients	*clients;	/* NULL: no VIP, or no peer */
	struct control_commands	*commands;
	struct control_scripts	 scripts[2];
	struct mono		 awake;		/* since when without a break */
	struct mono		 serve_until;	/* by what was seen last */
	struct mono		 seen;		/* when it last looked */
	uint64_t		 session;

	struct event		*tick;
	struct event		*look;		/* made active: look now */
	struct control_event	 event[CONTROL_EVENTS];
	unsigned		 events;
	bool			 stepping;

	struct msg		 heard;		/* the peer's last BEAT */
	struct msg		 asked;		/* its last COMMIT */
	struct msg		 said;		/* our last BEAT */
	struct mono		 said_at;
	LIST_HEAD(, control_order) orders;	/* under way */
	unsigned		 order_seq[2];	/* the order that counts */
	uint64_t		 clean_epoch;	/* what follows is of it */
	unsigned		 clean[2];	/* the redis_connection() where
						 * no newer leader was seen */
	unsigned		 listing[2];	/* and where that is asked */
	struct salvage		*salvage;	/* NULL: none under way */
	enum side		 salvage_side;
	unsigned		 salvage_seq;

	struct control_wishes	 wishes;
	uint64_t		 last_id;

	struct control_sample	 sample[CONTROL_SAMPLES];
	unsigned		 samples;
	uint64_t		 acked_before;
	unsigned		 polls[2];	/* sampled so far */
	struct mono		 closed_at;	/* 0: the gate is open */
	uint64_t		 doubt_before;
	enum side		 primary;	/* last one that was open to */
	struct control_switch	 sw[CONTROL_SWITCHES];
	bool			 sw_open;	/* sw[0] is still counted */
	unsigned		 nsw;
	struct control_sum	 sum;
	enum node_state		 step_state;	/* noted last */
	struct mono		 step_since;
	int64_t			 step_us[CONTROL_STEP_COUNT];
};

void	control_push(struct control *, enum node_event, enum side);
/* Lets node take the events that were pushed, and carries out its orders. */
void	control_run(struct control *);
/* Look again before anything else is done. */
void	control_poke(struct control *);

void	control_on_redis(struct redis *, void *arg);
void	control_on_poke(void *arg);

/* control_see.c */
void	control_see(struct control *);
int64_t	control_ms(struct mono);
/* It slept: what it knew counts no more. */
void	control_woke(struct control *, struct mono now);
/* May another have led since, for all that is known? */
bool	control_in_doubt(const struct control *);
/* Has this node the VIP, with a keepalived that lives? */
bool	control_holder(const struct control *);

/* control_talk.c */
/* due: also if the peer learns nothing new by it. */
void	control_beat(struct control *, bool due);
void	control_send_record(struct control *, enum msg_type,
	    const struct record *);
void	control_on_message(const struct msg *, void *arg);
void	control_on_peer(void *arg);
/* Has the peer answered what it was told since the VIP came or left here? */
bool	control_vip_told(const struct control *);

/* control_start.c */
bool	control_start(struct control *, char *why, size_t whysize);
/* For a link to a Redis; with the password, so free it soon. */
bool	control_redis_opts(const struct control *, struct redis_opts *,
	    char *why, size_t whysize);
void	control_redis_opts_free(struct redis_opts *);

/* control_redis.c */
/* On a new connection of a leader: is there a newer one? */
void	control_list_redis(struct control *, enum side);
void	control_orders_free(struct control *);
void	control_order_redis(struct control *, enum node_order_kind,
	    enum side);

/* control_clients.c */
void	control_clients_start(struct control *);
void	control_clients_free(struct control *);
void	control_clients_on_peer(struct control *);
void	control_clients_message(struct control *, const struct msg *);
void	control_clients_tickle(struct control *);
size_t	control_clients_here(const struct control *);
size_t	control_clients_there(const struct control *);

/* control_scripts.c */
void	control_scripts_look(struct control *);

/* control_commands.c */
void	control_commands_start(struct control *);
void	control_commands_free(struct control *);
void	control_commands_look(struct control *, enum side);

/* control_salvage.c */
void	control_salvage(struct control *, enum side);
void	control_salvage_end(struct control *);

/* control_switch.c: called after INFO, and around each gate_set() */
void	control_sample(struct control *, enum side);
void	control_note_state(struct control *);
void	control_note_gate(struct control *, const struct gate_order *was);
void	control_count_switch(struct control *);
/* What that Redis had of its own is about to be lost. */
void	control_count_own(struct control *, enum side);

/* control_wish.c */
void	control_wish_message(struct control *, const struct msg *);
void	control_wish_settled(struct control *, bool ok, const char *text);
void	control_wish_drain(struct control *);	/* a handover: all is held */
void	control_wish_vip(struct control *, enum vip_event);
void	control_wish_expire(struct control *, struct mono now);
void	control_vip_facts(const struct control *, struct vip_facts *);

#endif
