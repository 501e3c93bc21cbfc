/*
 * The next link of a client that listens or is blocked, made before a planned
 * switch at the Redis that is to be the primary: the hold grows neither with
 * the connections that these need, nor with what subscribers listen to. One
 * that is blocked just takes it when it asks again (client_again.c).
 *
 *	MAKING --all confirmed--> READY
 *	MAKING, READY --reads flip: PING--> CUTTING --its reply--> CUT
 *
 * A replica tells its subscribers as well, so until the cut each message is
 * heard twice: then the old link is what counts, and what comes ahead is
 * dropped. At the flip nothing is being published, and what was has arrived
 * at both. So the reply to a PING ends what the old link has to tell, and
 * the reply to one ahead begins what is told there.
 */
#include "client_priv.h"

#include <stdlib.h>

#include "stats.h"

enum client_ahead_state { AHEAD_MAKING, AHEAD_READY, AHEAD_CUTTING,
	AHEAD_CUT };

struct client_ahead {
	struct pool_link	*link;
	enum client_ahead_state	 state;
	struct buf		 kept;	/* told since the cut, for later; it
					 * is not read on then */
};

bool
client_ahead_moves(const struct client *c)
{
	return c->ahead != NULL && (c->ahead->state == AHEAD_CUTTING ||
	    (c->ahead->state == AHEAD_MAKING &&
	    gate_order(c->env->gate)->near));
}

bool
client_ahead_at(const struct client *c, enum side side)
{
	return c->ahead != NULL && pool_link_side(c->ahead->link) == side;
}

bool
client_ahead_ages(const struct req *r)
{
	return r->kind == REQ_ONE && (r->cmd->special != CMD_PLAIN ||
	    (r->cmd->flags & (CMD_LISTENS | CMD_PINS)));
}

static void
client_ahead_free(struct client *c)
{
	buf_free(&c->ahead->kept);
	free(c->ahead);
	c->ahead = NULL;
	client_listen_count(c);
}

void
client_ahead_drop(struct client *c)
{
	if (c->ahead == NULL)
		return;
	if (c->ahead->link != c->link)
		pool_drop(c->ahead->link);
	client_ahead_free(c);
}

/* It is lost, though it had not been needed yet? */
bool
client_ahead_lost(struct client *c, enum side side)
{
	bool spare = client_ahead_at(c, side) && c->ahead->link != c->link;

	if (client_ahead_at(c, side))
		client_ahead_free(c);
	return spare;
}

static void
client_ahead_send(void *arg, struct req *r)
{
	const struct client *c = arg;

	backend_send(pool_backend(c->ahead->link), r);
}

/* Only what can be made twice; not in the middle of anything. */
static bool
client_ahead_may(const struct client *c)
{
	const struct session *s = &c->session;

	if (c->listen == CLIENT_DEAF ? c->block != CLIENT_BLOCKED ||
	    c->blocked->state != REQ_SENT :
	    c->listen != CLIENT_HEARS || c->in_flight > 0)
		return false;
	return gate_order(c->env->gate)->near && c->ahead == NULL &&
	    c->state == CLIENT_OPEN && c->link != NULL &&
	    !pool_link_lost(c->link) && !s->monitors && s->caching == NULL &&
	    !s->in_tx && TAILQ_EMPTY(&s->tx);
}

bool
client_ahead_make(struct client *c)
{
	if (!client_ahead_may(c))
		return false;
	c->ahead = xcalloc(1, sizeof(*c->ahead));
	c->ahead->link = pool_ahead(client_user(c),
	    SIDE_OTHER(pool_link_side(c->link)), c);
	client_listen_count(c);
	if (c->listen == CLIENT_DEAF) {
		pool_ask_id(c->ahead->link);
		return true;
	}
	backend_listen(pool_backend(c->ahead->link), c->session.proto == 2 ?
	    BACKEND_IN_BAND : BACKEND_PUSHES);
	if (c->session.heard_for)
		pool_ask_id(c->ahead->link);
	session_replay(&c->session, client_ahead_send, c);
	if (backend_idle(pool_backend(c->ahead->link)))
		client_ping(c->ahead->link);
	return true;
}

bool
client_ahead_take(struct client *c, enum side side)
{
	if (!client_ahead_at(c, side) || c->listen != CLIENT_DEAF ||
	    pool_link_lost(c->ahead->link))
		return false;
	c->link = c->ahead->link;
	pool_take_ahead(c->link);
	client_ahead_free(c);
	return true;
}

void
client_ahead_cut(struct client *c)
{
	if (c->ahead != NULL && pool_link_lost(c->ahead->link))
		client_ahead_drop(c);
	if (c->ahead == NULL)
		return;
	client_ping(c->ahead->link);
	c->ahead->state = AHEAD_CUTTING;
	client_listen_count(c);
}

/* It is its link, and what comes from it counts. */
static void
client_ahead_end(struct client *c)
{
	struct backend *b = pool_backend(c->link);
	struct buf kept = c->ahead->kept;

	stats.listeners_ahead++;
	c->ahead->kept = (struct buf)BUF_INIT;
	client_ahead_free(c);
	if (buf_len(&kept) > 0)
		client_write(c, buf_data(&kept), buf_len(&kept));
	client_listen_again(c);
	if (buf_len(&kept) > 0)
		backend_resume(b);
	buf_free(&kept);
}

void
client_ahead_swap(struct client *c)
{
	c->link = c->ahead->link;
	pool_take_ahead(c->link);
	client_listen_set(c, CLIENT_HEARS_ANEW);
	client_listen_flush(c);
	if (c->ahead->state == AHEAD_CUT)
		client_ahead_end(c);
}

void
client_ahead_ready(struct client *c)
{
	if (c->ahead->link == c->link) {
		client_ahead_end(c);
		return;
	}
	/* At the cut, its old link has not told all yet. */
	c->ahead->state = c->ahead->state == AHEAD_MAKING ? AHEAD_READY :
	    AHEAD_CUT;
	client_listen_count(c);
}

void
client_ahead_push(struct client *c, const char *p, size_t n)
{
	if (c->ahead->state != AHEAD_CUT)
		return;
	if (buf_len(&c->ahead->kept) == 0)
		backend_pause(pool_backend(c->ahead->link), c);
	buf_add(&c->ahead->kept, p, n);
}
