/*
 * A client that listens: what Redis tells it unasked must go on when the
 * primary changes.
 *
 *	DEAF --SUBSCRIBE, TRACKING--> HEARS --UNSUBSCRIBE--> DEAF
 *
 *	HEARS --reads go elsewhere--> HEARS_OUT --all was read--> UNHEARD
 *	HEARS, HEARS_ANEW --link lost-----------------------------^
 *	UNHEARD --the gate allows reads--> HEARS_ANEW --all made--> HEARS
 *
 * In a planned switch all this happens while writes are held: what was
 * published before is read to the end at the old primary, and what is
 * published after finds its subscribers at the new one. Most of the work is
 * done before: see client_ahead.c.
 */
#include "client_priv.h"

#include <string.h>

#include "stats.h"

/*
 * A switch waits for one that moves, or is blocked and has to, if it takes what
 * it is told.
 */
void
client_listen_count(struct client *c)
{
	bool moves = client_ahead_moves(c) || client_large_moves(c) ||
	    (c->choked == NULL &&
	    (c->listen == CLIENT_HEARS_OUT ||
	    c->listen == CLIENT_HEARS_ANEW || client_again_moves(c) ||
	    client_redirect_moves(c)));

	if (moves && !c->moves)
		gate_moves(c->env->gate);
	else if (c->moves && !moves)
		gate_moved(c->env->gate);
	c->moves = moves;
}

void
client_listen_set(struct client *c, enum client_listen l)
{
	c->listen = l;
	client_listen_count(c);
}

/* A request was answered: it may listen from now on, or no more. */
void
client_listen_learn(struct client *c)
{
	bool listens = session_listens(&c->session);

	if (c->link == NULL || !pool_link_own(c->link))
		return;
	backend_listen(pool_backend(c->link), !listens ? BACKEND_DEAF :
	    c->session.proto == 2 ? BACKEND_IN_BAND : BACKEND_PUSHES);
	if (listens && c->listen == CLIENT_DEAF)
		client_listen_set(c, CLIENT_HEARS);
	else if (!listens && c->listen == CLIENT_HEARS)
		client_listen_set(c, CLIENT_DEAF);
}

/*
 * What was cached when nobody told of changes is stale. Nothing is asked
 * again before it is told again.
 */
void
client_listen_flush(struct client *c)
{
	static const char all[] = ">2\r\n$10\r\ninvalidate\r\n_\r\n";
	static const char all2[] = "*3\r\n$7\r\nmessage\r\n"
	    "$20\r\n__redis__:invalidate\r\n$-1\r\n";
	static const struct resp_arg channel = { "__redis__:invalidate", 20 };
	const struct session *s = &c->session;

	if (s->proto == 3 && (s->heard_for || session_redirect(s) == 0))
		client_write(c, all, sizeof(all) - 1);
	else if (s->proto == 2 && s->heard_for && pubsub_has(&s->subs,
	    PUBSUB_CHANNEL, channel))
		client_write(c, all2, sizeof(all2) - 1);
}

/* A line that was broken off ends here, what follows begins a new one. */
static void
client_listen_end_line(struct client *c)
{
	if (c->heard != '\0' && c->heard != '\n')
		client_write(c, "\r\n", 2);
	c->heard = '\0';
}

void
client_listen_lost(struct client *c)
{
	if (c->listen != CLIENT_DEAF)
		client_ahead_drop(c);
	if (!session_listens(&c->session)) {
		client_listen_set(c, CLIENT_DEAF);
		return;
	}
	client_listen_set(c, CLIENT_UNHEARD);
	client_listen_flush(c);
	client_listen_end_line(c);
	loop_defer(c->env->loop, &c->pump);
}

static void
client_listen_leave(struct client *c)
{
	if (c->in_flight > 0)
		return;
	client_unchoke(c);
	pool_drop_later(c->link);
	c->link = NULL;
	session_on_lost(&c->session);
	if (c->ahead != NULL) {
		client_ahead_swap(c);
		return;
	}
	/* At once, and as one move: writes are held until it hears again. */
	gate_moves(c->env->gate);
	client_listen_lost(c);
	client_pump(c);
	gate_moved(c->env->gate);
}

/* What is told before its answer was told before it was asked. */
void
client_ping(struct pool_link *l)
{
	static const char ping[] = "*1\r\n$4\r\nPING\r\n";

	backend_send(pool_backend(l), req_new(cmd_lookup("ping", 4, NULL, 0),
	    REQ_SESSION, 1, ping, sizeof(ping) - 1));
}

