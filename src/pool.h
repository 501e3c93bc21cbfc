/*
 * Who gets which connection to Redis.
 *
 *   client --> user: name, password, database and protocol
 *                |
 *                +-- SHARED   carries the plain requests of all of them
 *                +-- OWN      one client's, while it needs one
 *                +-- AHEAD    will be that, at the Redis that is about to
 *                |            be the primary
 *                +-- SPARE    was one client's, clean, kept for the next
 *
 * Nothing of a client's session is ever set on a shared link but what its
 * user stands for, and that is set before the first request leaves. What
 * changes a session (AUTH, HELLO, SELECT) is asked on links that carry
 * nothing else. A link is busy with one thing at a time: while the first
 * shared one cannot be read, or has much to do, a second is made.
 *
 * Scripts have links of their own. One that runs for long keeps Redis from
 * reading its connection, while what comes by another is refused (BUSY) or,
 * if it is to end the script, done.
 *
 * One pool belongs to one thread.
 */
#ifndef POOL_H
#define POOL_H

#include "backend.h"
#include "session.h"

struct pool;
struct pool_user;
struct pool_link;

/* What shared links are for. */
enum pool_kind {
	POOL_WORK,		/* the clients' requests */
	POOL_SCRIPTS,		/* what runs scripts */
	POOL_ALONE,		/* what Redis answers whatever else it does */
	POOL_CHECK,		/* HELLO and SELECT, as this user */
	POOL_AUTH		/* AUTH: no user's */
};

/* Everything that has an owner is told to the owner of the request. */
struct pool_ops {
	/* As in struct backend_ops. */
	void	(*on_reply)(void *owner, struct req *,
		    const struct resp_reply *head, const char *, size_t,
		    bool done);
	void	(*on_split)(void *owner, struct req *,
		    struct req_list *singles);
	/* Only for a link of its own, there, or one ahead. */
	void	(*on_push)(void *owner, enum side, const char *, size_t);
	/*
	 * A link is gone, and this was not answered on it. Then, for a link
	 * of its own or ahead, on_lost(). Neither ends the client at once.
	 */
	void	(*on_back)(void *owner, struct req *, bool maybe_ran);
	void	(*on_lost)(void *owner, enum side);
	/*
	 * Redis refused what makes a link this user's: its answer to which
	 * command. All that the owner had on the link came back before.
	 */
	void	(*on_unwelcome)(void *owner, const char *command,
		    const char *answer);
	/*
	 * Redis runs a script and could not make a link this user's. The
	 * error is the answer to r, which was not sent. Then, for a link of
	 * its own, on_lost().
	 */
	void	(*on_busy)(void *owner, struct req *r, const char *error);
	/*
	 * Its reply cannot be read on because it takes no more, and others
	 * wait behind it, for a second or two.
	 */
	void	(*on_slow)(void *owner);
	/* All that was sent on its own link has left, after a while. */
	void	(*on_room)(void *owner);
	/* The gate has changed, and a link of its own, or ahead, goes on. */
	void	(*on_gate)(void *owner);
	/* All that made its link there this owner's has been answered. */
	void	(*on_ready)(void *owner, enum side);
	/* pool_ask_id() was answered: all before that has reached Redis. */
	void	(*on_id)(void *owner);
	/*
	 * Reads go to another Redis now, and its own link listens at this
	 * one. It may be told more than once.
	 */
	void	(*on_moved)(void *owner);
	/* Its own link carried nothing for a second or two. */
	void	(*on_idle)(void *owner);
};

struct pool	*pool_new(struct loop *, struct gate *,
		    const struct pool_ops *);
void		 pool_free(struct pool *);

/* The addresses of both Redis by side. */
void		 pool_set_redis(struct pool *, const struct conn_addr redis[2]);

/* The gate changed. */
void		 pool_on_gate(struct pool *);

/* The user of that session; give each back by pool_user_put(). */
struct pool_user	*pool_user_get(struct pool *, const struct session *);
void			 pool_user_put(struct pool_user *);

/*
 * The link that sharers use now to reach that side; NULL when there are too
 * many users for one more to share: then it needs its own.
 */
struct pool_link	*pool_shared(struct pool_user *, enum side);

/* The same for what is not plain work. */
struct pool_link	*pool_shared_for(struct pool_user *, enum side,
			    enum pool_kind);

/* A link for this owner alone. */
struct pool_link	*pool_own(struct pool_user *, enum side, void *owner);

/*
 * One more for an owner whose own is at the other side, while a planned hold
 * is near; lost when there is no switch after all. pool_take_ahead() makes it
 * its own.
 */
struct pool_link	*pool_ahead(struct pool_user *, enum side,
			    void *owner);
void			 pool_take_ahead(struct pool_link *);

/*
 * Takes a link of its own back: nothing is unanswered, and it is as this
 * user's are.
 */
void		 pool_return(struct pool_link *, struct pool_user *);

/*
 * Closes a link of its own. Its requests are the owner's again as if they
 * had come back.
 */
void		 pool_drop(struct pool_link *);
/* The same soon, a few at a time: while writes are held others are waiting. */
void		 pool_drop_later(struct pool_link *);

/* Tells links apart, also from those that are no more; never 0. */
uint64_t	 pool_link_number(const struct pool_link *);

/*
 * The link of that number, for this owner alone: if it is still there, is of
 * that user, and nobody else's own. NULL otherwise; *later: nobody is sent
 * there any more, and when all answers are in, it can be had.
 */
struct pool_link	*pool_claim(struct pool_user *, enum side,
			    uint64_t number, void *owner, bool *later);

/*
 * A link of its own bears its owner's name (NULL: none), which SLOWLOG shows.
 * Whoever sends what may change that says so by pool_name_lost().
 */
void		 pool_name(struct pool_link *, const char *name);
void		 pool_name_lost(struct pool_link *);

/*
 * What Redis calls the connection: 0 until the answer to pool_ask_id() has
 * come, which asks once.
 */
void		 pool_ask_id(struct pool_link *);
void		 pool_ask_id_again(struct pool_link *); /* though it is known */
uint64_t	 pool_link_id(const struct pool_link *);
bool		 pool_link_asks_id(const struct pool_link *); /* unanswered */

bool		 pool_link_own(const struct pool_link *);
bool		 pool_link_checks(const struct pool_link *); /* CHECK, AUTH */
bool		 pool_link_runs(const struct pool_link *);	/* SCRIPTS */
/* Has Redis taken its user, so that what is sent leaves at once? */
bool		 pool_link_greeted(const struct pool_link *);
enum side	 pool_link_side(const struct pool_link *);

/* It is lost, and its requests are about to come back. */
bool		 pool_link_lost(const struct pool_link *);

/* For backend_send() and the like. */
struct backend	*pool_backend(struct pool_link *);

/* Loses it: for a Redis in the wrong role. Not at once. */
void		 pool_lose(struct pool_link *);

/* A line for each link. */
void		 pool_list(const struct pool *, struct buf *out);

#endif
