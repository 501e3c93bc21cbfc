/*
 * Which copy is the primary: after a claim, and whenever the one that was
 * is not there any more.
 *
 * The rules, in this order: the recorded primary if it still runs as it
 * did; the other copy if it is recorded as fresh and has not restarted
 * either; the recorded primary come back with its data; an operator. Good
 * data is never given up for worse.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "node_priv.h"

/* How long reading both Redis may take; what has not answered is left out. */
#define NODE_CLEAN_MS		1000

/* How long a promotion may take. */
#define NODE_PROMOTE_MS		2000

/* The lead is given to the peer when only that reaches the primary. */
#define NODE_UNSEEN_MS		1000

bool
node_runs(const struct node *n, enum side s)
{
	const struct node_redis *r = &n->facts.redis[s];

	return r->health == NODE_UP &&
	    strcmp(r->info.run_id, node_view(n)->run[s]) == 0;
}

static bool
node_restarted(const struct node *n, enum side s)
{
	return n->facts.redis[s].health == NODE_UP && !node_runs(n, s);
}

bool
node_dead(const struct node *n, enum side s)
{
	const struct node_peer *p = &n->facts.peer;

	return n->facts.redis[s].health == NODE_GONE &&
	    !(p->health == NODE_UP && p->sees[s] == NODE_UP);
}

bool
node_should_yield(struct node *n)
{
	enum side s = node_view(n)->primary;
	const struct node_peer *p = &n->facts.peer;

	if (n->facts.redis[s].health == NODE_UP || p->health != NODE_UP ||
	    p->sees[s] != NODE_UP) {
		n->unseen_since_ms = 0;
		return false;
	}
	if (n->unseen_since_ms == 0)
		n->unseen_since_ms = n->facts.now_ms;
	return n->facts.now_ms - n->unseen_since_ms >= NODE_UNSEEN_MS;
}

/*
 * A primary that is only busy still is the primary; one whose whole node is
 * silent is not, once VRRP has made this node MASTER.
 */
bool
node_primary_ok(const struct node *n)
{
	enum side p = node_view(n)->primary;
	const struct node_redis *r = &n->facts.redis[p];

	switch (r->health) {
	case NODE_UP:
		return node_runs(n, p) && r->info.primary;
	case NODE_GONE:
		if (node_dead(n, p))
			return false;
		/* FALLTHROUGH */
	default:
		return p == n->conf.me || !node_peer_dead(n);
	}
}

enum node_state
node_wait(struct node *n, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(n->why, sizeof(n->why), fmt, ap);
	va_end(ap);
	node_gate(n, GATE_HOLD_ALL, SIDE_NONE, SIDE_NONE);
	return NODE_WAIT_COPY;
}

static enum node_state
node_read_both(struct node *n, enum node_order_kind kind)
{
	enum side s;

	n->awaited = 0;
	for (s = SIDE_A; s <= SIDE_B; s++)
		if (n->facts.redis[s].health == NODE_UP)
			node_order(n, kind, s);
	if (n->awaited == 0)
		return node_wait(n, "no Redis is heard");
	node_deadline(n, NODE_CLEAN_MS);
	return NODE_CLEAN;
}

enum node_state
node_clean_enter(struct node *n, enum side side)
{
	(void)side;
	n->sw.planned = false;
	node_gate(n, GATE_HOLD_ALL, SIDE_NONE, SIDE_NONE);
	return node_read_both(n, NODE_DO_CLEAN);
}

enum node_state
node_recheck(struct node *n)
{
	return node_read_both(n, NODE_DO_READ);
}

/* Whether it worked or not, what is known now is all there is. */
enum node_state
node_clean_done(struct node *n, enum side side)
{
	return n->awaited == 0 ? node_choose(n, side) : n->state;
}

/* ---- the first start ---- */

static bool
node_related(const struct info *x, const struct info *y)
{
	return strcmp(x->replid, y->replid) == 0 ||
	    strcmp(x->replid, y->replid2) == 0 ||
	    strcmp(x->replid2, y->replid) == 0;
}

/* Does the copy replicate from that one, by whatever name? */
static bool
node_replicates(const struct node *n, enum side copy, enum side from)
{
	const struct node_redis *c = &n->facts.redis[copy];
	const struct info *i = &n->facts.redis[from].info;

	return i->primary && !c->info.primary && (c->attached ||
	    (c->info.link_up && strcmp(c->info.replid, i->replid) == 0));
}

