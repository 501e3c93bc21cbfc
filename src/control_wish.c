/*
 * What operators ask for. The leader switches the primary, the holder of
 * the VIP hands it over; an order is given at either node and goes to the
 * one that can do it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control_priv.h"
#include "log.h"
#include "stats.h"

/* An order that is not done by then has failed, whatever became of it. */
#define CONTROL_WISH_MS		15000

/* All is held for a handover no longer than this. */
#define CONTROL_HANDOVER_MS	1500

static const char *const control_wish_names[] = {
	[CONTROL_SWITCHOVER] = "SWITCHOVER", [CONTROL_HANDOVER] = "HANDOVER",
	[CONTROL_PROMOTE] = "PROMOTE", [CONTROL_YIELD] = "YIELD",
};

static void	control_wish_switched(struct control *, struct control_wish *);

static void
control_wish_end(struct control *c, struct control_wish *w, bool ok,
    const char *text)
{
	struct msg m = { .type = MSG_WANTED, .id = w->for_peer, .ok = ok };

	log_info("control: %s %s%s%s", control_wish_names[w->kind],
	    ok ? "done" : "failed", ok ? "" : ", ", ok ? "" : text);
	TAILQ_REMOVE(&c->wishes, w, link);
	if (w->for_peer != 0) {
		snprintf(m.text, sizeof(m.text), "%s", text);
		peer_send(c->peer, &m);
	}
	if (w->fn != NULL)
		w->fn(ok, text, w->arg);
	free(w);
}

static struct control_wish *
control_wish_in(struct control *c, enum control_wish_state state)
{
	struct control_wish *w;

	TAILQ_FOREACH(w, &c->wishes, link)
		if (w->state == state)
			return w;
	return NULL;
}

static void
control_wish_ask(struct control *c, struct control_wish *w,
    enum control_wish_kind kind, enum control_wish_state state)
{
	struct msg m = { .type = MSG_WANT, .id = w->id };

	w->state = state;
	snprintf(m.text, sizeof(m.text), "%s%s%s", control_wish_names[kind],
	    *w->node != '\0' ? " " : "", w->node);
	peer_send(c->peer, &m);
}

/* ---- the VIP ---- */

void
control_vip_facts(const struct control *c, struct vip_facts *f)
{
	const struct node *n = &c->node;
	const struct node_peer *p = &n->facts.peer;

	*f = (struct vip_facts){
		.now_ms = mono_now().us / 1000,
		.address = c->vrrp != NULL && vrrp_view(c->vrrp)->address,
		.holder = n->facts.holder,
		.serving = gate_order(c->gate)->state >= GATE_HOLD_WRITES,
		.fresh = node_is_fresh(n, n->conf.me),
		.idle = stats_sum().in_flight == 0,
		.peer_known = p->health != NODE_UNKNOWN,
		.peer_ready = p->health == NODE_UP && p->serving &&
		    (c->heard.vrrp == VRRP_MASTER ||
		    c->heard.vrrp == VRRP_BACKUP),
		.peer_holder = p->health == NODE_UP && p->holder,
		.peer_told = control_vip_told(c),
	};
}

static const char control_not_ready[] = "the other node is not ready to "
    "take the VIP: its Holdover must serve and its keepalived be in BACKUP";

/* May the VIP go to the other node than that one, as far as is known here? */
static bool
control_taker_ready(const struct control *c, enum side holder)
{
	struct vip_facts f;
	enum vrrp_state said;

	if (holder == c->me) {
		control_vip_facts(c, &f);
		return f.peer_ready;
	}
	said = c->vrrp != NULL ? vrrp_view(c->vrrp)->said : VRRP_UNKNOWN;
	return said == VRRP_BACKUP || said == VRRP_MASTER;
}

static void
control_wish_yield(struct control *c, struct control_wish *w)
{
	struct vip_facts f;

	control_vip_facts(c, &f);
	if (!vip_hand_over(&c->vip, &f)) {
		control_wish_end(c, w, false, !f.holder ?
		    "the VIP is not here" : control_not_ready);
		return;
	}
	w->state = CONTROL_YIELDING;
	c->ops.leaving(true, c->ops.arg);
	control_poke(c);
}

void
control_wish_drain(struct control *c)
{
	gate_pause(c->gate, GATE_HOLD_ALL,
	    mono_add_ms(mono_now(), CONTROL_HANDOVER_MS));
}

void
control_wish_vip(struct control *c, enum vip_event e)
{
	struct control_wish *w = control_wish_in(c, CONTROL_YIELDING);

	c->ops.leaving(false, c->ops.arg);
	gate_pause(c->gate, GATE_OPEN, mono_now());
	if (w != NULL)
		control_wish_end(c, w, e == VIP_DONE, e == VIP_DONE ? "OK" :
		    "keepalived did not move the VIP within a second; see its "
		    "log");
}

/* ---- the primary ---- */

/* The node of the VIP, as far as it is known to be one. */
static enum side
control_vip_side(const struct control *c)
{
	const struct node_facts *f = &c->node.facts;
	bool there = f->peer.health == NODE_UP && f->peer.holder;

	return f->holder == there ? SIDE_NONE :
	    f->holder ? c->me : SIDE_OTHER(c->me);
}

/* The primary is where it should be; a handover goes on with the VIP. */
static void
control_wish_switched(struct control *c, struct control_wish *w)
{
	if (w->kind != CONTROL_HANDOVER)
		control_wish_end(c, w, true, "OK");
	else if (control_vip_side(c) == c->me)
		control_wish_yield(c, w);
	else
		control_wish_ask(c, w, CONTROL_YIELD, CONTROL_ASKING_YIELD);
}

