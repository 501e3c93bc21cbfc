/*
 * The role state machine: every pair of state and event has a row, and
 * stories of the pure machine, in which the test does what control does. It
 * carries out orders at two Redis that are a few numbers each, in order,
 * and never may a planned switch have both of them writable.
 */
#include "node.h"

#include "tap.h"
#include "buf.h"

#define RUN_A	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define RUN_B	"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define REPLID	"0123456789abcdef0123456789abcdef01234567"

static struct node n;
static struct node_facts f;
static struct buf did;		/* what was ordered, in words */
static bool deaf[2];		/* this Redis does not answer orders */
static bool disk_full;
static bool two_writable;
static int wishes_done, wishes_failed;

static const char *
name(enum side s)
{
	return s == SIDE_A ? "a" : "b";
}

/* ---- the world ---- */

static void
tell(enum node_event e, enum side s)
{
	n.facts = f;
	node_step(&n, e, s);
}

static void
redis_does(enum node_order_kind kind, enum side s)
{
	static const char *const words[] = { [NODE_DO_CLEAN] = "clean",
	    [NODE_DO_READ] = "read", [NODE_DO_FENCE] = "fence",
	    [NODE_DO_PROMOTE] = "promote", [NODE_DO_ATTACH] = "attach",
	    [NODE_DO_SALVAGE] = "salvage" };
	struct node_redis *r = &f.redis[s], *o = &f.redis[SIDE_OTHER(s)];

	buf_addf(&did, "%s %s, ", words[kind], name(s));
	if (kind == NODE_DO_FENCE || kind == NODE_DO_ATTACH)
		r->info.primary = false;
	if (kind == NODE_DO_PROMOTE) {
		r->info.primary = true;
		two_writable |= n.sw.planned && o->info.primary;
	}
	r->attached = kind == NODE_DO_ATTACH ||
	    (r->attached && kind != NODE_DO_FENCE &&
	    kind != NODE_DO_PROMOTE);
	r->info.link_up = r->attached;
}

static void carry_out(void);

/* One order; what comes of it may bring further ones. */
static void
carry_out_one(struct node_order o)
{
	switch (o.kind) {
	case NODE_DO_STORE:
		tell(disk_full ? NODE_EV_STORE_FAILED : NODE_EV_STORED,
		    SIDE_NONE);
		break;
	case NODE_DO_SEND_COMMIT:
		f.peer.record = n.next;
		n.facts = f;
		node_commit_answered(&n, true, &n.next);
		break;
	case NODE_DO_SEND_ACCEPT:
		buf_addf(&did, "accept, ");
		return;
	case NODE_DO_SEND_REFUSE:
		buf_addf(&did, "refuse, ");
		return;
	case NODE_DO_OPERATOR_DONE:
		wishes_done++;
		return;
	case NODE_DO_OPERATOR_FAILED:
		wishes_failed++;
		return;
	default:
		if (deaf[o.side]) {
			buf_addf(&did, "(deaf %s), ", name(o.side));
			return;
		}
		redis_does(o.kind, o.side);
		tell(NODE_EV_ORDER_DONE, o.side);
		break;
	}
	carry_out();
}

static void
carry_out(void)
{
	struct node_order order[NODE_ORDERS];
	unsigned i, orders = n.orders;

	memcpy(order, n.order, sizeof(order));
	n.orders = 0;
	for (i = 0; i < orders; i++)
		carry_out_one(order[i]);
}

/*
 * Time goes on in steps of 50 ms. A peer that is heard does what it is
 * told and renews the lease.
 */
static void
pass(int64_t ms)
{
	int64_t end = f.now_ms + ms;

	while (f.now_ms < end) {
		f.now_ms += 50;
		if (f.peer.health == NODE_UP) {
			f.peer.lease_ms = f.now_ms + n.conf.lease_ms;
			f.peer.applied = n.gate_seq;
		}
		tell(NODE_EV_LOOK, SIDE_NONE);
		carry_out();
	}
}

static void
wish_switchover(void)
{
	wishes_done = wishes_failed = 0;
	buf_free(&did);
	n.facts = f;
	node_wish(&n, NODE_WISH_SWITCHOVER, SIDE_NONE);
	carry_out();
}

