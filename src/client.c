#include "client_priv.h"

#include <sys/socket.h>
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "stats.h"

/*
 * What a client may have unanswered before it is no longer read, in bytes
 * of requests; one larger request is always taken.
 */
#define CLIENT_AHEAD		(1024 * 1024)
#define CLIENT_AHEAD_HELD	(64 * 1024)

/* What a client sent and will not be read is dropped up to this. */
#define CLIENT_DISCARD		(16 * 1024 * 1024)

/* ---- memory and back-pressure ---- */

/* What waits is charged to hold; a client that has too much is not read. */
void
client_account_anew(struct client *c)
{
	bool waits = hold_waits(&c->waiter);
	size_t held = waits ? c->cost + buf_len(&c->input) : 0;
	size_t limit = waits ? CLIENT_AHEAD_HELD : CLIENT_AHEAD;

	if (held > c->charged)
		hold_take(c->env->hold, held - c->charged);
	else
		hold_give(c->env->hold, c->charged - held);
	c->charged = held;

	if (c->state == CLIENT_DEAD || c->state == CLIENT_LEAVING)
		return;
	if (c->cost > limit || client_jammed(c) ||
	    (waits && hold_full(c->env->hold)))
		conn_pause(c->conn);
	else if (conn_paused(c->conn)) {
		conn_resume(c->conn);
		loop_defer(c->env->loop, &c->pump);
	}
}

void
client_drop_req(struct client *c, struct req *r)
{
	if (c->next == r)
		c->next = TAILQ_NEXT(r, of_client);
	if (c->blocked == r)
		client_again_done(c, r);
	TAILQ_REMOVE(&c->reqs, r, of_client);
	c->cost -= req_cost(r);
}

void
client_free_req(struct client *c, struct req *r)
{
	client_drop_req(c, r);
	req_free(r);
}

/* ---- the end ---- */

static void
client_bury_cb(void *arg)
{
	struct client *c = arg;

	conn_free(c->conn);
	session_clear(&c->session);
	buf_free(&c->input);
	free(c->framing);
	free(c);
}

/*
 * Nobody waits for what is in flight. On its own link, what is not yet read
 * by Redis is better not run; a shared one goes on.
 */
static void
client_abandon(struct client *c)
{
	struct req *r, *next;

	client_unchoke(c);
	client_ahead_drop(c);
	if (c->link != NULL && pool_link_own(c->link))
		pool_drop(c->link);
	else
		TAILQ_FOREACH_SAFE(r, &c->reqs, of_client, next)
			if (r->state == REQ_SENT && r->class != CMD_LOCAL) {
				client_drop_req(c, r);
				r->from = REQ_NOBODY;
			}
	c->link = NULL;
	c->in_flight = 0;
	if (c->user != NULL)
		pool_user_put(c->user);
	c->user = NULL;
}

static void
client_bury(struct client *c)
{
	struct req *r;

	c->state = CLIENT_DEAD;
	client_listen_set(c, CLIENT_DEAF);
	client_abandon(c);
	while ((r = TAILQ_FIRST(&c->reqs)) != NULL) {
		if (r->state == REQ_WAITING && r->held)
			stats.hold_cancelled++;
		client_free_req(c, r);
	}
	hold_remove(c->env->hold, &c->waiter);
	buf_free(&c->input);
	client_account(c);
	loop_cancel(&c->pump);
	loop_cancel(&c->settle);
	c->env->gone(c->env, c);
	loop_task_init(&c->settle, client_bury_cb, c);
	loop_defer_last(c->env->loop, &c->settle);
}

void
client_end(struct client *c, const char *fmt, ...)
{
	char why[256];
	va_list ap;

	if (c->state == CLIENT_DEAD)
		return;
	if (log_is(LOG_LEVEL_DEBUG)) {
		va_start(ap, fmt);
		vsnprintf(why, sizeof(why), fmt, ap);
		va_end(ap);
		log_debug("client: %s closed, id %llu, %s",
		    conn_peer(c->conn)->text, (unsigned long long)c->id, why);
	}
	conn_flush(c->conn);
	client_bury(c);
}

