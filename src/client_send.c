#include "client_priv.h"

#include <assert.h>

#include "client_block.h"
#include "pause.h"
#include "stats.h"

/* ---- which link ---- */

struct pool_user *
client_user(struct client *c)
{
	if (c->user == NULL)
		c->user = pool_user_get(c->env->pool, &c->session);
	return c->user;
}

enum client_need {
	CLIENT_SHARES,
	CLIENT_RUNS,		/* a script */
	CLIENT_ALONE,
	CLIENT_CHECKS,
	CLIENT_AUTHS,
	CLIENT_OWNS,
	CLIENT_WAITS		/* its own, and the one of its last write */
};

/* What kind of link must carry it? */
static enum client_need
client_need(const struct client *c, const struct req *r)
{
	if (c->heavy > 0 || r->passed || r->len > CLIENT_LARGE ||
	    session_needs_own(&c->session) || (r->class == CMD_WRITE &&
	    pause_is_on(loop_now(c->env->loop))))
		return r->cmd->special == CMD_WAIT ? CLIENT_WAITS :
		    CLIENT_OWNS;
	if (r->script)
		return CLIENT_RUNS;
	if (r->kind != REQ_ONE)
		return CLIENT_SHARES;
	if (r->blocks || (r->cmd->flags & (CMD_OWNS & ~CMD_BLOCKS)))
		return r->cmd->special == CMD_WAIT ? CLIENT_WAITS :
		    CLIENT_OWNS;
	if (r->cmd->flags & CMD_ALONE)
		return CLIENT_ALONE;
	switch (r->cmd->special) {
	case CMD_MULTI:
	case CMD_WATCH:
	case CMD_TRACKING:
		return CLIENT_OWNS;
	case CMD_AUTH:
	case CMD_RESET:
		return CLIENT_AUTHS;
	case CMD_HELLO:
		return session_hello_auths(r) ? CLIENT_AUTHS : CLIENT_CHECKS;
	case CMD_SELECT:
		return CLIENT_CHECKS;
	default:
		return CLIENT_SHARES;
	}
}

/* The state is gone: somebody else may have the connection. */
void
client_release(struct client *c)
{
	if (c->link == NULL || !pool_link_own(c->link) || c->in_flight > 0 ||
	    c->heavy > 0 || c->state != CLIENT_OPEN ||
	    c->listen != CLIENT_DEAF ||
	    pool_link_lost(c->link) || session_needs_own(&c->session) ||
	    !backend_idle(pool_backend(c->link)))
		return;
	client_unchoke(c);
	pool_return(c->link, client_user(c));
	c->link = NULL;
}

static void
client_replay_cb(void *arg, struct req *r)
{
	struct client *c = arg;

	backend_send(pool_backend(c->link), r);
}

void
client_own(struct client *c, enum side side)
{
	if (!client_ahead_take(c, side))
		c->link = pool_own(client_user(c), side, c);
	pool_name(c->link, c->session.name);
	session_replay(&c->session, client_replay_cb, c);
}

static struct pool_link *
client_find_link(struct client *c, enum side side, enum client_need need)
{
	switch (need) {
	case CLIENT_SHARES:
		/* Behind its own script it need not wait for the answer. */
		return c->link != NULL && pool_link_runs(c->link) ?
		    pool_shared_for(client_user(c), side, POOL_SCRIPTS) :
		    pool_shared(client_user(c), side);
	case CLIENT_RUNS:
		return pool_shared_for(client_user(c), side, POOL_SCRIPTS);
	case CLIENT_ALONE:
		return pool_shared_for(client_user(c), side, POOL_ALONE);
	case CLIENT_CHECKS:
		return pool_shared_for(client_user(c), side, POOL_CHECK);
	case CLIENT_AUTHS:
		return pool_shared_for(client_user(c), side, POOL_AUTH);
	case CLIENT_OWNS:
	case CLIENT_WAITS:
		break;
	}
	return NULL;
}

/*
 * Its own link is at another Redis: false when that must wait for answers
 * still to come.
 */
static bool
client_move(struct client *c)
{
	if (c->in_flight > 0)
		return false;
	if (c->listen != CLIENT_DEAF) {
		client_on_moved(c);
		return false;
	}
	client_unchoke(c);
	pool_drop(c->link);
	c->link = NULL;
	session_on_lost(&c->session);
	return true;
}

/*
 * WAIT is about the writes of its own connection: since Redis 7.2 the last
 * one there counts, and where there was none nothing is waited for. So it goes
 * where the last write went. False when that link is not yet the client's own.
 */