static enum node_state
node_choose_first(struct node *n)
{
	const struct node_redis *a = &n->facts.redis[SIDE_A];
	const struct node_redis *b = &n->facts.redis[SIDE_B];
	const char *const *name = n->conf.name;
	enum side s;

	for (s = SIDE_A; s <= SIDE_B; s++)
		if (n->facts.redis[s].health != NODE_UP ||
		    n->facts.redis[s].info.loading)
			return node_wait(n, "first start: waiting for the "
			    "Redis of node %s", name[s]);
	/* An existing pair is taken as it is. */
	if (node_replicates(n, SIDE_B, SIDE_A))
		return node_failover(n, SIDE_A);
	if (node_replicates(n, SIDE_A, SIDE_B))
		return node_failover(n, SIDE_B);
	if (a->info.keys > 0 && b->info.keys > 0) {
		if (!node_related(&a->info, &b->info))
			return node_wait(n, "both Redis have data of their "
			    "own (%lld keys on %s, %lld on %s); choose which "
			    "to keep: PROMOTE NODE ACCEPT-LOSS",
			    a->info.keys, name[SIDE_A], b->info.keys,
			    name[SIDE_B]);
		return node_failover(n,
		    a->info.offset >= b->info.offset ? SIDE_A : SIDE_B);
	}
	if (a->info.keys > 0 || b->info.keys > 0)
		return node_failover(n, a->info.keys > 0 ? SIDE_A : SIDE_B);
	if (a->info.primary != b->info.primary)
		return node_failover(n, a->info.primary ? SIDE_A : SIDE_B);
	return node_failover(n, n->facts.holder || !n->facts.peer.holder ?
	    n->conf.me : SIDE_OTHER(n->conf.me));
}

/* ---- a switch that its leader did not finish ---- */

/*
 * Before the fence: back. After it: forward if the other copy has all that
 * the fenced one had, else back. After the promotion: forward.
 */
static enum node_state
node_choose_intent(struct node *n)
{
	enum side p = n->record.primary, to = n->record.intent;
	const struct info *old = &n->facts.redis[p].info;
	const struct info *new = &n->facts.redis[to].info;

	if (old->primary)
		return node_open(n);
	if (node_runs(n, to) && (new->primary ||
	    (strcmp(new->replid, old->replid) == 0 &&
	    new->offset >= old->offset)))
		return node_failover(n, to);
	return node_switch_undo(n);
}

/* ---- the primary is gone, or came back as something else ---- */

/* Is the other copy known to be good, as it runs now? */
static bool
node_copy_good(const struct node *n, enum side s)
{
	const struct node_redis *r = &n->facts.redis[s];

	return node_is_fresh(n, s) && node_runs(n, s) && !r->info.syncing &&
	    !r->info.loading;
}

/*
 * Came back with nothing, under new ids. Where ids go on, an empty data set
 * is what clients made of it (FLUSHALL).
 */
static bool
node_emptied(const struct node *n, enum side s)
{
	const struct info *i = &n->facts.redis[s].info;

	return i->keys == 0 && n->record.npast > 0 &&
	    strcmp(i->replid, n->record.past[0].replid) != 0 &&
	    strcmp(i->replid, n->known.replid) != 0;
}

/* The same history, and further. */
static bool
node_further(const struct info *x, const struct info *than)
{
	return strcmp(x->replid, than->replid) == 0 &&
	    x->offset > than->offset;
}

/*
 * Both are recorded as fresh and both have restarted: which has more? An AOF
 * brings all back, under new ids; an RDB what there was when it was written,
 * under the old ones, so that offsets compare.
 */
static enum side
node_better_restarted(const struct node *n, enum side p)
{
	enum side o = SIDE_OTHER(p);
	const struct info *i = &n->facts.redis[p].info;
	const struct info *j = &n->facts.redis[o].info;

	if (node_emptied(n, p) && j->keys > 0)
		return o;
	if (node_emptied(n, o) && i->keys > 0)
		return p;
	if (i->aof != j->aof)
		return i->aof ? p : o;
	return node_further(j, i) ? o : p;
}

/* The recorded primary has restarted, and so has the other if it is good. */
static enum node_state
node_choose_both(struct node *n, enum side p)
{
	enum side o = SIDE_OTHER(p);
	const struct info *i = &n->facts.redis[p].info;
	const struct node_redis *q = &n->facts.redis[o];
	const char *const *name = n->conf.name;

	if (q->health == NODE_UP && !q->info.loading)
		return node_failover(n, node_better_restarted(n, p));
	/* All that it had, as far as a disk can tell. */
	if (i->aof && !node_emptied(n, p))
		return node_failover(n, p);
	return node_wait(n, "the Redis of node %s, the primary, came back %s; "
	    "waiting for the Redis of node %s, which may have more, or for "
	    "PROMOTE %s ACCEPT-LOSS", name[p], node_emptied(n, p) ? "empty" :
	    "without AOF", name[o], name[p]);
}

