#include "client.h"

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

/* After a connection to Redis failed, it is tried again this much later. */
#define CLIENT_RETRY_MS		20

enum client_state {
	CLIENT_OPEN,
	CLIENT_STREAM,		/* requests and replies no longer pair */
	CLIENT_LEAVING,		/* not read any more; answers go out */
	CLIENT_DEAD
};

struct client {
	struct client_env	*env;
	void			*owner;
	struct conn		*conn;
	enum client_state	 state;
	uint64_t		 id;
	struct session		 session;
	struct mono		 since;
	struct mono		 active;
	const struct cmd	*last;

	struct resp_request	 framing;
	struct buf		 input;		/* not yet a whole request */
	struct req_list		 reqs;		/* unanswered, in order */
	struct req		*next;		/* first WAITING of reqs */
	size_t			 cost;		/* of reqs */
	size_t			 charged;	/* what hold knows of */
	size_t			 bounced;	/* BOUNCED ones of reqs */

	struct backend		*backend;
	bool			 unblocked;	/* Redis will close the backend,
						 * nothing behind ran */
	enum side		 retry_side;	/* not asked before retry_at */
	struct mono		 retry_at;
	struct hold_waiter	 waiter;
	struct loop_task	 pump;
	struct loop_task	 lose;		/* queued: backend is lost */
	struct loop_task	 bury;
};

static void	client_pump(struct client *);
static void	client_advance(struct client *);

/* ---- memory and back-pressure ---- */

/* What waits is charged to hold; a client that has too much is not read. */
static void
client_account(struct client *c)
{
	size_t held = c->waiter.waiting ? c->cost + buf_len(&c->input) : 0;
	size_t limit = c->waiter.waiting ? CLIENT_AHEAD_HELD : CLIENT_AHEAD;

	if (held > c->charged)
		hold_take(c->env->hold, held - c->charged);
	else
		hold_give(c->env->hold, c->charged - held);
	c->charged = held;

	if (c->state == CLIENT_DEAD || c->state == CLIENT_LEAVING)
		return;
	if (c->cost > limit || (c->waiter.waiting &&
	    hold_full(c->env->hold)))
		conn_pause(c->conn);
	else if (conn_paused(c->conn)) {
		conn_resume(c->conn);
		loop_defer(c->env->loop, &c->pump);
	}
}

static bool
client_overloaded(const struct client *c)
{
	return conn_paused(c->conn);
}

static void
client_drop_req(struct client *c, struct req *r)
{
	if (c->next == r)
		c->next = TAILQ_NEXT(r, of_client);
	TAILQ_REMOVE(&c->reqs, r, of_client);
	c->cost -= req_cost(r);
}

static void
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
	if (c->backend != NULL)
		backend_free(c->backend);
	session_clear(&c->session);
	buf_free(&c->input);
	free(c);
}

/* Takes back what the backend has of requests that nobody waits for. */
static void
client_abandon(struct client *c)
{
	struct req *r;
	bool ran;

	if (c->backend == NULL)
		return;
	while ((r = backend_take_back(c->backend, &ran)) != NULL)
		if (r->from == REQ_SESSION)
			req_free(r);
	backend_silence(c->backend);
}

static void
client_bury(struct client *c)
{
	struct req *r;

	c->state = CLIENT_DEAD;
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
	loop_cancel(&c->lose);
	c->env->gone(c->env, c->owner);
	loop_defer_last(c->env->loop, &c->bury);
}

void
client_end(struct client *c, const char *fmt, ...)
{
	char why[256];
	va_list ap;

	if (c->state == CLIENT_DEAD)
		return;
	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	log_debug("client: %s closed, id %llu, %s", conn_peer(c->conn)->text,
	    (unsigned long long)c->id, why);
	conn_flush(c->conn);
	client_bury(c);
}

