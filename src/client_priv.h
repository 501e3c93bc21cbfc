/*
 * What the files of client share; see client.h.
 *
 *	client.c	its life: socket, limits, the gate
 *	client_take.c	bytes to requests
 *	client_send.c	requests to Redis
 *	client_reply.c	replies to the client
 *	client_listen.c	what Redis tells it unasked
 *	client_ahead.c	where it will be told, before a planned switch
 *	client_back.c	what becomes of requests that are not answered
 *	client_block.c	the rest of a time-out
 *	client_again.c	what was blocked, over a switch
 *	client_script.c	scripts that a new primary does not know
 *	client_local.c	what Holdover answers by itself
 *	client_redirect.c  the client that CLIENT TRACKING names
 *	client_push.c	what Holdover tells it unasked
 */
#ifndef CLIENT_PRIV_H
#define CLIENT_PRIV_H

#include "client.h"

/*
 * Requests and replies longer than this pass through a connection of the
 * client's own, and the client keeps it for that many requests more.
 */
#define CLIENT_LARGE		(32 * 1024)
#define CLIENT_HEAVY		32

/* Up to here nobody asks whether it is too much. */
#define CLIENT_CHEAP		(32 * 1024)

/* Nothing more is sent for a client that has so much to read. */
#define CLIENT_UNREAD		(256 * 1024)

enum client_state {
	CLIENT_OPEN,
	CLIENT_STREAM,		/* requests and replies no longer pair */
	CLIENT_LEAVING,		/* not read any more; answers go out */
	CLIENT_DEAD
};

/* What becomes of a request that is too large to be gathered. */
enum client_large {
	CLIENT_SMALL,		/* there is none */
	CLIENT_PASSES,		/* the last of reqs: passed on as it comes */
	CLIENT_DROPS		/* it was answered: its rest is dropped */
};

/* What becomes of replies: CLIENT REPLY. */
enum client_voice {
	CLIENT_TALKS,
	CLIENT_SKIPS,		/* the next one */
	CLIENT_SILENT
};

/* See client_listen.c. */
enum client_listen {
	CLIENT_DEAF,
	CLIENT_HEARS,		/* at its link */
	CLIENT_HEARS_OUT,	/* the last that an old link has */
	CLIENT_UNHEARD,		/* it has no link */
	CLIENT_HEARS_ANEW	/* what it listens to is being made anew */
};

/* See client_redirect.c. */
enum client_redirect {
	CLIENT_NOT_ASKED,
	CLIENT_ASKED,		/* who it is that a request names */
	CLIENT_TOLD
};

/* See client_again.c. */
enum client_block {
	CLIENT_AWAKE,
	CLIENT_BLOCKED,
	CLIENT_ASKS_AGAIN,	/* in its turn */
	CLIENT_ASKED_AGAIN	/* but Redis may not have it yet */
};

/* There may be a hundred thousand idle ones: small things stand together. */
struct client {
	struct client_place	 place;		/* first: see client_at() */
	struct client_env	*env;
	struct conn		*conn;
	uint64_t		 id;
	enum client_state	 state : 8;
	enum client_large	 large : 8;
	enum client_listen	 listen : 8;
	enum client_redirect	 redirect : 8;
	enum side		 redirect_side : 8; /* of who is asked for */
	enum client_block	 block : 8;
	enum client_voice	 voice : 8;	/* for requests still to come */
	enum side		 retry_side : 8; /* not asked before retry_at */
	unsigned		 heavy;	/* requests until it may share */
	unsigned		 failing;	/* FAILING_OVERs that lack
						 * their FAILED_OVER */
	bool			 unblocked;	/* Redis will close the link,
						 * nothing behind ran */
	bool			 moves;		/* the gate counts it */
	bool			 replica;	/* it sent SYNC or PSYNC */
	char			 heard;		/* last byte of a stream */
	struct session		 session;
	struct client_ahead	*ahead;		/* or NULL */
	struct req		*blocked;	/* the one that it is blocked
						 * in, or NULL if awake */
	TAILQ_ENTRY(client)	 of_blocked;
	struct mono		 since;
	struct mono		 active;
	const struct cmd	*last;

	struct resp_request	*framing;	/* of input; NULL: between
						 * two requests */
	struct buf		 input;		/* not yet a whole request */
	struct req_list		 reqs;		/* unanswered, in order */
	struct req		*next;		/* first WAITING of reqs */
	size_t			 cost;		/* of reqs */
	size_t			 charged;	/* what hold knows of */
	unsigned		 bounced;	/* BOUNCED ones of reqs */
	unsigned		 in_flight;	/* SENT ones of reqs */

	struct pool_user	*user;	/* the session's; NULL: not looked up */
	/*
	 * Where what is in flight went, all of it; NULL when nothing is. One
	 * of its own stays while there is need of it.
	 */
	struct pool_link	*link;
	uint64_t		 wrote;	/* the link that its last write
					 * took, by number; 0: none */
	struct pool_link	*choked;	/* a link that it does not let
						 * be read, or NULL */
	uint64_t		 moving_seq;	/* of the last MOVING told */
	struct mono		 retry_at;
	struct hold_waiter	 waiter;
	struct loop_task	 pump;
	struct loop_task	 settle;	/* queued: requests came
						 * back; or to free it */
};