/* What was ordered since this was asked last. */
static const char *
orders(void)
{
	static char text[512];

	snprintf(text, sizeof(text), "%.*s", (int)buf_len(&did),
	    buf_len(&did) > 0 ? buf_data(&did) : "");
	buf_free(&did);
	return text;
}

static bool
gate_is(enum gate_state state, enum side reads, enum side writes)
{
	return n.gate.state == state && n.gate.reads == reads &&
	    n.gate.writes == writes;
}

/* Node a, with the VIP, a silent peer and two empty Redis. */
static void
begin(void)
{
	static const struct node_conf conf = { .cluster = "shop",
	    .name = { "a", "b" }, .me = SIDE_A, .lease_ms = 1000,
	    .drain_timeout_ms = 1000, .follow_delay_ms = 3000,
	    .switch_min_gap_ms = 10000, .fresh_lag_ms = 500,
	    .fresh_lag_bytes = 1000000, .primary_follows_vip = true,
	    .alone_serve = true };
	static const char *const run[] = { RUN_A, RUN_B };
	enum side s;

	memset(&f, 0, sizeof(f));
	f.now_ms = 1000000;
	f.holder = f.applied = f.drained = f.peer.drained = true;
	f.peer.record.primary = f.peer.record.intent = SIDE_NONE;
	for (s = SIDE_A; s <= SIDE_B; s++) {
		f.redis[s].health = NODE_UP;
		snprintf(f.redis[s].info.run_id, INFO_ID + 1, "%s", run[s]);
		snprintf(f.redis[s].info.replid, INFO_ID + 1, REPLID);
		f.redis[s].info.offset = 100;
		f.redis[s].info.second_offset = -1;
		f.peer.sees[s] = NODE_UP;
		deaf[s] = false;
	}
	disk_full = two_writable = false;
	buf_free(&did);
	node_init(&n, &conf, NULL, (struct epoch){ 0, SIDE_A }, f.now_ms);
}

/* The same, when the peer has come and all has settled. */
static void
begin_steady(void)
{
	begin();
	f.peer.health = NODE_UP;
	pass(20000);
	buf_free(&did);
}

static void
redis_dies(enum side s)
{
	f.redis[s].health = f.peer.sees[s] = NODE_GONE;
	f.redis[SIDE_OTHER(s)].info.link_up = false;
}

/* ---- the stories ---- */

static void
test_table(void)
{
	int s, e;

	for (s = 0; s < NODE_STATE_COUNT; s++)
		for (e = 0; e < NODE_EVENT_COUNT; e++)
			ok(node_has_row((enum node_state)s,
			    (enum node_event)e), "%s has a row for %s",
			    node_state_name((enum node_state)s),
			    node_event_name((enum node_event)e));
}

static void
test_start(void)
{
	begin();
	pass(5000);
	ok(n.state == NODE_LEARN && n.gate.state == GATE_CLOSED,
	    "first start: alone it waits, closed");
	is_str(orders(), "", "and touches no Redis");
	f.peer.health = NODE_UP;
	pass(50);
	ok(node_leads(&n) && n.record.epoch.number == 1 &&
	    n.record.epoch.by == SIDE_A, "the peer is there: it leads");
	pass(3000);
	is_str(orders(), "clean a, clean b, promote a, attach b, ",
	    "both are cleaned, the VIP's is promoted, the other attached");
	ok(n.state == NODE_STEADY && n.record.fresh == 3,
	    "both copies are fresh");
	ok(gate_is(GATE_OPEN, SIDE_A, SIDE_A), "the gate is open");
	ok(record_cmp(&f.peer.record, &n.record) == 0,
	    "and the peer has the record");
}

