#include "control.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "control_priv.h"
#include "log.h"

/* ---- the gate ---- */

/* Its closing ends what the holds report of the last switch. */
static void
control_set_gate_to(struct control *c, const struct gate_order *o)
{
	struct gate_order was = *gate_order(c->gate);

	if (o->state != GATE_OPEN)
		control_count_switch(c);
	gate_set(c->gate, o);
	control_note_gate(c, &was);
}

/* The lease, but no longer than what was seen last can be relied on. */
static void
control_set_gate(struct control *c)
{
	struct mono lease = { c->node.lease_ms * 1000 };

	/* The order first: a lease that was over is not for the old one. */
	control_note_state(c);
	control_set_gate_to(c, &c->node.gate);
	gate_renew(c->gate, mono_before(lease, c->serve_until) ? lease :
	    c->serve_until);
}

static void
control_standalone_look(struct control *c)
{
	enum redis_link link = redis_link(c->redis[SIDE_A]);
	bool up = link == REDIS_DENIED || (link == REDIS_LINKED &&
	    !redis_info(c->redis[SIDE_A])->loading);
	struct gate_order o = { .state = up ? GATE_OPEN : GATE_HOLD_ALL,
	    .reads = SIDE_A, .writes = SIDE_A, .alive = SIDE_BIT(SIDE_A),
	    .trusted = SIDE_BIT(SIDE_A) };

	gate_renew_forever(c->gate);
	control_set_gate_to(c, &o);
}

/* ---- orders ---- */

static bool
control_store(struct control *c)
{
	bool ok = epoch_save(c->store, &c->node.storing, c->node.promised);

	/* Before what came up earlier, which does not know of it yet. */
	control_push(c, NODE_EV_LOOK, SIDE_NONE);
	memmove(c->event + 1, c->event, (c->events - 1) * sizeof(*c->event));
	c->event[0] = (struct control_event){ ok ? NODE_EV_STORED :
	    NODE_EV_STORE_FAILED, SIDE_NONE };
	return ok;
}

static void
control_carry_out(struct control *c)
{
	struct node_order order[NODE_ORDERS];
	unsigned i, n = c->node.orders;
	bool stored = true;

	memcpy(order, c->node.order, sizeof(order));
	c->node.orders = 0;
	for (i = 0; i < n; i++)
		switch (order[i].kind) {
		case NODE_DO_STORE:
			stored = control_store(c);
			break;
		case NODE_DO_SEND_COMMIT:
			control_send_record(c, MSG_COMMIT, &c->node.next);
			break;
		case NODE_DO_SEND_ACCEPT:
			control_send_record(c, stored ? MSG_ACCEPTED :
			    MSG_REFUSED, stored ? &c->node.storing :
			    &c->node.record);
			break;
		case NODE_DO_SEND_REFUSE:
			control_send_record(c, MSG_REFUSED, &c->node.record);
			break;
		case NODE_DO_OPERATOR_DONE:
			control_wish_settled(c, true, "OK");
			break;
		case NODE_DO_OPERATOR_FAILED:
			control_wish_settled(c, false, c->node.wish_why);
			break;
		default:
			control_order_redis(c, order[i].kind, order[i].side);
			break;
		}
}

void
control_push(struct control *c, enum node_event e, enum side side)
{
	assert(c->events < CONTROL_EVENTS);
	c->event[c->events++] = (struct control_event){ e, side };
}

void
control_run(struct control *c)
{
	struct control_event e;
	enum node_state was;

	if (c->stepping)
		return;
	c->stepping = true;
	control_carry_out(c);
	control_set_gate(c);
	control_see(c);
	/* Whoever may have been deposed in its sleep decides nothing. */
	while (c->events > 0 && !control_in_doubt(c)) {
		e = c->event[0];
		memmove(c->event, c->event + 1,
		    --c->events * sizeof(*c->event));
		was = c->node.state;
		node_step(&c->node, e.event, e.side);
		control_set_gate(c);
		/* What the new state waits for may be there already. */
		if (c->node.state != was)
			control_push(c, NODE_EV_LOOK, SIDE_NONE);
		control_carry_out(c);
		control_see(c);
	}
	control_beat(c, false);
	c->stepping = false;
}

void
control_poke(struct control *c)
{
	event_active(c->look, EV_TIMEOUT, 0);
}

/* ---- keepalived ---- */

/*
 * A MASTER that meets a lower one may have been asleep, and this machine with
 * it, though its clock has not noticed. Once the peer was asked in vain there
 * is no use in asking again.
 */
static void
control_heed_lower_prio(struct control *c)
{
	if (c->vrrp == NULL || !vrrp_view(c->vrrp)->lower_prio)
		return;
	vrrp_forget_lower_prio(c->vrrp);
	if (!mono_before(peer_heard(c->peer), c->awake))
		control_woke(c, mono_now());
}

static void
control_look_vip(struct control *c)
{
	struct vip_facts f;
	enum vip_event e;
	enum vip_state was = c->vip.state;
	enum vip_callers callers = c->vip.callers;

	control_vip_facts(c, &f);
	e = vip_look(&c->vip, &f);
	if (c->vip.state != was)
		log_info("vip: %s, was %s", vip_state_name(c->vip.state),
		    vip_state_name(was));
	if (c->vip.state != was && c->vip.state == VIP_DRAIN)
		control_wish_drain(c);
	if (c->vrrp != NULL)
		vrrp_track(c->vrrp, c->vip.value);
	if (vip_lets_go(&c->vip, &f))
		c->ops.let_go(c->ops.arg);
	if (callers == VIP_CALLERS_NONE && c->vip.callers ==
	    VIP_CALLERS_HERE && c->clients != NULL)
		control_clients_tickle(c);
	if (e != VIP_NOTHING)
		control_wish_vip(c, e);
}

