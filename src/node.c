#include "node.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "node_priv.h"

void (*node_watch)(const struct node *, enum node_state, enum node_event);

static const char *const node_state_names[] = {
#define X(name) #name,
	NODE_STATES(X)
#undef X
};

static const char *const node_event_names[] = {
#define X(name) #name,
	NODE_EVENTS(X)
#undef X
};

const char *
node_state_name(enum node_state s)
{
	return node_state_names[s];
}

const char *
node_event_name(enum node_event e)
{
	return node_event_names[e];
}

const char *
node_reason_name(enum node_reason r)
{
	static const char *const names[] = {
#define X(name, text) text,
		NODE_REASONS(X)
#undef X
	};

	return names[r];
}

/* ---- small things ---- */

void
node_order(struct node *n, enum node_order_kind kind, enum side side)
{
	assert(n->orders < NODE_ORDERS);
	n->order[n->orders++] = (struct node_order){ kind, side };
	switch (kind) {
	case NODE_DO_CLEAN:
	case NODE_DO_READ:
	case NODE_DO_FENCE:
	case NODE_DO_PROMOTE:
	case NODE_DO_ATTACH:
	case NODE_DO_SALVAGE:
		n->awaited |= SIDE_BIT(side);
		break;
	default:
		break;
	}
}

void
node_why(struct node *n, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(n->why, sizeof(n->why), fmt, ap);
	va_end(ap);
}

void
node_deadline(struct node *n, int64_t ms)
{
	n->deadline_ms = n->facts.now_ms + ms;
	n->deadline_new = true;
}

void
node_wish_done(struct node *n)
{
	if (n->wish != NODE_NO_WISH)
		node_order(n, NODE_DO_OPERATOR_DONE, SIDE_NONE);
	n->wish = NODE_NO_WISH;
}

void
node_wish_failed(struct node *n)
{
	memcpy(n->wish_why, n->why, sizeof(n->wish_why));
	if (n->wish != NODE_NO_WISH)
		node_order(n, NODE_DO_OPERATOR_FAILED, SIDE_NONE);
	n->wish = NODE_NO_WISH;
}

const struct record *
node_view(const struct node *n)
{
	return node_commit_pending(n) ? &n->next : &n->record;
}

static unsigned
node_alive(const struct node *n)
{
	unsigned alive = 0;
	enum side s;

	for (s = SIDE_A; s <= SIDE_B; s++)
		if (n->facts.redis[s].health == NODE_UP &&
		    !n->facts.redis[s].info.loading)
			alive |= SIDE_BIT(s);
	return alive;
}

/*
 * In a planned switch the old primary's last answers are still good; else
 * only those of the primary are.
 */
void
node_gate(struct node *n, enum gate_state state, enum side reads,
    enum side writes)
{
	struct gate_order o = { .state = state, .reads = reads,
	    .writes = writes, .alive = node_alive(n) };

	if (reads != SIDE_NONE)
		o.trusted |= SIDE_BIT(reads);
	if (n->sw.planned)
		o.trusted = SIDE_BIT(SIDE_A) | SIDE_BIT(SIDE_B);
	if (o.state == n->gate.state && o.near == n->gate.near &&
	    o.reads == n->gate.reads && o.writes == n->gate.writes &&
	    o.alive == n->gate.alive && o.trusted == n->gate.trusted)
		return;
	n->gate = o;
	n->gate_seq++;
}

void
node_gate_near(struct node *n)
{
	n->gate.near = true;
	n->gate.trusted = SIDE_BIT(SIDE_A) | SIDE_BIT(SIDE_B);
	n->gate_seq++;
}

bool
node_leads(const struct node *n)
{
	return n->state >= NODE_CLEAN;
}

bool
node_is_fresh(const struct node *n, enum side s)
{
	return n->record.epoch.number > 0 &&
	    (n->record.fresh & SIDE_BIT(s)) != 0;
}

