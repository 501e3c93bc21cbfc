/*
 * Who leads: the rows of all states of a node that does not (yet).
 */
#include <string.h>

#include "node_priv.h"

/* How long a claim waits for the peer's answer. */
#define NODE_CLAIM_MS		500

/* Where both may claim, the one that is not favoured waits this long. */
#define NODE_CLAIM_LATER_MS	300

/* Who cannot reach what the peer can leaves the lead to it for so long. */
#define NODE_YIELD_MS		2000

/* ---- LEARN and LOST: who shall lead? ---- */

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

static bool
node_silent(const struct node *n)
{
	return n->facts.peer.health == NODE_GONE || node_peer_dead(n) ||
	    node_peer_hangs(n);
}

static bool
node_has_record(const struct node *n)
{
	return n->record.epoch.number > 0;
}

static bool
node_peer_leads(const struct node *n)
{
	const struct node_peer *p = &n->facts.peer;

	return p->health == NODE_UP && p->leads &&
	    epoch_cmp(p->record.epoch, n->record.epoch) >= 0 &&
	    epoch_cmp(p->record.epoch, n->promised) >= 0;
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

/* The peer is there: who does not lead yet asks for the lead in turn. */
static enum node_state
node_meet(struct node *n)
{
	if (node_learn_newer(n) || n->facts.peer.leads || !node_my_turn(n))
		return n->state;
	return node_claim(n);
}

enum node_state
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

enum node_state
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

enum node_state
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
enum node_state
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

enum node_state
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

enum node_state
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

enum node_state
node_claim_look(struct node *n, enum side side)
{
	if (node_peer_leads(n)) {
		node_commit_drop(n);
		return node_follow(n);
	}
	return node_claim_committed(n, side);
}

enum node_state
node_claim_refused(struct node *n, enum side side)
{
	node_lost(n, side);
	n->claim_after_ms = n->facts.now_ms + NODE_CLAIM_LATER_MS;
	node_why(n, "node %s did not agree that this node leads",
	    n->conf.name[SIDE_OTHER(n->conf.me)]);
	return NODE_LOST;
}
