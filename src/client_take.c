#include "client_priv.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "stats.h"

/* Plain requests one behind another in the bytes that were just read. */
struct client_run {
	const char		*p;
	size_t			 len;
	const struct cmd	*first;
	unsigned		 n;
	unsigned		 writes;
	unsigned		 flags;	/* of any of them */
	bool			 keyed;
};

static void
client_protocol_error(struct client *c, const char *what)
{
	const struct cmd *cmd = cmd_lookup("", 0, NULL, 0);
	struct req *r;

	stats.protocol_errors++;
	log_debug("client: %s sent broken RESP, %s",
	    conn_peer(c->conn)->text, what);
	r = req_new(cmd, REQ_CLIENT, 0, "", 0);
	r->silent = c->voice != CLIENT_TALKS;
	resp_add_error(&r->reply, "ERR %s", what);
	TAILQ_INSERT_TAIL(&c->reqs, r, of_client);
	c->cost += req_cost(r);
	r->state = REQ_DONE;
	client_advance(c);
	client_leave(c);
}

/* Appends it to what waits, and sends what may go. */
static void
client_append(struct client *c, struct req *r)
{
	if (c->state == CLIENT_DEAD) {
		req_free(r);
		return;
	}
	STATS_ADD(requests, r->n);
	c->last = r->cmd;
	c->active = r->since = loop_now(c->env->loop);
	r->owner = c;
	if (c->voice != CLIENT_TALKS ||
	    r->cmd->special == CMD_CLIENT_REPLY)
		r->silent = client_hushes(c, r);
	TAILQ_INSERT_TAIL(&c->reqs, r, of_client);
	c->cost += req_cost(r);
	if (c->next == NULL)
		c->next = r;
	client_pump(c);
}

static void
client_run_end(struct client *c, struct client_run *run)
{
	struct req *r;

	if (run->n == 0)
		return;
	r = req_several(REQ_RUN, run->first, run->writes > 0 ? CMD_WRITE :
	    run->keyed ? CMD_READ : CMD_ANY, run->n, run->writes, run->p,
	    run->len);
	r->script = (run->flags & CMD_SCRIPT) != 0;
	run->n = 0;
	client_append(c, r);
}

static void
client_run_add(struct client_run *run, const struct cmd *cmd, const char *p,
    size_t len)
{
	if (run->n++ == 0) {
		run->p = p;
		run->len = 0;
		run->first = cmd;
		run->writes = 0;
		run->flags = 0;
		run->keyed = false;
	}
	run->len += len;
	run->writes += cmd->class == CMD_WRITE;
	run->flags |= cmd->flags;
	run->keyed |= cmd->class != CMD_ANY;
}

/* Has it no effect but on keys, and is it answered by one reply? */
static bool
client_is_plain(const struct client *c, const struct cmd *cmd)
{
	return (cmd->special == CMD_PLAIN || cmd->special == CMD_EVALSHA) &&
	    (cmd->flags & (CMD_OWNS | CMD_ALONE)) == 0 &&
	    cmd->class <= CMD_ANY && !c->env->denied[cmd_index(cmd)];
}

static const struct cmd *
client_cmd(const struct resp_request *f, const char *p)
{
	return cmd_lookup(p + f->name_off, f->name_len,
	    f->argc > 1 ? p + f->sub_off : NULL, f->sub_len);
}

/*
 * A MULTI stands at p: when all up to its EXEC is there and plain, it needs
 * no connection of its own. Returns the bytes used, 0 if it is not so.
 */
static size_t
client_take_tx(struct client *c, const char *p, size_t n)
{
	struct resp_request f = { 0 };
	const struct cmd *cmd, *first = NULL;
	size_t used = 0;
	unsigned k = 0, flags = 0;
	struct req *r;
	long long len;

	if (n > CLIENT_LARGE)
		n = CLIENT_LARGE;
	do {
		len = resp_request(&f, p + used, n - used);
		if (len <= 0 || f.is_inline || f.argc == 0)
			return 0;
		cmd = client_cmd(&f, p + used);
		if (k == 0)
			first = cmd;
		else if (cmd->special != CMD_EXEC && !client_is_plain(c, cmd))
			return 0;
		if (!cmd_arity_ok(cmd, f.argc))
			return 0;
		used += (size_t)len;
		flags |= cmd->flags;
		k++;
	} while (cmd->special != CMD_EXEC);
	r = req_several(REQ_TX, first, CMD_WRITE, k, 1, p, used);
	r->script = (flags & CMD_SCRIPT) != 0;
	client_append(c, r);
	return used;
}