bool
node_peer_dead(const struct node *n)
{
	enum side other = SIDE_OTHER(n->conf.me);

	return n->facts.peer.health >= NODE_QUIET &&
	    n->facts.redis[other].health >= NODE_QUIET && n->facts.holder;
}

/*
 * A peer whose Holdover refuses connections leads nothing. One that is
 * only silent may be cut off, and of two that are one at most may go on: VRRP
 * decides which. One that is not known yet is asked first.
 */
bool
node_alone_ok(const struct node *n)
{
	if (n->alone_allowed)
		return true;
	if (!n->conf.alone_serve)
		return false;
	switch (n->facts.peer.health) {
	case NODE_GONE:
		return true;
	case NODE_QUIET:
		return n->facts.holder;
	default:
		return false;
	}
}

/* The only place where the state changes. */
static void
node_set(struct node *n, enum node_state next, enum node_event e)
{
	enum node_state was = n->state;

	if (next == was)
		return;
	n->state = next;
	n->state_since_ms = n->facts.now_ms;
	if (node_watch != NULL)
		node_watch(n, was, e);
}

/* ---- rows for every state ---- */

static enum node_state
node_ignore(struct node *n, enum side side)
{
	(void)side;
	return n->state;
}

/* Nobody is known to lead: nothing goes on until somebody does. */
enum node_state
node_lost(struct node *n, enum side side)
{
	(void)side;
	node_why(n, "the lead was lost meanwhile; see STATUS");
	node_wish_failed(n);
	node_commit_give_up(n);
	n->awaited = 0;
	n->saved.state = NODE_UNSAVED;
	n->sw.planned = false;
	node_gate(n, GATE_CLOSED, SIDE_NONE, SIDE_NONE);
	node_why(n, "nobody leads: waiting for the peer");
	return NODE_LOST;
}

/*
 * Leaders: STORED and COMMITTED are the two halves of one commit. When it
 * holds, the state's own row for COMMITTED goes on.
 */
static enum node_state
node_half_committed(struct node *n, enum side side)
{
	if (!node_commit_holds(n))
		return n->state;
	switch (n->state) {
	case NODE_SW_INTENT:
		return node_intent_committed(n, side);
	case NODE_FO_COMMIT:
		return node_failover_committed(n, side);
	default:
		return node_lead_committed(n, side);
	}
}

/* ---- the peer's word on commits ---- */

/*
 * The peer asks for a commit. It holds the newest epoch then: a leader
 * whose own lease is alive refuses, and so does whoever has promised or
 * recorded something newer than what the commit was made from.
 */
void
node_commit_asked(struct node *n, const struct record *asked,
    const struct record *base)
{
	bool again = record_cmp(asked, &n->record) == 0;

	n->orders = 0;
	if ((node_leads(n) && n->facts.now_ms < n->lease_ms) ||
	    epoch_cmp(asked->epoch, n->promised) < 0 ||
	    record_cmp(asked, &n->record) < 0 ||
	    (!again && record_cmp(&n->record, base) > 0)) {
		node_order(n, NODE_DO_SEND_REFUSE, SIDE_NONE);
		return;
	}
	n->promised = asked->epoch;
	n->vote = node_adopted(n, asked);
	node_store(n, &n->vote);
	node_order(n, NODE_DO_SEND_ACCEPT, SIDE_NONE);
	/* What this node ordered or asked for itself is over. */
	if (n->state != NODE_FOLLOW && n->state != NODE_LEARN)
		node_set(n, node_lost(n, SIDE_NONE), NODE_EV_COMMIT_ASKED);
}

void
node_commit_answered(struct node *n, bool accepted,
    const struct record *theirs)
{
	if (accepted) {
		if (node_commit_pending(n) &&
		    record_cmp(theirs, &n->next) == 0) {
			n->accepted = true;
			node_step(n, NODE_EV_COMMITTED, SIDE_NONE);
		}
		return;
	}
	/*
	 * A leader is one no more when the peer knows of something newer. Else
	 * the peer's disk refused it, and what is pending stays so.
	 */
	if (node_commit_pending(n) && (!node_leads(n) ||
	    record_cmp(theirs, &n->record) > 0))
		node_step(n, NODE_EV_REFUSED, SIDE_NONE);
	else if (node_commit_pending(n))
		node_why(n, "node %s cannot write its record, so nothing new "
		    "can be agreed on; see STATUS there",
		    n->conf.name[SIDE_OTHER(n->conf.me)]);
}

