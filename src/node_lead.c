/*
 * A leader with an open gate keeps the pair well: it attaches what is not
 * attached, notes which copies are fresh, and moves the primary to where
 * the VIP is.
 */
#include <string.h>

#include "node_priv.h"

/* An attach that did not take is ordered again after this long. */
#define NODE_ATTACH_MS		1000

/* Saving a copy is tried again after this long. */
#define NODE_SAVE_AGAIN_MS	5000

/* A commit that is not answered is sent again. */
#define NODE_COMMIT_MS		1000

/* In a planned switch the old primary's answers are good for this long. */
#define NODE_TRUST_MS		1000

/* ---- is the replica fresh? ---- */

static void
node_sample(struct node *n)
{
	const struct node_redis *r =
	    &n->facts.redis[node_view(n)->primary];
	struct node_sample *s = n->sample;

	if (r->health != NODE_UP || (n->samples > 0 &&
	    n->facts.now_ms - s[(n->samples - 1) % NODE_SAMPLES].at_ms <
	    n->conf.fresh_lag_ms / (NODE_SAMPLES / 2)))
		return;
	s[n->samples++ % NODE_SAMPLES] = (struct node_sample){
	    n->facts.now_ms, r->info.offset };
}

/* The primary's offset of fresh-lag ago; 0 when it was not read yet. */
static long long
node_offset_then(const struct node *n)
{
	int64_t then = n->facts.now_ms - n->conf.fresh_lag_ms;
	const struct node_sample *s;
	unsigned i;

	for (i = 0; i < n->samples && i < NODE_SAMPLES; i++) {
		s = &n->sample[(n->samples - 1 - i) % NODE_SAMPLES];
		if (s->at_ms <= then)
			return s->offset;
	}
	return 0;
}

/*
 * A dropped link can say "up" until repl-timeout: what counts is that the
 * offset follows.
 */
static bool
node_keeps_up(const struct node *n, enum side o)
{
	const struct node_redis *r = &n->facts.redis[o];
	const struct node_redis *p = &n->facts.redis[node_view(n)->primary];

	return r->health == NODE_UP && r->attached && r->info.link_up &&
	    !r->info.syncing && !r->info.loading &&
	    strcmp(r->info.replid, p->info.replid) == 0 &&
	    r->info.offset >= node_offset_then(n) &&
	    p->info.offset - r->info.offset <= n->conf.fresh_lag_bytes;
}

static void
node_note_fresh(struct node *n, enum side o)
{
	int64_t now = n->facts.now_ms;

	/* A primary that is not heard may be further than is known. */
	if (n->facts.redis[node_view(n)->primary].health != NODE_UP) {
		n->fresh_since_ms = 0;
		return;
	}
	if (node_keeps_up(n, o)) {
		if (n->fresh_since_ms == 0)
			n->fresh_since_ms = now;
		n->stale_since_ms = 0;
	} else {
		if (n->stale_since_ms == 0)
			n->stale_since_ms = now;
		n->fresh_since_ms = 0;
	}
}

/* ---- what a look finds to do ---- */

/* Where the histories of the two part, as an offset; -1: they are strangers. */
static long long
node_fork(const struct node *n, const struct info *c, const struct info *p)
{
	unsigned i;

	if (strcmp(c->replid, p->replid) == 0)
		return p->offset;
	if (strcmp(c->replid, p->replid2) == 0)
		return p->second_offset - 1;
	if (*c->replid2 != '\0' && (strcmp(c->replid2, p->replid) == 0 ||
	    strcmp(c->replid2, p->replid2) == 0))
		return c->second_offset - 1;
	for (i = 0; i < n->record.npast; i++)
		if (strcmp(c->replid, n->record.past[i].replid) == 0)
			return n->record.past[i].end;
	return -1;
}

/* Has it only been a replica, by this node's record and by its own? */
static bool
node_is_copy(const struct node *n, enum side o)
{
	const struct record *its = &n->facts.peer.record;

	return *node_view(n)->run[o] != '\0' &&
	    n->facts.peer.health == NODE_UP && its->primary != o &&
	    *its->run[o] != '\0';
}

/*
 * How many bytes the copy has that the primary lacks, and that it is about
 * to lose; -1: it has data of which nobody knows. After an AOF restart the
 * ids tell nothing, but the records do.
 */