/* Closes a client whose state in Redis is lost and cannot be made anew. */
static void
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
static void
client_check_left(struct client *c)
{
	size_t n = 0;

	if (c->state != CLIENT_LEAVING || !TAILQ_EMPTY(&c->reqs) ||
	    conn_pending(c->conn) > 0)
		return;
	while (n < CLIENT_DISCARD && recv(conn_fd(c->conn),
	    loop_buffer(c->env->loop), LOOP_READ_SIZE,
	    MSG_TRUNC | MSG_DONTWAIT) > 0)
		n += LOOP_READ_SIZE;
	if (n > 0)
		log_debug("client: %s, what it sent last is dropped",
		    conn_peer(c->conn)->text);
	client_end(c, "it left");
}

/* Not read any more; what was not sent to Redis never will be. */
static void
client_leave(struct client *c)
{
	struct req *r, *next;

	if (c->state == CLIENT_DEAD || c->state == CLIENT_LEAVING)
		return;
	if (c->state == CLIENT_STREAM) {
		client_end(c, "it left");
		return;
	}
	c->state = CLIENT_LEAVING;
	conn_pause(c->conn);
	for (r = c->next; r != NULL; r = next) {
		next = TAILQ_NEXT(r, of_client);
		if (r->state != REQ_WAITING)
			continue;
		stats.hold_cancelled += r->held;
		client_free_req(c, r);
	}
	buf_free(&c->input);
	hold_remove(c->env->hold, &c->waiter);
	client_account(c);
	client_check_left(c);
}

/* ---- answers ---- */

static void
client_write(struct client *c, const char *p, size_t n)
{
	conn_write(c->conn, p, n);
	if (conn_pending(c->conn) > c->env->output_limit &&
	    c->backend != NULL)
		backend_pause(c->backend);
}

/* The client's answer is Holdover's own; it goes out when it is its turn. */
static void
client_answered(struct client *c, struct req *r)
{
	if (c->next == r)
		c->next = TAILQ_NEXT(r, of_client);
	c->cost += buf_len(&r->reply);
	r->state = REQ_DONE;
}

/* Hands out all answers whose turn has come. */
static void
client_advance(struct client *c)
{
	struct req *r;

	while ((r = TAILQ_FIRST(&c->reqs)) != NULL && r->state == REQ_DONE) {
		client_write(c, buf_data(&r->reply), buf_len(&r->reply));
		client_free_req(c, r);
	}
	client_check_left(c);
}

/*
 * HELLO says which role the server has, and some clients refuse to write
 * to what calls itself a replica. It may have been answered by one.
 */
static void
client_mend_hello(struct buf *reply)
{
	static const char replica[] = "$4\r\nrole\r\n$7\r\nreplica\r\n";
	static const char primary[] = "$4\r\nrole\r\n$6\r\nmaster\r\n";
	struct buf out = BUF_INIT;
	char *p, *at;

	p = buf_data(reply);
	at = memmem(p, buf_len(reply), replica, sizeof(replica) - 1);
	if (at == NULL)
		return;
	buf_add(&out, p, (size_t)(at - p));
	buf_add(&out, primary, sizeof(primary) - 1);
	at += sizeof(replica) - 1;
	buf_add(&out, at, buf_len(reply) - (size_t)(at - p));
	buf_free(reply);
	*reply = out;
}

/* ---- refusals of a Redis in the wrong role ---- */

/*
 * Did Redis refuse it for its own state, so that it certainly did not run?
 * UNBLOCKED is also what CLIENT UNBLOCK ... ERROR says; the demotion's has
 * other words (Redis 7.0, replication.c).
 */
static bool
client_is_bounce(const struct resp_reply *head)
{
	return resp_is_error(head, "READONLY") ||
	    resp_is_error(head, "LOADING") ||
	    resp_is_error(head, "MASTERDOWN") ||
	    resp_is_error(head, "NOREPLICAS") ||
	    strncmp(head->first, "-UNBLOCKED force", 16) == 0;
}

/* What stands behind a bounced request ran, and running it twice shows? */
static bool
client_ran_behind(const struct client *c)
{
	const struct req *r;
	bool behind = false;

	TAILQ_FOREACH(r, &c->reqs, of_client) {
		if (r->state == REQ_BOUNCED)
			behind = true;
		else if (behind && r->state == REQ_DONE &&
		    (r->class == CMD_WRITE || session_changes(r)))
			return true;
	}
	return false;
}