/* ---- the table ---- */

/*
 * Columns: LOOK, TIMER, LEASE_ENDED, STORED, STORE_FAILED, COMMITTED,
 * REFUSED, COMMIT_ASKED, ORDER_DONE, ORDER_FAILED, OPERATOR.
 *
 * COMMIT_ASKED is the same in every state and needs the peer's record: see
 * node_commit_asked(). A row that ignores says so.
 */
#define i	node_ignore
#define half	node_half_committed
#define no	node_not_leading
static node_fn *const node_table[NODE_STATE_COUNT][NODE_EVENT_COUNT] = {
[NODE_LEARN] = { node_learn_look, i, i, i, node_disk_failed, i,
	i, i, i, i, node_learn_operator },
[NODE_FOLLOW] = { node_follow_look, i, node_lost, i, node_disk_failed, i,
	i, i, i, i, no },
[NODE_LOST] = { node_lost_look, i, i, i, node_disk_failed, i,
	i, i, i, i, node_learn_operator },
[NODE_CLAIM] = { node_claim_look, node_claim_refused, i,
	node_claim_committed, node_disk_failed, node_claim_committed,
	node_claim_refused, i, i, i, no },
[NODE_CLEAN] = { i, node_choose, node_lost, half, node_disk_failed, half,
	node_lost, i, node_clean_done, node_clean_done, no },
[NODE_STEADY] = { node_lead_look, i, node_lost, half, node_disk_failed, half,
	node_lost, i, node_lead_order_done, node_lead_order_failed,
	node_lead_operator },
[NODE_SOLO] = { node_lead_look, i, node_lost, half, node_disk_failed, half,
	node_lost, i, node_lead_order_done, node_lead_order_failed,
	node_lead_operator },
[NODE_SW_INTENT] = { node_intent_look, node_intent_late, node_lost, half,
	node_disk_failed, half, node_lost, i, i, i, no },
[NODE_SW_DRAIN] = { node_drain_look, node_switch_abandon, node_lost, half,
	node_disk_failed, half, node_lost, i, i, i, no },
[NODE_SW_FENCE] = { i, node_switch_failed, node_lost, half,
	node_disk_failed, half, node_lost, i, node_fence_done,
	node_switch_failed, no },
[NODE_SW_PROMOTE] = { i, node_switch_failed, node_lost, half,
	node_disk_failed, half, node_lost, i, node_promote_done,
	node_switch_failed, no },
[NODE_SW_FLIP] = { node_flip_look, node_flip_look, node_lost, half,
	node_disk_failed, half, node_lost, i, i, i, no },
[NODE_SW_UNDO] = { i, node_switch_failed, node_lost, half,
	node_disk_failed, half, node_lost, i, node_undo_done,
	node_switch_failed, no },
[NODE_FO_COMMIT] = { half, node_lost, node_lost, half, node_disk_failed,
	half, node_lost, i, i, i, no },
[NODE_FO_PROMOTE] = { i, node_failover_failed, node_lost, half,
	node_disk_failed, half, node_lost, i, node_failover_done,
	node_failover_failed, no },
[NODE_WAIT_COPY] = { node_choose, i, node_lost, half, node_disk_failed, half,
	node_lost, i, node_choose, node_choose, node_wait_operator },
};
#undef i
#undef half
#undef no

bool
node_has_row(enum node_state s, enum node_event e)
{
	return node_table[s][e] != NULL;
}

bool
node_row_ignores(enum node_state s, enum node_event e)
{
	return node_table[s][e] == node_ignore;
}

/* ---- steps ---- */

