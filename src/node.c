#include "node.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "node_priv.h"

/* How long a claim waits for the peer's answer. */
#define NODE_CLAIM_MS		500

/* Where both may claim, the one that is not favoured waits this long. */
#define NODE_CLAIM_LATER_MS	300

/* A disk that refused the record is tried again after this long. */
#define NODE_STORE_AGAIN_MS	2000

/* Who cannot reach what the peer can leaves the lead to it for so long. */
#define NODE_YIELD_MS		2000

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
	if (o.state == n->gate.state && o.reads == n->gate.reads &&
	    o.writes == n->gate.writes && o.alive == n->gate.alive &&
	    o.trusted == n->gate.trusted)
		return;
	n->gate = o;
	n->gate_seq++;
}

bool
node_hold_near(const struct node *n)
{
	return n->gate.state == GATE_OPEN && (n->state == NODE_SW_INTENT ||
	    (n->state == NODE_FOLLOW && n->record.intent != SIDE_NONE));
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
 * Its Holdover says nothing, and VRRP has brought the VIP here: it hangs, for
 * its Redis may live. The lease that it has from us is over, and without the
 * VIP it does not go on alone.
 */
static bool
node_peer_hangs(const struct node *n)
{
	return n->facts.peer.health == NODE_QUIET && n->facts.holder &&
	    n->facts.peer.silent_ms > n->conf.lease_ms * 5 / 4;
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

static bool
node_has_record(const struct node *n)
{
	return n->record.epoch.number > 0;
}

/* ---- commits ---- */

bool
node_commit_pending(const struct node *n)
{
	return n->next.epoch.number > 0;
}

/*
 * A proposal that was given up may be on either disk all the same: none of
 * an epoch has the number of another.
 */
struct record *
node_commit_next(struct node *n)
{
	uint64_t seq = n->record.seq;

	if (epoch_cmp(n->storing.epoch, n->record.epoch) == 0 &&
	    n->storing.seq > seq)
		seq = n->storing.seq;
	n->next = n->record;
	n->next.seq = seq + 1;
	return &n->next;
}

static void
node_store(struct node *n, const struct record *r)
{
	n->storing = *r;
	node_order(n, NODE_DO_STORE, SIDE_NONE);
}

/*
 * A claim is asked of the peer first and stored here when it was granted,
 * so that a refused one leaves nothing behind. Within an epoch of our own
 * nobody else proposes, and both are done at once.
 */
void
node_commit(struct node *n, bool needs_peer)
{
	bool claim = epoch_cmp(n->next.epoch, n->record.epoch) != 0;

	n->needs_peer = needs_peer;
	n->stored = n->accepted = false;
	n->commit_ms = n->facts.now_ms;
	if (n->facts.peer.health == NODE_UP)
		node_order(n, NODE_DO_SEND_COMMIT, SIDE_NONE);
	if (!claim || n->facts.peer.health != NODE_UP) {
		node_store(n, &n->next);
	}
}

void
node_commit_drop(struct node *n)
{
	memset(&n->next, 0, sizeof(n->next));
}

void
node_commit_give_up(struct node *n)
{
	if (node_leads(n) && n->stored &&
	    node_view(n)->primary != n->record.primary)
		n->record = n->next;
	node_commit_drop(n);
}

/* Is the commit under way durable where it must be? */
static bool
node_commit_ready(const struct node *n)
{
	return node_commit_pending(n) && n->stored &&
	    (n->accepted || (!n->needs_peer && node_alone_ok(n)));
}

/* Then it holds. */
static bool
node_commit_holds(struct node *n)
{
	if (!node_commit_ready(n))
		return false;
	n->record = n->next;
	node_commit_drop(n);
	return true;
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

static void
node_disk_why(struct node *n)
{
	node_why(n, "this node's record cannot be written, and without it "
	    "nothing can be agreed on: make room on the disk of state-dir, or "
	    "mend it; the log says what is wrong");
}

/* Nobody is known to lead: nothing goes on until somebody does. */
static enum node_state
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

/* Without a disk nothing can be agreed on: such a node only follows. */
static enum node_state
node_disk_failed(struct node *n, enum side side)
{
	enum node_state next = n->state == NODE_FOLLOW ||
	    n->state == NODE_LEARN ? n->state : node_lost(n, side);

	node_disk_why(n);
	return next;
}

/* Tries the disk again, once it has refused. */
static void
node_store_again(struct node *n)
{
	if (n->store_again_ms == 0 || n->facts.now_ms < n->store_again_ms)
		return;
	n->store_again_ms = n->facts.now_ms + NODE_STORE_AGAIN_MS;
	node_store(n, &n->record);
}

/*
 * Takes over a record of the peer's. Whoever was the primary by its own
 * record, and is none by one of which it saw nothing, may have writes that
 * the other lacks: its run is left out of its own record until it is a copy
 * again, and the leader looks for that; see node_own().
 */
static struct record
node_adopted(const struct node *n, const struct record *theirs)
{
	enum side me = n->conf.me;
	const struct record *mine = &n->record;
	const struct node_redis *r = &n->facts.redis[me];
	struct record out = *theirs;
	bool astray = mine->primary == me ?
	    epoch_cmp(theirs->epoch, mine->epoch) != 0 ||
	    (theirs->fresh & SIDE_BIT(me)) == 0 :
	    mine->primary != SIDE_NONE && *mine->run[me] == '\0';

	if (astray && theirs->primary == SIDE_OTHER(me) &&
	    !(r->health == NODE_UP && r->attached && r->info.link_up))
		out.run[me][0] = '\0';
	return out;
}

/* The peer leads with a newer epoch, or asked for the lead and got it. */
static enum node_state
node_follow(struct node *n)
{
	const struct node_peer *p = &n->facts.peer;

	if (node_leads(n))
		node_lost(n, SIDE_NONE);
	if (record_cmp(&p->record, &n->record) > 0) {
		n->record = node_adopted(n, &p->record);
		if (epoch_cmp(n->promised, n->record.epoch) < 0)
			n->promised = n->record.epoch;
		node_store(n, &n->record);
	}
	node_store_again(n);
	n->lease_ms = p->lease_ms;
	if (p->leads && (n->gate_seq != p->gate_seq ||
	    n->state != NODE_FOLLOW)) {
		n->gate = p->gate;
		n->gate_seq = p->gate_seq;
	}
	if (n->store_again_ms != 0)
		node_disk_why(n);
	else
		node_why(n, "%s", p->why);
	return NODE_FOLLOW;
}

static bool
node_peer_leads(const struct node *n)
{
	const struct node_peer *p = &n->facts.peer;

	return p->health == NODE_UP && p->leads &&
	    epoch_cmp(p->record.epoch, n->record.epoch) >= 0 &&
	    epoch_cmp(p->record.epoch, n->promised) >= 0;
}

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

/* ---- LEARN and LOST: who shall lead? ---- */

/* May it ask for the lead now, or did that just fail? */
static bool
node_may_claim(const struct node *n)
{
	return n->store_again_ms == 0 && n->facts.now_ms >= n->claim_after_ms;
}

/* Claims the lead with the newest record that is known. */
static void
node_claim_next(struct node *n)
{
	struct epoch e = n->promised;

	if (epoch_cmp(e, n->record.epoch) < 0)
		e = n->record.epoch;
	n->next = n->record;
	n->next.epoch.number = e.number + 1;
	n->next.epoch.by = n->conf.me;
	n->next.seq = 1;
}

static enum node_state
node_claim(struct node *n)
{
	if (!node_may_claim(n))
		return n->state;
	node_claim_next(n);
	node_deadline(n, NODE_CLAIM_MS);
	node_commit(n, false);
	return NODE_CLAIM;
}

/*
 * Both could claim at once. The VIP's holder goes first, else the first by
 * name; the other only when nothing has come of it.
 */
static bool
node_my_turn(const struct node *n)
{
	const struct node_peer *p = &n->facts.peer;
	bool first = n->facts.holder != p->holder ? n->facts.holder :
	    n->conf.me == SIDE_A;

	return first ||
	    n->facts.now_ms - n->state_since_ms > NODE_CLAIM_LATER_MS;
}

/* Own record against the peer's; the newer one is learned first. */
static bool
node_learn_newer(struct node *n)
{
	const struct record *theirs = &n->facts.peer.record;

	if (theirs->epoch.number == 0 ||
	    record_cmp(theirs, &n->record) <= 0)
		return false;
	n->record = node_adopted(n, theirs);
	if (epoch_cmp(n->promised, n->record.epoch) < 0)
		n->promised = n->record.epoch;
	node_store(n, &n->record);
	return true;
}

/*
 * A node that starts knows only its own disk, which may be old. Alone it
 * goes on only when that cannot matter: its copy is the only fresh one, or
 * the recorded primary still runs as it did, and so has lost nothing.
 */
static bool
node_may_start_alone(struct node *n)
{
	enum side me = n->conf.me, p = n->record.primary;
	const char *const *name = n->conf.name;
	const struct node_redis *r;

	if (!node_has_record(n) || p == SIDE_NONE) {
		node_why(n, "first start: waiting for the Holdover of node "
		    "%s, which must be up once; if it never will be, PROMOTE "
		    "%s ACCEPT-LOSS", name[SIDE_OTHER(me)], name[me]);
		return false;
	}
	if (n->record.fresh == SIDE_BIT(me))
		return true;
	r = &n->facts.redis[p];
	if (r->health == NODE_UP && r->info.primary &&
	    strcmp(r->info.run_id, n->record.run[p]) == 0)
		return true;
	node_why(n, "this node's copy may be old: waiting for node %s, which "
	    "may have newer data; if it never comes back, PROMOTE %s "
	    "ACCEPT-LOSS", name[SIDE_OTHER(me)], name[me]);
	return false;
}

static bool
node_silent(const struct node *n)
{
	return n->facts.peer.health == NODE_GONE || node_peer_dead(n) ||
	    node_peer_hangs(n);
}

/* The peer is there: who does not lead yet asks for the lead in turn. */
static enum node_state
node_meet(struct node *n)
{
	if (node_learn_newer(n) || n->facts.peer.leads || !node_my_turn(n))
		return n->state;
	return node_claim(n);
}

static enum node_state
node_learn_look(struct node *n, enum side side)
{
	(void)side;
	if (node_peer_leads(n))
		return node_follow(n);
	node_store_again(n);
	if (n->facts.peer.health == NODE_UP)
		return node_meet(n);
	/* Says what is needed even while it is not sure that it is. */
	if (!node_may_start_alone(n))
		return n->state;
	if (node_silent(n) && node_alone_ok(n))
		return node_claim(n);
	node_why(n, "waiting for the Holdover of node %s; if it never comes "
	    "back, PROMOTE %s ACCEPT-LOSS",
	    n->conf.name[SIDE_OTHER(n->conf.me)], n->conf.name[n->conf.me]);
	return n->state;
}

static enum node_state
node_lost_look(struct node *n, enum side side)
{
	enum side me = n->conf.me;

	(void)side;
	if (node_peer_leads(n))
		return node_follow(n);
	node_store_again(n);
	if (n->facts.peer.health == NODE_UP)
		return node_meet(n);
	if (node_has_record(n) && node_silent(n) && node_alone_ok(n))
		return node_claim(n);
	if (n->store_again_ms != 0)
		return n->state;
	node_why(n, "nobody leads: node %s is not heard, and this node may "
	    "not go on alone (%s); if node %s is dead, PROMOTE %s ACCEPT-LOSS",
	    n->conf.name[SIDE_OTHER(me)], n->conf.alone_serve ?
	    "it does not hold the VIP" : "alone is hold",
	    n->conf.name[SIDE_OTHER(me)], n->conf.name[me]);
	return n->state;
}

static enum node_state
node_not_leading(struct node *n, enum side side)
{
	(void)side;
	node_why(n, "this node does not lead; %s", n->state == NODE_FOLLOW ?
	    "ask the other" : "see STATUS");
	node_wish_failed(n);
	return n->state;
}

/*
 * PROMOTE ... ACCEPT-LOSS, where the other node does not come back. By it the
 * operator also says that this node may act alone, until the other is heard.
 */
static enum node_state
node_learn_operator(struct node *n, enum side side)
{
	if (n->wish != NODE_WISH_PROMOTE || n->facts.peer.health == NODE_UP ||
	    n->wish_side != n->conf.me)
		return node_not_leading(n, side);
	n->alone_allowed = true;
	node_claim_next(n);
	n->next.primary = n->wish_side;
	n->next.fresh = SIDE_BIT(n->wish_side);
	n->next.run[n->wish_side][0] = '\0';
	n->next.intent = SIDE_NONE;
	node_deadline(n, NODE_CLAIM_MS);
	node_commit(n, false);
	return NODE_CLAIM;
}

/*
 * What this leader cannot reach and the peer can is better led from there: a
 * switch needs whoever leads to reach both Redis.
 */
enum node_state
node_yield(struct node *n)
{
	node_lost(n, SIDE_NONE);
	n->claim_after_ms = n->facts.now_ms + NODE_YIELD_MS;
	node_why(n, "the Redis of node %s is reached from there only: that "
	    "node leads", n->conf.name[n->record.primary]);
	return NODE_LOST;
}

/* ---- FOLLOW ---- */

static enum node_state
node_follow_look(struct node *n, enum side side)
{
	if (node_peer_leads(n))
		return node_follow(n);
	/* The peer is there and says that it does not lead (any more). */
	if (n->facts.peer.health == NODE_UP || node_silent(n))
		return node_lost(n, side);
	return n->state;
}

/* ---- CLAIM ---- */

static enum node_state
node_claim_committed(struct node *n, enum side side)
{
	if (!n->stored && n->accepted) {
		node_store(n, &n->next);
		return n->state;
	}
	if (!node_commit_holds(n))
		return n->state;
	n->promised = n->record.epoch;
	n->lease_ms = n->facts.now_ms + n->conf.lease_ms;
	return node_clean_enter(n, side);
}

static enum node_state
node_claim_look(struct node *n, enum side side)
{
	if (node_peer_leads(n)) {
		node_commit_drop(n);
		return node_follow(n);
	}
	return node_claim_committed(n, side);
}

static enum node_state
node_claim_refused(struct node *n, enum side side)
{
	node_lost(n, side);
	n->claim_after_ms = n->facts.now_ms + NODE_CLAIM_LATER_MS;
	node_why(n, "node %s did not agree that this node leads",
	    n->conf.name[SIDE_OTHER(n->conf.me)]);
	return NODE_LOST;
}

/* ---- answers to commits ---- */

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
[NODE_SW_INTENT] = { node_intent_look, node_switch_abandon, node_lost, half,
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

/* What the disk said counts whatever else has come up meanwhile. */
static void
node_note_store(struct node *n, enum node_event e)
{
	if (e != NODE_EV_STORED && e != NODE_EV_STORE_FAILED)
		return;
	if (e == NODE_EV_STORED) {
		n->stored = node_commit_pending(n) &&
		    record_cmp(&n->storing, &n->next) == 0;
		if (record_cmp(&n->vote, &n->storing) == 0)
			n->record = n->vote;
	}
	n->store_again_ms = e == NODE_EV_STORED ? 0 :
	    n->facts.now_ms + NODE_STORE_AGAIN_MS;
	memset(&n->vote, 0, sizeof(n->vote));
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