/* That Redis is asked again, but not at once. */
static void
client_retry(struct client *c, enum side side)
{
	c->retry_side = side;
	c->retry_at = mono_add_ms(loop_now(c->env->loop), CLIENT_RETRY_MS);
}

/*
 * All that was sent has been answered, and some of it was bounced: put the
 * bounced ones, and the reads behind them, back to wait; unless something
 * behind them did run, when order forbids it.
 */
static void
client_settle_bounced(struct client *c)
{
	bool pass = client_ran_behind(c);
	struct req *r, *first = NULL;

	TAILQ_FOREACH(r, &c->reqs, of_client) {
		if (r->state == REQ_WAITING)
			break;
		if (first == NULL && r->state != REQ_BOUNCED)
			continue;
		if (r->class == CMD_LOCAL)
			continue;
		if (pass) {
			stats.bounce_passed += r->state == REQ_BOUNCED;
			r->state = REQ_DONE;
			continue;
		}
		c->cost -= buf_len(&r->reply);
		buf_free(&r->reply);
		r->state = REQ_WAITING;
		if (first == NULL)
			first = r;
	}
	c->bounced = 0;
	if (first != NULL)
		c->next = first;
	client_advance(c);
	if (first != NULL && c->state != CLIENT_DEAD) {
		hold_add(c->env->hold, &c->waiter);
		client_account(c);
	}
}

static void
client_bounce(struct client *c, struct req *r, const struct resp_reply *head,
    const char *p, size_t n)
{
	stats.bounced++;
	if (head->first[1] == 'U')
		c->unblocked = true;
	gate_report(c->env->gate, backend_side(c->backend), GATE_BOUNCED);
	buf_add(&r->reply, p, n);
	c->cost += n;
	r->state = REQ_BOUNCED;
	c->bounced++;
}

/* ---- replies ---- */

/*
 * An answer to what rebuilds the session: only failure matters, and that of
 * a command queued in a transaction shows at its EXEC.
 */
static void
client_on_rebuilt(struct client *c, struct req *r,
    const struct resp_reply *head)
{
	const char *name = r->cmd->name;
	bool of_session = session_changes(r);

	req_free(r);
	if (head->type != '-' || !of_session)
		return;
	if (client_is_bounce(head)) {
		loop_defer(c->env->loop, &c->lose);
		return;
	}
	log_warnx("client: %s cannot go on at another Redis, its %s was "
	    "answered %s; are users and passwords the same on both?",
	    conn_peer(c->conn)->text, name, head->first);
	client_cut(c, "its session could not be rebuilt");
}

static bool
client_keeps_reply(const struct client *c, const struct req *r)
{
	return TAILQ_FIRST(&c->reqs) != r || r->cmd->special == CMD_HELLO;
}

static void
client_on_done(struct client *c, struct req *r, const struct resp_reply *head)
{
	if (r->class == CMD_WRITE && head->type != '-')
		stats.writes_acked++;
	session_on_reply(&c->session, r, head);
	if (r->cmd->special == CMD_HELLO) {
		c->cost -= buf_len(&r->reply);
		client_mend_hello(&r->reply);
		c->cost += buf_len(&r->reply);
	}
	client_advance(c);
}

static void
client_on_reply(void *arg, struct req *r, const struct resp_reply *head,
    const char *p, size_t n, bool done)
{
	struct client *c = arg;

	if (r->from == REQ_SESSION) {
		if (done)
			client_on_rebuilt(c, r, head);
	} else if (done && head->type == '-' && client_is_bounce(head))
		client_bounce(c, r, head, p, n);
	else {
		if (client_keeps_reply(c, r)) {
			buf_add(&r->reply, p, n);
			c->cost += n;
		} else {
			client_write(c, p, n);
			r->partly = true;
		}
		if (done)
			client_on_done(c, r, head);
	}
	if (!done || c->state == CLIENT_DEAD)
		return;
	if (c->bounced > 0 && backend_idle(c->backend)) {
		client_retry(c, backend_side(c->backend));
		client_settle_bounced(c);
	}
	if (c->state != CLIENT_DEAD) {
		client_account(c);
		if (c->next != NULL)
			loop_defer(c->env->loop, &c->pump);
	}
}

