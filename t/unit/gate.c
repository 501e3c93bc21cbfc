/*
 * The gate: its whole policy, written down a second time, and what narrows
 * it: control, an operator's pause, and the lease.
 */
#include "gate.h"

#include "log.h"
#include "tap.h"

#define FOREVER		((struct mono){ INT64_MAX })

static struct mono now;
static unsigned changes, progress, reports;

static void
count(void *arg)
{
	++*(unsigned *)arg;
}

static void
on_report(enum side s, enum gate_evidence what, void *arg)
{
	if (s == SIDE_B && what == GATE_LOST && arg == &reports)
		reports++;
}

static struct gate *
gate_with(enum gate_state state)
{
	struct gate_order o = { .state = state, .reads = SIDE_A,
	    .writes = SIDE_B, .alive = 3, .trusted = SIDE_BIT(SIDE_B) };
	struct gate *g = gate_new(NULL);

	gate_renew_forever(g);
	gate_set(g, &o);
	return g;
}

static void
test_table(void)
{
	static const enum gate_verdict want[][CMD_CLASSES] = {
		/* read, write, any, local, refused */
		[GATE_CLOSED] = { GATE_HOLD, GATE_HOLD, GATE_TO_ANY,
		    GATE_HERE, GATE_REFUSE },
		[GATE_HOLD_ALL] = { GATE_HOLD, GATE_HOLD, GATE_TO_ANY,
		    GATE_HERE, GATE_REFUSE },
		[GATE_HOLD_WRITES] = { GATE_TO_READS, GATE_HOLD, GATE_TO_ANY,
		    GATE_HERE, GATE_REFUSE },
		[GATE_OPEN] = { GATE_TO_READS, GATE_TO_WRITES, GATE_TO_ANY,
		    GATE_HERE, GATE_REFUSE },
	};
	enum gate_verdict got;
	struct gate *g;
	enum side to;
	int s, c;

	is_int(NELEM(want), GATE_STATE_COUNT, "a row for every state");
	for (s = 0; s < GATE_STATE_COUNT; s++) {
		g = gate_with((enum gate_state)s);
		for (c = 0; c < CMD_CLASSES; c++) {
			got = gate_ask(g, (enum cmd_class)c, now, &to);
			ok(got == want[s][c] && got == gate_table(
			    (enum gate_state)s, (enum cmd_class)c),
			    "%s, %s: %s", gate_state_name((enum gate_state)s),
			    cmd_class_name((enum cmd_class)c),
			    gate_verdict_name(want[s][c]));
		}
		gate_free(g);
	}
}

static void
test_sides(void)
{
	struct gate *g = gate_with(GATE_OPEN);
	struct gate_order o = *gate_order(g);
	enum side to;

	gate_ask(g, CMD_READ, now, &to);
	is_int(to, SIDE_A, "reads go to one side");
	gate_ask(g, CMD_WRITE, now, &to);
	is_int(to, SIDE_B, "writes to another");
	gate_ask(g, CMD_ANY, now, &to);
	is_int(to, SIDE_A, "what any may answer goes where reads go");
	o.alive = SIDE_BIT(SIDE_B);
	gate_set(g, &o);
	gate_ask(g, CMD_ANY, now, &to);
	is_int(to, SIDE_B, "or to the one that is alive");
	o.alive = 0;
	o.writes = SIDE_NONE;
	gate_set(g, &o);
	is_int(gate_ask(g, CMD_ANY, now, &to), GATE_HOLD,
	    "it waits when none is");
	is_int(gate_ask(g, CMD_WRITE, now, &to), GATE_HOLD,
	    "and a write when there is no side for it");
	ok(gate_may_release(g, SIDE_B, now) && !gate_may_release(g, SIDE_A,
	    now), "only a trusted side's replies are released");
	gate_free(g);
}

