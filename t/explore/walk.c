/*
 * The real role state machine, twice, in a small world of Redis, links, VRRP
 * and disks, through long random walks of crashes, restarts, freezes and
 * cuts. What must hold:
 *
 *   - no acknowledged write is gone from both Redis and from what was saved,
 *     whoever was made whose replica (every Redis here keeps its data);
 *   - while the nodes can talk, open gates never write to two Redis;
 *   - without a fault never two Redis are writable, whatever is switched,
 *     and the old primary has nothing that the new one lacks;
 *   - epochs on a disk grow;
 *   - once the faults stop, gates are open and both copies fresh again.
 *
 * What control does is modelled: leases, silence, who slept, and that a
 * Redis cuts the links of an older leader. A walk is known by its number:
 * "walk 42" takes that one again and tells what happens.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node.h"

#define TICK_MS		50
#define QUIET_MS	350
#define DOWN_MS		6000
#define LEASE_MS	1000
#define FAULT_TICKS	1200
#define CALM_TICKS	1600
#define QUEUE		64
#define WRITES		64

/* What may go wrong in a walk, from nothing to everything. */
enum mode { PEACE, CRASHES, CUTS, MODES };

struct copy {
	bool		up;
	bool		frozen;
	int		run, replid, replid2;
	long long	offset, second;
	bool		primary;
	bool		attached;	/* to the other; else to nowhere */
	bool		synced;
	uint64_t	data;		/* a bit for each write */
	struct epoch	cleaned;	/* by this leader */
};

enum what { BEAT, COMMIT, ACCEPTED, REFUSED };

struct message {
	enum what	 what;
	struct node_peer peer;		/* BEAT */
	int64_t		 sent_ms, echo_ms;
	bool		 has_record;
	struct record	 record, base;
};

struct order {
	enum node_order_kind kind;
	enum side	side;
	struct epoch	epoch;
	unsigned	seq;
};

struct host {
	bool		up;		/* the machine */
	bool		running;	/* its Holdover */
	bool		frozen;
	bool		holder;
	struct node	node;
	bool		has_record;	/* on its disk */
	struct record	disk;
	struct epoch	promised;

	int64_t		started_ms, seen_ms;
	int64_t		heard_ms, echo_ms, peer_sent_ms;
	int64_t		redis_heard_ms[2];
	struct info	redis_info[2];
	bool		redis_attached[2];
	struct message	heard;
	struct message	in[QUEUE];
	unsigned	nin;
	struct order	order[QUEUE];
	unsigned	norders;
	unsigned	order_seq[2];	/* only the newest one counts */
	enum node_event	event[QUEUE];
	enum side	event_side[QUEUE];
	unsigned	nevents;
};

static struct host	 host[2];
static struct copy	 copy[2];
static bool		 cut;
static int64_t		 now_ms;
static int		 ids;
static uint64_t		 acked, saved;
static unsigned		 writes;
static enum mode	 mode;
static uint64_t		 seed;
static bool		 tell;
static const char	*violation;
static char		 violation_text[256];