static void
client_on_push(void *arg, const char *p, size_t n)
{
	struct client *c = arg;

	if (c->state != CLIENT_DEAD)
		client_write(c, p, n);
}

/* ---- a connection to Redis that is gone ---- */

/* One request that was sent and not answered. False: the client is cut. */
static bool
client_take_back(struct client *c, struct req *r, bool ran)
{
	bool certain = !ran || c->unblocked || r->in_tx;

	c->cost -= buf_len(&r->reply);
	buf_free(&r->reply);
	if (certain || req_repeatable(r)) {
		stats.reads_repeated += !certain;
		r->state = REQ_WAITING;
		return true;
	}
	if (r->partly || r->class != CMD_WRITE) {
		client_cut(c, r->partly ?
		    "a reply was broken off in the middle" :
		    "a large read was not answered");
		return false;
	}
	stats.in_doubt++;
	resp_add_error(&r->reply, "INDOUBT Holdover: the primary went away "
	    "before it answered; '%s' may or may not have run",
	    r->cmd->name);
	client_answered(c, r);
	return true;
}

/* Finds the first request that waits. */
static void
client_rewind(struct client *c)
{
	struct req *r;

	TAILQ_FOREACH(r, &c->reqs, of_client)
		if (r->state == REQ_WAITING)
			break;
	c->next = r;
}

static void
client_backend_gone(struct client *c)
{
	struct req *r;
	bool ran;

	while ((r = backend_take_back(c->backend, &ran)) != NULL) {
		if (r->from == REQ_SESSION)
			req_free(r);
		else if (!client_take_back(c, r, ran))
			return;
	}
	backend_free(c->backend);
	c->backend = NULL;
	c->unblocked = false;
	session_on_lost(&c->session);
}

/*
 * Its Redis is gone, or is none that it may hear any more. The kernel closes
 * a killed process' connections before its listeners: until the gate has
 * heard of it, a new connection may be accepted by the dead, and the next
 * write would be in doubt as well.
 */
static void
client_lose_cb(void *arg)
{
	struct client *c = arg;

	if (c->state == CLIENT_STREAM) {
		client_cut(c, "the Redis that it listened to is gone");
		return;
	}
	if (c->session.sticky) {
		client_cut(c, "its state in Redis (tracking) is gone");
		return;
	}
	client_retry(c, backend_side(c->backend));
	client_backend_gone(c);
	if (c->state == CLIENT_DEAD)
		return;
	if (c->bounced > 0)
		client_settle_bounced(c);
	if (c->state == CLIENT_DEAD)
		return;
	client_rewind(c);
	client_advance(c);
	if (c->state == CLIENT_LEAVING)
		client_leave(c);
	else if (c->state == CLIENT_OPEN && c->next != NULL)
		loop_defer(c->env->loop, &c->pump);
}

/* Called from inside the backend, which must not be freed under its feet. */
static void
client_on_lost(void *arg, int error)
{
	struct client *c = arg;

	(void)error;
	loop_defer(c->env->loop, &c->lose);
}

static const struct backend_ops client_backend_ops = {
	.on_reply = client_on_reply,
	.on_push = client_on_push,
	.on_lost = client_on_lost,
};

/* ---- sending ---- */

static void
client_send_cb(void *arg, struct req *r)
{
	struct client *c = arg;

	backend_send(c->backend, r);
}

/*
 * Has it a connection to that Redis? Makes one if not; false when that must
 * wait for answers still to come from another.
 */