static bool
client_claim(struct client *c, enum side side)
{
	bool later;

	if (c->link != NULL && pool_link_number(c->link) == c->wrote)
		return true;
	if (c->in_flight > 0)
		return false;
	c->heavy = 0;
	client_release(c);
	if (c->link != NULL)
		return true;
	c->link = pool_claim(client_user(c), side, c->wrote, c, &later);
	if (later)
		hold_add(c->env->hold, &c->waiter);
	return !later;
}

/*
 * Has it a link that will do? Order is kept by having one at a time: false
 * when answers must come first.
 */
static bool
client_attach(struct client *c, enum side side, enum client_need need)
{
	struct pool_link *l;

	if (need == CLIENT_WAITS && !client_claim(c, side))
		return false;
	if (c->link != NULL && pool_link_own(c->link)) {
		if (pool_link_side(c->link) != side) {
			if (!client_move(c))
				return false;
		} else if (need == CLIENT_OWNS || need == CLIENT_WAITS ||
		    c->in_flight > 0)
			return true;
		else
			client_release(c);
		if (c->link != NULL)
			return true;
	}
	/* The answer decides who it is for what follows. */
	if (c->link != NULL && (need == CLIENT_AUTHS ||
	    (need == CLIENT_SHARES && pool_link_checks(c->link))))
		return false;
	l = client_find_link(c, side, need);
	if (c->link != NULL)
		return c->link == l;
	if (l == NULL)
		client_own(c, side);
	else
		c->link = l;
	return true;
}

/* ---- what the gate is asked for ---- */

/* What the gate should be asked for. */
static enum cmd_class
client_class(const struct client *c, const struct req *r)
{
	struct mono now = loop_now(c->env->loop);

	if (r->kind == REQ_TX)
		return CMD_WRITE;
	if (c->env->denied[cmd_index(r->cmd)])
		return CMD_REFUSED;
	/* It is about what Holdover passes on, not about Redis. */
	if (r->cmd->special == CMD_CLIENT_REPLY &&
	    cmd_arity_ok(r->cmd, r->argc) &&
	    !session_only_listens(&c->session))
		return CMD_LOCAL;
	/* A queued write would be refused by a replica at once. */
	if (c->session.in_tx || r->cmd->special == CMD_MULTI)
		return CMD_WRITE;
	/* A primary that is just being fenced calls itself a replica. */
	if ((r->cmd->special == CMD_ROLE || r->cmd->special == CMD_INFO) &&
	    gate_state(c->env->gate, now) == GATE_HOLD_WRITES &&
	    gate_order(c->env->gate)->writes == SIDE_NONE)
		return CMD_WRITE;
	/* Redis knows who may, and has the words for what is wrong with it. */
	if (r->cmd->class == CMD_LOCAL && ((r->cmd->flags & CMD_PERMIT) ||
	    !cmd_arity_ok(r->cmd, r->argc) ||
	    (session_only_listens(&c->session) &&
	    r->cmd->special != CMD_QUIT)))
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

/* ---- sending ---- */

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
	backend_send(pool_backend(c->link), drop);
	session_on_discarded(&c->session);
	client_answered(c, r);
}

static void
client_stream(struct client *c, struct req *r)
{
	c->state = CLIENT_STREAM;
	c->replica = r->cmd->special == CMD_SYNC;
	backend_stream(pool_backend(c->link));
	backend_send_raw(pool_backend(c->link), r->bytes, r->len);
	if (r->cmd->special == CMD_MONITOR) {
		c->session.monitors = true;
		client_listen_set(c, CLIENT_HEARS);
	}
	client_free_req(c, r);
}

/* For Holdover alone: whatever is answered means nothing. */
static void
client_send_mark(struct client *c, const char *name)
{
	struct buf b = BUF_INIT;

	resp_add_command(&b, name, NULL);
	backend_send(pool_backend(c->link), req_new(cmd_lookup("ping", 4,
	    NULL, 0), REQ_SESSION, 1, buf_data(&b), buf_len(&b)));
	buf_free(&b);
}

/*
 * Up to Redis 7.0 WAIT is about the last command of its connection, and the
 * one that took the writes may be no more: these come after all of them. Users
 * may be denied PING, but nobody HELLO; which Redis 5 has not.
 */
static void
client_mark_offset(struct client *c)
{
	client_send_mark(c, "PING");
	client_send_mark(c, "HELLO");
}

