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

/* Returns what is to be sent for r; it takes r's place. */
struct req *
client_permit_ask(struct client *c, struct req *r)
{
	struct buf b = BUF_INIT;
	struct req *ask;

	if (r->meant != NULL || !cmd_arity_ok(r->cmd, r->argc) ||
	    !client_permit_form(r, &b))
		return r;
	ask = req_new(r->cmd, REQ_CLIENT, r->argc, buf_data(&b), buf_len(&b));
	buf_free(&b);
	ask->meant = r;
	client_stand_in(c, ask, r);
	return ask;
}

/* ---- the answer ---- */

void
client_local(struct client *c, struct req *r)
{
	const struct req *meant = r->meant != NULL ? r->meant : r;
	enum client_answer how = r->cmd->special == CMD_QUIT ? CLIENT_ENDS :
	    CLIENT_STAYS;

	r->class = CMD_LOCAL;
	if (!session_answer(&c->session, c->id, meant, &r->reply))
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