static bool
client_attach(struct client *c, enum side side)
{
	if (c->backend != NULL && backend_side(c->backend) == side)
		return true;
	if (c->backend != NULL) {
		if (!backend_idle(c->backend))
			return false;
		if (c->session.sticky) {
			client_cut(c, "its state in Redis (tracking) "
			    "cannot move");
			return false;
		}
		client_backend_gone(c);
	}
	c->backend = backend_new(c->env->loop, c->env->gate, side,
	    &c->env->redis[side], &client_backend_ops, c);
	session_rebuild(&c->session, client_send_cb, c);
	return true;
}

/* What the gate should be asked for. */
static enum cmd_class
client_class(const struct client *c, const struct req *r)
{
	const struct cmd **deny;
	struct mono now = loop_now(c->env->loop);

	for (deny = c->env->deny; *deny != NULL; deny++)
		if (*deny == r->cmd)
			return CMD_REFUSED;
	/* A queued write would be refused by a replica at once. */
	if (c->session.in_tx || r->cmd->special == CMD_MULTI)
		return CMD_WRITE;
	/* A primary that is just being fenced calls itself a replica. */
	if ((r->cmd->special == CMD_ROLE || r->cmd->special == CMD_INFO) &&
	    gate_state(c->env->gate, now) == GATE_HOLD_WRITES &&
	    gate_order(c->env->gate)->writes == SIDE_NONE)
		return CMD_WRITE;
	/* Redis itself has the words for what is wrong with it. */
	if (r->cmd->class == CMD_LOCAL && !cmd_arity_ok(r->cmd, r->argc))
		return CMD_ANY;
	return r->cmd->class;
}

static void
client_refuse(struct client *c, struct req *r)
{
	stats.requests_refused++;
	resp_add_error(&r->reply, "ERR Holdover: '%s' is refused on this "
	    "port (client-deny)%s%s%s", r->cmd->name,
	    r->cmd->instead != NULL ? "; use " : "",
	    r->cmd->instead != NULL ? r->cmd->instead : "",
	    r->cmd->instead != NULL ? " on the admin port" : "");
	if (c->session.in_tx)
		session_on_dropped(&c->session);
	client_answered(c, r);
}

static void
client_local(struct client *c, struct req *r)
{
	enum client_answer how = r->cmd->special == CMD_QUIT ? CLIENT_ENDS :
	    CLIENT_STAYS;

	if (!session_answer(&c->session, c->id, r, &r->reply))
		how = c->env->answer(c->env, c, r, &r->reply);
	if (how == CLIENT_LATER) {
		r->state = REQ_SENT;
		c->next = TAILQ_NEXT(r, of_client);
		return;
	}
	client_answered(c, r);
	client_advance(c);
	if (how == CLIENT_ENDS)
		client_leave(c);
}

void
client_answer_later(struct client *c, struct buf *reply,
    enum client_answer how)
{
	struct req *r;

	TAILQ_FOREACH(r, &c->reqs, of_client)
		if (r->state == REQ_SENT && r->class == CMD_LOCAL)
			break;
	assert(r != NULL);
	r->reply = *reply;
	*reply = (struct buf)BUF_INIT;
	client_answered(c, r);
	client_advance(c);
	if (how == CLIENT_ENDS)
		client_leave(c);
	else if (c->state != CLIENT_DEAD)
		client_account(c);
}

/* An EXEC that must not run: the transaction is dropped, in its place. */
static void
client_exec_instead(struct client *c, struct req *r)
{
	struct buf b = BUF_INIT;
	struct req *drop;

	if (c->session.exec == SESSION_EXEC_NIL)
		resp_add_null_array(&r->reply, c->session.proto);
	else
		resp_add_error(&r->reply, "EXECABORT Transaction discarded "
		    "because of previous errors.");
	resp_add_command(&b, "DISCARD", NULL);
	drop = req_new(cmd_lookup("discard", 7, NULL, 0), REQ_SESSION, 1,
	    buf_data(&b), buf_len(&b));
	buf_free(&b);
	backend_send(c->backend, drop);
	session_on_discarded(&c->session);
	client_answered(c, r);
}

