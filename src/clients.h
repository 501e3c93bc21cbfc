/*
 * All clients of one thread: listening, counting, finding, showing, and
 * what happens to all of them at once.
 */
#ifndef CLIENTS_H
#define CLIENTS_H

#include "client.h"
#include "conf.h"

struct clients;

struct clients	*clients_new(struct loop *, struct gate *,
		    const struct conf *);
void		 clients_free(struct clients *);
void		 clients_set_conf(struct clients *, const struct conf *);

/* The addresses of both Redis by side; needed before the gate opens. */
void		 clients_set_redis(struct clients *,
		    const struct conn_addr redis[2]);

/*
 * Listens on the address, whether this machine has it now or not
 * (IP_FREEBIND). False with errno.
 */
bool	clients_listen(struct clients *, const struct conn_addr *) MUST_CHECK;

/*
 * The VIP has left this machine: resets every client that came by it, with
 * the VIP as sender if the process may (CAP_NET_ADMIN), so that they notice
 * at once. Returns how many.
 */
size_t	clients_farewell(struct clients *, const struct conn_addr *vip);

/* Told of each client when it came, and when it has gone. */
typedef void clients_moved_fn(const struct conn *, bool came, void *arg);
void	clients_watch(struct clients *, clients_moved_fn *, void *arg);

/*
 * Accepts nobody any more, and ends each client when what was sent for it
 * is answered; clients_count() says how many are left.
 */
void	clients_finish(struct clients *);

/*
 * Ends the client of that id (0: any) and that address (NULL: any). Returns
 * how many.
 */
size_t	clients_kill(struct clients *, uint64_t id, const char *addr);

size_t	clients_count(const struct clients *);
struct hold	*clients_hold(struct clients *);

/* Appends CLIENT LIST's lines. */
void	clients_list(struct clients *, struct buf *out);

#endif