/* Closes a client whose state in Redis is lost and cannot be made anew. */
void
client_cut(struct client *c, const char *what)
{
	if (c->state == CLIENT_DEAD)
		return;
	stats.clients_cut++;
	log_info("client: %s cut, %s", conn_peer(c->conn)->text, what);
	client_end(c, "%s", what);
}

/*
 * Ends a client that is leaving and has got all its answers. Bytes that
 * nobody read would make a reset of the close, and the last answers might
 * not arrive.
 */
void
client_check_left(struct client *c)
{
	size_t n = 0;

	if (c->state != CLIENT_LEAVING || !TAILQ_EMPTY(&c->reqs) ||
	    conn_pending(c->conn) > 0)
		return;
	while (n < CLIENT_DISCARD && !conn_at_end(c->conn) &&
	    recv(conn_fd(c->conn), loop_buffer(c->env->loop),
	    LOOP_READ_SIZE, MSG_TRUNC | MSG_DONTWAIT) > 0)
		n += LOOP_READ_SIZE;
	if (n > 0)
		log_debug("client: %s, what it sent last is dropped",
		    conn_peer(c->conn)->text);
	client_end(c, "it left");
}

/* What was not sent to Redis never will be. */
void
client_drop_waiting(struct client *c)
{
	struct req *r, *next;

	for (r = c->next; r != NULL; r = next) {
		next = TAILQ_NEXT(r, of_client);
		if (r->state != REQ_WAITING)
			continue;
		stats.hold_cancelled += r->held;
		client_free_req(c, r);
	}
}

/* Not read any more. */
void
client_leave(struct client *c)
{
	if (c->state == CLIENT_DEAD || c->state == CLIENT_LEAVING)
		return;
	if (c->state == CLIENT_STREAM) {
		client_end(c, "it left");
		return;
	}
	if (c->large == CLIENT_PASSES) {
		client_end(c, "it left in the middle of a request");
		return;
	}
	c->state = CLIENT_LEAVING;
	conn_pause(c->conn);
	client_drop_waiting(c);
	buf_free(&c->input);
	hold_remove(c->env->hold, &c->waiter);
	client_account(c);
	client_check_left(c);
}

/* ---- the socket ---- */

static void
client_pump_cb(void *arg)
{
	struct client *c = arg;

	client_pump(c);
	if (c->state == CLIENT_OPEN || c->state == CLIENT_STREAM) {
		client_account(c);
		client_eat_input(c);
	}
	if (c->state != CLIENT_DEAD)
		client_account(c);
}

static void
client_on_sent(void *arg)
{
	struct client *c = arg;

	client_unchoke(c);
	if (c->next != NULL)
		loop_defer(c->env->loop, &c->pump);
	client_check_left(c);
}

/*
 * What Redis has already is answered, as Redis itself would; but a command
 * that blocks would eat an element that nobody gets.
 */
void
client_finish(struct client *c)
{
	const struct req *r;

	TAILQ_FOREACH(r, &c->reqs, of_client)
		if (r->state == REQ_SENT && r->blocks) {
			client_end(c, "it left while blocked");
			return;
		}
	client_leave(c);
}

/* The client closed its side. */
static void
client_on_end(void *arg, int error)
{
	struct client *c = arg;

	if (error != 0)
		client_end(c, "%s", strerror(error));
	else
		client_finish(c);
}

static const struct conn_ops client_conn_ops = {
	.on_data = client_on_data,
	.on_sent = client_on_sent,
	.on_end = client_on_end,
};