void
client_stand_in(struct client *c, struct req *r, struct req *old)
{
	r->owner = old->owner;
	r->class = old->class;
	r->held = old->held;
	r->silent = old->silent;
	r->since = old->since;
	r->asked = old->asked;
	TAILQ_INSERT_BEFORE(old, r, of_client);
	c->cost += req_cost(r);
	if (c->blocked == old)
		c->blocked = r;
	client_drop_req(c, old);
}

/* One that blocks has waited already: only the rest of its time is left. */
static struct req *
client_shorten(struct client *c, struct req *r)
{
	struct mono now = loop_now(c->env->loop);
	struct req *shorter;

	if (r->asked.us == 0)
		r->asked = r->held ? r->since : now;
	shorter = block_shorten(r, mono_ms(now, r->asked));
	if (now.us == r->asked.us || shorter == NULL) {
		if (shorter != NULL)
			req_free(shorter);
		return r;
	}
	client_stand_in(c, shorter, r);
	shorter->asked = now;
	req_free(r);
	return shorter;
}

static void
client_send(struct client *c, struct req *r)
{
	/* Redis tells it no more to one that listens. */
	if ((r->blocks || (r->cmd->flags & CMD_LISTENS)) &&
	    !c->session.in_tx) {
		if (c->block == CLIENT_ASKS_AGAIN)
			pool_ask_id_again(c->link);
		else
			pool_ask_id(c->link);
		r = client_shorten(c, r);
	} else if ((r->cmd->flags & CMD_PERMIT) && !c->session.in_tx)
		r = client_permit_ask(c, r);
	if (r->reply.mem != NULL)
		client_drop_reply(c, r);	/* a refusal */
	if (r->held)
		hold_waited(c->env->hold,
		    mono_us(loop_now(c->env->loop), r->since));
	c->next = TAILQ_NEXT(r, of_client);
	if (r->cmd->special == CMD_WAIT && !c->session.in_tx) {
		client_mark_offset(c);
		/* It may do so again: its writes go here for a while. */
		c->heavy = CLIENT_HEAVY;
	} else if (r->writes > 0 && !r->blocks)
		c->wrote = pool_link_number(c->link);
	session_on_sent(&c->session, r);
	r->in_tx = r->kind == REQ_ONE && c->session.in_tx;
	c->in_flight++;
	if (c->ahead != NULL && client_ahead_ages(r))
		client_ahead_drop(c);
	backend_send(pool_backend(c->link), r);
	if (r->blocks && !r->in_tx)
		client_again_sent(c, r);
	if (r->passed || r->len > CLIENT_LARGE)
		c->heavy = CLIENT_HEAVY;
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

/* Redis may do so a moment later than we count. */
#define CLIENT_PAUSE_MORE_MS	1000

/* CLIENT PAUSE is sent, perhaps as part of a transaction. */
static void
client_note_pause(struct client *c, const struct req *r)
{
	const struct req *queued;
	struct resp_arg a;
	long long ms;

	if (r->cmd->special == CMD_EXEC)
		TAILQ_FOREACH(queued, &c->session.tx, of_client)
			if (queued->cmd->special == CMD_CLIENT_PAUSE)
				client_note_pause(c, queued);
	if (r->cmd->special != CMD_CLIENT_PAUSE || r->argc < 3)
		return;
	a = resp_request_arg(r->bytes, r->len, 2);
	if (util_number(a.p, a.len, &ms) && ms >= 0 && ms < INT64_MAX / 4000)
		pause_begin(mono_add_ms(loop_now(c->env->loop),
		    ms + CLIENT_PAUSE_MORE_MS));
}

/*
 * One that needs all answers before it to be in, on a link of its own.
 * False when that is not so yet; *done when it is no request any more.
 */
static bool
client_forward_alone(struct client *c, struct req *r, bool *done)
{
	*done = true;
	if (r->cmd->special == CMD_EXEC && c->session.exec !=
	    SESSION_EXEC_RUN) {
		if (TAILQ_FIRST(&c->reqs) != r)
			return false;
		client_exec_instead(c, r);
		client_advance(c);
		return true;
	}
	if ((r->cmd->flags & CMD_LISTENS) && !c->session.in_tx) {
		/* Its pushes go out at once. */
		if (TAILQ_FIRST(&c->reqs) != r)
			return false;
		r->fenced = true;
	}
	if (r->cmd->special == CMD_TRACKING && !c->session.in_tx &&
	    !client_redirect_ready(c, r))
		return false;
	if ((r->cmd->flags & CMD_STREAM) && !c->session.in_tx) {
		pool_ask_id(c->link);
		if (!backend_idle(pool_backend(c->link)) ||
		    TAILQ_FIRST(&c->reqs) != r)
			return false;
		client_stream(c, r);
		return true;
	}
	client_note_pause(c, r);
	*done = false;
	return true;
}

/* Does it bring a password? See pool_shared_idle(). */
static bool
client_logs_in(const struct req *r)
{
	return r->cmd->special == CMD_AUTH || (r->cmd->special == CMD_HELLO &&
	    session_hello_auths(r));
}

/* Sends one to the Redis it must go to; false when it has to wait. */
static bool
client_forward(struct client *c, struct req *r, enum gate_verdict v,
    enum side to)
{
	bool done = false;

	/* Any Redis that is alive will do: rather the one at hand. */
	if (v == GATE_TO_ANY && c->link != NULL &&
	    (gate_order(c->env->gate)->alive &
	    SIDE_BIT(pool_link_side(c->link))))
		to = pool_link_side(c->link);
	if (to == c->retry_side &&
	    mono_before(loop_now(c->env->loop), c->retry_at)) {
		hold_add(c->env->hold, &c->waiter);
		return false;
	}
	/* It goes on when more was read, or when answers are in. */
	if (conn_pending(c->conn) > CLIENT_UNREAD || (r->kind == REQ_ONE &&
	    client_logs_in(r) && TAILQ_FIRST(&c->reqs) != r) ||
	    !client_attach(c, to, client_need(c, r)))
		return false;
	if (r == c->blocked && !client_again_turn(c)) {
		hold_add(c->env->hold, &c->waiter);
		return false;
	}
	if (r->kind == REQ_ONE && !client_forward_alone(c, r, &done))
		return false;
	if (!done)
		client_send(c, r);
	return true;
}

/* Is an AUTH, SUBSCRIBE or the like before this one still unanswered? */
static bool
client_is_changing(const struct req *r)
{
	while ((r = TAILQ_PREV(r, req_list, of_client)) != NULL)
		if (r->state == REQ_SENT && (session_changes(r) ||
		    (r->cmd->flags & CMD_LISTENS)))
			return true;
	return false;
}

/* May a run go as it is? Where its requests part ways, it may not. */
static bool
client_run_stays(const struct client *c, enum gate_verdict v)
{
	const struct gate_order *o = gate_order(c->env->gate);

	return v != GATE_HOLD && o->reads == o->writes && !c->session.in_tx;
}

/* One waiting request, in paired mode. False when it has to wait. */
static bool
client_try(struct client *c, struct req *r)
{
	enum gate_verdict v;
	enum side to;

	/* Nothing overtakes what was bounced, or came back. */
	if (c->bounced > 0 || loop_queued(&c->settle) ||
	    (c->link != NULL && pool_link_lost(c->link)))
		return false;
	if (r->kind != REQ_RUN)
		r->class = client_class(c, r);
	v = r == c->blocked ?
	    gate_ask_again(c->env->gate, r->class, loop_now(c->env->loop),
	    &to) :
	    gate_ask(c->env->gate, r->class, loop_now(c->env->loop), &to);
	if (r->kind == REQ_RUN && !client_run_stays(c, v)) {
		client_split(c, r);
		return true;
	}
	/* The switch would wait for it. */
	if (client_is_large(r) && gate_order(c->env->gate)->near)
		v = GATE_HOLD;
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

	if (class == CMD_LOCAL && r->cmd->special == CMD_CLIENT_REPLY) {
		client_local(c, r);
		return;
	}
	if (class == CMD_REFUSED) {
		client_refuse(c, r);
		client_write(c, buf_data(&r->reply), buf_len(&r->reply));
	} else if (class == CMD_WRITE && gate_order(c->env->gate)->writes !=
	    pool_link_side(c->link)) {
		client_cut(c, "it listens at a Redis that is no longer "
		    "the primary");
		return;
	} else {
		backend_send_raw(pool_backend(c->link), r->bytes, r->len);
		/* From here on nobody knows what it hears. */
		c->session.monitors &= r->cmd->special != CMD_RESET;
	}
	client_free_req(c, r);
}

/* Sends what may be sent, in order. */
void
client_pump(struct client *c)
{
	struct req *r;

	if (!client_listen_ready(c))
		return;
	while (c->state != CLIENT_DEAD && (r = c->next) != NULL) {
		if (r->state != REQ_WAITING)
			c->next = TAILQ_NEXT(r, of_client);
		else if (c->state == CLIENT_STREAM)
			client_stream_one(c, r);
		else if (!client_try(c, r))
			break;
	}
}