static long long
node_own(const struct node *n, enum side o)
{
	const struct info *c = &n->facts.redis[o].info;
	const struct info *p = &n->facts.redis[node_view(n)->primary].info;
	long long fork = node_fork(n, c, p);

	if (c->keys == 0)
		return 0;
	if (fork >= 0)
		return c->offset > fork ? c->offset - fork : 0;
	return node_is_copy(n, o) ? 0 : -1;
}

static bool
node_is_saved(const struct node *n, enum side o)
{
	const struct info *c = &n->facts.redis[o].info;
	const struct info *i = &n->saved.info;

	return n->saved.state == NODE_SAVED && n->saved.side == o &&
	    strcmp(c->run_id, i->run_id) == 0 &&
	    strcmp(c->replid, i->replid) == 0 && c->offset == i->offset;
}

/*
 * Which order comes next for a copy that is to be a replica: first it takes
 * no write any more, then what it has of its own is saved.
 */
static enum node_order_kind
node_attach_next(struct node *n, enum side o)
{
	const struct info *i = &n->facts.redis[o].info;

	if (i->primary && !n->sw.planned)
		return NODE_DO_FENCE;
	if (node_is_saved(n, o) || node_own(n, o) == 0)
		return NODE_DO_ATTACH;
	n->saved = (struct node_saved){ NODE_SAVING, o, *i, node_own(n, o) };
	node_why(n, "the Redis of node %s has data of its own, which is saved "
	    "before it becomes a replica", n->conf.name[o]);
	return NODE_DO_SALVAGE;
}

/* Makes it a replica of the primary if it is none. */
static void
node_attach(struct node *n, enum side o)
{
	const struct node_redis *r = &n->facts.redis[o];
	enum side p = node_view(n)->primary;

	if (r->health != NODE_UP || r->info.loading ||
	    (r->attached && !r->info.primary) ||
	    (n->awaited & SIDE_BIT(o)) || !node_runs(n, p) ||
	    n->facts.now_ms < n->attach_again_ms)
		return;
	/* Only that node's Holdover knows whether it acted alone. */
	if (node_own(n, o) < 0 && *node_view(n)->run[o] != '\0' &&
	    n->facts.peer.health != NODE_UP) {
		node_why(n, "the Redis of node %s is back; waiting for that "
		    "node's Holdover before it becomes a replica",
		    n->conf.name[o]);
		return;
	}
	n->attach_again_ms = n->facts.now_ms + NODE_ATTACH_MS;
	n->attach_order = node_attach_next(n, o);
	if (n->attach_order == NODE_DO_ATTACH)
		n->why[0] = '\0';
	node_order(n, n->attach_order, o);
}

/* Begins the commit that the facts call for, if any; else false. */
static bool
node_tidy_record(struct node *n, enum side o)
{
	const struct node_redis *r = &n->facts.redis[o];
	int64_t now = n->facts.now_ms;
	bool recorded = node_is_fresh(n, o);
	struct record *next;

	if (recorded && (r->health == NODE_GONE ||
	    (r->health == NODE_UP && !node_runs(n, o)) ||
	    (n->stale_since_ms != 0 &&
	    now - n->stale_since_ms > n->conf.fresh_lag_ms))) {
		next = node_commit_next(n);
		next->fresh &= ~SIDE_BIT(o);
		node_commit(n, false);
		return true;
	}
	/* Alone it may not grow: the peer's disk would not know of it. */
	if (!recorded && n->facts.peer.health == NODE_UP &&
	    n->fresh_since_ms != 0 &&
	    now - n->fresh_since_ms >= n->conf.fresh_lag_ms) {
		next = node_commit_next(n);
		next->fresh |= SIDE_BIT(o);
		memcpy(next->run[o], r->info.run_id, sizeof(next->run[o]));
		node_commit(n, true);
		return true;
	}
	if (n->record.intent != SIDE_NONE) {
		next = node_commit_next(n);
		next->intent = SIDE_NONE;
		node_commit(n, false);
		return true;
	}
	return false;
}

static void
node_note_vip(struct node *n)
{
	bool here = n->facts.holder;
	bool there = n->facts.peer.health == NODE_UP && n->facts.peer.holder;
	enum side holder = here == there ? SIDE_NONE :
	    here ? n->conf.me : SIDE_OTHER(n->conf.me);

	if (holder != n->vip_side) {
		n->vip_side = holder;
		n->vip_since_ms = n->facts.now_ms;
	}
}