/* client.c */
void	client_account_anew(struct client *);
void	client_cut(struct client *, const char *what);
void	client_check_left(struct client *);
void	client_leave(struct client *);
void	client_drop_waiting(struct client *);
void	client_drop_req(struct client *, struct req *);	/* unlinks it */
void	client_free_req(struct client *, struct req *);

/* client_take.c */
bool	client_jammed(const struct client *);	/* do not read it now */
void	client_on_room(void *client);
void	client_on_gate(void *client);
bool	client_is_large(const struct req *);
bool	client_large_moves(const struct client *);
void	client_on_data(void *client, const char *, size_t);
void	client_eat_input(struct client *);

/* client_send.c */
void	client_pump(struct client *);
void	client_release(struct client *);	/* the link, if it may */
struct pool_user	*client_user(struct client *);
void	client_own(struct client *, enum side);	/* gets it a link */
/* It takes the place of one that the client sent, which is let go of. */
void	client_stand_in(struct client *, struct req *, struct req *old);

/* client_reply.c */
void	client_write(struct client *, const char *, size_t);
void	client_answered(struct client *, struct req *);
void	client_advance(struct client *);
void	client_split(struct client *, struct req *);
void	client_unchoke(struct client *);
void	client_settle_bounced(struct client *);

/* client_local.c */
void	client_local(struct client *, struct req *);
struct req	*client_permit_ask(struct client *, struct req *);
void	client_name_lost(struct client *);

/* Is the reply to r, which comes now, not wanted? May set its voice. */
bool	client_hushes(struct client *, const struct req *r);

/* client_redirect.c */
bool	client_redirect_ready(struct client *, struct req *);
void	client_redirect_again(struct client *);	/* if it redirects */
/* Does it still ask again? Writes wait for that. */
bool	client_redirect_moves(const struct client *);
void	client_redirect_answered(struct client *, const struct req *,
	    bool error);
void	client_mend_trackinginfo(const struct client *, struct buf *reply);
bool	client_mend_push(const struct client *, const char *, size_t,
	    struct buf *out);

/* client_push.c */
bool	client_is_leaving(const struct client *);

/* client_again.c */
void	client_again_sent(struct client *, struct req *);
void	client_again_done(struct client *, const struct req *);
bool	client_again_turn(const struct client *);	/* to be sent */
bool	client_again_moves(const struct client *);
bool	client_again_late(const struct client *, const struct req *,
	    struct mono now);
void	client_again_time_out(struct client *, struct req *);

/* client_listen.c */
void	client_listen_count(struct client *);
void	client_listen_set(struct client *, enum client_listen);
void	client_listen_learn(struct client *);
void	client_listen_lost(struct client *);
void	client_listen_flush(struct client *);
void	client_listen_again(struct client *);	/* it hears at its link */
void	client_listen_check(struct client *);
void	client_ping(struct pool_link *);
bool	client_listen_ready(struct client *);

/* client_ahead.c */
bool	client_ahead_make(struct client *);	/* if a hold is near */
void	client_ahead_drop(struct client *);
/* Does the gate wait for it: before a hold, or at the flip? */
bool	client_ahead_moves(const struct client *);
/* Is what was made no more what it is, once that request has run? */
bool	client_ahead_ages(const struct req *);
bool	client_ahead_at(const struct client *, enum side);
bool	client_ahead_lost(struct client *, enum side);	/* was it that? */
void	client_ahead_cut(struct client *);
bool	client_ahead_take(struct client *, enum side);	/* so does it, if any */
void	client_ahead_swap(struct client *);	/* becomes c->link */
void	client_ahead_ready(struct client *);
void	client_ahead_push(struct client *, const char *, size_t);

/* client_script.c */
void	client_script_learn(struct client *, const struct req *);
struct req	*client_script_again(struct client *, struct req *,
		    const struct resp_reply *head);

/* client_back.c */
void	client_unsend(struct client *, struct req *);
void	client_unsend_refused(struct client *, struct req *);
void	client_drop_reply(struct client *, struct req *);
void	client_retry(struct client *, enum side);
void	client_settle_cb(void *client);
void	client_rewind(struct client *);
void	client_answer_lost(struct client *, struct req *);
/* Answers all requests of r that did not run and will not. */
void	client_answer_not_run(struct req *r, const char *error);

/* For client_pool_ops. */
void	client_on_back(void *client, struct req *, bool maybe_ran);
void	client_on_lost(void *client, enum side);
void	client_on_busy(void *client, struct req *, const char *error);
void	client_on_push(void *client, enum side, const char *, size_t);
void	client_on_ready(void *client, enum side);
void	client_on_moved(void *client);
void	client_on_id(void *client);

/*
 * Is it one that Holdover answers, and that was sent to Redis only to hear
 * whether its client may have it?
 */
static inline bool
client_is_permit(const struct req *r)
{
	return (r->cmd->flags & CMD_PERMIT) && !r->in_tx;
}

/* What it holds, and so whether it is read, may have changed. */
static inline void
client_account(struct client *c)
{
	if (c->cost > CLIENT_CHEAP || c->charged > 0 ||
	    hold_waits(&c->waiter) || c->large != CLIENT_SMALL ||
	    conn_paused(c->conn))
		client_account_anew(c);
}

#endif