/*
 * Came back, by an RDB, as it was before what it last said of itself. Ids of
 * earlier reigns count in the same bytes.
 */
static bool
node_older(const struct node *n, enum side p)
{
	const struct info *i = &n->facts.redis[p].info;
	bool same = strcmp(n->known.replid, i->replid) == 0;
	unsigned k;

	for (k = 0; !same && k < n->record.npast; k++)
		same = strcmp(n->record.past[k].replid, i->replid) == 0;
	return n->known.side == p && same && i->offset < n->known.offset;
}

/* Only the recorded primary is fresh, and it has restarted. */
static enum node_state
node_choose_only(struct node *n, enum side p)
{
	enum side o = SIDE_OTHER(p);
	const struct info *i = &n->facts.redis[p].info;
	const struct node_redis *q = &n->facts.redis[o];
	const char *const *name = n->conf.name;
	bool there = q->health == NODE_UP && !q->info.loading;

	if (node_emptied(n, p) && there && q->info.keys > 0)
		return node_wait(n, "the Redis of node %s, the primary, came "
		    "back empty and the copy of node %s (%lld keys) is not "
		    "fresh; PROMOTE %s ACCEPT-LOSS serves it all the same",
		    name[p], name[o], q->info.keys, name[o]);
	if (node_emptied(n, p) && !there)
		return node_wait(n, "the Redis of node %s, the primary, came "
		    "back empty; waiting for the copy of node %s, or for "
		    "PROMOTE %s ACCEPT-LOSS", name[p], name[o], name[p]);
	if (there && node_further(&q->info, i))
		return node_wait(n, "the Redis of node %s, the primary, came "
		    "back with less than node %s has; choose which to keep: "
		    "PROMOTE %s ACCEPT-LOSS or PROMOTE %s ACCEPT-LOSS",
		    name[p], name[o], name[o], name[p]);
	if (node_older(n, p))
		return node_wait(n, "the Redis of node %s, the only fresh "
		    "copy, came back with older data (offset %lld, it was at "
		    "%lld); restore it, or PROMOTE %s ACCEPT-LOSS", name[p],
		    i->offset, n->known.offset, name[p]);
	return node_failover(n, p);
}

static enum node_state
node_choose_restarted(struct node *n, enum side p)
{
	const char *name = n->conf.name[p];

	if (n->facts.redis[p].info.loading)
		return node_wait(n, "the Redis of node %s, the primary, is "
		    "loading its data", name);
	if (!node_is_fresh(n, p))
		return node_wait(n, "the Redis of node %s is not known to "
		    "have all data; PROMOTE %s ACCEPT-LOSS if you know better",
		    name, name);
	return node_is_fresh(n, SIDE_OTHER(p)) ? node_choose_both(n, p) :
	    node_choose_only(n, p);
}

static enum node_state
node_choose_gone(struct node *n, enum side p)
{
	enum side o = SIDE_OTHER(p);
	const char *const *name = n->conf.name;

	if (node_copy_good(n, o))
		return node_failover(n, o);
	if (n->facts.redis[p].health == NODE_UP)
		return node_choose_restarted(n, p);
	return node_wait(n, "the primary, the Redis of node %s, is gone, and "
	    "the copy of node %s is %s; waiting for either, or for PROMOTE %s "
	    "ACCEPT-LOSS", name[p], name[o],
	    n->facts.redis[o].health != NODE_UP ? "not reachable" :
	    node_is_fresh(n, o) ? "restarted" : "not fresh", name[o]);
}

enum node_state
node_choose(struct node *n, enum side side)
{
	enum side p = n->record.primary;
	const struct node_redis *r = &n->facts.redis[p];

	(void)side;
	if (node_commit_pending(n))
		return n->state;
	/* After a claim that was made for it, or where it had to wait. */
	if (n->wish == NODE_WISH_PROMOTE &&
	    n->facts.redis[n->wish_side].health == NODE_UP &&
	    !n->facts.redis[n->wish_side].info.loading)
		return node_failover(n, n->wish_side);
	if (p == SIDE_NONE)
		return node_choose_first(n);
	if (n->record.intent != SIDE_NONE && node_runs(n, p))
		return node_choose_intent(n);
	if (node_runs(n, p) && r->info.primary)
		return node_open(n);
	if (node_restarted(n, p) || !node_primary_ok(n)) {
		/* It runs as it did, but somebody else made it a replica. */
		if (node_runs(n, p) && r->attached &&
		    n->facts.redis[SIDE_OTHER(p)].info.primary &&
		    node_runs(n, SIDE_OTHER(p)))
			return node_failover(n, SIDE_OTHER(p));
		if (node_runs(n, p) && !r->info.loading)
			return node_failover(n, p);
		return node_choose_gone(n, p);
	}
	if (node_should_yield(n))
		return node_yield(n);
	return node_wait(n, "the primary, the Redis of node %s, is silent",
	    n->conf.name[p]);
}

