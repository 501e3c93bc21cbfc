/*
 * One data connection to a Redis: requests out, replies back in order.
 *
 *      backend_send() --> [ r1 r2 r3 ] --> socket
 *                           |
 *      on_reply(r1) <-------+----------- socket
 *
 * What is sent in one turn of the loop leaves in one write.
 *
 * It streams: a reply is handed on in the pieces in which it comes, however
 * large. Replies that the gate does not let out are not read: they wait in
 * the socket until the gate changes.
 */
#ifndef BACKEND_H
#define BACKEND_H

#include "conn.h"
#include "gate.h"
#include "req.h"
#include "resp.h"

struct backend;

struct backend_ops {
	/*
	 * Bytes of the replies to r: one or more whole ones, none of them an
	 * error, or one error, whole, or a piece of a reply (then head->todo
	 * is not 0). head tells of what kind the last one is. At done all of
	 * r is answered, and r is the callee's again.
	 */
	void	(*on_reply)(void *arg, struct req *r,
		    const struct resp_reply *head, const char *, size_t,
		    bool done);
	/*
	 * One of the run r was refused by Redis for its own state, or for a
	 * script that it does not know: from now
	 * on single requests stand for what is unanswered of it. The callee
	 * links them (by of_client) in r's place and lets go of r.
	 */
	void	(*on_split)(void *arg, struct req *r, struct req_list *singles);
	/* All that was to be sent has left, after a while. */
	void	(*on_room)(void *arg);
	/* A whole push message, or anything at all in stream mode. */
	void	(*on_push)(void *arg, const char *, size_t);
	/* The connection is gone; error is 0 or errno. See backend_lost(). */
	void	(*on_lost)(void *arg, int error);
};

struct backend	*backend_new(struct loop *, struct gate *, enum side,
		    const struct conn_addr *, const struct backend_ops *,
		    void *arg);

/*
 * The requests it still has must have been taken back by then. Not from
 * inside one of its callbacks: there, backend_silence() it first.
 */
void		 backend_free(struct backend *);

/* Never calls back again. */
void		 backend_silence(struct backend *);

enum side	 backend_side(const struct backend *);
bool		 backend_between(const struct backend *); /* two replies */
bool		 backend_idle(const struct backend *);	/* nothing unanswered */
size_t		 backend_unanswered(const struct backend *);	/* requests */
size_t		 backend_load(const struct backend *);	/* their bytes */

/*
 * What it waits for: another number after each reply that has come whole, 0
 * when nothing is unanswered.
 */
uint64_t	 backend_awaited(const struct backend *);

/* Has it requests whose answers say something about keys? */
bool		 backend_keyed(const struct backend *);

/* r stays the caller's, but must live until it is answered or taken back. */
void		 backend_send(struct backend *, struct req *r);

/*
 * What is sent from here on does not leave before backend_uncork(): what
 * comes first decides whether it may.
 */
void		 backend_cork(struct backend *);
void		 backend_uncork(struct backend *);

/* Has it been used, so that what is sent leaves at once? */
bool		 backend_ready(const struct backend *);
size_t		 backend_pending(const struct backend *); /* bytes not sent */

/* The rest of the last request, or in stream mode anything. */
void		 backend_send_raw(struct backend *, const char *, size_t);

/* From now on every byte goes to on_push. Nothing may be unanswered. */
void		 backend_stream(struct backend *);

/* Does it hear what nobody asks for now, and in which form? */
enum backend_ear {
	BACKEND_DEAF,
	BACKEND_PUSHES,		/* RESP3: pushes have a type of their own */
	BACKEND_IN_BAND		/* RESP2: arrays like any other */
};
void		 backend_listen(struct backend *, enum backend_ear);

/*
 * Takes the oldest unanswered request back, NULL when there is none;
 * *maybe_ran tells whether any byte of it left for Redis.
 */
struct req	*backend_take_back(struct backend *, bool *maybe_ran);

/*
 * Did Redis refuse it for a state that will change, so that it certainly did
 * not run? That a new primary lacks replicas (NOREPLICAS) is one.
 */
bool		 backend_is_bounce(const struct backend *,
		    const struct resp_reply *);

/* Are there replies that are not read, so that others had to wait? */
bool		 backend_stuck(const struct backend *);
bool		 backend_streams(const struct backend *);
bool		 backend_listens(const struct backend *);

/* The gate changed: read again what was left in the socket, if it may. */
void		 backend_on_gate(struct backend *);

/*
 * Back-pressure from a client: do not read replies for now. It is read
 * again when each of those who paused it has resumed it.
 */
void		 backend_pause(struct backend *, void *owner);
void		 backend_resume(struct backend *);

/* Who paused it last, if requests of others wait for that; else NULL. */
void		*backend_choker(const struct backend *);

#endif