/* ---- a request too large to be gathered ---- */

/*
 * A hold ends one that takes longer. In a planned switch that is only what did
 * not come in the seconds before, when the hold was near.
 */
#define CLIENT_LARGE_MS		500

static struct req *
client_large(const struct client *c)
{
	return TAILQ_LAST(&c->reqs, req_list);
}

bool
client_jammed(const struct client *c)
{
	return c->large == CLIENT_PASSES &&
	    (client_large(c)->state == REQ_WAITING ||
	    (c->link != NULL && backend_pending(pool_backend(c->link)) >
	    CLIENT_UNREAD));
}

/* There is room for more of it at its link. */
void
client_on_room(void *arg)
{
	struct client *c = arg;

	if (c->large == CLIENT_PASSES)
		client_account(c);
}

bool
client_is_large(const struct req *r)
{
	return r->kind == REQ_ONE && (r->passed || r->len > CLIENT_LARGE);
}

/*
 * A planned hold is near: it waits until large ones that were begun are
 * answered, which delays nobody yet.
 */
bool
client_large_moves(const struct client *c)
{
	const struct req *r;

	if (c->state != CLIENT_OPEN || c->in_flight == 0 ||
	    !gate_order(c->env->gate)->near)
		return false;
	TAILQ_FOREACH(r, &c->reqs, of_client)
		if (r->state == REQ_SENT && client_is_large(r))
			return true;
	return false;
}

/*
 * Where the gate holds, what is still to come of it may take long. It has not
 * run, and nothing is lost but its bytes.
 */
void
client_on_gate(void *arg)
{
	struct client *c = arg;

	if (gate_order(c->env->gate)->state != GATE_OPEN &&
	    c->large == CLIENT_PASSES && c->in_flight == 1 &&
	    client_large(c)->state == REQ_SENT &&
	    mono_ms(loop_now(c->env->loop), client_large(c)->since) >=
	    CLIENT_LARGE_MS)
		pool_lose(c->link);
	client_listen_count(c);
}

/*
 * Part of a request stands at p. If it is large and plain it is passed on
 * from now on; returns the bytes used, 0 if it is to be gathered.
 */
static size_t
client_begin_large(struct client *c, struct resp_request *f, const char *p,
    size_t n)
{
	const struct cmd *cmd;
	struct req *r;

	if (c->state != CLIENT_OPEN || !f->multibulk ||
	    f->argc - f->left < 2 || c->session.in_tx ||
	    (n <= CLIENT_LARGE && f->bulk <= CLIENT_LARGE))
		return 0;
	cmd = client_cmd(f, p);
	if (!client_is_plain(c, cmd))
		return 0;
	r = req_new(cmd, REQ_CLIENT, f->argc, p, f->off);
	r->passed = r->open = true;
	c->large = CLIENT_PASSES;
	client_append(c, r);
	return resp_request_front(f);
}

/*
 * A whole large one, at the link that it has: it need not be copied either.
 */
static bool
client_pass_whole(struct client *c, const struct cmd *cmd, const char *p,
    size_t len, long long argc)
{
	struct req *r;

	if (c->next != NULL || c->link == NULL || !pool_link_own(c->link) ||
	    !backend_ready(pool_backend(c->link)) || c->session.in_tx ||
	    !client_is_plain(c, cmd))
		return false;
	r = req_new(cmd, REQ_CLIENT, argc, p, 0);
	r->passed = true;
	client_append(c, r);
	if (c->state == CLIENT_DEAD)
		return true;
	if (c->next == NULL) {
		backend_send_raw(pool_backend(c->link), p, len);
		return true;
	}
	/* It has to wait, and so must its bytes. */
	STATS_ADD(requests, -1);
	client_free_req(c, r);
	return false;
}

static size_t
client_pass_on(struct client *c, struct resp_request *f, const char *p,
    size_t n)
{
	long long used;
	bool done;

	if (client_jammed(c))
		return 0;
	used = resp_request_rest(f, p, n, &done);
	if (used == RESP_BAD) {
		stats.protocol_errors++;
		client_end(c, "a large request is broken RESP");
		return n;
	}
	if (c->large == CLIENT_PASSES) {
		client_large(c)->open = !done;
		backend_send_raw(pool_backend(c->link), p, (size_t)used);
	}
	if (done)
		c->large = CLIENT_SMALL;
	return (size_t)used;
}