static void
test_lease(void)
{
	struct gate_order o = { .state = GATE_OPEN, .reads = SIDE_A,
	    .writes = SIDE_A, .alive = 1, .trusted = 1 };
	struct gate *g = gate_new(NULL);

	is_int(gate_state(g, now), GATE_CLOSED, "a new gate is closed");
	gate_set(g, &o);
	is_int(gate_state(g, now), GATE_CLOSED, "without a lease it stays so");
	changes = 0;
	gate_watch(g, count, &changes);
	gate_renew(g, mono_add_ms(now, 60000));
	is_int(changes, 1, "the first lease is told");
	is_int(gate_state(g, now), GATE_OPEN, "and opens it");
	gate_renew(g, mono_add_ms(now, 70000));
	is_int(changes, 1, "a renewal in time is not told");
	is_int(gate_state(g, mono_add_ms(now, 69999)), GATE_OPEN,
	    "it is open to the end of its lease");
	is_int(gate_state(g, mono_add_ms(now, 70000)), GATE_CLOSED,
	    "and closed from then on");
	ok(!gate_may_release(g, SIDE_A, mono_add_ms(now, 70000)),
	    "no reply is released then");
	gate_renew(g, mono_add_ms(now, 1000));
	is_int(gate_state(g, mono_add_ms(now, 2000)), GATE_OPEN,
	    "a lease does not get shorter");
	gate_free(g);
}

static void
test_pause(void)
{
	struct gate *g = gate_with(GATE_OPEN);

	changes = 0;
	gate_watch(g, count, &changes);
	gate_pause(g, GATE_HOLD_WRITES, mono_add_ms(now, 500));
	ok(gate_paused(g) && changes == 1, "a pause is told");
	is_int(gate_state(g, now), GATE_HOLD_WRITES, "and narrows the gate");
	gate_set(g, &(struct gate_order){ .state = GATE_CLOSED });
	is_int(gate_state(g, now), GATE_CLOSED, "the strictest counts");
	gate_set(g, &(struct gate_order){ .state = GATE_OPEN });
	gate_tick(g, mono_add_ms(now, 499));
	ok(gate_paused(g), "it lasts");
	gate_tick(g, mono_add_ms(now, 500));
	ok(!gate_paused(g) && gate_state(g, now) == GATE_OPEN,
	    "until its time is over");
	gate_pause(g, GATE_HOLD_ALL, FOREVER);
	gate_pause(g, GATE_OPEN, now);
	ok(!gate_paused(g), "or until it is taken back");
	gate_free(g);
}

static void
test_ask_again(void)
{
	struct gate *g = gate_with(GATE_HOLD_WRITES);
	struct gate_order o = *gate_order(g);
	enum side to;

	o.writes = SIDE_NONE;
	gate_set(g, &o);
	is_int(gate_ask_again(g, CMD_READ, now, &to), GATE_HOLD,
	    "what was blocked waits until the new primary is known");
	o.writes = SIDE_B;
	gate_set(g, &o);
	ok(gate_flips_to(g, now) == SIDE_B &&
	    gate_ask_again(g, CMD_WRITE, now, &to) == GATE_TO_WRITES &&
	    to == SIDE_B, "then it goes there");
	is_int(gate_ask(g, CMD_WRITE, now, &to), GATE_HOLD,
	    "while writes are held");
	is_int(gate_ask_again(g, CMD_REFUSED, now, &to), GATE_REFUSE,
	    "but not one that is refused");
	gate_pause(g, GATE_HOLD_WRITES, FOREVER);
	is_int(gate_ask_again(g, CMD_WRITE, now, &to), GATE_HOLD,
	    "nor in a pause");
	gate_pause(g, GATE_OPEN, now);
	o.state = GATE_OPEN;
	gate_set(g, &o);
	ok(gate_flips_to(g, now) == SIDE_NONE &&
	    gate_ask_again(g, CMD_WRITE, now, &to) == GATE_TO_WRITES,
	    "an open gate asks again like any other");
	gate_free(g);
}

/* The master's news, as messages would bring them. */
static void
tell(struct gate *replica, const struct gate *master)
{
	struct gate_news n = gate_news(master);

	gate_apply(replica, &n);
}

