/*
 * What one client sent and one backend carries: its bytes, what it is, and
 * how far it got. It is one request, or several that travel together and
 * take as many replies:
 *
 *   RUN   plain requests that came one behind another (often just one); it
 *         can be split into ONEs
 *   ONE   any other request
 *   TX    MULTI ... EXEC that came in one piece; it stays one
 *
 *   WAITING --sent--> SENT --answered--> gone
 *      ^                |
 *      |                +--refused by Redis--> BOUNCED --+
 *      +-------------------------------------------------+
 *      +--answered by Holdover itself--> DONE --its turn--> gone
 */
#ifndef REQ_H
#define REQ_H

#include <sys/queue.h>

#include "buf.h"
#include "cmd.h"
#include "util.h"

enum req_kind { REQ_ONE, REQ_RUN, REQ_TX };

enum req_state {
	REQ_WAITING,	/* for its turn or for the gate */
	REQ_SENT,	/* handed to a backend, not answered */
	REQ_BOUNCED,	/* Redis refused it, reply has the refusal */
	REQ_DONE	/* reply has the whole answer, waiting for its turn */
};

/* Who asked, and so who gets the answer. */
enum req_from {
	REQ_CLIENT,
	REQ_SESSION,	/* Holdover, to rebuild a session; nobody is answered */
	REQ_NOBODY	/* a client that has gone; the pool frees it */
};

TAILQ_HEAD(req_list, req);

struct req {
	TAILQ_ENTRY(req)	 of_client;	/* in the order of arrival */
	TAILQ_ENTRY(req)	 of_backend;	/* in the order of sending */
	const struct cmd	*cmd;		/* the first one's */
	void			*owner;		/* of that client */
	enum cmd_class		 class;		/* the strictest of them; may be
						 * stricter than cmd's */
	enum req_kind		 kind;
	enum req_from		 from;
	enum req_state		 state;
	bool			 held;		/* counted as one that waited */
	bool			 partly; /* some of an answer went out */
	bool			 passed; /* its bytes are but its front: the
					 * rest is passed on as it comes */
	bool			 open;	/* and has not all come */
	bool			 silent; /* nobody wants to hear the reply */
	bool			 refused; /* one of a TX was, as if bounced */
	bool			 in_tx;	/* MULTI, or queued behind one */
	bool			 script; /* one of them runs one */
	bool			 blocks; /* may wait in Redis */
	bool			 fenced; /* answered by pushes, or one error;
					 * then the reply to a PING ends it */
	unsigned		 n;		/* replies that it takes */
	unsigned		 answered;	/* replies that came whole */
	unsigned		 writes;	/* of n */
	struct mono		 since;		/* when it began to wait */
	struct mono		 asked;		/* when its time-out began */
	uint64_t		 sent_from;	/* its first byte's place in the
						 * backend's stream */
	struct buf		 reply;
	struct req		*meant;	/* what the client sent, if this only
					 * asks Redis whether it may; or NULL */
	long long		 argc;		/* of ONE */
	size_t			 len;
	char			 bytes[];	/* whole multibulk requests */
};

/* Copies the bytes. One request. */
struct req	*req_new(const struct cmd *, enum req_from, long long argc,
		    const char *, size_t);
void		 req_free(struct req *);

/* The thread ends: gives back the memory that was kept for the next. */
void		 req_forget(void);

/* The same with n requests in the bytes, writes of them being writes. */
struct req	*req_several(enum req_kind, const struct cmd *first,
		    enum cmd_class, unsigned n, unsigned writes,
		    const char *, size_t);

/*
 * Makes single requests out of those of a run that are not answered, linked
 * by of_client at the end of out. The run itself stays as it is.
 */
void		 req_split(const struct req *, struct req_list *out);

/*
 * Where the time-out of XREAD and XREADGROUP stands: behind BLOCK, among the
 * options before STREAMS. 0 if there is none; -1 if that is not easily said.
 */
long long	 req_block_at(const struct req *);

/*
 * Takes the replies that a run has kept: makes a run of those of its requests
 * that they answer. Not together with what req_split() made of the others.
 */
struct req	*req_split_done(struct req *);

/* The same request once more, as Holdover's own. */
struct req	*req_again(const struct req *);

/* Memory that it stands for, for limits. */
static inline size_t
req_cost(const struct req *r)
{
	return sizeof(*r) + r->len + buf_len(&r->reply) +
	    (r->meant != NULL ? r->meant->len : 0);
}

/*
 * May it be sent again when nobody knows whether it ran? Only what reads
 * or touches no key, is not large, is all here and was not answered in part.
 */
bool		 req_repeatable(const struct req *);

#endif
