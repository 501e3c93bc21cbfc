/*
 * Who leads, which Redis is the primary, and what is to be done about it:
 * the role state machine. It decides, control acts.
 *
 * Pure: no I/O, no clock; the time and everything seen come in as facts,
 * and what to do comes out as orders. Every (state, event) pair has a row
 * in one table, node_table.
 *
 *               +--------- lease over, newer epoch ----------+
 *               v                                            |
 *   LEARN --> CLAIM --> CLEAN --> STEADY <--> SOLO           |
 *     |  ^      |         |        |   ^        |            |
 *     v  |      v         |        |   |        v            |
 *   FOLLOW <--> LOST      |        |   +-- SW_FLIP <- SW_PROMOTE
 *                         |        v                   ^     |
 *                         |     SW_INTENT -> SW_DRAIN -> SW_FENCE
 *                         |                      |         |
 *                         v                      +> SW_UNDO<
 *                     WAIT_COPY <--> FO_COMMIT --> FO_PROMOTE --> SOLO
 */
#ifndef NODE_H
#define NODE_H

#include "gate.h"
#include "info.h"
#include "record.h"

#define NODE_STATES(X)							\
	X(LEARN)	/* started; reads its record, Redis and the peer */ \
	X(FOLLOW)	/* the peer leads, the gate is as it says */	\
	X(LOST)		/* the lease is over, nobody is known to lead */ \
	X(CLAIM)	/* asks for the lead */				\
	X(CLEAN)	/* leads; ends old orders, reads both Redis */	\
	X(STEADY)	/* leads; both copies are fresh */		\
	X(SOLO)		/* leads; only the primary is fresh */		\
	X(SW_INTENT)	/* switchover: committed, and made known */	\
	X(SW_DRAIN)	/* writes are held, answers are awaited */	\
	X(SW_FENCE)	/* the old primary takes no byte any more */	\
	X(SW_PROMOTE)	/* the new one is being promoted */		\
	X(SW_FLIP)	/* reads go to the new one, writes follow */	\
	X(SW_UNDO)	/* back to the old primary */			\
	X(FO_COMMIT)	/* failover: the new primary is committed */	\
	X(FO_PROMOTE)	/* and promoted */				\
	X(WAIT_COPY)	/* no copy may be served; says why */

#define NODE_EVENTS(X)							\
	X(LOOK)		/* facts may have changed */			\
	X(TIMER)	/* the state has lasted too long */		\
	X(LEASE_ENDED)	/* no word from the other side for a lease */	\
	X(STORED)	/* the record of the last STORE is durable */	\
	X(STORE_FAILED)	/* the disk refused it */			\
	X(COMMITTED)	/* the peer has accepted a commit */		\
	X(REFUSED)	/* the peer has refused it */			\
	X(COMMIT_ASKED)	/* the peer asks to accept a commit */		\
	X(ORDER_DONE)	/* a Redis did what it was told */		\
	X(ORDER_FAILED)	/* it did not, or nobody knows */		\
	X(OPERATOR)	/* an operator wants something */

enum node_state {
#define X(name) NODE_##name,
	NODE_STATES(X)
#undef X
	NODE_STATE_COUNT
};

enum node_event {
#define X(name) NODE_EV_##name,
	NODE_EVENTS(X)
#undef X
	NODE_EVENT_COUNT
};

/* ---- what is seen ---- */

enum node_health {
	NODE_UNKNOWN,	/* not heard of since the start */
	NODE_UP,	/* heard within three polls */
	NODE_QUIET,	/* not heard for three polls */
	NODE_GONE	/* refuses connections, or silent for down-after */
};

struct node_redis {
	enum node_health	health;
	struct info		info;	/* the last one read; see health */
	bool			attached; /* it is a replica of the other */
};