/* Should the primary follow the VIP to that side now? */
static bool
node_follows_vip(const struct node *n, enum side to)
{
	int64_t now = n->facts.now_ms;

	return n->conf.primary_follows_vip && n->vip_side == to &&
	    now - n->vip_since_ms >= n->conf.follow_delay_ms &&
	    now - n->fresh_since_ms >= n->conf.follow_delay_ms &&
	    now - n->last_switch_ms >= n->conf.switch_min_gap_ms;
}

/* May the primary go to that side, and if not, why? */
static bool
node_can_switch(struct node *n, enum side to)
{
	const char *name = n->conf.name[to];

	if (n->facts.peer.health != NODE_UP)
		node_why(n, "the other Holdover is not heard, and both must "
		    "agree");
	else if (node_commit_pending(n))
		node_why(n, "the last change is still being written; try "
		    "again");
	else if (!node_is_fresh(n, to) || !node_runs(n, to))
		node_why(n, "the copy of node %s is not fresh; wait until "
		    "STATUS says so", name);
	else if (n->fresh_since_ms == 0)
		node_why(n, "the copy of node %s has yet to show that it "
		    "follows; try again in a moment", name);
	else
		return true;
	return false;
}

static void
node_commit_again(struct node *n)
{
	if (n->needs_peer && n->facts.peer.health != NODE_UP)
		node_commit_drop(n);
	else if (n->facts.now_ms - n->commit_ms >= NODE_COMMIT_MS)
		node_commit(n, n->needs_peer);
}

static enum node_state
node_steady(const struct node *n)
{
	return (node_view(n)->fresh & (node_view(n)->fresh - 1)) != 0 ?
	    NODE_STEADY : NODE_SOLO;
}

enum node_state
node_lead_look(struct node *n, enum side side)
{
	enum side p = node_view(n)->primary, o = SIDE_OTHER(p);

	(void)side;
	if (!node_primary_ok(n)) {
		node_commit_give_up(n);
		return node_choose(n, SIDE_NONE);
	}
	if (node_should_yield(n))
		return node_yield(n);
	if (n->sw.planned &&
	    n->facts.now_ms - n->sw.begun_ms > NODE_TRUST_MS)
		n->sw.planned = false;
	node_gate(n, GATE_OPEN, p, p);
	node_sample(n);
	node_note_fresh(n, o);
	node_note_vip(n);
	node_attach(n, o);
	if (node_commit_pending(n)) {
		node_commit_again(n);
		return node_steady(n);
	}
	if (!node_tidy_record(n, o) && node_follows_vip(n, o) &&
	    node_can_switch(n, o))
		return node_switch_begin(n, o);
	return node_steady(n);
}

enum node_state
node_lead_committed(struct node *n, enum side side)
{
	if (n->state != NODE_STEADY && n->state != NODE_SOLO)
		return n->state;
	n->why[0] = '\0';
	return node_lead_look(n, side);
}

/* A step towards being a replica is done: the next one follows at once. */
enum node_state
node_lead_order_done(struct node *n, enum side side)
{
	if (n->saved.state == NODE_SAVING && n->saved.side == side)
		n->saved.state = NODE_SAVED;
	if (n->attach_order != NODE_DO_ATTACH &&
	    !n->facts.redis[side].info.primary)
		n->attach_again_ms = 0;
	return node_lead_look(n, side);
}

enum node_state
node_lead_order_failed(struct node *n, enum side side)
{
	n->attach_again_ms = n->facts.now_ms + NODE_ATTACH_MS;
	if (n->saved.state != NODE_SAVING || n->saved.side != side)
		return n->state;
	n->saved.state = NODE_UNSAVED;
	n->attach_again_ms = n->facts.now_ms + NODE_SAVE_AGAIN_MS;
	node_why(n, "the Redis of node %s has data of its own that could not "
	    "be saved, so it does not become a replica; the log says why. Make "
	    "room in salvage-dir, or restart that Redis empty if nobody needs "
	    "its data", n->conf.name[side]);
	return n->state;
}

enum node_state
node_lead_operator(struct node *n, enum side side)
{
	enum side p = node_view(n)->primary;
	enum side to = n->wish == NODE_WISH_PROMOTE ? n->wish_side :
	    SIDE_OTHER(p);

	(void)side;
	if (to == p) {
		node_wish_done(n);
		return n->state;
	}
	if (node_can_switch(n, to))
		return node_switch_begin(n, to);
	if (n->wish == NODE_WISH_PROMOTE)
		return node_wait_operator(n, side);
	node_wish_failed(n);
	return n->state;
}
