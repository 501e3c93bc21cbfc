/*
 * One listening socket: hands on who connects.
 */
#ifndef LISTENER_H
#define LISTENER_H

#include "conn.h"

struct listener;

/* Takes over the caller's socket. */
typedef void listener_fn(const struct conn_caller *, void *arg);

/*
 * Listens on the address, whether this machine has it now or not
 * (IP_FREEBIND). The file of a unix socket is made, in the place of one that
 * nobody listens at any more, and removed at the end. how is each caller's.
 * NULL with errno: EADDRINUSE where anybody else listens.
 */
struct listener	*listener_new(struct loop *, const struct conn_addr *,
		    unsigned how, listener_fn *, void *arg);

/*
 * One more at the same address, for another thread: the kernel gives each
 * caller to one of them, at random. NULL with errno; not for a unix socket.
 */
struct listener	*listener_beside(const struct listener *, struct loop *,
		    void *arg);

/* Hands on now those who have connected already. */
void		 listener_accept(struct listener *);

/* Nobody can connect any more. May be called by any thread. */
void		 listener_shut(struct listener *);
void		 listener_free(struct listener *);

#endif
