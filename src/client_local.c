/*
 * What Holdover answers by itself. Who may have it is for Redis to say: it is
 * asked the same, in a form that does nothing there; an error is the answer,
 * anything else means that the client may.
 */
#include "client_priv.h"

#include <assert.h>

/* ---- may it? ---- */

/*
 * The names and connections that Redis knows are of shared links: they are
 * not to be touched. It has no client of that address, nor of that id.
 */
static bool
client_permit_form(const struct req *r, struct buf *b)
{
	long long i;
	struct resp_arg a;

	switch (r->cmd->special) {
	case CMD_CLIENT_SETNAME:
		resp_add_command(b, "CLIENT", "SETNAME", "", NULL);
		return true;
	case CMD_CLIENT_UNBLOCK:
		resp_add_array(b, (size_t)r->argc);
		resp_add_str(b, "CLIENT");
		resp_add_str(b, "UNBLOCK");
		resp_add_str(b, "0");
		i = 3;
		break;
	case CMD_CLIENT_KILL:
		resp_add_array(b, (size_t)(r->argc == 3 ? 4 : r->argc + 2));
		resp_add_str(b, "CLIENT");
		resp_add_str(b, "KILL");
		i = r->argc == 3 ? 3 : 2;
		break;
	default:
		return false;
	}
	for (; i < r->argc; i++) {
		a = resp_request_arg(r->bytes, r->len, i);
		resp_add_bulk(b, a.p, a.len);
	}
	if (r->cmd->special == CMD_CLIENT_KILL) {
		resp_add_str(b, "ADDR");
		resp_add_str(b, "-");
	}
	return true;
}

/* The name that its own link has may be another one. */
void
client_name_lost(struct client *c)
{
	if (c->link != NULL && pool_link_own(c->link))
		pool_name_lost(c->link);
}

/* Returns what is to be sent for r; it takes r's place. */
struct req *
client_permit_ask(struct client *c, struct req *r)
{
	struct buf b = BUF_INIT;
	struct req *ask;

	if (r->meant != NULL || !cmd_arity_ok(r->cmd, r->argc) ||
	    !client_permit_form(r, &b))
		return r;
	if (r->cmd->special == CMD_CLIENT_SETNAME)
		client_name_lost(c);
	ask = req_new(r->cmd, REQ_CLIENT, r->argc, buf_data(&b), buf_len(&b));
	buf_free(&b);
	ask->meant = r;
	client_stand_in(c, ask, r);
	return ask;
}

/* ---- CLIENT REPLY ---- */

static bool
client_voice_of(const struct req *r, enum client_voice *v)
{
	*v = session_arg_is(r, 2, "OFF") ? CLIENT_SILENT :
	    session_arg_is(r, 2, "SKIP") ? CLIENT_SKIPS : CLIENT_TALKS;
	return r->argc == 3 && (*v != CLIENT_TALKS ||
	    session_arg_is(r, 2, "ON"));
}

/*
 * Requests run in the order in which they come, so it is known at once whose
 * replies those are. Redis answers all: what a request is, what becomes of it
 * in a hold, and over a switch, does not depend on who listens.
 */
bool
client_hushes(struct client *c, const struct req *r)
{
	enum client_voice was = c->voice, v;

	if (was == CLIENT_SKIPS)
		c->voice = CLIENT_TALKS;
	if (r->cmd->special == CMD_RESET && cmd_arity_ok(r->cmd, r->argc))
		was = c->voice = CLIENT_TALKS;
	else if (r->cmd->special == CMD_CLIENT_REPLY &&
	    !c->env->denied[cmd_index(r->cmd)] &&
	    !session_only_listens(&c->session) && client_voice_of(r, &v)) {
		if (was != CLIENT_SILENT || v != CLIENT_SKIPS)
			c->voice = v;
		was = v;
	}
	return was != CLIENT_TALKS;
}

static void
client_answer_voice(struct client *c, const struct req *r, struct buf *out)
{
	enum client_voice v;

	if (c->session.in_tx) {
		resp_add_error(out, "ERR Holdover: CLIENT REPLY cannot be part "
		    "of a transaction");
		session_on_dropped(&c->session);
	} else if (client_voice_of(r, &v))
		resp_add_simple(out, "OK");
	else
		resp_add_error(out, "ERR syntax error");
}

/* ---- the answer ---- */

void
client_local(struct client *c, struct req *r)
{
	const struct req *meant = r->meant != NULL ? r->meant : r;
	enum client_answer how = r->cmd->special == CMD_QUIT ? CLIENT_ENDS :
	    CLIENT_STAYS;

	r->class = CMD_LOCAL;
	if (r->cmd->special == CMD_CLIENT_REPLY)
		client_answer_voice(c, r, &r->reply);
	else if (!session_answer(&c->session, c->id, meant, &r->reply))
		how = c->env->answer(c->env, c, meant, &r->reply);
	if (how == CLIENT_LATER) {
		r->state = REQ_SENT;
		if (c->next == r)
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
	else if (c->state != CLIENT_DEAD) {
		client_account(c);
		if (c->next != NULL)
			loop_defer(c->env->loop, &c->pump);
	}
}
