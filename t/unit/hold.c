/*
 * Who waits goes on in the order in which they began to, all of them, and
 * a crowd does not go in one turn of the loop.
 */
#include "hold.h"

#include "tap.h"

#define CROWD	2000

struct guest {
	struct hold_waiter	 waiter;
	int			 number;
	bool			 stays;	/* must wait again */
};

static struct hold *hold;
static struct hold_memory memory = { .limit = 100 };
static struct guest guest[CROWD];
static int went[2 * CROWD], n_went, expired;

static void
go_on(void *arg)
{
	struct guest *g = arg;

	if (n_went < 2 * CROWD)
		went[n_went] = g->number;
	n_went++;
	if (g->stays)
		hold_add(hold, &g->waiter);
}

static void
expire(void *arg, struct mono now)
{
	struct guest *g = arg;

	(void)now;
	expired++;
	g->stays = false;
	hold_remove(hold, &g->waiter);
}

static void
come(int from, int to, bool stays)
{
	int i;

	for (i = from; i < to; i++) {
		guest[i].number = i;
		guest[i].stays = stays;
		guest[i].waiter.arg = &guest[i];
		hold_add(hold, &guest[i].waiter);
	}
}

static bool
in_order(int n)
{
	int i;

	for (i = 0; i < n; i++)
		if (went[i] != i)
			return false;
	return n_went == n;
}

static void
turn(struct event_base *base)
{
	event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static void
test_order(struct event_base *base)
{
	int i;

	come(0, 5, false);
	hold_add(hold, &guest[2].waiter);
	is_int((long long)hold_waiting(hold), 5, "who waits already does not "
	    "wait twice");
	hold_remove(hold, &guest[4].waiter);
	hold_remove(hold, &guest[4].waiter);
	is_int((long long)hold_waiting(hold), 4, "who leaves does once");
	n_went = 0;
	hold_release(hold);
	is_int(n_went, 0, "nobody goes on under the caller's feet");
	turn(base);
	ok(in_order(4), "all go on, in the order in which they came");

	come(0, CROWD, false);
	n_went = 0;
	hold_release(hold);
	turn(base);
	ok(n_went > 0 && n_went < CROWD, "a crowd does not go in one turn");
	for (i = 0; i < 100 && n_went < CROWD; i++)
		turn(base);
	ok(in_order(CROWD), "but all of it goes, in order");
	is_int((long long)hold_waiting(hold), 0, "nobody waits any more");
}

static void
test_waiting_again(struct event_base *base)
{
	come(0, 3, true);
	n_went = 0;
	hold_release(hold);
	turn(base);
	ok(in_order(3), "who must wait again is asked once per release");
	is_int((long long)hold_waiting(hold), 3, "and waits");
	come(3, 4, false);
	guest[0].stays = guest[1].stays = guest[2].stays = false;
	n_went = 0;
	hold_release(hold);
	turn(base);
	ok(in_order(4), "still before those who came later");
}

/* Its own clock looks for what has waited too long. */
static void
test_expiry(struct event_base *base)
{
	int i;

	come(0, 2, true);
	expired = 0;
	for (i = 0; i < 1000 && hold_waiting(hold) > 0; i++)
		event_base_loop(base, EVLOOP_ONCE);
	is_int(expired, 2, "every one is looked at");
	is_int((long long)hold_waiting(hold), 0, "and may leave meanwhile");
}

static void
test_bytes(void)
{
	struct hold_report r;

	hold_take(hold, 60);
	ok(!hold_full(hold), "60 of 100 bytes are held");
	hold_take(hold, 40);
	ok(hold_full(hold) && memory.used == 100, "100 of 100: full");
	memory.limit = 1000;
	ok(!hold_full(hold), "unless the limit rises");
	memory.used += 900;
	ok(hold_full(hold), "what others hold counts");
	memory.used -= 900;
	hold_give(hold, 100);
	is_int((long long)memory.used, 0, "all are given back");
	hold_waited(hold, 300);
	hold_waited(hold, 700);
	hold_waited(hold, 500);
	r = hold_report(hold);
	ok(r.requests == 3 && r.longest_us == 700, "the report");
	hold_report_reset(hold);
	r = hold_report(hold);
	ok(r.requests == 0 && r.longest_us == 0, "is begun anew");
}

int
main(void)
{
	static const struct hold_ops ops = { .go_on = go_on,
	    .expire = expire };
	struct event_base *base = event_base_new();
	struct loop *loop = loop_new(base);

	hold = hold_new(loop, &ops, &memory);
	test_order(base);
	test_waiting_again(base);
	test_expiry(base);
	test_bytes();
	hold_free(hold);
	loop_free(loop);
	event_base_free(base);
	libevent_global_shutdown();
	return tap_done();
}