/* ---- failover ---- */

static enum node_reason
node_failover_reason(const struct node *n, enum side from)
{
	if (from == SIDE_NONE)
		return NODE_WHY_FIRST_START;
	if (n->wish == NODE_WISH_PROMOTE)
		return NODE_WHY_OPERATOR;
	if (n->record.intent != SIDE_NONE)
		return NODE_WHY_UNFINISHED;
	if (n->facts.redis[from].health == NODE_UP)
		return node_runs(n, from) ? NODE_WHY_REDIS_DEMOTED :
		    NODE_WHY_REDIS_RESTARTED;
	return from != n->conf.me && node_peer_dead(n) ? NODE_WHY_NODE_GONE :
	    NODE_WHY_REDIS_GONE;
}

enum node_state
node_failover(struct node *n, enum side to)
{
	const struct info *i = &n->facts.redis[to].info;
	enum side from = n->record.primary;
	struct record *next = node_commit_next(n);

	n->sw = (struct node_switch){ .planned = false,
	    .reason = node_failover_reason(n, from), .from = from,
	    .to = to, .begun_ms = n->facts.now_ms, .end_offset = -1,
	    .new_offset = i->offset };
	if (from != SIDE_NONE && from != to)
		n->sw.end_offset = n->known.side == from ? n->known.offset :
		    n->facts.redis[from].info.offset;
	next->primary = to;
	next->fresh = SIDE_BIT(to);
	next->intent = SIDE_NONE;
	snprintf(next->run[to], sizeof(next->run[to]), "%s", i->run_id);
	/* It may have writes of its own; see node_own_writes(). */
	if (from != to)
		next->run[SIDE_OTHER(to)][0] = '\0';
	record_add_past(next, next->epoch, i->replid, i->offset);
	node_why(n, "the Redis of node %s becomes the primary",
	    n->conf.name[to]);
	node_gate(n, GATE_HOLD_ALL, SIDE_NONE, SIDE_NONE);
	node_commit(n, false);
	node_deadline(n, NODE_PROMOTE_MS);
	return NODE_FO_COMMIT;
}

enum node_state
node_failover_committed(struct node *n, enum side side)
{
	(void)side;
	node_order(n, NODE_DO_PROMOTE, n->record.primary);
	node_deadline(n, NODE_PROMOTE_MS);
	return NODE_FO_PROMOTE;
}

enum node_state
node_failover_done(struct node *n, enum side side)
{
	enum side p = n->record.primary;

	if (side != p)
		return n->state;
	if (!node_runs(n, p) || !n->facts.redis[p].info.primary)
		return node_failover_failed(n, side);
	return node_open(n);
}

enum node_state
node_failover_failed(struct node *n, enum side side)
{
	(void)side;
	n->awaited = 0;
	return node_wait(n, "the Redis of node %s could not be promoted; it "
	    "is tried again", n->conf.name[n->record.primary]);
}

enum node_state
node_open(struct node *n)
{
	enum side p = node_view(n)->primary;

	n->sw.planned = false;
	n->why[0] = '\0';
	n->samples = 0;
	n->attach_again_ms = 0;
	n->fresh_since_ms = 0;
	n->last_switch_ms = n->facts.now_ms;
	node_gate(n, GATE_OPEN, p, p);
	if (n->wish == NODE_WISH_PROMOTE)
		node_wish_done(n);
	return node_view(n)->fresh == SIDE_BIT(p) ? NODE_SOLO : NODE_STEADY;
}

/* Nothing may be served; only PROMOTE ... ACCEPT-LOSS can help. */
enum node_state
node_wait_operator(struct node *n, enum side side)
{
	enum side to = n->wish_side;

	(void)side;
	if (n->wish != NODE_WISH_PROMOTE) {
		node_wish_failed(n);
		return n->state;
	}
	if (n->facts.redis[to].health != NODE_UP ||
	    n->facts.redis[to].info.loading || node_commit_pending(n)) {
		node_why(n, "the Redis of node %s is not ready: start it, or "
		    "wait until it has loaded", n->conf.name[to]);
		node_wish_failed(n);
		return n->state;
	}
	return node_failover(n, to);
}