static void
test_switchover(void)
{
	begin_steady();
	f.drained = false;
	f.applied = false;
	wish_switchover();
	pass(200);
	ok(gate_is(GATE_OPEN, SIDE_A, SIDE_A) && n.gate.near &&
	    n.record.intent == SIDE_B && n.record.primary == SIDE_A,
	    "switchover: the intent is committed, subscribers get ready");
	f.applied = true;
	pass(50);
	ok(gate_is(GATE_HOLD_WRITES, SIDE_A, SIDE_NONE) && !n.gate.near,
	    "they are, and writes are held");
	pass(200);
	is_str(orders(), "", "nothing is fenced while writes are in flight");
	f.drained = true;
	f.peer.drained = false;
	pass(200);
	is_str(orders(), "", "nor while they are at the other node");
	f.peer.drained = true;
	f.redis[SIDE_A].info.offset = f.redis[SIDE_B].info.offset = 140;
	pass(50);
	is_str(orders(), "fence a, read b, promote b, ",
	    "fence first, then read up to its end, then promote");
	ok(gate_is(GATE_HOLD_WRITES, SIDE_B, SIDE_B),
	    "reads flip before writes open");
	pass(50);
	is_str(orders(), "attach a, ", "the old one becomes a replica");
	ok(gate_is(GATE_OPEN, SIDE_B, SIDE_B) && n.record.primary == SIDE_B &&
	    n.record.intent == SIDE_NONE, "the gate is open to the new one");
	ok(wishes_done == 1 && wishes_failed == 0, "the operator is told");
	ok(!two_writable, "never were two writable");
}

static void
test_switchover_not_ready(void)
{
	begin_steady();
	f.applied = false;
	wish_switchover();
	pass(2900);
	ok(n.state == NODE_SW_INTENT, "it waits for subscribers to get ready");
	pass(200);
	ok(n.state != NODE_SW_INTENT, "but not for ever");
	f.applied = true;
	pass(100);
	ok(gate_is(GATE_OPEN, SIDE_B, SIDE_B), "and goes on");
	begin_steady();
	f.applied = false;
	wish_switchover();
	redis_dies(SIDE_A);
	pass(200);
	ok(gate_is(GATE_OPEN, SIDE_B, SIDE_B) && wishes_failed == 1,
	    "the primary dies meanwhile: a failover");
}

static void
test_switchover_given_up(void)
{
	begin_steady();
	f.drained = false;
	wish_switchover();
	pass(1100);
	ok(gate_is(GATE_OPEN, SIDE_A, SIDE_A) && n.record.primary == SIDE_A,
	    "no answers in drain-timeout: the gate opens to the old one");
	is_str(orders(), "", "no Redis was touched");
	ok(wishes_failed == 1 && strstr(n.wish_why, "drain-timeout") != NULL,
	    "the operator is told why");
	pass(1000);
	is_int(n.record.intent, SIDE_NONE, "the intent is taken back");
}

static void
test_switchover_undone(void)
{
	begin_steady();
	f.redis[SIDE_A].info.offset = 140;
	f.redis[SIDE_B].info.offset = 139;
	deaf[SIDE_B] = true;
	wish_switchover();
	pass(100);
	is_str(orders(), "fence a, (deaf b), ", "fenced, but b lacks a byte");
	ok(n.gate.state == GATE_HOLD_WRITES, "and writes are held");
	pass(2500);
	ok(strstr(orders(), "promote a, ") != NULL,
	    "in drain-timeout the old one is promoted again");
	ok(gate_is(GATE_OPEN, SIDE_A, SIDE_A) && n.record.primary == SIDE_A,
	    "and served");
	ok(wishes_failed == 1 && wishes_done == 0, "the operator is told");
	ok(!two_writable, "never were two writable");
}

static void
test_failback(void)
{
	begin_steady();
	f.holder = false;
	f.peer.holder = true;
	pass(2900);
	is_int(n.record.primary, SIDE_A, "the VIP went: a while it may return");
	pass(500);
	is_int(n.record.primary, SIDE_B, "then the primary follows it");
	f.holder = true;
	f.peer.holder = false;
	pass(5000);
	is_int(n.record.primary, SIDE_B, "not again within switch-min-gap");
	pass(6000);
	is_int(n.record.primary, SIDE_A, "but after it");
	ok(!two_writable, "never were two writable");
}

