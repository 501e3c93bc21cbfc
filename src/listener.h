/*
 * One listening socket: hands on who connects.
 */
#ifndef LISTENER_H
#define LISTENER_H

#include "conn.h"

struct listener;

/* Takes over the socket, which is non-blocking. */
typedef void listener_fn(int fd, void *arg);

/*
 * Listens on the address, whether this machine has it now or not
 * (IP_FREEBIND). The file of a unix socket is made, in the place of one that
 * nobody listens at any more, and removed at the end. NULL with errno.
 */
struct listener	*listener_new(struct loop *, const struct conn_addr *,
		    listener_fn *, void *arg);
void		 listener_free(struct listener *);

#endif