/*
 * Its Redis is no longer the one: read what it has said, then go. A request
 * that is passed on as it comes must end first.
 */
void
client_on_moved(void *arg)
{
	struct client *c = arg;

	if (c->listen != CLIENT_HEARS || pool_link_lost(c->link) ||
	    (c->large == CLIENT_PASSES && c->in_flight > 0))
		return;
	/* MONITOR shows a PING to everybody, and has missed nothing. */
	if (c->session.monitors) {
		client_listen_leave(c);
		return;
	}
	client_ping(c->link);
	client_listen_set(c, CLIENT_HEARS_OUT);
	client_ahead_cut(c);
}

/* Does it listen where it should? */
void
client_listen_check(struct client *c)
{
	enum side reads = gate_order(c->env->gate)->reads;

	if (c->listen == CLIENT_HEARS && c->link != NULL &&
	    reads != SIDE_NONE && reads != pool_link_side(c->link))
		client_on_moved(c);
	else
		client_ahead_make(c);
}

bool
client_on_near(struct client *c)
{
	client_listen_count(c);
	return client_ahead_make(c);
}

void
client_listen_again(struct client *c)
{
	stats.listeners_moved++;
	client_redirect_again(c);
	client_listen_set(c, CLIENT_HEARS);
	if (c->session.monitors)
		backend_stream(pool_backend(c->link));
	else
		client_listen_learn(c);
	if (c->session.heard_for)
		c->env->refind(c->env, c->id);
	client_listen_check(c);
	if (c->next != NULL)
		loop_defer(c->env->loop, &c->pump);
}

/* What makes its link its own, or the PING of client_on_moved(). */
void
client_on_ready(void *arg, enum side side)
{
	struct client *c = arg;

	if (client_ahead_at(c, side))
		client_ahead_ready(c);
	else if (c->listen == CLIENT_HEARS_OUT)
		client_listen_leave(c);
	else if (c->listen == CLIENT_HEARS_ANEW)
		client_listen_again(c);
	else if (c->next != NULL)
		loop_defer(c->env->loop, &c->pump);
}

static void
client_replay_cb(void *arg, struct req *r)
{
	struct client *c = arg;

	backend_send(pool_backend(c->link), r);
}

/* May requests be sent? Not before it hears. */
bool
client_listen_ready(struct client *c)
{
	struct mono now;
	enum side to;

	if (c->listen == CLIENT_DEAF || c->listen == CLIENT_HEARS)
		return true;
	if (c->listen != CLIENT_UNHEARD || (c->state != CLIENT_OPEN &&
	    c->state != CLIENT_STREAM))
		return false;
	now = loop_now(c->env->loop);
	if (gate_ask(c->env->gate, CMD_READ, now, &to) == GATE_HOLD ||
	    (to == c->retry_side && mono_before(now, c->retry_at))) {
		hold_add(c->env->hold, &c->waiter);
		return false;
	}
	c->link = pool_own(client_user(c), to, c);
	client_listen_set(c, CLIENT_HEARS_ANEW);
	if (!c->session.monitors)
		client_listen_learn(c);
	if (c->session.heard_for)
		pool_ask_id(c->link);
	session_replay(&c->session, client_replay_cb, c);
	if (backend_idle(pool_backend(c->link)))
		client_ping(c->link);
	return false;
}

void
client_on_push(void *arg, enum side side, const char *p, size_t n)
{
	struct client *c = arg;
	struct buf mended = BUF_INIT;
	enum pubsub_event e;
	enum pubsub_kind kind;
	struct resp_arg name;

	if (c->state == CLIENT_DEAD)
		return;
	if (client_ahead_at(c, side)) {
		client_ahead_push(c, p, n);
		return;
	}
	if (c->state == CLIENT_STREAM) {
		c->heard = p[n - 1];
		if (c->voice != CLIENT_SILENT)
			client_write(c, p, n);
		client_tell(c, false);
		return;
	}
	if (client_mend_push(c, p, n, &mended)) {
		client_write(c, buf_data(&mended), buf_len(&mended));
		buf_free(&mended);
		return;
	}
	e = pubsub_parse(p, n, &kind, &name);
	if (e == PUBSUB_ADDED || e == PUBSUB_REMOVED) {
		if (c->listen == CLIENT_HEARS_ANEW)
			return;		/* it did not ask */
		session_on_subscribed(&c->session, e, kind, name);
	}
	client_write(c, p, n);
	client_tell(c, false);
}