static void
client_stream(struct client *c, struct req *r)
{
	c->state = CLIENT_STREAM;
	backend_stream(c->backend);
	backend_send_raw(c->backend, r->bytes, r->len);
	client_free_req(c, r);
}

static void
client_send(struct client *c, struct req *r)
{
	if (r->held)
		hold_waited(c->env->hold,
		    mono_us(loop_now(c->env->loop), r->since));
	c->next = TAILQ_NEXT(r, of_client);
	session_on_sent(&c->session, r);
	r->in_tx = c->session.in_tx;
	backend_send(c->backend, r);
}

/* The gate says hold. */
static void
client_wait(struct client *c, struct req *r)
{
	if (!r->held) {
		r->held = true;
		stats.held++;
	}
	hold_add(c->env->hold, &c->waiter);
}

/* Sends one to the Redis it must go to; false when it has to wait. */
static bool
client_forward(struct client *c, struct req *r, enum gate_verdict v,
    enum side to)
{
	struct mono now = loop_now(c->env->loop);

	/* Any Redis that is alive will do: rather the one at hand. */
	if (v == GATE_TO_ANY && c->backend != NULL &&
	    (gate_order(c->env->gate)->alive &
	    SIDE_BIT(backend_side(c->backend))))
		to = backend_side(c->backend);
	if (to == c->retry_side && mono_before(now, c->retry_at)) {
		hold_add(c->env->hold, &c->waiter);
		return false;
	}
	if (!client_attach(c, to)) {
		if (c->state != CLIENT_DEAD)
			hold_add(c->env->hold, &c->waiter);
		return false;
	}
	/* These two need all answers before them to be in. */
	if (r->cmd->special == CMD_EXEC &&
	    c->session.exec != SESSION_EXEC_RUN) {
		if (TAILQ_FIRST(&c->reqs) != r)
			return false;
		client_exec_instead(c, r);
		client_advance(c);
		return true;
	}
	if ((r->cmd->flags & CMD_STREAM) && !c->session.in_tx) {
		if (!backend_idle(c->backend) || TAILQ_FIRST(&c->reqs) != r)
			return false;
		client_stream(c, r);
		return true;
	}
	client_send(c, r);
	return true;
}

/* Is an AUTH, HELLO or the like before this one still unanswered? */
static bool
client_is_changing(const struct req *r)
{
	while ((r = TAILQ_PREV(r, req_list, of_client)) != NULL)
		if (r->state == REQ_SENT && session_changes(r))
			return true;
	return false;
}

/* One waiting request, in paired mode. False when it has to wait. */
static bool
client_try(struct client *c, struct req *r)
{
	enum gate_verdict v;
	enum side to;

	/* Nothing overtakes what was bounced. */
	if (c->bounced > 0 || c->lose.queue != NULL)
		return false;
	r->class = client_class(c, r);
	v = gate_ask(c->env->gate, r->class, loop_now(c->env->loop), &to);
	switch (v) {
	case GATE_HOLD:
		client_wait(c, r);
		return false;
	case GATE_REFUSE:
		client_refuse(c, r);
		client_advance(c);
		return true;
	case GATE_HERE:
		if (client_is_changing(r))
			return false;
		client_local(c, r);
		return true;
	default:
		return client_forward(c, r, v, to);
	}
}

/* A request of a client whose connection is its own for good. */
static void
client_stream_one(struct client *c, struct req *r)
{
	enum cmd_class class = client_class(c, r);

	if (class == CMD_REFUSED) {
		client_refuse(c, r);
		client_write(c, buf_data(&r->reply), buf_len(&r->reply));
	} else if (class == CMD_WRITE && gate_order(c->env->gate)->writes !=
	    backend_side(c->backend)) {
		client_cut(c, "it listens at a Redis that is no longer "
		    "the primary");
		return;
	} else
		backend_send_raw(c->backend, r->bytes, r->len);
	client_free_req(c, r);
}

/* ---- requests ---- */