static void
test_replicas(void)
{
	struct gate *g = gate_with(GATE_CLOSED), *a = gate_new(g),
	    *b = gate_new(g);
	struct gate_order o = *gate_order(g);
	struct gate_news old;

	ok(!gate_applied(g), "a new replica has to be told");
	is_int(gate_state(a, now), GATE_CLOSED, "until then it is closed");
	o.state = GATE_OPEN;
	gate_set(g, &o);
	changes = progress = 0;
	gate_on_progress(a, count, &progress);
	gate_watch(a, count, &changes);
	tell(a, g);
	ok(progress == 1 && changes == 1, "what it applies is told");
	ok(!gate_applied(g), "one of two has applied");
	tell(b, g);
	ok(gate_applied(g) && !gate_drained(g), "both have, and are open");
	gate_moves(b);
	gate_moves(b);
	gate_moved(b);
	ok(!gate_applied(g), "a client that listens still moves");
	gate_moved(b);
	ok(gate_applied(g), "now it has");
	is_int(gate_state(a, now), GATE_OPEN, "the lease is the master's");
	ok(gate_may_release(a, SIDE_B, now), "replies may be released");

	old = gate_news(g);
	gate_pause(g, GATE_HOLD_ALL, FOREVER);
	ok(!gate_may_release(a, SIDE_B, now), "but not before the newest "
	    "change is applied");
	gate_apply(a, &old);
	ok(!gate_may_release(a, SIDE_B, now), "an older one does not count");
	tell(a, g);
	is_int(gate_state(a, now), GATE_HOLD_ALL, "a pause is news too");
	ok(gate_may_release(a, SIDE_B, now), "what runs is answered");
	gate_free(b);
	gate_free(a);
	gate_free(g);
}

static void
test_drained(void)
{
	struct gate *g = gate_with(GATE_OPEN), *a = gate_new(g),
	    *b = gate_new(g);
	struct gate_order o = *gate_order(g);

	tell(a, g);
	tell(b, g);
	gate_on_progress(a, count, &progress);
	gate_sent(a, true);
	gate_sent(a, true);
	gate_sent(a, false);
	progress = 0;
	gate_done(a, true);
	ok(progress == 0 && !gate_drained(g), "an open gate drains nothing");
	o.state = GATE_HOLD_WRITES;
	gate_set(g, &o);
	tell(b, g);
	ok(!gate_drained(g), "one that was not told yet is not drained");
	tell(a, g);
	ok(gate_applied(g) && !gate_drained(g), "a write is in flight there");
	progress = 0;
	gate_done(a, true);
	ok(progress == 1 && gate_drained(g), "now there is none: drained");
	gate_done(a, false);
	is_int(progress, 1, "reads do not count");
	o.state = GATE_HOLD_ALL;
	gate_set(g, &o);
	ok(!gate_drained(g), "drained before a change says nothing after it");
	tell(a, g);
	tell(b, g);
	ok(gate_drained(g), "nothing in flight: drained at once");
	gate_free(a);
	gate_free(b);
	gate_free(g);
}

static void
test_watchers(void)
{
	struct gate *g = gate_with(GATE_OPEN);
	struct gate_order o = *gate_order(g);

	changes = reports = 0;
	gate_report(g, SIDE_B, GATE_LOST);
	is_int(reports, 0, "a report without anybody to hear it");
	gate_on_report(g, on_report, &reports);
	gate_report(g, SIDE_B, GATE_LOST);
	is_int(reports, 1, "a report is handed on");
	gate_watch(g, count, &changes);
	gate_watch(g, count, &changes);
	gate_set(g, &o);
	is_int(changes, 0, "the same order again is no change");
	o.trusted = 3;
	gate_set(g, &o);
	is_int(changes, 2, "a change is told to every watcher");
	gate_free(g);
}

int
main(void)
{
	log_set_level(LOG_LEVEL_WARN);
	now = mono_now();
	test_table();
	test_sides();
	test_lease();
	test_pause();
	test_ask_again();
	test_replicas();
	test_drained();
	test_watchers();
	return tap_done();
}
