/*
 * What a client has told Redis about itself, so that it can be told again
 * to another Redis: user, protocol, database, transaction under way.
 *
 * Knows requests and replies, no sockets.
 */
#ifndef SESSION_H
#define SESSION_H

#include "pubsub.h"
#include "req.h"
#include "resp.h"

/* What becomes of the next EXEC. */
enum session_exec {
	SESSION_EXEC_RUN,
	SESSION_EXEC_NIL,	/* a watched key counts as touched */
	SESSION_EXEC_ABORT	/* a queued command was lost */
};

/* Is it told of holds (CLIENT MAINT_NOTIFICATIONS), and of a VIP that moves? */
enum session_told {
	SESSION_UNTOLD,
	SESSION_TOLD,
	SESSION_TOLD_NO_ENDPOINT	/* but not where to */
};

struct session {
	int			 proto;		/* 2 or 3 */
	int			 db;
	char			*user;		/* NULL: default, or none */
	char			*password;	/* NULL: never authenticated */
	char			*db_user;	/* see db_first */
	char			*db_password;
	char			*name;		/* CLIENT SETNAME, or NULL */
	char			*lib_name;
	char			*lib_ver;
	struct req_list		 tx;		/* MULTI and what it queued,
						 * as answered so far */
	struct pubsub		 subs;
	struct req		*tracking; /* CLIENT TRACKING ON ..., or NULL */
	struct req		*caching; /* CLIENT CACHING, for the next one */
	enum session_told	 told : 4;
	enum session_exec	 exec : 4;
	bool			 db_first; /* selected before it was the user,
					    * who may not be allowed to, as
					    * db_user with db_password */
	bool			 in_tx;		/* MULTI was sent */
	bool			 watching;
	bool			 heard_for; /* another's tracking is sent to it,
					     * for as long as it lives */
	bool			 monitors;
	bool			 pinned; /* state that nobody knows */
};

void	session_init(struct session *);
void	session_clear(struct session *);	/* gives all memory back */

/*
 * One or more requests of the client are sent: what follows a MULTI may be
 * queued now.
 */
void	session_on_sent(struct session *, const struct req *);

/* A request of the client was answered: learn from it. */
void	session_on_reply(struct session *, const struct req *r,
	    const struct resp_reply *head);

/* It learns from one that went well. */
void	session_learn(struct session *, const struct req *);

/*
 * Was something queued that concerns the session? Then session_on_exec()
 * must have the whole answer to EXEC, before session_on_reply(): it learns
 * what went well, and puts in what Holdover itself answers (CLIENT GETNAME).
 */
bool	session_awaits_exec(const struct session *);
void	session_on_exec(struct session *, uint64_t id, struct buf *reply);

/* Redis has confirmed one that was asked for. */
void	session_on_subscribed(struct session *, enum pubsub_event,
	    enum pubsub_kind, struct resp_arg name);

/* Its transaction was discarded in the place of an EXEC. */
void	session_on_discarded(struct session *);

/* The connection to Redis is gone, and with it WATCH and what was queued. */
void	session_on_lost(struct session *);

/* A queued command will never reach Redis: the EXEC must fail. */
void	session_on_dropped(struct session *);

/* Is this one whose reply changes what the session is? */
bool	session_changes(const struct req *);

/* Is there anything in Redis that is this client's alone? */
bool	session_needs_own(const struct session *);

/* Commands queued behind its MULTI, -1 outside of one. */
int	session_queued(const struct session *);

/* As CLIENT TRACKING said: the id in REDIRECT, 0: none, -1: no tracking. */
long long	session_redirect(const struct session *);
bool	session_tracks_all(const struct session *);	/* BCAST */

/* Is Redis to tell it something that it does not ask for? */
bool	session_listens(const struct session *);

/* In RESP2 a subscriber may do little else. */
bool	session_only_listens(const struct session *);

/*
 * Do two share a connection: the same user, password, database and
 * protocol? session_copy_key() copies just these.
 */
bool	session_same_key(const struct session *, const struct session *);
void	session_copy_key(struct session *to, const struct session *from);

typedef void session_req_fn(void *arg, struct req *);

/*
 * Make the requests that bring a new connection to where this session is:
 * first who it is, then what it listens to and has queued. Each is handed to
 * fn, which takes it over.
 */
void	session_greet(const struct session *, session_req_fn *, void *arg);
void	session_replay(const struct session *, session_req_fn *, void *arg);

/*
 * What REDIRECT names has another number at each Redis: session_replay() leaves
 * that tracking out, and what would come behind it. This hands it over, to be
 * asked as if by the client; what was queued is its again when answered.
 */
void	session_track_again(struct session *, session_req_fn *, void *arg);

/* Does this HELLO bring a password? */
bool	session_hello_auths(const struct req *);

/*
 * Answers those LOCAL commands that need nothing but the session (and the
 * client's id). False when it is none of them.
 */
bool	session_answer(struct session *, uint64_t id, const struct req *,
	    struct buf *out);

/* Argument i as a C string, NULL when there is none. Free with free(). */
char	*session_arg(const struct req *, long long i);
bool	session_arg_is(const struct req *, long long i, const char *word);

#endif
