#include "client_priv.h"

#include <stdio.h>
#include <string.h>

#include "stats.h"

/* After a connection to Redis failed, it is tried again this much later. */
#define CLIENT_RETRY_MS		20

/* What Redis says to a transaction one of whose commands it refuses. */
static void
client_answer_tx(struct req *r, const char *queued, const char *exec)
{
	unsigned i;

	resp_add_simple(&r->reply, "OK");
	for (i = 2; i < r->n; i++)
		buf_add(&r->reply, queued, strlen(queued));
	resp_add_error(&r->reply, "%s", exec);
}

void
client_answer_not_run(struct req *r, const char *error)
{
	struct buf b = BUF_INIT;

	resp_add_error(&b, "%s", error);
	buf_add(&b, "", 1);
	if (r->kind == REQ_TX)
		client_answer_tx(r, buf_data(&b), "EXECABORT Transaction "
		    "discarded because of previous errors.");
	else
		buf_add(&r->reply, buf_data(&b), buf_len(&b) - 1);
	buf_free(&b);
}

/* It waits again; what Redis said is kept until it is sent. */
void
client_unsend_refused(struct client *c, struct req *r)
{
	/* How long it was blocked, or stood behind that, does not count. */
	if (c->unblocked)
		r->since = loop_now(c->env->loop);
	if (r != c->blocked)
		r->asked = (struct mono){ 0 };
	r->state = REQ_WAITING;
	r->answered = 0;
	r->refused = false;
}

void
client_drop_reply(struct client *c, struct req *r)
{
	c->cost -= buf_len(&r->reply);
	buf_free(&r->reply);
}

/* It did not run, or may run again: as if it had not been sent. */
void
client_unsend(struct client *c, struct req *r)
{
	client_drop_reply(c, r);
	client_unsend_refused(c, r);
}

/*
 * EXEC is in doubt, and with it what it would have run: that is not asked
 * again, and was queued for all that the client can know.
 */
static void
client_doubt_tx(struct client *c, struct req *exec)
{
	struct req *r = exec;

	session_on_discarded(&c->session);
	while ((r = TAILQ_PREV(r, req_list, of_client)) != NULL &&
	    r->in_tx && r->state == REQ_WAITING) {
		resp_add_simple(&r->reply, r->cmd->special == CMD_MULTI ?
		    "OK" : "QUEUED");
		client_answered(c, r);
		if (r->cmd->special == CMD_MULTI)
			break;
	}
}

static void
client_doubt(struct client *c, struct req *r)
{
	static const char why[] = "INDOUBT Holdover: the primary went away "
	    "before it answered; 'exec' may or may not have run";

	stats.in_doubt++;
	if (r->kind == REQ_TX)
		client_answer_tx(r, "+QUEUED\r\n", why);
	else
		resp_add_error(&r->reply, "INDOUBT Holdover: the primary "
		    "went away before it answered; '%s' may or may not have "
		    "run", r->cmd->name);
	client_answered(c, r);
	if (r->cmd->special == CMD_EXEC)
		client_doubt_tx(c, r);
}

/*
 * It did not run, or only reads; but it is too large to have been kept, so
 * only its client can ask again.
 */
void
client_answer_lost(struct client *c, struct req *r)
{
	char why[128];

	snprintf(why, sizeof(why), "LOADING Holdover: the primary went away "
	    "while '%s' was sent; it was not run", r->cmd->name);
	if (r->open)
		c->large = CLIENT_DROPS;
	client_answer_not_run(r, why);
	client_answered(c, r);
}

/* What was sent and not answered; its client may have to be cut. */
static void
client_take_back(struct client *c, struct req *r, bool ran)
{
	bool certain = !ran || c->unblocked || r->in_tx;

	client_unsend(c, r);
	if (r->passed && !r->partly &&
	    (certain || r->open || r->class != CMD_WRITE))
		client_answer_lost(c, r);
	else if (certain || req_repeatable(r))
		stats.reads_repeated += !certain;
	else if (r->partly || r->class != CMD_WRITE)
		client_cut(c, r->partly ?
		    "a reply was broken off in the middle" :
		    "a large read was not answered");
	else
		client_doubt(c, r);
}