static void
client_protocol_error(struct client *c, const char *what)
{
	const struct cmd *cmd = cmd_lookup("", 0, NULL, 0);
	struct req *r;

	stats.protocol_errors++;
	log_debug("client: %s sent broken RESP, %s",
	    conn_peer(c->conn)->text, what);
	r = req_new(cmd, REQ_CLIENT, 0, "", 0);
	resp_add_error(&r->reply, "ERR %s", what);
	TAILQ_INSERT_TAIL(&c->reqs, r, of_client);
	c->cost += req_cost(r);
	r->state = REQ_DONE;
	client_advance(c);
	client_leave(c);
}

/* Appends one whole request to what waits. */
static void
client_add(struct client *c, const char *p, size_t len, long long argc,
    const char *name, size_t name_len, const char *sub, size_t sub_len)
{
	const struct cmd *cmd = cmd_lookup(name, name_len, sub, sub_len);
	struct req *r = req_new(cmd, REQ_CLIENT, argc, p, len);

	stats.requests++;
	c->last = cmd;
	c->active = r->since = loop_now(c->env->loop);
	TAILQ_INSERT_TAIL(&c->reqs, r, of_client);
	c->cost += req_cost(r);
	if (c->next == NULL)
		c->next = r;
}

/* An inline request becomes a multibulk. */
static bool
client_add_inline(struct client *c, const char *p, size_t len)
{
	struct buf b = BUF_INIT;
	struct resp_arg name, sub = { NULL, 0 };
	int argc = resp_inline_args(p, len, &b);

	if (argc == -1) {
		client_protocol_error(c,
		    "Protocol error: unbalanced quotes in request");
		return false;
	}
	if (argc > 0) {
		name = resp_request_arg(buf_data(&b), buf_len(&b), 0);
		if (argc > 1)
			sub = resp_request_arg(buf_data(&b), buf_len(&b), 1);
		client_add(c, buf_data(&b), buf_len(&b), argc, name.p,
		    name.len, sub.p, sub.len);
	}
	buf_free(&b);
	return true;
}

/*
 * Takes whole requests off the bytes and sends what may go; returns how
 * many bytes are used up.
 */
static size_t
client_eat(struct client *c, const char *p, size_t n)
{
	struct resp_request *f = &c->framing;
	size_t used = 0;
	long long len;

	while (used < n && !client_overloaded(c) &&
	    c->state != CLIENT_LEAVING && c->state != CLIENT_DEAD) {
		len = resp_request(f, p + used, n - used);
		if (len == RESP_MORE)
			break;
		if (len == RESP_BAD) {
			client_protocol_error(c, f->error);
			return n;
		}
		if (f->argc > 0 && f->is_inline) {
			if (!client_add_inline(c, p + used, (size_t)len))
				return n;
		} else if (f->argc > 0)
			client_add(c, p + used, (size_t)len, f->argc,
			    p + used + f->name_off, f->name_len,
			    f->argc > 1 ? p + used + f->sub_off : NULL,
			    f->sub_len);
		used += (size_t)len;
		client_pump(c);
		client_account(c);
	}
	return used;
}

static void
client_eat_input(struct client *c)
{
	size_t used;

	if (buf_len(&c->input) == 0)
		return;
	used = client_eat(c, buf_data(&c->input), buf_len(&c->input));
	if (c->state == CLIENT_DEAD || c->state == CLIENT_LEAVING)
		return;
	buf_drain(&c->input, used);
	if (buf_len(&c->input) == 0)
		buf_free(&c->input);
	if (buf_len(&c->input) > c->env->query_limit + LOOP_READ_SIZE)
		client_end(c, "a request is over client-query-limit");
}

/* Sends what may be sent, in order. */
static void
client_pump(struct client *c)
{
	struct req *r;

	while (c->state != CLIENT_DEAD && (r = c->next) != NULL) {
		if (r->state != REQ_WAITING)
			c->next = TAILQ_NEXT(r, of_client);
		else if (c->state == CLIENT_STREAM)
			client_stream_one(c, r);
		else if (!client_try(c, r))
			break;
	}
}

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

/* ---- the socket ---- */

