/*
 * All clients of one thread: counting, finding, showing, and what happens
 * to all of them at once. What is asked about the clients of all threads
 * goes from one to the next as a round.
 */
#ifndef CLIENTS_H
#define CLIENTS_H

#include "client.h"
#include "conf.h"

struct clients;
struct clients_round;

/*
 * A question to the clients of every thread: it visits them one after the
 * other, each on its own thread, and comes home to the thread that sent it.
 * Embedded in what it gathers; home() frees it. Rounds of one thread come
 * home in the order in which they were sent.
 */
typedef void clients_visit_fn(struct clients *, struct clients_round *);
struct clients_round {
	clients_visit_fn	*visit;	/* NULL: it only passes by */
	void			(*home)(struct clients_round *);
	/* of whoever carries it */
	struct loop_message	 message;
	struct loop		*home_loop;
	void			*carrier;
	size_t			 at;
};

/* What the clients of one thread need of those who know all threads. */
struct clients_ops {
	/* Carries it round, and home to that loop. */
	void	(*round)(struct clients_round *, struct loop *home, void *arg);
	/* A client has come, or gone. */
	void	(*moved)(const struct conn *, bool came, void *arg);
	void	*arg;
};

/* The gate is a replica. Everything but the conf outlives the clients. */
struct clients	*clients_new(struct loop *, struct gate *,
		    struct hold_memory *, struct tls *, const struct conf *,
		    const struct clients_ops *);
void		 clients_free(struct clients *);
void		 clients_set_conf(struct clients *, const struct conf *);

/* The addresses of both Redis by side; needed before the gate opens. */
void		 clients_set_redis(struct clients *,
		    const struct conn_addr redis[2]);

/* Takes over the caller's socket; the id is of no other client. */
void		 clients_add(struct clients *, const struct conn_caller *,
		    uint64_t id);

/*
 * The VIP is about to leave, or with NULL stays after all: tells those who
 * came by it, if they asked to be told. Who comes by it meanwhile is not read,
 * and so takes the reset that follows for a connection that did not come off.
 */
void		 clients_leaving(struct clients *,
		    const struct conn_addr *vip, uint64_t seq);

/*
 * The VIP has left this machine: resets every client that came by it, up to
 * the one with the id last, with the VIP as sender if the process may
 * (CAP_NET_ADMIN), so that they notice at once. Returns how many.
 */
size_t		 clients_farewell(struct clients *,
		    const struct conn_addr *vip, uint64_t last);

/* Ends each client when what was sent for it is answered. */
void		 clients_finish(struct clients *);

/*
 * Ends the client of that id (0: any) and that address (NULL: any). Returns
 * how many.
 */
size_t		 clients_kill(struct clients *, uint64_t id,
		    const char *addr);

/* For its report, which any thread may ask for. */
const struct hold	*clients_hold(const struct clients *);

/* Appends CLIENT LIST's lines. */
void		 clients_list(struct clients *, struct buf *out);

/* Appends a line for each of their connections to Redis. */
void		 clients_list_links(const struct clients *, struct buf *out);

#endif