/* ---- requests ---- */

/* An inline request becomes a multibulk. */
static bool
client_take_inline(struct client *c, const char *p, size_t len)
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
		client_append(c, req_new(cmd_lookup(name.p, name.len, sub.p,
		    sub.len), REQ_CLIENT, argc, buf_data(&b), buf_len(&b)));
	}
	buf_free(&b);
	return true;
}

/* One whole multibulk at p, of len bytes; returns how many were used. */
static size_t
client_take(struct client *c, struct client_run *run,
    const struct resp_request *f, const char *p, size_t len, size_t n)
{
	const struct cmd *cmd = client_cmd(f, p);
	size_t used;

	if (c->state == CLIENT_OPEN && len <= CLIENT_LARGE &&
	    client_is_plain(c, cmd) && c->voice != CLIENT_SKIPS) {
		client_run_add(run, cmd, p, len);
		if (run->len > CLIENT_LARGE)
			client_run_end(c, run);
		return len;
	}
	client_run_end(c, run);
	if (c->state == CLIENT_DEAD)
		return len;
	if (len > CLIENT_LARGE && c->state == CLIENT_OPEN &&
	    client_pass_whole(c, cmd, p, len, f->argc))
		return len;
	if (cmd->special == CMD_MULTI && c->state == CLIENT_OPEN &&
	    c->voice != CLIENT_SKIPS && c->next == NULL &&
	    !session_needs_own(&c->session) &&
	    !c->env->denied[cmd_index(cmd)] &&
	    (used = client_take_tx(c, p, n)) > 0)
		return used;
	client_append(c, req_new(cmd, REQ_CLIENT, f->argc, p, len));
	return len;
}

static bool
client_takes(const struct client *c)
{
	return !conn_paused(c->conn) &&
	    (c->state == CLIENT_OPEN || c->state == CLIENT_STREAM);
}

/*
 * Takes whole requests off the bytes and sends what may go; returns how
 * many bytes are used up.
 */
static size_t
client_eat_by(struct client *c, struct resp_request *f, const char *p,
    size_t n)
{
	struct client_run run = { .n = 0 };
	size_t used = 0, passed;
	long long len;

	while (used < n && client_takes(c)) {
		len = c->large == CLIENT_SMALL ?
		    resp_request(f, p + used, n - used) : RESP_MORE;
		if (len == RESP_MORE) {
			client_run_end(c, &run);
			passed = c->large == CLIENT_SMALL ?
			    client_begin_large(c, f, p + used, n - used) :
			    client_pass_on(c, f, p + used, n - used);
			if (passed == 0)
				break;
			used += passed;
			client_account(c);
			continue;
		}
		if (len == RESP_BAD) {
			client_run_end(c, &run);
			if (c->state != CLIENT_DEAD)
				client_protocol_error(c, f->error);
			return n;
		}
		if (f->argc > 0 && !f->is_inline)
			used += client_take(c, &run, f, p + used,
			    (size_t)len, n - used);
		else {
			client_run_end(c, &run);
			if (f->argc > 0 && !client_take_inline(c, p + used,
			    (size_t)len))
				return n;
			used += (size_t)len;
		}
		if (run.n == 0)
			client_account(c);
	}
	client_run_end(c, &run);
	return used;
}

/* The same; where it stands in a request is kept only inside of one. */
static size_t
client_eat(struct client *c, const char *p, size_t n)
{
	struct resp_request between;
	size_t used;
	bool inside;

	resp_request_begin(&between);
	used = client_eat_by(c, c->framing != NULL ? c->framing : &between,
	    p, n);
	inside = used < n || c->large != CLIENT_SMALL;
	if (c->framing == NULL && inside) {
		c->framing = xmalloc(sizeof(*c->framing));
		*c->framing = between;
	} else if (c->framing != NULL && !inside) {
		free(c->framing);
		c->framing = NULL;
	}
	return used;
}

void
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

void
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
		if (used < n && (c->state == CLIENT_OPEN ||
		    c->state == CLIENT_STREAM))
			buf_add(&c->input, p + used, n - used);
	}
	if (c->state != CLIENT_DEAD)
		client_account(c);
}
