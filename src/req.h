/*
 * One request of one client: its bytes, what it is, and how far it got.
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

enum req_state {
	REQ_WAITING,	/* for its turn or for the gate */
	REQ_SENT,	/* handed to a backend, not answered */
	REQ_BOUNCED,	/* Redis refused it, reply has the refusal */
	REQ_DONE	/* reply has the whole answer, waiting for its turn */
};

/* Who asked, and so who gets the answer. */
enum req_from {
	REQ_CLIENT,
	REQ_SESSION	/* Holdover, to rebuild a session; nobody is answered */
};

TAILQ_HEAD(req_list, req);

struct req {
	TAILQ_ENTRY(req)	 of_client;	/* in the order of arrival */
	TAILQ_ENTRY(req)	 of_backend;	/* in the order of sending */
	const struct cmd	*cmd;
	enum cmd_class		 class;		/* may be stricter than cmd's */
	enum req_from		 from;
	enum req_state		 state;
	bool			 held;		/* counted as one that waited */
	bool			 partly; /* some of its answer went out */
	bool			 in_tx;	/* MULTI, or queued behind one */
	struct mono		 since;		/* when it began to wait */
	uint64_t		 sent_from;	/* its first byte's place in the
						 * backend's stream */
	struct buf		 reply;
	long long		 argc;
	size_t			 len;
	char			*bytes;		/* a whole multibulk request */
};

/* Copies the bytes. */
struct req	*req_new(const struct cmd *, enum req_from, long long argc,
		    const char *, size_t);
void		 req_free(struct req *);

/* The same request once more, as Holdover's own. */
struct req	*req_again(const struct req *);

/* Memory that it stands for, for limits. */
size_t		 req_cost(const struct req *);

/*
 * May it be sent again when nobody knows whether it ran? Only what reads
 * or touches no key, is not large and was not answered in part.
 */
bool		 req_repeatable(const struct req *);

#endif
