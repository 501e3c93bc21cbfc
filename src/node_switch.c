/*
 * The planned switch, fence first. Two Redis are never writable at the same
 * time, and whatever fails, one of them is again.
 *
 *   intent committed, subscribers made ready for the new primary -> writes
 *   held and drained at both gates -> the old primary fenced -> the new one
 *   has its last byte -> promoted -> reads flipped, and what was blocked asked
 *   again, at both gates -> writes opened, the outcome committed beside
 */
#include <stdio.h>
#include <string.h>

#include "node_priv.h"

/*
 * How long those who listen may take to get ready for the new primary, while
 * nobody waits; and to move to it when its reads have flipped.
 */
#define NODE_NEAR_MS	3000
#define NODE_FLIP_MS	200

/* Has each gate done what its last order means? */
static bool
node_gates_applied(const struct node *n)
{
	return n->facts.applied && (n->facts.peer.health != NODE_UP ||
	    n->facts.peer.applied == n->gate_seq);
}

enum node_state
node_switch_begin(struct node *n, enum side to)
{
	struct record *next = node_commit_next(n);

	n->why[0] = '\0';
	next->intent = to;
	n->sw = (struct node_switch){ .planned = true,
	    .reason = n->wish == NODE_NO_WISH ? NODE_WHY_FOLLOWS_VIP :
	    NODE_WHY_OPERATOR,
	    .from = next->primary, .to = to, .begun_ms = n->facts.now_ms,
	    .end_offset = -1, .new_offset = -1 };
	node_commit(n, true);
	node_gate_near(n);
	node_deadline(n, n->conf.drain_timeout_ms);
	return NODE_SW_INTENT;
}

/* Nothing is fenced yet: the gate just opens again. */
enum node_state
node_switch_abandon(struct node *n, enum side side)
{
	const struct node_peer *p = &n->facts.peer;

	(void)side;
	node_why(n, n->state == NODE_SW_INTENT ?
	    "the other Holdover did not agree in time" :
	    !n->facts.drained || !p->drained ?
	    "writes in flight were not answered in drain-timeout" :
	    "the other Holdover did not hold its writes in drain-timeout");
	node_wish_failed(n);
	node_commit_drop(n);
	return node_open(n);
}

static enum node_state
node_primary_died(struct node *n, enum side side)
{
	node_commit_drop(n);
	node_why(n, "the primary died");
	node_wish_failed(n);
	n->sw.planned = false;
	return node_choose(n, side);
}

/* The intent is committed; now the subscribers, but not for ever. */
enum node_state
node_intent_committed(struct node *n, enum side side)
{
	node_deadline(n, NODE_NEAR_MS);
	return node_intent_look(n, side);
}

enum node_state
node_intent_look(struct node *n, enum side side)
{
	if (!node_primary_ok(n))
		return node_primary_died(n, side);
	if (node_commit_pending(n) ||
	    (n->deadline_ms != 0 && !node_gates_applied(n)))
		return NODE_SW_INTENT;
	n->sw.begun_ms = n->facts.now_ms;
	node_gate(n, GATE_HOLD_WRITES, n->record.primary, SIDE_NONE);
	node_deadline(n, n->conf.drain_timeout_ms);
	return NODE_SW_DRAIN;
}

enum node_state
node_intent_late(struct node *n, enum side side)
{
	return node_commit_pending(n) ? node_switch_abandon(n, side) :
	    node_intent_look(n, side);
}

enum node_state
node_drain_look(struct node *n, enum side side)
{
	const struct node_peer *p = &n->facts.peer;

	if (!node_primary_ok(n))
		return node_primary_died(n, side);
	if (!n->facts.drained || p->applied != n->gate_seq || !p->drained)
		return NODE_SW_DRAIN;
	node_order(n, NODE_DO_FENCE, n->record.primary);
	node_deadline(n, n->conf.drain_timeout_ms);
	return NODE_SW_FENCE;
}

/* First the fenced one tells its end, then the other is read up to it. */
enum node_state
node_fence_done(struct node *n, enum side side)
{
	enum side to = n->record.intent;
	const struct info *i = &n->facts.redis[side].info;

	if (side == n->record.primary) {
		if (i->primary || !node_runs(n, side))
			return node_switch_failed(n, side);
		n->sw.end_offset = i->offset;
		node_order(n, NODE_DO_READ, to);
		return n->state;
	}
	if (!node_runs(n, to))
		return node_switch_failed(n, side);
	if (i->offset < n->sw.end_offset) {
		node_order(n, NODE_DO_READ, to);
		return n->state;
	}
	n->sw.new_offset = i->offset;
	node_order(n, NODE_DO_PROMOTE, to);
	node_deadline(n, n->conf.drain_timeout_ms);
	return NODE_SW_PROMOTE;
}

/* What stands is read anew; node_choose() then goes forward or back. */
enum node_state
node_switch_failed(struct node *n, enum side side)
{
	(void)side;
	node_why(n, "a Redis did not follow in drain-timeout; see the log");
	node_wish_failed(n);
	n->sw.planned = false;
	return node_recheck(n);
}

enum node_state
node_promote_done(struct node *n, enum side side)
{
	enum side to = n->record.intent;

	if (side != to)
		return n->state;
	if (!node_runs(n, to) || !n->facts.redis[to].info.primary)
		return node_switch_failed(n, side);
	node_gate(n, GATE_HOLD_WRITES, to, to);
	node_deadline(n, NODE_FLIP_MS);
	return NODE_SW_FLIP;
}

/*
 * Writes open only when no gate sends reads to the old one any more, so
 * that nobody reads what is older than a write already answered.
 */
enum node_state
node_flip_look(struct node *n, enum side side)
{
	enum side to = n->sw.to;
	struct record *next;

	(void)side;
	if (n->deadline_ms != 0 && !node_gates_applied(n))
		return NODE_SW_FLIP;
	next = node_commit_next(n);
	next->primary = to;
	next->intent = SIDE_NONE;
	record_add_past(next, next->epoch,
	    n->facts.redis[to].info.replid, n->sw.new_offset);
	node_commit(n, false);
	node_gate(n, GATE_OPEN, to, to);
	n->attach_order = NODE_DO_ATTACH;
	node_order(n, n->attach_order, SIDE_OTHER(to));
	n->samples = 0;
	n->last_switch_ms = n->facts.now_ms;
	n->why[0] = '\0';
	node_wish_done(n);
	return NODE_STEADY;
}

enum node_state
node_switch_undo(struct node *n)
{
	node_order(n, NODE_DO_PROMOTE, n->record.primary);
	node_deadline(n, n->conf.drain_timeout_ms);
	return NODE_SW_UNDO;
}

enum node_state
node_undo_done(struct node *n, enum side side)
{
	enum side p = n->record.primary;

	if (side != p)
		return n->state;
	if (!node_runs(n, p) || !n->facts.redis[p].info.primary)
		return node_switch_failed(n, side);
	return node_open(n);
}