static void __attribute__((format(printf, 1, 2)))
say(const char *fmt, ...)
{
	va_list ap;

	if (!tell)
		return;
	printf("# %8lld ", (long long)now_ms);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

static void __attribute__((format(printf, 1, 2)))
violated(const char *fmt, ...)
{
	va_list ap;

	if (violation != NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(violation_text, sizeof(violation_text), fmt, ap);
	va_end(ap);
	violation = violation_text;
	say("VIOLATED: %s", violation);
}

/* xorshift64*: the same everywhere. */
static unsigned
chance(unsigned n)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (unsigned)((seed * 2685821657736338717ULL) >> 33) % n;
}

/* ---- Redis ---- */

static void
copy_start(enum side s)
{
	struct copy *c = &copy[s];

	/* An AOF: all its data, under new ids, behind the boot fence. */
	c->up = true;
	c->frozen = false;
	c->run = ++ids;
	c->replid = ++ids;
	c->replid2 = 0;
	c->second = -1;
	c->offset = 0;
	c->primary = c->attached = c->synced = false;
	c->cleaned = (struct epoch){ 0, SIDE_A };
}

static bool
copy_runs(enum side s)
{
	return copy[s].up && !copy[s].frozen && host[s].up;
}

static void
copy_replicate(enum side s)
{
	struct copy *c = &copy[s], *p = &copy[SIDE_OTHER(s)];
	bool part;

	if (!copy_runs(s) || !copy_runs(SIDE_OTHER(s)) || cut ||
	    c->primary || !c->attached || !p->primary) {
		c->synced = false;
		return;
	}
	if (chance(4) == 0)
		return;		/* it lags */
	part = (c->replid == p->replid && c->offset <= p->offset) ||
	    (c->replid == p->replid2 && c->offset < p->second);
	if (!part)
		say("%c is overwritten by %c", "ab"[s], "ab"[SIDE_OTHER(s)]);
	c->data = p->data;
	c->offset = p->offset;
	c->replid = p->replid;
	c->replid2 = p->replid2;
	c->second = p->second;
	c->synced = true;
}

static void
copy_info(enum side s, struct info *i)
{
	const struct copy *c = &copy[s];

	memset(i, 0, sizeof(*i));
	snprintf(i->run_id, sizeof(i->run_id), "%040x", (unsigned)c->run);
	snprintf(i->replid, sizeof(i->replid), "%040x", (unsigned)c->replid);
	if (c->replid2 != 0)
		snprintf(i->replid2, sizeof(i->replid2), "%040x",
		    (unsigned)c->replid2);
	i->primary = c->primary;
	i->offset = c->offset;
	i->second_offset = c->second;
	i->link_up = c->synced;
	i->aof = true;
	i->keys = __builtin_popcountll(c->data);
}

/* ---- one node's control ---- */

static bool
reaches(enum side from, enum side to)
{
	return host[to].up && (from == to || !cut);
}

static void
push(enum side me, enum node_event e, enum side s)
{
	struct host *h = &host[me];

	if (h->nevents == QUEUE)
		abort();
	h->event[h->nevents] = e;
	h->event_side[h->nevents++] = s;
}

static void
see_redis(enum side me, enum side s)
{
	struct host *h = &host[me];
	struct node_redis *r = &h->node.facts.redis[s];
	int64_t since = h->redis_heard_ms[s], silent;

	if (since < h->started_ms)
		since = h->started_ms;
	silent = now_ms - since;
	if (reaches(me, s) && !copy[s].up)
		r->health = NODE_GONE;
	else if (silent > DOWN_MS)
		r->health = NODE_GONE;
	else if (h->redis_heard_ms[s] >= h->started_ms &&
	    silent <= QUIET_MS)
		r->health = NODE_UP;
	else
		r->health = silent > QUIET_MS ? NODE_QUIET : NODE_UNKNOWN;
	r->info = h->redis_info[s];
	r->attached = h->redis_attached[s];
}

static void
see(enum side me)
{
	struct host *h = &host[me];
	enum side o = SIDE_OTHER(me), s;
	struct node_facts *f = &h->node.facts;
	int64_t since = h->heard_ms;

	if (now_ms - h->seen_ms > QUIET_MS)
		h->started_ms = now_ms;		/* it slept */
	h->seen_ms = now_ms;
	f->now_ms = now_ms;
	f->holder = h->holder;
	f->drained = true;
	for (s = SIDE_A; s <= SIDE_B; s++)
		see_redis(me, s);
	f->peer = h->heard.peer;
	if (since < h->started_ms)
		since = h->started_ms;
	if (reaches(me, o) && !host[o].running &&
	    now_ms - h->started_ms > QUIET_MS)
		f->peer.health = NODE_GONE;
	else if (h->heard_ms >= h->started_ms && h->heard_ms != 0 &&
	    now_ms - h->heard_ms <= QUIET_MS &&
	    now_ms - h->echo_ms <= QUIET_MS)
		f->peer.health = NODE_UP;
	else
		f->peer.health = now_ms - since > QUIET_MS ? NODE_QUIET :
		    NODE_UNKNOWN;
	f->peer.lease_ms = h->echo_ms == 0 ? 0 : h->echo_ms + LEASE_MS;
}

static bool
drowsy(enum side me)
{
	const struct host *h = &host[me];

	return h->node.facts.peer.health != NODE_UP &&
	    now_ms - h->started_ms <= QUIET_MS;
}

static void
post(enum side me, const struct message *m)
{
	struct host *to = &host[SIDE_OTHER(me)];

	if (!cut && to->up && to->running && to->nin < QUEUE)
		to->in[to->nin++] = *m;
}

static void
post_record(enum side me, enum what what, const struct record *r)
{
	struct message m = { .what = what, .record = *r,
	    .base = host[me].node.record };

	post(me, &m);
}

static void
post_beat(enum side me)
{
	struct host *h = &host[me];
	struct node *n = &h->node;
	struct message m = { .what = BEAT, .sent_ms = now_ms,
	    .echo_ms = h->peer_sent_ms };

	m.peer.leads = node_leads(n);
	m.peer.record = n->record;
	m.peer.gate = n->gate;
	m.peer.gate_seq = m.peer.applied = n->gate_seq;
	m.peer.drained = true;
	m.peer.holder = h->holder;
	m.peer.serving = n->gate.state >= GATE_HOLD_WRITES;
	m.peer.sees[0] = n->facts.redis[0].health;
	m.peer.sees[1] = n->facts.redis[1].health;
	post(me, &m);
}

/* Heard before anything else, as control does it. */
static bool
stored(enum side me, bool ok)
{
	struct host *h = &host[me];

	push(me, NODE_EV_LOOK, SIDE_NONE);
	memmove(h->event + 1, h->event, (h->nevents - 1) * sizeof(*h->event));
	memmove(h->event_side + 1, h->event_side,
	    (h->nevents - 1) * sizeof(*h->event_side));
	h->event[0] = ok ? NODE_EV_STORED : NODE_EV_STORE_FAILED;
	h->event_side[0] = SIDE_NONE;
	return ok;
}

static bool
store(enum side me)
{
	struct host *h = &host[me];

	if (mode != PEACE && chance(200) == 0) {
		say("%c: the disk refuses", "ab"[me]);
		return stored(me, false);
	}
	say("%c: stores epoch %d%c seq %d", "ab"[me],
	    (int)h->node.storing.epoch.number, "ab"[h->node.storing.epoch.by],
	    (int)h->node.storing.seq);
	if (h->has_record && epoch_cmp(h->node.storing.epoch,
	    h->disk.epoch) < 0)
		violated("the epoch on the disk of %c shrinks", "ab"[me]);
	h->has_record = h->node.storing.epoch.number > 0;
	h->disk = h->node.storing;
	h->promised = h->node.promised;
	return stored(me, true);
}

static void
carry_out(enum side me)
{
	struct host *h = &host[me];
	struct node *n = &h->node;
	struct node_order o[NODE_ORDERS];
	unsigned i, count = n->orders;
	bool durable = true;

	memcpy(o, n->order, sizeof(o));
	n->orders = 0;
	for (i = 0; i < count; i++)
		switch (o[i].kind) {
		case NODE_DO_STORE:
			durable = store(me);
			break;
		case NODE_DO_SEND_COMMIT:
			post_record(me, COMMIT, &n->next);
			break;
		case NODE_DO_SEND_ACCEPT:
			post_record(me, durable ? ACCEPTED : REFUSED,
			    durable ? &n->storing : &n->record);
			break;
		case NODE_DO_SEND_REFUSE:
			post_record(me, REFUSED, &n->record);
			break;
		case NODE_DO_OPERATOR_DONE:
		case NODE_DO_OPERATOR_FAILED:
			break;
		default:
			if (h->norders == QUEUE)
				abort();
			h->order[h->norders++] = (struct order){ o[i].kind,
			    o[i].side, n->record.epoch,
			    ++h->order_seq[o[i].side] };
			break;
		}
}

static void
run(enum side me)
{
	struct host *h = &host[me];
	enum node_state was;
	enum node_event e;
	enum side s;

	carry_out(me);
	see(me);
	while (h->nevents > 0 && !drowsy(me)) {
		e = h->event[0];
		s = h->event_side[0];
		h->nevents--;
		memmove(h->event, h->event + 1,
		    h->nevents * sizeof(*h->event));
		memmove(h->event_side, h->event_side + 1,
		    h->nevents * sizeof(*h->event_side));
		was = h->node.state;
		node_step(&h->node, e, s);
		if (h->node.state != was) {
			say("%c: %s -> %s on %s, epoch %d%s%s", "ab"[me],
			    node_state_name(was),
			    node_state_name(h->node.state),
			    node_event_name(e),
			    (int)h->node.record.epoch.number,
			    *h->node.why != '\0' ? "; " : "", h->node.why);
			push(me, NODE_EV_LOOK, SIDE_NONE);
		}
		carry_out(me);
		see(me);
	}
}

/* ---- what an order does ---- */

static bool
order_takes(enum side me, const struct order *o)
{
	struct copy *c = &copy[o->side];

	if (!reaches(me, o->side) || !copy_runs(o->side))
		return false;
	/* A newer leader has cut this one's links. */
	if (epoch_cmp(o->epoch, c->cleaned) < 0) {
		push(me, NODE_EV_LEASE_ENDED, SIDE_NONE);
		return false;
	}
	c->cleaned = o->epoch;
	return true;
}

static bool
order_carry_out(enum side me, const struct order *o)
{
	struct copy *c = &copy[o->side];
	char run[INFO_ID + 1];

	if (!order_takes(me, o))
		return false;
	say("%c: %s at %c", "ab"[me], o->kind == NODE_DO_CLEAN ? "CLEAN" :
	    o->kind == NODE_DO_READ ? "READ" : o->kind == NODE_DO_FENCE ?
	    "FENCE" : o->kind == NODE_DO_PROMOTE ? "PROMOTE" :
	    o->kind == NODE_DO_ATTACH ? "ATTACH" : "SALVAGE", "ab"[o->side]);
	snprintf(run, sizeof(run), "%040x", (unsigned)c->run);
	switch (o->kind) {
	case NODE_DO_FENCE:
	case NODE_DO_ATTACH:
		/* The order needs an INFO over the same connection. */
		if (strcmp(run, host[me].redis_info[o->side].run_id) != 0)
			return false;
		c->primary = c->synced = false;
		c->attached = o->kind == NODE_DO_ATTACH;
		break;
	case NODE_DO_PROMOTE:
		if (strcmp(run, host[me].node.record.run[o->side]) != 0)
			return false;
		if (!c->primary) {
			c->replid2 = c->replid;
			c->second = c->offset + 1;
			c->replid = ++ids;
		}
		c->primary = true;
		c->attached = c->synced = false;
		break;
	case NODE_DO_SALVAGE:
		saved |= c->data;
		break;
	default:
		break;
	}
	return true;
}

static void
read_redis(enum side me, enum side s)
{
	struct host *h = &host[me];

	if (!reaches(me, s) || !copy_runs(s))
		return;
	copy_info(s, &h->redis_info[s]);
	h->redis_attached[s] = !copy[s].primary && copy[s].attached;
	h->redis_heard_ms[s] = now_ms;
}

static void
orders(enum side me)
{
	struct host *h = &host[me];
	struct order o[QUEUE];
	unsigned i, count = h->norders;
	bool ok;

	memcpy(o, h->order, sizeof(o));
	h->norders = 0;
	for (i = 0; i < count; i++) {
		ok = order_carry_out(me, &o[i]);
		if (ok)
			read_redis(me, o[i].side);
		if (o[i].seq == h->order_seq[o[i].side])
			push(me, ok ? NODE_EV_ORDER_DONE :
			    NODE_EV_ORDER_FAILED, o[i].side);
		run(me);
	}
}

static void
messages(enum side me)
{
	struct host *h = &host[me];
	struct message m[QUEUE];
	unsigned i, count = h->nin;

	memcpy(m, h->in, count * sizeof(*m));
	h->nin = 0;
	for (i = 0; i < count; i++) {
		h->heard_ms = now_ms;
		if (m[i].what == BEAT) {
			h->heard = m[i];
			h->echo_ms = m[i].echo_ms;
			h->peer_sent_ms = m[i].sent_ms;
			continue;
		}
		see(me);
		if (m[i].what == COMMIT)
			node_commit_asked(&h->node, &m[i].record, &m[i].base);
		else
			node_commit_answered(&h->node, m[i].what == ACCEPTED,
			    &m[i].record);
		run(me);
	}
}

/* ---- clients ---- */

/* The Redis that this node's gate lets writes through to now. */
static enum side
writes_to(enum side me)
{
	const struct host *h = &host[me];

	if (!h->up || !h->running || h->frozen ||
	    h->node.gate.state != GATE_OPEN || drowsy(me) ||
	    now_ms - h->seen_ms > QUIET_MS || now_ms >= h->node.lease_ms)
		return SIDE_NONE;
	return h->node.gate.writes;
}

static void
client(enum side me)
{
	enum side s = writes_to(me);

	if (s == SIDE_NONE || !reaches(me, s) || !copy_runs(s) ||
	    !copy[s].primary || writes == WRITES || chance(12) != 0)
		return;
	copy[s].data |= 1ULL << writes;
	copy[s].offset++;
	acked |= 1ULL << writes;
	say("write %u to %c by way of %c", writes, "ab"[s], "ab"[me]);
	writes++;
}

/* ---- faults ---- */

static void
node_begin(enum side s)
{
	static const struct node_conf conf = { .cluster = "test",
	    .name = { "a", "b" }, .lease_ms = LEASE_MS,
	    .drain_timeout_ms = 1000, .follow_delay_ms = 500,
	    .switch_min_gap_ms = 1000, .fresh_lag_ms = 500,
	    .fresh_lag_bytes = 1 << 20, .primary_follows_vip = true,
	    .alone_serve = true };
	struct host *h = &host[s];
	struct node_conf c = conf;

	c.me = s;
	h->running = true;
	h->frozen = false;
	h->nin = h->norders = h->nevents = 0;
	h->started_ms = h->seen_ms = now_ms;
	h->heard_ms = h->echo_ms = h->peer_sent_ms = 0;
	memset(&h->heard, 0, sizeof(h->heard));
	memset(h->redis_heard_ms, 0, sizeof(h->redis_heard_ms));
	memset(h->redis_info, 0, sizeof(h->redis_info));
	memset(h->redis_attached, 0, sizeof(h->redis_attached));
	node_init(&h->node, &c, h->has_record ? &h->disk : NULL, h->promised,
	    now_ms);
}

static void
vip_to(enum side s)
{
	if (host[s].up && !host[s].holder) {
		say("the VIP is at %c", "ab"[s]);
		host[s].holder = true;
	}
	/* An old holder that is frozen or cut off keeps it. */
	if (!host[SIDE_OTHER(s)].frozen && !cut)
		host[SIDE_OTHER(s)].holder = false;
}

static void
fault(void)
{
	enum side s = chance(2) ? SIDE_B : SIDE_A;
	struct host *h = &host[s];

	switch (chance(mode == PEACE ? 2 : mode == CRASHES ? 8 : 10)) {
	case 0:
		vip_to(s);
		break;
	case 1:
		if (h->up && h->running && !h->frozen && node_leads(&h->node)) {
			say("%c: SWITCHOVER", "ab"[s]);
			see(s);
			node_wish(&h->node, NODE_WISH_SWITCHOVER, SIDE_NONE);
			node_forget_wish(&h->node);
			run(s);
		}
		break;
	case 2:
		say("the Redis of %c %s", "ab"[s], copy[s].up ? "is killed" :
		    "starts");
		if (!copy[s].up)
			copy_start(s);
		else
			copy[s].up = false;
		break;
	case 3:
		say("the Holdover of %c %s", "ab"[s], h->running ?
		    "is killed" : "starts");
		if (!h->running)
			node_begin(s);
		else
			h->running = false;
		break;
	case 4:
	case 5:
		say("node %c %s", "ab"[s], h->up ? "crashes" : "boots");
		if (h->up) {
			h->up = h->running = h->holder = copy[s].up = false;
			vip_to(SIDE_OTHER(s));
		} else {
			h->up = true;
			copy_start(s);
			node_begin(s);
		}
		break;
	case 6:
	case 7:
		say("node %c %s", "ab"[s], h->frozen ? "wakes" : "freezes");
		h->frozen = copy[s].frozen = !h->frozen;
		break;
	default:
		cut = !cut;
		say("the nodes are %s", cut ? "cut" : "joined");
		if (cut && host[SIDE_A].up && host[SIDE_B].up)
			vip_to(s);
		break;
	}
}

static void
heal(void)
{
	enum side s;

	say("the faults stop");
	cut = false;
	for (s = SIDE_A; s <= SIDE_B; s++) {
		host[s].up = true;
		host[s].frozen = copy[s].frozen = false;
		if (!copy[s].up)
			copy_start(s);
		if (!host[s].running)
			node_begin(s);
	}
	vip_to(SIDE_A);
	host[SIDE_B].holder = false;
}

/* ---- what must hold ---- */

static void
check(void)
{
	enum side a = writes_to(SIDE_A), b = writes_to(SIDE_B);
	uint64_t gone = acked & ~(copy[0].data | copy[1].data | saved);

	if (gone != 0)
		violated("acknowledged write %d is gone",
		    __builtin_ctzll(gone));
	if (mode != CUTS && a != SIDE_NONE && b != SIDE_NONE && a != b &&
	    copy[0].primary && copy[1].primary && copy_runs(SIDE_A) &&
	    copy_runs(SIDE_B))
		violated("open gates write to two Redis");
	if (mode == PEACE && saved != 0)
		violated("a planned switch leaves something behind");
	if (mode == PEACE && copy[0].primary && copy[1].primary)
		violated("two Redis are writable in a planned switch");
}

static bool
is_well(void)
{
	const struct node *a = &host[0].node, *b = &host[1].node;

	return writes_to(SIDE_A) != SIDE_NONE &&
	    writes_to(SIDE_A) == writes_to(SIDE_B) &&
	    a->record.fresh == 3 && b->record.fresh == 3 &&
	    copy[0].primary != copy[1].primary;
}

static void
tick(void)
{
	enum side s;

	now_ms += TICK_MS;
	for (s = SIDE_A; s <= SIDE_B; s++)
		copy_replicate(s);
	for (s = SIDE_A; s <= SIDE_B; s++) {
		if (!host[s].up || !host[s].running || host[s].frozen)
			continue;
		orders(s);
		read_redis(s, SIDE_A);
		read_redis(s, SIDE_B);
		messages(s);
		push(s, NODE_EV_LOOK, SIDE_NONE);
		run(s);
		post_beat(s);
		client(s);
		check();
	}
}

static bool
walk(unsigned number)
{
	int i;

	memset(host, 0, sizeof(host));
	memset(copy, 0, sizeof(copy));
	mode = (enum mode)(number % MODES);
	seed = 88172645463325252ULL ^ ((uint64_t)number * 0x9e3779b97f4a7c15);
	now_ms = 100000;
	ids = 0;
	acked = saved = 0;
	writes = 0;
	cut = false;
	violation = NULL;
	heal();
	for (i = 0; i < FAULT_TICKS && violation == NULL; i++) {
		if (i > 60 && chance(25) == 0)
			fault();
		tick();
	}
	heal();
	for (i = 0; i < CALM_TICKS && violation == NULL && !is_well(); i++)
		tick();
	if (!is_well())
		violated("it does not come back: %s %s, %s %s",
		    node_state_name(host[0].node.state), host[0].node.why,
		    node_state_name(host[1].node.state), host[1].node.why);
	return violation == NULL;
}

/* walk [NUMBER]: that one, told; else those of a few seconds. */
int
main(int argc, char **argv)
{
	unsigned i, walks = 300;
	int failed = 0;

	if (argc == 2) {
		tell = true;
		return walk((unsigned)strtoul(argv[1], NULL, 10)) ? 0 : 1;
	}
	if (getenv("WALKS") != NULL)
		walks = (unsigned)strtoul(getenv("WALKS"), NULL, 10);
	for (i = 0; i < walks && failed < 5; i++)
		if (!walk(i)) {
			failed++;
			printf("not ok %d - walk %u: %s\n", failed, i,
			    violation);
		}
	if (failed == 0)
		printf("ok 1 - %u walks\n", walks);
	printf("1..%d\n", failed > 0 ? failed : 1);
	return failed != 0;
}
