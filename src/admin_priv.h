/*
 * Shared by admin.c (connections), admin_verbs.c (what they may say) and
 * admin_show.c (what there is to see), and by nobody else.
 */
#ifndef ADMIN_PRIV_H
#define ADMIN_PRIV_H

#include <event2/bufferevent.h>
#include <event2/listener.h>

#include "admin.h"
#include "resp.h"

#define ADMIN_LISTENERS		8
#define ADMIN_PASSWORD		512	/* bytes, the NUL with them */

enum admin_permission { READER, OPERATOR };

enum admin_state {
	ADMIN_OPEN,
	ADMIN_WAITING,		/* for an order that is being carried out */
	ADMIN_EVENTS,		/* gets every line that is logged */
	ADMIN_CLOSING		/* when what was written has left */
};

struct admin_conn {
	TAILQ_ENTRY(admin_conn)	 link;
	struct admin		*admin;
	struct conn_addr	 addr;	/* where it comes from */
	struct bufferevent	*bev;
	struct resp_request	 framing;
	enum admin_state	 state;
	enum admin_permission	 role;
	struct buf		 out;	/* the answer under way */
	struct admin_round	*round;	/* awaited, or NULL */
};

/* What all workers are asked, or have to do before the answer is true. */
struct admin_round {
	struct clients_round	 round;	/* first: see ..._of() */
	struct admin_conn	*conn;	/* NULL: it has gone */
	void			(*done)(struct admin_conn *,
				    struct admin_round *);
	struct buf		 text;
	uint64_t		 id;	/* of CLIENT KILL, or 0 */
	char			*addr;	/* the same, or NULL */
	size_t			 killed;
};

struct admin {
	struct admin_env		 env;
	char				*password;	/* NULL: none */
	struct evconnlistener		*listener[ADMIN_LISTENERS];
	size_t				 listeners;
	_Atomic size_t			 events;	/* in ADMIN_EVENTS */
	TAILQ_HEAD(, admin_conn)	 all;
	size_t				 count;
};

/* The words of one request; none has a NUL in it. */
struct admin_args {
	int	  argc;
	char	**argv;
};

/* Writes what is in c->out. */
void	admin_send(struct admin_conn *);
/* Runs what has come, one after the other; an order is over. */
void	admin_serve(struct admin_conn *);
/* One request; its answer, or the first of it, is sent. */
void	admin_run(struct admin_conn *, const struct admin_args *);

/* Text of INFO; section NULL: all. False when there is no such section. */
bool	admin_text_info(const struct admin_env *, const char *section,
	    struct buf *) MUST_CHECK;

void	admin_text_status(const struct admin_env *, struct buf *);
void	admin_text_summary(const struct admin_env *, struct buf *);

/* The answer to SHOW SWITCHES. */
void	admin_add_switches(const struct admin_env *, struct buf *);

/* Text of the others, but CLIENTS; false when there is nothing of that name. */
bool	admin_text_show(const struct admin_env *, const char *what,
	    struct buf *) MUST_CHECK;

#endif
