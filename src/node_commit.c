/*
 * Commits: how a change of the record is agreed on and made durable, and what
 * becomes of one that was not.
 */
#include <string.h>

#include "node_priv.h"

/* A disk that refused the record is tried again after this long. */
#define NODE_STORE_AGAIN_MS	2000

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

void
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
	if (!claim || n->facts.peer.health != NODE_UP)
		node_store(n, &n->next);
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

bool
node_commit_ready(const struct node *n)
{
	return node_commit_pending(n) && n->stored &&
	    (n->accepted || (!n->needs_peer && node_alone_ok(n)));
}

bool
node_commit_holds(struct node *n)
{
	if (!node_commit_ready(n))
		return false;
	n->record = n->next;
	node_commit_drop(n);
	return true;
}

void
node_disk_why(struct node *n)
{
	node_why(n, "this node's record cannot be written, and without it "
	    "nothing can be agreed on: make room on the disk of state-dir, or "
	    "mend it; the log says what is wrong");
}

/* Without a disk nothing can be agreed on: such a node only follows. */
enum node_state
node_disk_failed(struct node *n, enum side side)
{
	enum node_state next = n->state == NODE_FOLLOW ||
	    n->state == NODE_LEARN ? n->state : node_lost(n, side);

	node_disk_why(n);
	return next;
}

void
node_store_again(struct node *n)
{
	if (n->store_again_ms == 0 || n->facts.now_ms < n->store_again_ms)
		return;
	n->store_again_ms = n->facts.now_ms + NODE_STORE_AGAIN_MS;
	node_store(n, &n->record);
}

void
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

/*
 * Takes over a record of the peer's. Whoever was the primary by its own
 * record, and is none by one of which it saw nothing, may have writes that
 * the other lacks: its run is left out of its own record until it is a copy
 * again, and the leader looks for that; see node_own().
 */
struct record
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
