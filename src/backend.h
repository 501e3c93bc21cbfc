/*
 * One data connection to a Redis: requests out, replies back in order.
 *
 *      backend_send() --> [ r1 r2 r3 ] --> socket
 *                           |
 *      on_reply(r1) <-------+----------- socket
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
	 * Bytes of the reply to r. head tells what kind of reply it is; an
	 * error comes in one piece. At done, r is the callee's again.
	 */
	void	(*on_reply)(void *arg, struct req *r,
		    const struct resp_reply *head, const char *, size_t,
		    bool done);
	/* A push message (RESP3), or anything at all in stream mode. */
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
bool		 backend_idle(const struct backend *);	/* nothing unanswered */

/* Has it requests whose answers say something about keys? */
bool		 backend_keyed(const struct backend *);

/* r stays the caller's, but must live until it is answered or taken back. */
void		 backend_send(struct backend *, struct req *r);

/* Bytes that belong to no request, in stream mode. */
void		 backend_send_raw(struct backend *, const char *, size_t);

/* From now on every byte goes to on_push. Nothing may be unanswered. */
void		 backend_stream(struct backend *);

/*
 * Takes the oldest unanswered request back, NULL when there is none;
 * *maybe_ran tells whether any byte of it left for Redis.
 */
struct req	*backend_take_back(struct backend *, bool *maybe_ran);

/* The gate changed: read again what was left in the socket, if it may. */
void		 backend_on_gate(struct backend *);

/* Back-pressure from the client: do not read replies for now. */
void		 backend_pause(struct backend *);
void		 backend_resume(struct backend *);

#endif
