/*
 * A control link to one Redis: asks it how it is, and tells it what to be.
 * A bufferevent with hiredis' formatter and reader, RESP2.
 *
 * The link reconnects by itself. What it says of Redis' health comes from
 * its own connection alone: "refused" is proof that no process listens,
 * silence is not.
 */
#ifndef REDIS_H
#define REDIS_H

#include <event2/event.h>
#include <hiredis/hiredis.h>

#include "conn.h"
#include "info.h"

struct redis;

enum redis_link {
	REDIS_DOWN,	/* not connected; the last try did not say why */
	REDIS_REFUSED,		/* connecting is refused: nothing listens */
	REDIS_UNTRUSTED,	/* it listens, but TLS with it failed */
	REDIS_DENIED,	/* it says no: user, password, protected mode */
	REDIS_LINKED
};

/* Something about it changed, or a poll was answered. */
typedef void redis_changed_fn(struct redis *, void *arg);

/*
 * The answer to one command; NULL when there will be none, because the
 * connection is gone or the time is over. The reply is freed afterwards.
 */
typedef void redis_reply_fn(struct redis *, redisReply *, void *arg);

struct redis_opts {
	struct conn_addr	 addr;
	const char		*label;		/* for the log: "redis a" */
	const char		*user;		/* or NULL */
	const char		*password;	/* or NULL */
	int			 poll_ms;
	unsigned		 rests;	/* polls left out while all is well */
};

/* Connects and polls at once. The strings are copied. */
struct redis	*redis_new(struct event_base *, const struct redis_opts *,
		    redis_changed_fn *, void *arg);
void		 redis_free(struct redis *);

enum redis_link	 redis_link(const struct redis *);
const struct info	*redis_info(const struct redis *);
struct mono	 redis_heard(const struct redis *); /* last INFO; 0: never */
/*
 * Counts its connections. What was read over an older one may have been said
 * by another process: an order needs an INFO that is current.
 */
unsigned	 redis_connection(const struct redis *);
bool		 redis_is_current(const struct redis *);
const struct conn_addr	*redis_addr(const struct redis *);

/* What is wrong with TLS to it while it is REDIS_UNTRUSTED; else "". */
const char	*redis_distrust(const struct redis *);

/* CLIENT SETNAME now, and after each reconnect. */
void	redis_set_name(struct redis *, const char *);

/*
 * Asks INFO now, unless an answer is awaited already: so each is asked for
 * after the one before it was answered. And how many were answered.
 */
void	redis_poll(struct redis *);
unsigned redis_polls(const struct redis *);

/* Puts a fresher INFO into place, as if polled. */
void	redis_set_info(struct redis *, const struct info *);

/*
 * Sends one command, ended by NULL. It is never sent again: when the
 * connection is gone its fn gets NULL, at once if there is none.
 */
void	redis_command(struct redis *, redis_reply_fn *, void *arg,
	    int timeout_ms, ...) __attribute__((__sentinel__));
/* The same, of any bytes. */
void	redis_command_argv(struct redis *, redis_reply_fn *, void *arg,
	    int timeout_ms, int argc, const char **argv, const size_t *len);

#endif
