/*
 * Shared by pool.c (users, ticks and the gate), pool_link.c (the life of a
 * link, and what it says) and pool_find.c (who gets which), and by nobody
 * else.
 */
#ifndef POOL_PRIV_H
#define POOL_PRIV_H

#include "pool.h"

#define POOL_BUCKETS		256

/*
 * A BUSY one is shared, but takes no more until a script has ended, or Redis'
 * pause. A RETIRED one was shared; it goes when its last reply is in.
 */
enum pool_role {
	POOL_SHARED,
	POOL_BUSY,
	POOL_RETIRED,
	POOL_OWN,
	POOL_AHEAD,
	POOL_SPARE,
	POOL_LOST
};

/* By which command it may ask what Redis calls a connection. */
enum pool_id {
	POOL_ID_UNKNOWN,
	POOL_ID_CLIENT,		/* CLIENT ID */
	POOL_ID_HELLO		/* nobody is denied that */
};

struct pool_user {
	LIST_ENTRY(pool_user)	 of_bucket;
	struct pool		*pool;
	enum pool_kind		 kind;
	struct session		 key;	/* only what session_copy_key() does */
	size_t			 refs;	/* clients and links */
	enum pool_id		 id_by;
	struct pool_link	*shared[2];	/* in use now, or NULL */
	LIST_HEAD(, pool_link)	 sharing[2];	/* SHARED and BUSY, by side */
	LIST_HEAD(, pool_link)	 spare[2];	/* by side */
};

struct pool_link {
	TAILQ_ENTRY(pool_link)	 of_pool;
	LIST_ENTRY(pool_link)	 of_user;	/* by role; or of dropped */
	LIST_ENTRY(pool_link)	 of_scripts;
	struct pool_user	*user;
	struct backend		*backend;
	void			*owner;		/* of one OWN or AHEAD */
	enum pool_role		 role;
	enum side		 side;
	uint64_t		 number;
	char			*name;		/* that Redis knows, or NULL */
	bool			 name_lost;	/* it may be another one */
	bool			 id_asked;
	unsigned		 ids;		/* asked for, unanswered */
	uint64_t		 id;		/* what Redis calls it, or 0 */
	unsigned		 greetings;	/* unanswered */
	unsigned		 idle;		/* ticks */
	unsigned		 choked;	/* ticks */
	unsigned		 age;		/* ticks */
	uint64_t		 awaited;	/* at the last look */
	struct loop_task	 lose;
	struct loop_task	 bury;
};

struct pool {
	struct loop			*loop;
	struct gate			*gate;
	const struct pool_ops		*ops;
	struct conn_addr		 redis[2];
	TAILQ_HEAD(, pool_link)		 links;
	uint64_t			 last_number;
	LIST_HEAD(, pool_user)		 users[POOL_BUCKETS];
	size_t				 shared; /* links of that role */
	size_t				 spare;
	LIST_HEAD(, pool_link)		 dropped;	/* but not closed */
	struct event			*close;
	struct event			*tick;
	LIST_HEAD(, pool_link)		 scripts;
	struct event			*look;	/* while scripts run, or
						 * Redis pauses */
	bool				 looks;
	bool				 paused;
};

/* One of that key and kind; pool_user_put() it. */
struct pool_user	*pool_user_find(struct pool *, enum pool_kind,
			    const struct session *);
/* Looks at what waits for a script, or in Redis' pause, in a while. */
void	pool_look_soon(struct pool *);

/* pool_link.c */
struct pool_link	*pool_link_new(struct pool_user *, enum side,
			    enum pool_role);
void	pool_set_role(struct pool_link *, enum pool_role);
/* Nothing is unanswered on it: it is closed, when the turn is over. */
void	pool_bury(struct pool_link *);
void	pool_bury_cb(void *link);	/* at once */
void	pool_on_close(evutil_socket_t, short, void *pool);

#endif
