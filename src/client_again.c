/*
 * A client that is blocked in Redis, when the primary changes.
 *
 *	AWAKE --BLPOP sent--> BLOCKED --answered--> AWAKE
 *
 *	BLOCKED --writes are about to go elsewhere--> ASKS_AGAIN
 *	ASKS_AGAIN --its turn--> ASKED_AGAIN --Redis has it--> BLOCKED
 *
 * A planned switch leaves them alone until the old primary is fenced: Redis
 * itself then ends each with -UNBLOCKED, which is certain, needs no right and
 * is not done if the switch is given up before. When the new one is promoted
 * they are asked again there for the rest of their time, in the order in which
 * they were asked first, and writes stay held until Redis has them all: so
 * nobody who came later, and no push, overtakes one that was waiting.
 */
#include "client_priv.h"

#include "client_block.h"

/* One that asks again is in one list, in order, any other in the other. */
static void
client_again_set(struct client *c, enum client_block b)
{
	struct client_env *env = c->env;
	bool was_blocked = c->block == CLIENT_BLOCKED ||
	    c->block == CLIENT_ASKED_AGAIN;
	bool blocked = b == CLIENT_BLOCKED || b == CLIENT_ASKED_AGAIN;

	if (c->block == CLIENT_ASKS_AGAIN)
		TAILQ_REMOVE(&env->again, c, of_blocked);
	else if (was_blocked && !blocked)
		TAILQ_REMOVE(&env->blocked, c, of_blocked);
	if (b == CLIENT_ASKS_AGAIN)
		TAILQ_INSERT_TAIL(&env->again, c, of_blocked);
	else if (blocked && !was_blocked)
		TAILQ_INSERT_TAIL(&env->blocked, c, of_blocked);
	c->block = b;
	client_listen_count(c);
}

/* The one whose turn it is may have waited just for that. */
static void
client_again_next(struct client_env *env)
{
	struct client *c = TAILQ_FIRST(&env->again);

	if (c != NULL)
		loop_defer(env->loop, &c->pump);
}

bool
client_again_moves(const struct client *c)
{
	return c->block == CLIENT_ASKS_AGAIN || c->block == CLIENT_ASKED_AGAIN;
}

/*
 * In a switch one is sent after another, and each only when its link takes it:
 * Redis answers the AUTHs that come at once in no order.
 */
bool
client_again_turn(const struct client *c)
{
	return c->block != CLIENT_ASKS_AGAIN ||
	    (TAILQ_FIRST(&c->env->again) == c && pool_link_greeted(c->link));
}

/* r may block, and has left. One behind another does not yet. */
void
client_again_sent(struct client *c, struct req *r)
{
	if (c->blocked != NULL && c->blocked != r)
		return;
	c->blocked = r;
	if (c->block != CLIENT_ASKS_AGAIN) {
		client_again_set(c, CLIENT_BLOCKED);
		return;
	}
	hold_remove(c->env->hold, &c->waiter);
	client_again_set(c, pool_link_asks_id(c->link) ? CLIENT_ASKED_AGAIN :
	    CLIENT_BLOCKED);
	client_again_next(c->env);
}

/* The request that its link began with was answered. */
void
client_on_id(void *arg)
{
	struct client *c = arg;

	if (c->block == CLIENT_ASKED_AGAIN && c->link != NULL &&
	    !pool_link_asks_id(c->link))
		client_again_set(c, CLIENT_BLOCKED);
}

/* r is about to go; one that was sent behind it begins to block. */
void
client_again_done(struct client *c, const struct req *r)
{
	struct req *next;
	bool in_turn = c->block == CLIENT_ASKS_AGAIN;

	client_again_set(c, CLIENT_AWAKE);
	c->blocked = NULL;
	for (next = TAILQ_NEXT(r, of_client); next != NULL;
	    next = TAILQ_NEXT(next, of_client))
		if (next->state == REQ_SENT && !next->in_tx &&
		    next->blocks) {
			next->asked = loop_now(c->env->loop);
			c->blocked = next;
			client_again_set(c, CLIENT_BLOCKED);
			break;
		}
	if (c->block == CLIENT_AWAKE && c->listen == CLIENT_DEAF)
		client_ahead_drop(c);
	if (in_turn)
		client_again_next(c->env);
}

/* Was it asked where it should be? */
static bool
client_again_is_at(const struct client *c, enum side to)
{
	return c->blocked->state == REQ_SENT && c->link != NULL &&
	    pool_link_side(c->link) == to;
}

static void
client_again_go_on(struct client_list *list)
{
	struct client *c, *next;

	TAILQ_FOREACH_SAFE(c, list, of_blocked, next)
		if (c->blocked->state == REQ_WAITING) {
			hold_remove(c->env->hold, &c->waiter);
			client_go_on(c);
		}
}

void
client_again_on_gate(struct client_env *env)
{
	struct mono now = loop_now(env->loop);
	enum side to = gate_flips_to(env->gate, now);
	struct client *c, *next;

	if (to != SIDE_NONE) {
		TAILQ_FOREACH_SAFE(c, &env->blocked, of_blocked, next)
			if (!client_again_is_at(c, to))
				client_again_set(c, CLIENT_ASKS_AGAIN);
		client_again_go_on(&env->again);
		return;
	}
	/* Whom the switch did not wait for goes on without order. */
	TAILQ_FOREACH_SAFE(c, &env->again, of_blocked, next)
		client_again_set(c, CLIENT_BLOCKED);
	if (gate_state(env->gate, now) == GATE_OPEN)
		client_again_go_on(&env->blocked);
}

/*
 * Is the time over that r was to wait? Its time runs from when it was asked,
 * or would have been if the gate did not hold it.
 */
bool
client_again_late(const struct client *c, const struct req *r,
    struct mono now)
{
	struct mono begun = r->since;

	if (!r->blocks || c->session.in_tx)
		return false;
	if (r == c->blocked)
		begun = r->asked;
	else if (!r->held || TAILQ_FIRST(&c->reqs) != r)
		return false;
	return block_is_over(r, mono_ms(now, begun));
}

void
client_again_time_out(struct client *c, struct req *r)
{
	client_drop_reply(c, r);
	block_time_out(r, c->session.proto, &r->reply);
	client_answered(c, r);
}
