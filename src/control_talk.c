/*
 * What this node's Holdover and the peer's tell each other.
 */
#include <string.h>

#include "control_priv.h"
#include "log.h"

bool
control_vip_told(const struct control *c)
{
	return c->vrrp == NULL ||
	    c->heard.echo_us >= vrrp_view(c->vrrp)->address_since.us;
}

static void
control_fill_beat(const struct control *c, struct msg *m)
{
	const struct node *n = &c->node;

	memset(m, 0, sizeof(*m));
	m->type = MSG_BEAT;
	m->session = c->session;
	m->echo_us = c->heard.sent_us;
	m->ask = n->facts.peer.health == NODE_UNKNOWN ||
	    !control_vip_told(c);
	m->leads = node_leads(n);
	m->gate = n->gate;
	m->gate_seq = n->gate_seq;
	m->applied = gate_applied(c->gate) ? n->gate_seq : 0;
	m->drained = gate_drained(c->gate);
	m->serving = gate_order(c->gate)->state >= GATE_HOLD_WRITES;
	m->fit = c->vip.state != VIP_UNFIT;
	m->vrrp = c->vrrp == NULL ? VRRP_UNKNOWN : control_holder(c) ?
	    VRRP_MASTER : vrrp_view(c->vrrp)->said == VRRP_MASTER ?
	    VRRP_UNKNOWN : vrrp_view(c->vrrp)->said;
	m->sees[SIDE_A] = (int)n->facts.redis[SIDE_A].health;
	m->sees[SIDE_B] = (int)n->facts.redis[SIDE_B].health;
	m->has_record = n->record.epoch.number > 0;
	if (m->has_record)
		m->record = n->record;
	if (node_leads(n))
		memcpy(m->text, n->why, sizeof(m->text));
}

/* Would the peer learn something new by it? */
static bool
control_beat_differs(const struct msg *a, const struct msg *b)
{
	return a->ask != b->ask || a->leads != b->leads ||
	    a->gate_seq != b->gate_seq || a->applied != b->applied ||
	    a->serving != b->serving || a->vrrp != b->vrrp ||
	    a->fit != b->fit || strcmp(a->text, b->text) != 0 ||
	    memcmp(a->sees, b->sees, sizeof(a->sees)) != 0 ||
	    a->has_record != b->has_record ||
	    (a->gate.state < GATE_OPEN && a->drained != b->drained) ||
	    (a->has_record && record_cmp(&a->record, &b->record) != 0);
}

void
control_beat(struct control *c, bool due)
{
	struct mono now = mono_now();
	struct msg m;

	control_fill_beat(c, &m);
	if (!due && !control_beat_differs(&m, &c->said))
		return;
	m.sent_us = now.us;
	c->said = m;
	c->said_at = now;
	peer_send(c->peer, &m);
}

void
control_send_record(struct control *c, enum msg_type type,
    const struct record *r)
{
	struct msg m = { .type = type, .has_record = true, .record = *r };

	if (type == MSG_COMMIT) {
		m.base_epoch = c->node.record.epoch;
		m.base_seq = c->node.record.seq;
	}
	peer_send(c->peer, &m);
}

static void
control_on_beat(struct control *c, const struct msg *m)
{
	if (c->heard.session != 0 && m->session != c->heard.session)
		log_info("control: node %s's Holdover has restarted",
		    c->conf->peer);
	/* What the last of two holders told the network may be the other's. */
	if (c->vrrp != NULL && c->heard.vrrp == VRRP_MASTER &&
	    m->vrrp != VRRP_MASTER)
		vrrp_announce(c->vrrp);
	c->heard = *m;
	if (m->ask)
		control_beat(c, true);
	control_poke(c);
}

void
control_on_message(const struct msg *m, void *arg)
{
	struct control *c = arg;
	struct record base;

	switch (m->type) {
	case MSG_BEAT:
		control_on_beat(c, m);
		return;
	case MSG_COMMIT:
		if (!m->has_record)
			return;
		control_see(c);
		base = c->node.record;
		base.epoch = m->base_epoch;
		base.seq = m->base_seq;
		node_commit_asked(&c->node, &m->record, &base);
		control_run(c);
		return;
	case MSG_ACCEPTED:
	case MSG_REFUSED:
		if (!m->has_record)
			return;
		control_see(c);
		node_commit_answered(&c->node, m->type == MSG_ACCEPTED,
		    &m->record);
		control_run(c);
		return;
	case MSG_CLIENTS:
		if (c->clients != NULL)
			control_clients_message(c, m);
		return;
	default:
		control_wish_message(c, m);
		return;
	}
}

void
control_on_peer(void *arg)
{
	struct control *c = arg;

	if (c->clients != NULL)
		control_clients_on_peer(c);
	if (peer_sends(c->peer))
		control_beat(c, true);
	control_poke(c);
}