void
node_init(struct node *n, const struct node_conf *conf,
    const struct record *record, struct epoch promised, int64_t now_ms)
{
	memset(n, 0, sizeof(*n));
	n->conf = *conf;
	n->promised = promised;
	if (record != NULL)
		n->record = *record;
	else {
		snprintf(n->record.cluster, sizeof(n->record.cluster), "%s",
		    conf->cluster);
		snprintf(n->record.node[SIDE_A], RECORD_NAME + 1, "%s",
		    conf->name[SIDE_A]);
		snprintf(n->record.node[SIDE_B], RECORD_NAME + 1, "%s",
		    conf->name[SIDE_B]);
		n->record.primary = n->record.intent = SIDE_NONE;
		n->record.epoch.by = SIDE_A;
	}
	n->gate.reads = n->gate.writes = n->vip_side = SIDE_NONE;
	n->known.side = SIDE_NONE;
	n->facts.now_ms = n->state_since_ms = now_ms;
	n->last_switch_ms = now_ms - conf->switch_min_gap_ms;
	n->sw.end_offset = -1;
	node_why(n, "starting");
}

/* A look may find that time has run out instead. */
static enum node_event
node_what(struct node *n, enum node_event e)
{
	int64_t now = n->facts.now_ms;

	if (n->state == NODE_FOLLOW || node_leads(n)) {
		/* An ended one is not renewed: others may have led since. */
		if (now >= n->lease_ms)
			return NODE_EV_LEASE_ENDED;
		if (n->facts.peer.lease_ms > n->lease_ms &&
		    n->facts.peer.health == NODE_UP)
			n->lease_ms = n->facts.peer.lease_ms;
		if (node_leads(n) && node_alone_ok(n))
			n->lease_ms = now + n->conf.lease_ms;
	}
	if (e != NODE_EV_LOOK)
		return e;
	/* It need not lead now: its node knows of more than this one. */
	if (node_leads(n) && n->facts.peer.health == NODE_UP &&
	    epoch_cmp(n->facts.peer.record.epoch, n->record.epoch) > 0)
		return NODE_EV_LEASE_ENDED;
	if (node_leads(n) && node_commit_ready(n))
		return NODE_EV_COMMITTED;
	if (n->deadline_ms != 0 && now >= n->deadline_ms) {
		n->deadline_ms = 0;
		return NODE_EV_TIMER;
	}
	return e;
}

/* How far the primary is known to have come, by its own word. */
static void
node_note_primary(struct node *n)
{
	enum side p = node_view(n)->primary;
	const struct info *i;

	if (p == SIDE_NONE || !node_runs(n, p))
		return;
	i = &n->facts.redis[p].info;
	if (!i->primary || i->loading)
		return;
	n->known = (struct node_known){ .side = p, .offset = i->offset };
	memcpy(n->known.replid, i->replid, sizeof(n->known.replid));
}

void
node_step(struct node *n, enum node_event e, enum side side)
{
	enum node_state was = n->state, next;

	n->orders = 0;
	n->deadline_new = false;
	if (n->facts.peer.health == NODE_UP)
		n->alone_allowed = false;
	node_note_store(n, e);
	node_note_primary(n);
	e = node_what(n, e);
	if ((e == NODE_EV_ORDER_DONE || e == NODE_EV_ORDER_FAILED) &&
	    side != SIDE_NONE)
		n->awaited &= ~SIDE_BIT(side);
	next = node_table[n->state][e](n, side);
	if (next != was && !n->deadline_new)
		n->deadline_ms = 0;
	node_set(n, next, e);
}

void
node_forget_wish(struct node *n)
{
	n->wish = NODE_NO_WISH;
}

void
node_wish(struct node *n, enum node_wish wish, enum side side)
{
	if (n->wish != NODE_NO_WISH) {
		n->orders = 0;
		snprintf(n->wish_why, sizeof(n->wish_why),
		    "another order is still being carried out");
		node_order(n, NODE_DO_OPERATOR_FAILED, SIDE_NONE);
		return;
	}
	n->wish = wish;
	n->wish_side = side;
	node_step(n, NODE_EV_OPERATOR, side);
}