struct client *
client_new(struct client_env *env, const struct conn_caller *caller,
    uint64_t id)
{
	struct client *c = xcalloc(1, sizeof(*c));

	c->env = env;
	c->id = id;
	c->state = CLIENT_OPEN;
	c->since = c->active = loop_now(env->loop);
	c->waiter.arg = c;
	c->retry_side = SIDE_NONE;
	session_init(&c->session);
	TAILQ_INIT(&c->reqs);
	loop_task_init(&c->pump, client_pump_cb, c);
	loop_task_init(&c->settle, client_settle_cb, c);
	c->conn = conn_accepted(env->loop, caller, &client_conn_ops, c);
	if (caller->how & CONN_TLS)
		conn_start_tls(c->conn, tls_accept(env->tls,
		    TLS_FROM_CLIENT));
	if (client_is_leaving(c))
		conn_pause(c->conn);
	return c;
}

struct client_place *
client_place(struct client *c)
{
	return &c->place;
}

struct client *
client_at(struct client_place *p)
{
	return (struct client *)(void *)p;
}

/* ---- hold's queue ---- */

void
client_go_on(void *arg)
{
	client_pump_cb(arg);
}

/*
 * Redis refuses it again and again though the gate is open: its own words say
 * what is wrong (READONLY: somebody else made it a replica; NOREPLICAS).
 */
static bool
client_is_refused(const struct client *c, const struct req *r, struct mono now)
{
	enum side to;

	return buf_len(&r->reply) > 0 &&
	    gate_ask(c->env->gate, r->class, now, &to) != GATE_HOLD;
}

static void
client_expired(struct client *c, struct req *r, struct mono now)
{
	char why[128];

	stats.hold_expired += r->n;
	if (c->session.in_tx)
		session_on_dropped(&c->session);
	if (client_is_refused(c, r, now)) {
		c->cost -= buf_len(&r->reply);
		client_answered(c, r);
		return;
	}
	client_drop_reply(c, r);
	snprintf(why, sizeof(why), "LOADING Holdover: no primary could take "
	    "this for %lld ms (hold-timeout); it was not run",
	    (long long)c->env->hold_timeout);
	client_answer_not_run(r, why);
	if (r->open)
		c->large = CLIENT_DROPS;
	client_answered(c, r);
}

/* Answers what has waited too long; it certainly did not run. */
void
client_expire(void *arg, struct mono now)
{
	struct client *c = arg;
	struct req *r, *next;

	for (r = c->next; r != NULL; r = next) {
		next = TAILQ_NEXT(r, of_client);
		if (r->state != REQ_WAITING)
			continue;
		if (client_again_late(c, r, now)) {
			client_again_time_out(c, r);
			continue;
		}
		/* One that was blocked waits for as long as it was told to. */
		if (r == c->blocked ||
		    mono_ms(now, r->since) < c->env->hold_timeout)
			continue;
		if (r->kind == REQ_RUN) {
			client_split(c, r);
			client_expire(c, now);
			return;
		}
		client_expired(c, r, now);
	}
	client_advance(c);
}

/* Is the oldest of its requests one that Redis takes its time for? */
static bool
client_is_blocked(const struct client *c)
{
	const struct req *r = TAILQ_FIRST(&c->reqs);

	return r != NULL && r->state == REQ_SENT && !r->in_tx &&
	    r->blocks;
}

struct client_facts
client_facts(const struct client *c)
{
	struct client_facts f = {
		.id = c->id, .conn = c->conn, .session = &c->session,
		.since = c->since, .active = c->active,
		.command = c->last != NULL ? c->last->name : "NULL",
		.blocked = client_is_blocked(c), .replica = c->replica,
		.leaving = c->state == CLIENT_LEAVING,
		.query = buf_len(&c->input),
		.cost = c->cost + buf_len(&c->input),
		.side = c->link != NULL ? pool_link_side(c->link) :
		    SIDE_NONE,
		.pinned = c->link != NULL && pool_link_own(c->link),
	};
	const struct req *r;

	TAILQ_FOREACH(r, &c->reqs, of_client)
		f.query += r->meant != NULL ? r->meant->len : r->len;
	TAILQ_FOREACH(r, &c->session.tx, of_client)
		f.queued += r->len;
	return f;
}
