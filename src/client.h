/*
 * One client: its requests in order, its session, its place at Redis.
 *
 *            on_data              client_pump            answered
 *   socket ----------> [ waiting | waiting ] --> [ sent | sent ] --> socket
 *                           ^  gate_ask()             |
 *                           +----- bounced, lost -----+
 *
 * Requests of one client are sent, and answered, in the order in which they
 * came. The gate decides when, and to which Redis.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include "hold.h"
#include "pool.h"
#include "session.h"

struct client;
TAILQ_HEAD(client_list, client);

/* What becomes of a client whose command is answered by env's answer(). */
enum client_answer {
	CLIENT_STAYS,
	CLIENT_ENDS,		/* with this answer */
	CLIENT_LATER		/* client_answer_later() will follow */
};

/* What all clients of a thread share. Outlives them. */
struct client_env {
	struct loop		*loop;
	struct gate		*gate;
	struct hold		*hold;
	struct pool		*pool;
	struct tls		*tls;
	size_t			 query_limit;	/* bytes of one request */
	size_t			 output_limit;	/* unread replies, bytes */
	int64_t			 hold_timeout;	/* ms */
	bool			*denied;	/* by cmd_index() */
	struct client_list	 blocked;	/* see client_again.c */
	struct client_list	 again;
	/* Numbers of the hold that is (near), or 0, and of the last's end. */
	uint64_t		 leaving_seq;	/* a VIP is about to go, or 0 */
	struct conn_addr	 leaving;
	uint64_t		 hold_seq;
	uint64_t		 end_seq;

	/* Answers a LOCAL command that is about clients at large. */
	enum client_answer (*answer)(struct client_env *, struct client *,
		    const struct req *, struct buf *out);
	/*
	 * Asks all threads for the client of that id, and its connection to
	 * that side; client_found() is called with the answer. Anew: what it
	 * was told about for another is no longer known there.
	 */
	void	(*find)(struct client_env *, struct client *, uint64_t id,
		    enum side, bool anew);
	/* That client, which was found so, has another connection. */
	void	(*refind)(struct client_env *, uint64_t id);
	/* It ended; its memory goes at the end of the turn. */
	void	(*gone)(struct client_env *, struct client *);
};

/* What others may know of it. */
struct client_facts {
	uint64_t		 id;
	const struct conn	*conn;
	const struct session	*session;
	struct mono		 since;
	struct mono		 active;	/* last request */
	const char		*command;	/* the last one, or "NULL" */
	bool			 blocked;	/* in Redis */
	bool			 replica;	/* it copies Redis */
	bool			 leaving;
	size_t			 query;		/* bytes not answered */
	size_t			 queued;	/* bytes behind its MULTI */
	size_t			 cost;		/* bytes of memory */
	bool			 pinned; /* has a link of its own */
	enum side		 side;	/* where its link is, or NONE */
};

/* Takes over the caller's socket. */
struct client	*client_new(struct client_env *, const struct conn_caller *,
		    uint64_t id);

/* Where it stands in the list of whoever made it. */
TAILQ_HEAD(client_places, client_place);
struct client_place { TAILQ_ENTRY(client_place) link; };
struct client_place	*client_place(struct client *);
struct client	*client_at(struct client_place *);

/*
 * The only way it ends, but for its own leaving: closes the socket, drops
 * what waits, logs the reason. Frees at the end of the turn.
 */
void		 client_end(struct client *, const char *, ...) PRINTF(2, 3);

/*
 * It gets no more than the answers to what was sent for it, then it ends. What
 * waits is dropped and never runs.
 */
void		 client_finish(struct client *);

/*
 * Gives the oldest command that was to be answered later this answer, in
 * its place among the others; what is in the buffer is taken.
 */
void		 client_answer_later(struct client *, struct buf *,
		    enum client_answer);

/*
 * A planned hold may be near: then it gets ready for that, if it listens or is
 * blocked, and has to end what is large.
 * False if there was nothing to do.
 */
bool		 client_on_near(struct client *);

/*
 * Who env's find was to find, and the number by which Redis knows its
 * connection; 0: there is none.
 */
void		 client_found(struct client *, uint64_t who, uint64_t id);

/*
 * That Redis is to send this client what is meant for another: false if it
 * cannot. *id is 0 while there is no connection, or it has no number yet.
 */
bool		 client_be_found(struct client *, enum side, bool anew,
		    uint64_t *id);

/* That client has another connection: this one may have named it. */
void		 client_refind(struct client *, uint64_t id);

/* Env's leaving has changed. */
void		 client_on_leaving(struct client *);

/*
 * Tells it what it has to know of env's hold, if it wants to be told (CLIENT
 * MAINT_NOTIFICATIONS) and is between two replies; again: though it knows.
 */
void		 client_tell(struct client *, bool again);

/*
 * Lets Redis end the command that it is blocked in, how: TIMEOUT or ERROR,
 * as the user of that session; false if it is not.
 */
bool		 client_unblock(struct client *, const char *how,
		    const struct session *by);

/*
 * The gate changed: those that were blocked go on, before others that wait.
 */
void		 client_again_on_gate(struct client_env *);

/* What the pool that clients share must be made with. */
extern const struct pool_ops	client_pool_ops;

/* For hold's queue. */
void		 client_go_on(void *client);
void		 client_expire(void *client, struct mono now);

struct client_facts	client_facts(const struct client *);

#endif