static void
client_on_data(void *arg, const char *p, size_t n)
{
	struct client *c = arg;
	size_t used;

	if (c->state == CLIENT_LEAVING || c->state == CLIENT_DEAD)
		return;
	if (buf_len(&c->input) > 0) {
		buf_add(&c->input, p, n);
		client_eat_input(c);
	} else {
		used = client_eat(c, p, n);
		if (c->state == CLIENT_OPEN || c->state == CLIENT_STREAM)
			buf_add(&c->input, p + used, n - used);
	}
	if (c->state != CLIENT_DEAD)
		client_account(c);
}

static void
client_on_sent(void *arg)
{
	struct client *c = arg;

	if (c->backend != NULL)
		backend_resume(c->backend);
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
		if (r->state == REQ_SENT && (r->cmd->flags & CMD_BLOCKS)) {
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
client_new(struct client_env *env, int fd, unsigned how, uint64_t id,
    void *owner)
{
	struct client *c = xcalloc(1, sizeof(*c));

	c->env = env;
	c->owner = owner;
	c->id = id;
	c->state = CLIENT_OPEN;
	c->since = c->active = loop_now(env->loop);
	c->waiter.arg = c;
	c->retry_side = SIDE_NONE;
	session_init(&c->session);
	TAILQ_INIT(&c->reqs);
	loop_task_init(&c->pump, client_pump_cb, c);
	loop_task_init(&c->lose, client_lose_cb, c);
	loop_task_init(&c->bury, client_bury_cb, c);
	c->conn = conn_accepted(env->loop, fd, &client_conn_ops, c);
	if (how & CONN_PROXY)
		conn_expect_proxy(c->conn);
	if (how & CONN_TLS)
		conn_start_tls(c->conn, tls_accept(env->tls,
		    TLS_FROM_CLIENT));
	return c;
}

/* ---- the gate, and hold's queue ---- */

void
client_on_gate(struct client *c)
{
	const struct gate_order *o = gate_order(c->env->gate);
	enum side side;

	if (c->backend == NULL || c->state == CLIENT_DEAD)
		return;
	side = backend_side(c->backend);
	if (o->trusted != 0 && !(o->trusted & SIDE_BIT(side)) &&
	    (backend_keyed(c->backend) || c->state == CLIENT_STREAM))
		loop_defer(c->env->loop, &c->lose);
	else if (o->reads != SIDE_NONE && o->reads != side &&
	    o->writes != side && c->state != CLIENT_STREAM &&
	    backend_idle(c->backend))
		loop_defer(c->env->loop, &c->lose);
	else
		backend_on_gate(c->backend);
}

void
client_go_on(void *arg)
{
	client_pump_cb(arg);
}

/* Answers what has waited too long; it certainly did not run. */
void
client_expire(void *arg, struct mono now)
{
	struct client *c = arg;
	struct req *r, *next;

	for (r = c->next; r != NULL; r = next) {
		next = TAILQ_NEXT(r, of_client);
		if (r->state != REQ_WAITING ||
		    mono_ms(now, r->since) < c->env->hold_timeout)
			continue;
		stats.hold_expired++;
		if (c->session.in_tx)
			session_on_dropped(&c->session);
		resp_add_error(&r->reply, "LOADING Holdover: no primary could "
		    "take this for %lld ms (hold-timeout); it was not run",
		    (long long)c->env->hold_timeout);
		client_answered(c, r);
	}
	client_advance(c);
}

struct client_facts
client_facts(const struct client *c)
{
	struct client_facts f = {
		.id = c->id, .conn = c->conn, .session = &c->session,
		.since = c->since, .active = c->active,
		.command = c->last != NULL ? c->last->name : "NULL",
		.streaming = c->state == CLIENT_STREAM,
		.side = c->backend != NULL ? backend_side(c->backend) :
		    SIDE_NONE,
	};
	const struct req *r;

	TAILQ_FOREACH(r, &c->reqs, of_client) {
		f.waiting += r->state == REQ_WAITING;
		f.unanswered += r->state == REQ_SENT;
	}
	return f;
}