/* The peer's last heartbeat. */
struct node_peer {
	enum node_health	 health;
	int64_t			 silent_ms;	/* since it was heard */
	bool			 leads;
	uint64_t		 session;
	struct record		 record; /* epoch.number 0: it has none */
	struct gate_order	 gate;		/* valid while it leads */
	uint64_t		 gate_seq;
	uint64_t		 applied; /* gate_seq it has set as ordered */
	bool			 drained;	/* no write in flight there */
	bool			 holder;	/* its VRRP state is MASTER */
	bool			 serving; /* its gate lets reads through */
	int64_t			 lease_ms;	/* when its echo says that our
						 * lease ends, on our clock */
	enum node_health	 sees[2];	/* how it sees both Redis */
	char			 why[256];	/* what it waits for */
};

struct node_facts {
	int64_t			 now_ms;	/* CLOCK_BOOTTIME */
	bool			 holder;	/* VRRP state MASTER here */
	bool			 applied;	/* gate's last order, here */
	bool			 drained;	/* and no write is in flight */
	struct node_redis	 redis[2];
	struct node_peer	 peer;
};

/* ---- what is wanted ---- */

enum node_order_kind {
	NODE_DO_STORE,		/* make n->storing durable: STORED */
	NODE_DO_SEND_COMMIT,	/* n->next to the peer: COMMITTED, REFUSED */
	NODE_DO_SEND_ACCEPT,	/* tell the peer that its commit is durable */
	NODE_DO_SEND_REFUSE,	/* tell the peer that it is not accepted */
	NODE_DO_CLEAN,		/* at that Redis: take the epoch as name of the
				 * control link, kill older ones, read */
	NODE_DO_READ,		/* read that Redis now */
	NODE_DO_FENCE,		/* make it a replica of nowhere, and read */
	NODE_DO_PROMOTE,	/* make it a primary, probe it, and read */
	NODE_DO_ATTACH,		/* make it a replica of the other, and read */
	NODE_DO_SALVAGE,	/* save what data it has */
	NODE_DO_OPERATOR_DONE,	/* the operator's wish is fulfilled */
	NODE_DO_OPERATOR_FAILED	/* it is not: n->wish_why */
};

struct node_order {
	enum node_order_kind	kind;
	enum side		side;		/* of the Redis kinds */
};

#define NODE_ORDERS	16

enum node_wish { NODE_NO_WISH, NODE_WISH_SWITCHOVER, NODE_WISH_PROMOTE };

struct node_conf {
	const char	*cluster;
	const char	*name[2];	/* by side */
	enum side	me;
	int64_t		lease_ms;
	int64_t		drain_timeout_ms;
	int64_t		follow_delay_ms;
	int64_t		switch_min_gap_ms;
	int64_t		fresh_lag_ms;
	long long	fresh_lag_bytes;
	bool		primary_follows_vip;
	bool		alone_serve;
};

/* The primary's offset over the last moments, to measure a lag in time. */
#define NODE_SAMPLES	64
struct node_sample {
	int64_t		at_ms;
	long long	offset;
};

/* The last that a primary said of itself while it was one. */
struct node_known {
	enum side	side;		/* NONE: nothing is known */
	char		replid[INFO_ID + 1];
	long long	offset;
};

/* A copy with writes of its own that is saved before it is attached. */
enum node_saving { NODE_UNSAVED, NODE_SAVING, NODE_SAVED };

struct node_saved {
	enum node_saving state;
	enum side	side;
	struct info	info;		/* as it was when it was saved */
	long long	own;		/* bytes of its own; -1: unknown */
};

/* Why the primary changes. */
#define NODE_REASONS(X)							\
	X(FIRST_START, "first-start")					\
	X(OPERATOR, "operator")		/* SWITCHOVER, PROMOTE */	\
	X(FOLLOWS_VIP, "follows-vip")					\
	X(REDIS_GONE, "redis-gone")					\
	X(REDIS_RESTARTED, "redis-restarted")				\
	X(REDIS_DEMOTED, "redis-demoted") /* by somebody else */	\
	X(NODE_GONE, "node-gone")					\
	X(UNFINISHED, "unfinished")	/* another leader began it */

enum node_reason {
#define X(name, text) NODE_WHY_##name,
	NODE_REASONS(X)
#undef X
	NODE_WHY_COUNT
};

