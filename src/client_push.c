#include "client_priv.h"

#include <inttypes.h>

#include "stats.h"

/* Libraries wait 10 s, whatever is said here. */
#define CLIENT_PUSH_SECONDS	10

/* More than a handover takes. */
#define CLIENT_MOVING_SECONDS	2

/* Nothing is pushed inside a reply or a line of MONITOR. */
static bool
client_may_push(const struct client *c)
{
	const struct req *r = TAILQ_FIRST(&c->reqs);

	if (c->state == CLIENT_STREAM)
		return c->session.monitors && (c->heard == '\0' ||
		    c->heard == '\n');
	return c->state == CLIENT_OPEN && !(r != NULL && r->partly) &&
	    (c->link == NULL || !pool_link_own(c->link) ||
	    backend_between(pool_backend(c->link)));
}

static void
client_push(struct client *c, struct buf *b)
{
	stats.pushes++;
	client_write(c, buf_data(b), buf_len(b));
	buf_free(b);
}

static void
client_push_hold(struct client *c)
{
	struct buf b = BUF_INIT;

	buf_addf(&b, ">4\r\n$12\r\nFAILING_OVER\r\n:%" PRIu64 "\r\n:%d\r\n"
	    "$1\r\n1\r\n", c->env->hold_seq, CLIENT_PUSH_SECONDS);
	client_push(c, &b);
	c->failing++;
}

static void
client_push_end(struct client *c)
{
	struct buf b = BUF_INIT;

	buf_addf(&b, ">3\r\n$11\r\nFAILED_OVER\r\n:%" PRIu64 "\r\n"
	    "$1\r\n1\r\n", c->env->end_seq);
	client_push(c, &b);
	c->failing--;
}

/* Did it come by a VIP that is about to go? */
bool
client_is_leaving(const struct client *c)
{
	return c->env->leaving_seq != 0 &&
	    conn_is_at(c->conn, &c->env->leaving);
}

/* Is it told by MOVING? Libraries split host:port at the first colon. */
static bool
client_is_moving(const struct client *c)
{
	return client_is_leaving(c) && (c->session.told ==
	    SESSION_TOLD_NO_ENDPOINT ||
	    conn_local(c->conn)->sa.ss_family == AF_INET);
}

/*
 * It finds the new holder where it found this one. Told once, also to one that
 * asks to be told, or is between two replies again, when the move is near.
 */
static void
client_tell_moving(struct client *c)
{
	struct buf b = BUF_INIT;

	if (!client_is_moving(c) || c->moving_seq == c->env->leaving_seq)
		return;
	c->moving_seq = c->env->leaving_seq;
	buf_addf(&b, ">4\r\n$6\r\nMOVING\r\n:%" PRIu64 "\r\n:%d\r\n",
	    c->env->leaving_seq, CLIENT_MOVING_SECONDS);
	if (c->session.told == SESSION_TOLD_NO_ENDPOINT)
		resp_add_null(&b, 3);
	else
		resp_add_str(&b, conn_local(c->conn)->text);
	client_push(c, &b);
}

void
client_on_leaving(struct client *c)
{
	if (!client_is_leaving(c)) {
		if (c->state == CLIENT_OPEN)
			client_account(c);
	} else
		client_tell(c, false);
}

/*
 * go-redis and node-redis count: what was said twice must end twice, or
 * their time-outs stay long for good.
 */
void
client_tell(struct client *c, bool again)
{
	if (c->session.told == SESSION_UNTOLD) {
		c->failing = 0;
		return;
	}
	if (!client_may_push(c))
		return;
	client_tell_moving(c);
	if (c->env->hold_seq == 0)
		while (c->failing > 0)
			client_push_end(c);
	else if ((c->failing == 0 || again) && !client_is_moving(c))
		client_push_hold(c);
}