static void
test_failover(void)
{
	begin_steady();
	redis_dies(SIDE_A);
	deaf[SIDE_B] = true;
	pass(50);
	ok(n.record.primary == SIDE_B && n.record.fresh == 2,
	    "the primary is gone: the other one is committed");
	ok(n.gate.state == GATE_HOLD_ALL, "all is held until it is promoted");
	is_str(orders(), "(deaf b), ", "only then it is");
	deaf[SIDE_B] = false;
	pass(5000);
	ok(strstr(orders(), "promote b, ") != NULL, "it is ordered again");
	ok(gate_is(GATE_OPEN, SIDE_B, SIDE_B) && n.state == NODE_SOLO,
	    "and served, alone");
	f.redis[SIDE_A].health = NODE_UP;
	f.redis[SIDE_A].info.run_id[0] = '0';
	f.redis[SIDE_A].info.primary = true;
	pass(5000);
	is_str(orders(), "fence a, attach a, ",
	    "the one that comes back is fenced, then attached");
	is_int(n.state, NODE_STEADY, "and fresh again");
}

static void
test_no_good_copy(void)
{
	begin_steady();
	f.redis[SIDE_B].info.link_up = false;
	f.redis[SIDE_A].info.offset = 5000;
	pass(2000);
	ok(n.state == NODE_SOLO && n.record.fresh == 1,
	    "a replica that does not follow is struck");
	orders();
	redis_dies(SIDE_A);
	pass(5000);
	ok(n.state == NODE_WAIT_COPY && n.gate.state == GATE_HOLD_ALL,
	    "then the primary dies: an old copy is not served");
	is_str(orders(), "", "nor promoted");
	ok(strstr(n.why, "PROMOTE b ACCEPT-LOSS") != NULL,
	    "it says what an operator can do");
	f.redis[SIDE_A].health = f.peer.sees[SIDE_A] = NODE_UP;
	pass(2000);
	ok(gate_is(GATE_OPEN, SIDE_A, SIDE_A), "the good copy is back: open");
}

static void
test_lease(void)
{
	struct record asked, base;

	begin_steady();
	base = asked = n.record;
	asked.epoch.number++;
	asked.epoch.by = SIDE_B;
	n.facts = f;
	node_commit_asked(&n, &asked, &base);
	carry_out();
	is_str(orders(), "refuse, ", "a leader with a lease gives no vote");
	f.peer.health = f.redis[SIDE_B].health = NODE_QUIET;
	f.holder = false;
	pass(900);
	ok(gate_is(GATE_OPEN, SIDE_A, SIDE_A), "no word: open for a lease");
	pass(200);
	ok(n.state == NODE_LOST && n.gate.state == GATE_CLOSED,
	    "then closed, and the lead is lost");
	pass(5000);
	is_int(n.state, NODE_LOST, "cut off without the VIP it stays so");
	node_commit_asked(&n, &asked, &base);
	carry_out();
	is_str(orders(), "accept, ", "now it gives its vote");
	ok(record_cmp(&n.record, &asked) == 0 &&
	    epoch_cmp(n.promised, asked.epoch) == 0, "durably");
	node_commit_asked(&n, &base, &base);
	carry_out();
	is_str(orders(), "refuse, ", "and none to an older epoch");

	f.peer.health = NODE_UP;
	f.peer.leads = true;
	f.peer.record = asked;
	f.peer.gate = (struct gate_order){ .state = GATE_HOLD_WRITES,
	    .reads = SIDE_B, .writes = SIDE_NONE };
	f.peer.gate_seq = 77;
	pass(50);
	ok(n.state == NODE_FOLLOW && n.gate_seq == 77 &&
	    gate_is(GATE_HOLD_WRITES, SIDE_B, SIDE_NONE),
	    "it follows the new leader, and sets its gate");
}

static void
test_disk(void)
{
	begin_steady();
	disk_full = true;
	wish_switchover();
	pass(50);
	ok(!node_leads(&n) && n.gate.state == GATE_CLOSED,
	    "what cannot be written is not done, and nobody is served");
	is_int(wishes_failed, 1, "the operator is told");
	is_str(orders(), "", "no Redis was touched");
}

int
main(void)
{
	test_table();
	test_start();
	test_switchover();
	test_switchover_not_ready();
	test_switchover_given_up();
	test_switchover_undone();
	test_failback();
	test_failover();
	test_no_good_copy();
	test_lease();
	test_disk();
	buf_free(&did);
	return tap_done();
}