/* That Redis is asked again, but not at once. */
void
client_retry(struct client *c, enum side side)
{
	c->retry_side = side;
	c->retry_at = mono_add_ms(loop_now(c->env->loop), CLIENT_RETRY_MS);
}

/*
 * The kernel closes a killed process' connections before its listeners:
 * until the gate has heard of it, a new connection may be accepted by the
 * dead, and the next write would be in doubt as well.
 */
static void
client_note_lost(struct client *c, enum side side)
{
	client_retry(c, side);
	loop_defer(c->env->loop, &c->settle);
}

void
client_on_back(void *arg, struct req *r, bool maybe_ran)
{
	struct client *c = arg;

	client_note_lost(c, pool_link_side(c->link));
	c->in_flight--;
	client_take_back(c, r, maybe_ran);
	if (c->state != CLIENT_DEAD && c->in_flight == 0 &&
	    !pool_link_own(c->link)) {
		client_unchoke(c);
		c->link = NULL;
	}
}

void
client_on_lost(void *arg, enum side side)
{
	struct client *c = arg;

	if (c->state == CLIENT_DEAD || client_ahead_lost(c, side))
		return;
	client_unchoke(c);
	c->link = NULL;
	c->unblocked = false;
	if (c->state == CLIENT_STREAM && !c->session.monitors) {
		client_cut(c, "the Redis that it listened to is gone");
		return;
	}
	session_on_lost(&c->session);
	client_note_lost(c, side);
	if (c->listen == CLIENT_HEARS_OUT && c->ahead != NULL)
		client_ahead_swap(c);
	else
		client_listen_lost(c);
}

/*
 * Redis takes a MULTI even then, so that nobody's transaction runs in part:
 * it will be sent with what it queues, and its EXEC fails.
 */
static void
client_answer_busy(struct client *c, struct req *r, const char *error)
{
	static const struct resp_reply ok = { .type = '+' };

	if (!r->in_tx && r->cmd->special != CMD_EXEC &&
	    r->cmd->special != CMD_DISCARD)
		client_answer_not_run(r, error);
	else if (r->cmd->special == CMD_EXEC)
		resp_add_error(&r->reply, "EXECABORT Transaction discarded "
		    "because of: %s", error);
	else if (r->cmd->special == CMD_MULTI ||
	    r->cmd->special == CMD_DISCARD)
		resp_add_simple(&r->reply, "OK");
	else {
		resp_add_error(&r->reply, "%s", error);
		session_on_dropped(&c->session);
		return;
	}
	session_on_reply(&c->session, r, &ok);
}

void
client_on_busy(void *arg, struct req *r, const char *error)
{
	struct client *c = arg;

	c->in_flight--;
	client_unsend(c, r);
	client_answer_busy(c, r, error);
	client_answered(c, r);
	if (c->in_flight == 0 && !pool_link_own(c->link)) {
		client_unchoke(c);
		c->link = NULL;
	}
	loop_defer(c->env->loop, &c->settle);
}

/* Finds the first request that waits. */
void
client_rewind(struct client *c)
{
	struct req *r;

	TAILQ_FOREACH(r, &c->reqs, of_client)
		if (r->state == REQ_WAITING)
			break;
	c->next = r;
}

/* All that was on a link that is gone has come back. */
void
client_settle_cb(void *arg)
{
	struct client *c = arg;

	if (c->bounced > 0 && c->in_flight == 0)
		client_settle_bounced(c);
	if (c->state == CLIENT_DEAD)
		return;
	client_rewind(c);
	if (c->state == CLIENT_LEAVING)
		client_drop_waiting(c);
	client_advance(c);
	if (c->state == CLIENT_OPEN && c->next != NULL)
		loop_defer(c->env->loop, &c->pump);
}