/* The switch under way, or the last one; for its account. */
struct node_switch {
	bool		 planned;
	enum node_reason reason;
	enum side	 from;
	enum side	 to;
	int64_t		 begun_ms;
	long long	 end_offset;	/* of the old primary, -1: unknown */
	long long	 new_offset;	/* of the new one, when it was chosen */
};

struct node {
	struct node_conf	 conf;
	enum node_state		 state;
	int64_t			 state_since_ms;
	int64_t			 deadline_ms;	/* of this state, 0: none */
	bool			 deadline_new;	/* set in this very step */
	struct node_facts	 facts;

	struct record		 record;	/* epoch.number 0: none yet */
	struct epoch		 promised;
	struct record		 storing;	/* of the last NODE_DO_STORE */
	struct record		 vote;	/* the peer's, until it is stored */
	int64_t			 store_again_ms; /* 0: the disk is well */

	/* The commit under way, if next.epoch.number is not 0. */
	struct record		 next;
	bool			 needs_peer;	/* it may not be done alone */
	bool			 stored;
	bool			 accepted;
	int64_t			 commit_ms;	/* when it was last sent */

	int64_t			 lease_ms;	/* the gate lives until then */
	int64_t			 claim_after_ms;
	bool			 alone_allowed;	/* an operator said so; until
						 * the peer is heard */
	struct gate_order	 gate;
	uint64_t		 gate_seq;

	unsigned		 awaited;	/* SIDE_BITs with orders out */
	int64_t			 attach_again_ms;
	enum node_order_kind	 attach_order;	/* the last one for it */
	struct node_saved	 saved;
	int64_t			 fresh_since_ms; /* 0: the replica is not */
	int64_t			 stale_since_ms; /* 0: it is */
	int64_t			 last_switch_ms;
	enum side		 vip_side;	/* who holds the VIP, or NONE */
	int64_t			 vip_since_ms;
	struct node_known	 known;
	int64_t			 unseen_since_ms; /* the primary is reached
						 * by the peer only; 0: no */
	struct node_sample	 sample[NODE_SAMPLES];
	unsigned		 samples;

	enum node_wish		 wish;
	enum side		 wish_side;	/* of PROMOTE */
	struct node_switch	 sw;
	char			 why[256]; /* what it waits for, or why not */
	char			 wish_why[256];	/* why the last wish failed */

	struct node_order	 order[NODE_ORDERS];
	unsigned		 orders;
};

/*
 * Begins in LEARN. record NULL: there is none. The node is the caller's;
 * nothing in it needs to be freed.
 */
void	node_init(struct node *, const struct node_conf *,
	    const struct record *, struct epoch promised, int64_t now_ms);

/*
 * The one way in. Set the facts before each LOOK. Afterwards order[] has
 * what to do, in this sequence, and gate, gate_seq and lease_ms what the
 * gate should be.
 */
void	node_step(struct node *, enum node_event, enum side side);

/* COMMIT_ASKED: the peer's record, and what it was made from. */
void	node_commit_asked(struct node *, const struct record *asked,
	    const struct record *base);

/* COMMITTED or REFUSED; a refusal brings the peer's own record. */
void	node_commit_answered(struct node *, bool accepted,
	    const struct record *theirs);

/* OPERATOR: SWITCHOVER, or PROMOTE of that side, accepting loss. */
void	node_wish(struct node *, enum node_wish, enum side);
/* Nobody waits for it any more. */
void	node_forget_wish(struct node *);

bool	node_leads(const struct node *);
/* Does a copy hold what was acknowledged, as far as this node knows? */
bool	node_is_fresh(const struct node *, enum side);

const char	*node_state_name(enum node_state);
const char	*node_event_name(enum node_event);
const char	*node_reason_name(enum node_reason);

/* For tests: does the pair have a row, and does that row do anything? */
bool	node_has_row(enum node_state, enum node_event);
bool	node_row_ignores(enum node_state, enum node_event);

/* Told of each change of state, for the log; may be NULL. */
extern void (*node_watch)(const struct node *, enum node_state was,
	    enum node_event);

#endif