static void
control_on_look(evutil_socket_t fd, short what, void *arg)
{
	struct control *c = arg;

	(void)fd;
	(void)what;
	if (c->standalone) {
		control_standalone_look(c);
		return;
	}
	control_scripts_look(c);
	control_heed_lower_prio(c);
	if (c->events == 0)
		control_push(c, NODE_EV_LOOK, SIDE_NONE);
	control_run(c);
	control_look_vip(c);
}

static void
control_on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct control *c = arg;
	struct mono now = mono_now();

	gate_tick(c->gate, now);
	if (!c->standalone) {
		control_count_switch(c);
		control_beat(c, true);
		control_wish_expire(c, now);
	}
	control_on_look(fd, what, arg);
}

/* ---- what comes in ---- */

void
control_on_redis(struct redis *r, void *arg)
{
	struct control *c = arg;
	enum side s = r == c->redis[SIDE_A] ? SIDE_A : SIDE_B;

	control_sample(c, s);
	control_commands_look(c, s);
	if (!c->standalone && node_leads(&c->node))
		control_list_redis(c, s);
	control_poke(c);
}

/* Clients noticed something: ask that Redis now instead of at the poll. */
static void
control_on_report(enum side side, enum gate_evidence what, void *arg)
{
	struct control *c = arg;

	(void)what;
	if (c->redis[side] != NULL)
		redis_poll(c->redis[side]);
}

void
control_on_poke(void *arg)
{
	control_poke(arg);
}

bool
control_notify(struct control *c, const struct vrrp_line *line)
{
	return c->vrrp != NULL && vrrp_notify(c->vrrp, line);
}

/* ---- start and end ---- */

struct control *
control_new(struct loop *l, const struct conf *conf, struct gate *g,
    struct epoch_store *store, struct tls *tls,
    const struct control_ops *ops, char *why, size_t whysize)
{
	struct control *c = xcalloc(1, sizeof(*c));
	int64_t beat = conf->lease / 4 < conf->poll_interval ?
	    conf->lease / 4 : conf->poll_interval;
	struct timeval tv = { beat / 1000, beat % 1000 * 1000 };

	c->loop = l;
	c->conf = conf;
	c->gate = g;
	c->store = store;
	c->tls = tls;
	c->ops = *ops;
	c->standalone = conf->peer == NULL;
	c->me = c->standalone || strcmp(conf->node, conf->peer) < 0 ?
	    SIDE_A : SIDE_B;
	c->primary = SIDE_NONE;
	c->step_state = NODE_LEARN;
	c->awake = mono_now();
	c->heard.gate.reads = c->heard.gate.writes = SIDE_NONE;
	util_random(&c->session, sizeof(c->session));
	control_commands_start(c);
	TAILQ_INIT(&c->wishes);
	LIST_INIT(&c->orders);
	vip_init(&c->vip, control_ms(c->awake));
	c->look = event_new(loop_base(l), -1, 0, control_on_look, c);
	c->tick = event_new(loop_base(l), -1, EV_PERSIST, control_on_tick, c);
	if (c->look == NULL || c->tick == NULL ||
	    event_add(c->tick, &tv) == -1)
		fatalx("control: out of memory");
	if (!control_start(c, why, whysize)) {
		control_free(c);
		return NULL;
	}
	gate_on_report(g, control_on_report, c);
	gate_on_progress(g, control_on_poke, c);
	control_poke(c);
	return c;
}

void
control_free(struct control *c)
{
	struct control_wish *w;
	enum side s;

	gate_on_report(c->gate, NULL, NULL);
	gate_on_progress(c->gate, NULL, NULL);
	control_salvage_end(c);
	for (s = SIDE_A; s <= SIDE_B; s++)
		if (c->redis[s] != NULL)
			redis_free(c->redis[s]);
	control_orders_free(c);
	control_clients_free(c);
	control_commands_free(c);
	if (c->peer != NULL)
		peer_free(c->peer);
	if (c->vrrp != NULL)
		vrrp_free(c->vrrp);
	while ((w = TAILQ_FIRST(&c->wishes)) != NULL) {
		TAILQ_REMOVE(&c->wishes, w, link);
		free(w);
	}
	event_free(c->look);
	event_free(c->tick);
	free(c);
}

const struct conn_addr *
control_redis_addrs(const struct control *c)
{
	return c->addr;
}

struct control_view
control_view(const struct control *c)
{
	return (struct control_view){
		.conf = c->conf, .standalone = c->standalone,
		.node = &c->node, .vip = &c->vip,
		.vrrp = c->vrrp != NULL ? vrrp_view(c->vrrp) : NULL,
		.redis = { c->redis[SIDE_A], c->redis[SIDE_B] },
		.vip_clients = control_clients_here(c),
		.peer_vip_clients = control_clients_there(c),
		.peer_linked = c->peer != NULL && peer_linked(c->peer),
		.peer_protocol = c->peer != NULL ? peer_protocol(c->peer) : 0,
		.peer_complaint = c->peer != NULL ? peer_complaint(c->peer) :
		    "",
		.switches = c->sw, .nswitches = c->nsw, .sum = c->sum,
	};
}
