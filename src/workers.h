/*
 * The data plane as a whole: the threads that serve clients, the sockets
 * that they connect to, and what is said to all of them.
 *
 * Each worker has its own event base, gate replica, clients and counters;
 * nothing of it is touched by another thread. All that passes between them
 * and the main thread are messages. The functions are for the main thread.
 */
#ifndef WORKERS_H
#define WORKERS_H

#include "clients.h"

struct workers;

/*
 * As many as the conf says, 0: one for each core, at most
 * WORKERS_BY_DEFAULT. They run from workers_start() until workers_stop(),
 * which returns when they have ended and all that they still had to say was
 * heard. The gate is the master, whose changes they follow.
 */
#define WORKERS_BY_DEFAULT	4
struct workers	*workers_new(struct loop *, struct gate *, struct tls *,
		    const struct conf *);
void		 workers_start(struct workers *);
void		 workers_stop(struct workers *);
void		 workers_free(struct workers *);	/* stopped */
size_t		 workers_count(const struct workers *);
/* Clients of worker i. */
size_t		 workers_load(const struct workers *, size_t i);

/* Before they start: see clients_set_redis(). */
void		 workers_set_redis(struct workers *,
		    const struct conn_addr redis[2]);

/* Keeps the conf until all have taken over what they need: conf_keep(). */
void		 workers_set_conf(struct workers *, struct conf *);

/*
 * Clients may connect to this address: each worker accepts, and hands on who
 * makes it too uneven. Before they start. False with errno; see
 * listener_new().
 */
bool		 workers_listen(struct workers *, const struct conn_addr *,
		    unsigned how) MUST_CHECK;

/*
 * Told of those who connect to that host, by the address they come from,
 * and again when they have gone. One watcher, set before they start.
 */
typedef void workers_watch_fn(const char *peer, bool came, void *arg);
void		 workers_watch(struct workers *, const struct conn_addr *at,
		    workers_watch_fn *, void *arg);

/* See clients_leaving(). */
void		 workers_leaving(struct workers *,
		    const struct conn_addr *vip);

/* See clients_farewell(); how many they were is logged. */
void		 workers_farewell(struct workers *,
		    const struct conn_addr *vip);

/*
 * Accepts nobody any more, and ends each client when what was sent for it
 * is answered; workers_clients() says how many are left.
 */
void		 workers_finish(struct workers *);
size_t		 workers_clients(const struct workers *);

/* Of all holds together. */
struct hold_report	workers_hold_report(const struct workers *);

/*
 * Sends a round, which comes home to the main thread. What was said to the
 * workers before it has been done when it is home.
 */
void		 workers_round(struct workers *, struct clients_round *);

#endif