void
control_wish_settled(struct control *c, bool ok, const char *text)
{
	struct control_wish *w = control_wish_in(c, CONTROL_SWITCHING);

	if (w == NULL)
		return;
	if (ok)
		control_wish_switched(c, w);
	else
		control_wish_end(c, w, false, text);
}

static void
control_wish_lead(struct control *c, struct control_wish *w)
{
	const struct node *n = &c->node;
	enum side vip = control_vip_side(c), to = SIDE_NONE;

	if (w->kind == CONTROL_HANDOVER && vip == SIDE_NONE) {
		control_wish_end(c, w, false, "it is not clear who holds the "
		    "VIP; see STATUS on both nodes");
		return;
	}
	/* Else the primary would go, and come back to where the VIP is. */
	if (w->kind == CONTROL_HANDOVER && !control_taker_ready(c, vip)) {
		control_wish_end(c, w, false, control_not_ready);
		return;
	}
	if (control_wish_in(c, CONTROL_SWITCHING) != NULL) {
		control_wish_end(c, w, false, "another order is still being "
		    "carried out");
		return;
	}
	w->state = CONTROL_SWITCHING;
	if (w->kind == CONTROL_HANDOVER && (n->record.primary != vip ||
	    !c->conf->primary_follows_vip)) {
		control_wish_switched(c, w);
		return;
	}
	if (w->kind == CONTROL_PROMOTE)
		to = strcmp(w->node, n->conf.name[SIDE_A]) == 0 ?
		    SIDE_A : SIDE_B;
	node_wish(&c->node, w->kind == CONTROL_PROMOTE ? NODE_WISH_PROMOTE :
	    NODE_WISH_SWITCHOVER, to);
	control_run(c);
}

static void
control_wish_start(struct control *c, enum control_wish_kind kind,
    const char *node, uint64_t for_peer, control_done_fn *fn, void *arg)
{
	struct control_wish *w = xcalloc(1, sizeof(*w));

	w->kind = kind;
	w->state = CONTROL_ASKING;
	snprintf(w->node, sizeof(w->node), "%s", node);
	w->id = ++c->last_id;
	w->for_peer = for_peer;
	w->deadline = mono_add_ms(mono_now(), CONTROL_WISH_MS);
	w->fn = fn;
	w->arg = arg;
	TAILQ_INSERT_TAIL(&c->wishes, w, link);
	if (kind == CONTROL_YIELD)
		control_wish_yield(c, w);
	else if (node_leads(&c->node) || (kind == CONTROL_PROMOTE &&
	    c->node.facts.peer.health != NODE_UP))
		control_wish_lead(c, w);
	else if (for_peer == 0 && c->node.facts.peer.health == NODE_UP)
		control_wish_ask(c, w, kind, CONTROL_ASKING);
	else
		control_wish_end(c, w, false, "nobody leads; see STATUS");
}

static void
control_wish_here(struct control *c, enum control_wish_kind kind,
    const char *node, control_done_fn *fn, void *arg)
{
	if (c->standalone)
		fn(false, "there is no peer, so there is nothing to switch",
		    arg);
	else
		control_wish_start(c, kind, node, 0, fn, arg);
}

void
control_switchover(struct control *c, control_done_fn *fn, void *arg)
{
	control_wish_here(c, CONTROL_SWITCHOVER, "", fn, arg);
}

void
control_handover(struct control *c, control_done_fn *fn, void *arg)
{
	control_wish_here(c, CONTROL_HANDOVER, "", fn, arg);
}

void
control_promote(struct control *c, const char *node, control_done_fn *fn,
    void *arg)
{
	if (!c->standalone && strcmp(node, c->conf->node) != 0 &&
	    strcmp(node, c->conf->peer) != 0)
		fn(false, "there is no node of that name", arg);
	else
		control_wish_here(c, CONTROL_PROMOTE, node, fn, arg);
}

void
control_forget(struct control *c, void *arg)
{
	struct control_wish *w;

	TAILQ_FOREACH(w, &c->wishes, link)
		if (w->arg == arg)
			w->fn = NULL;
}

void
control_wish_expire(struct control *c, struct mono now)
{
	struct control_wish *w, *next;

	TAILQ_FOREACH_SAFE(w, &c->wishes, link, next) {
		if (!mono_before(w->deadline, now))
			continue;
		if (w->state == CONTROL_SWITCHING)
			node_forget_wish(&c->node);
		control_wish_end(c, w, false,
		    "it was not done in time; see STATUS");
	}
}

/* ---- between the two ---- */

static void
control_wish_asked(struct control *c, const struct msg *m)
{
	enum control_wish_kind k;
	size_t len;

	for (k = CONTROL_SWITCHOVER; k <= CONTROL_YIELD; k++) {
		len = strlen(control_wish_names[k]);
		if (strncmp(m->text, control_wish_names[k], len) != 0 ||
		    (m->text[len] != '\0' && m->text[len] != ' '))
			continue;
		control_wish_start(c, k, m->text[len] == ' ' ?
		    m->text + len + 1 : "", m->id, NULL, NULL);
		return;
	}
	log_warnx("control: the peer wants what is not known here: upgrade "
	    "the older node");
}

void
control_wish_message(struct control *c, const struct msg *m)
{
	struct control_wish *w, *next;

	if (m->type == MSG_WANT) {
		control_wish_asked(c, m);
		return;
	}
	TAILQ_FOREACH_SAFE(w, &c->wishes, link, next)
		if (w->id == m->id && (w->state == CONTROL_ASKING ||
		    w->state == CONTROL_ASKING_YIELD)) {
			control_wish_end(c, w, m->ok, m->text);
			return;
		}
}
