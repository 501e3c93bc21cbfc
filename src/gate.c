#include "gate.h"

#include <sys/queue.h>
#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "stats.h"

#define GATE_WATCHERS	4

/* So long a primary may lack replicas because it is new. */
#define GATE_SETTLE_MS	5000

struct gate {
	struct gate		*master;	/* its own, for the master */
	struct gate_order	 order;
	enum gate_state		 pause;

	/* Of the master, written on its thread, read on all. */
	_Atomic int64_t		 lease;		/* us */
	_Atomic uint64_t	 lease_number;	/* for who has applied that */
	_Atomic uint64_t	 number;	/* of the newest change */
	struct mono		 pause_until;
	TAILQ_HEAD(, gate)	 replicas;

	/* Numbers of changes; a replica's are read on the master's thread. */
	_Atomic uint64_t	 applied;
	_Atomic uint64_t	 drained;	/* 0: not */
	_Atomic size_t		 moving;	/* see gate_moves() */
	size_t			 in_flight;
	size_t			 writes;	/* of in_flight */
	enum side		 primary;	/* the last that took writes */
	struct mono		 primary_since;
	TAILQ_ENTRY(gate)	 link;

	gate_progress_fn	*progress_fn;
	void			*progress_arg;
	gate_report_fn		*report_fn;
	void			*report_arg;
	struct {
		gate_changed_fn	*fn;
		void		*arg;
	}			 watch[GATE_WATCHERS];
	size_t			 watchers;
};

/*
 * The whole policy. ANY goes on whatever happens, so that connecting works
 * during every hold; LOCAL needs no Redis.
 */
static const enum gate_verdict
gate_verdicts[GATE_STATE_COUNT][CMD_CLASSES] = {
	[GATE_CLOSED] = {
		[CMD_READ] = GATE_HOLD,		[CMD_WRITE] = GATE_HOLD,
		[CMD_ANY] = GATE_TO_ANY,	[CMD_LOCAL] = GATE_HERE,
		[CMD_REFUSED] = GATE_REFUSE,
	},
	[GATE_HOLD_ALL] = {
		[CMD_READ] = GATE_HOLD,		[CMD_WRITE] = GATE_HOLD,
		[CMD_ANY] = GATE_TO_ANY,	[CMD_LOCAL] = GATE_HERE,
		[CMD_REFUSED] = GATE_REFUSE,
	},
	[GATE_HOLD_WRITES] = {
		[CMD_READ] = GATE_TO_READS,	[CMD_WRITE] = GATE_HOLD,
		[CMD_ANY] = GATE_TO_ANY,	[CMD_LOCAL] = GATE_HERE,
		[CMD_REFUSED] = GATE_REFUSE,
	},
	[GATE_OPEN] = {
		[CMD_READ] = GATE_TO_READS,	[CMD_WRITE] = GATE_TO_WRITES,
		[CMD_ANY] = GATE_TO_ANY,	[CMD_LOCAL] = GATE_HERE,
		[CMD_REFUSED] = GATE_REFUSE,
	},
};

static const char *const gate_state_names[] = {
#define X(name, text) text,
	GATE_STATES(X)
#undef X
};

struct gate *
gate_new(struct gate *master)
{
	struct gate *g = xcalloc(1, sizeof(*g));

	g->master = master != NULL ? master : g;
	g->order.state = GATE_CLOSED;
	g->order.reads = g->order.writes = g->primary = SIDE_NONE;
	g->pause = GATE_OPEN;
	atomic_store(&g->number, 1);
	atomic_store(&g->applied, 1);
	TAILQ_INIT(&g->replicas);
	if (master != NULL)
		TAILQ_INSERT_TAIL(&master->replicas, g, link);
	return g;
}

void
gate_free(struct gate *g)
{
	assert(TAILQ_EMPTY(&g->replicas));
	if (g->master != g)
		TAILQ_REMOVE(&g->master->replicas, g, link);
	free(g);
}

static void
gate_tell(struct gate *g)
{
	size_t i;

	for (i = 0; i < g->watchers; i++)
		g->watch[i].fn(g->watch[i].arg);
}

/* ---- the master ---- */

static void
gate_count(struct gate *g)
{
	atomic_store(&g->applied, atomic_fetch_add(&g->number, 1) + 1);
}

static void
gate_changed(struct gate *g)
{
	gate_count(g);
	gate_tell(g);
}

void
gate_set(struct gate *g, const struct gate_order *o)
{
	const struct gate_order *was = &g->order;

	if (o->state == was->state && o->near == was->near &&
	    o->reads == was->reads &&
	    o->writes == was->writes && o->alive == was->alive &&
	    o->trusted == was->trusted)
		return;
	if (o->state != was->state ||
	    (o->state == GATE_OPEN && o->writes != was->writes))
		log_info("gate: %s, was %s",
		    gate_state_name(o->state), gate_state_name(was->state));
	g->order = *o;
	gate_changed(g);
}

/*
 * A replica that found the old lease over did so before this store, hence
 * by a clock that is not later than the one read after it.
 */
void
gate_renew(struct gate *g, struct mono until)
{
	int64_t was = atomic_load(&g->lease);
	struct mono now = mono_now();

	if (until.us <= was)
		return;
	/* A lapsed one is not for those who have the order of before. */
	if (was <= now.us && mono_before(now, until)) {
		gate_count(g);
		atomic_store(&g->lease_number, atomic_load(&g->number));
	}
	atomic_store(&g->lease, until.us);
	now = mono_now();
	if (was <= now.us && mono_before(now, until))
		gate_changed(g);
}

void
gate_lapse(struct gate *g)
{
	atomic_store(&g->lease, 0);
}

void
gate_renew_forever(struct gate *g)
{
	gate_renew(g, (struct mono){ INT64_MAX });
}

void
gate_pause(struct gate *g, enum gate_state state, struct mono until)
{
	g->pause = state;
	g->pause_until = until;
	gate_changed(g);
}

struct gate_news
gate_news(const struct gate *g)
{
	return (struct gate_news){ .number = atomic_load(&g->number),
	    .order = g->order, .pause = g->pause };
}

bool
gate_applied(const struct gate *g)
{
	const struct gate *r;

	TAILQ_FOREACH(r, &g->replicas, link)
		if (atomic_load(&r->applied) != atomic_load(&g->number) ||
		    atomic_load(&r->moving) > 0)
			return false;
	return true;
}

bool
gate_drained(const struct gate *g)
{
	const struct gate *r;

	TAILQ_FOREACH(r, &g->replicas, link)
		if (atomic_load(&r->drained) != atomic_load(&g->number))
			return false;
	return true;
}

void
gate_tick(struct gate *g, struct mono now)
{
	if (gate_paused(g) && !mono_before(now, g->pause_until)) {
		log_info("gate: pause is over, its time ran out");
		gate_pause(g, GATE_OPEN, now);
	}
}

bool
gate_paused(const struct gate *g)
{
	return g->pause != GATE_OPEN;
}

/* ---- a replica ---- */

/*
 * While writes are held none is sent, so once there is none in flight this
 * stays true until the next change is applied.
 */
static bool
gate_check_drained(struct gate *g)
{
	if (g->writes > 0 || g->order.state >= GATE_OPEN)
		return false;
	atomic_store(&g->drained, atomic_load(&g->applied));
	return true;
}

void
gate_apply(struct gate *g, const struct gate_news *n)
{
	/* Not applied before those who have to move have begun to. */
	atomic_fetch_add(&g->moving, 1);
	g->order = n->order;
	if (g->order.writes != SIDE_NONE && g->order.writes != g->primary) {
		g->primary = g->order.writes;
		g->primary_since = mono_now();
	}
	g->pause = n->pause;
	atomic_store(&g->applied, n->number);
	gate_check_drained(g);
	gate_tell(g);
	atomic_fetch_sub(&g->moving, 1);
	gate_progress(g);
}

bool
gate_settled(const struct gate *g, struct mono now)
{
	return mono_ms(now, g->primary_since) >= GATE_SETTLE_MS;
}

void
gate_moves(struct gate *g)
{
	atomic_fetch_add(&g->moving, 1);
}

void
gate_moved(struct gate *g)
{
	assert(atomic_load(&g->moving) > 0);
	if (atomic_fetch_sub(&g->moving, 1) == 1)
		gate_progress(g);
}

void
gate_sent(struct gate *g, bool write)
{
	g->in_flight++;
	g->writes += write;
	STATS_ADD(in_flight, 1);
	STATS_ADD(writes_in_flight, write);
}

void
gate_done(struct gate *g, bool write)
{
	assert(g->in_flight > 0 && g->writes >= write);
	g->in_flight--;
	g->writes -= write;
	STATS_ADD(in_flight, -1);
	STATS_ADD(writes_in_flight, -write);
	/* A handover pauses the gate and waits for every answer. */
	if ((write && gate_check_drained(g)) ||
	    (g->in_flight == 0 && g->pause != GATE_OPEN))
		gate_progress(g);
}

/* ---- both ---- */

static struct mono
gate_lease(const struct gate *g)
{
	/* In this order: who sees a new lease sees for whom it is. */
	int64_t lease = atomic_load(&g->master->lease);

	if (atomic_load(&g->applied) < atomic_load(&g->master->lease_number))
		lease = 0;
	return (struct mono){ lease };
}

enum gate_state
gate_state(const struct gate *g, struct mono now)
{
	if (!mono_before(now, gate_lease(g)))
		return GATE_CLOSED;
	return g->pause < g->order.state ? g->pause : g->order.state;
}

const struct gate_order *
gate_order(const struct gate *g)
{
	return &g->order;
}

uint64_t
gate_number(const struct gate *g)
{
	return atomic_load(&g->applied);
}

const char *
gate_state_name(enum gate_state s)
{
	assert(s < GATE_STATE_COUNT);
	return gate_state_names[s];
}

const char *
gate_verdict_name(enum gate_verdict v)
{
	static const char *const names[] = { "hold", "reads", "writes", "any",
	    "here", "refuse" };

	return names[v];
}

enum gate_verdict
gate_table(enum gate_state s, enum cmd_class class)
{
	return gate_verdicts[s][class];
}

enum gate_verdict
gate_ask(const struct gate *g, enum cmd_class class, struct mono now,
    enum side *to)
{
	enum gate_verdict v = gate_verdicts[gate_state(g, now)][class];

	*to = SIDE_NONE;
	switch (v) {
	case GATE_TO_READS:
		*to = g->order.reads;
		break;
	case GATE_TO_WRITES:
		*to = g->order.writes;
		break;
	case GATE_TO_ANY:
		if (g->order.reads != SIDE_NONE &&
		    (g->order.alive & SIDE_BIT(g->order.reads)))
			*to = g->order.reads;
		else if (g->order.alive != 0)
			*to = g->order.alive & SIDE_BIT(SIDE_A) ?
			    SIDE_A : SIDE_B;
		break;
	case GATE_HOLD:
	case GATE_HERE:
	case GATE_REFUSE:
		return v;
	}
	return *to == SIDE_NONE ? GATE_HOLD : v;
}

enum side
gate_flips_to(const struct gate *g, struct mono now)
{
	return g->order.state == GATE_HOLD_WRITES && g->pause == GATE_OPEN &&
	    gate_state(g, now) == GATE_HOLD_WRITES ? g->order.writes :
	    SIDE_NONE;
}

enum gate_verdict
gate_ask_again(const struct gate *g, enum cmd_class class, struct mono now,
    enum side *to)
{
	*to = class <= CMD_WRITE ? gate_flips_to(g, now) : SIDE_NONE;
	if (*to != SIDE_NONE)
		return GATE_TO_WRITES;
	return class <= CMD_WRITE && gate_state(g, now) != GATE_OPEN ?
	    GATE_HOLD : gate_ask(g, class, now, to);
}

bool
gate_may_release(const struct gate *g, enum side from, struct mono now)
{
	return atomic_load(&g->applied) == atomic_load(&g->master->number) &&
	    (g->order.trusted & SIDE_BIT(from)) != 0 &&
	    mono_before(now, gate_lease(g));
}

void
gate_on_progress(struct gate *g, gate_progress_fn *fn, void *arg)
{
	g->progress_fn = fn;
	g->progress_arg = arg;
}

void
gate_progress(struct gate *g)
{
	if (g->progress_fn != NULL)
		g->progress_fn(g->progress_arg);
}

void
gate_on_report(struct gate *g, gate_report_fn *fn, void *arg)
{
	g->report_fn = fn;
	g->report_arg = arg;
}

void
gate_report(struct gate *g, enum side side, enum gate_evidence what)
{
	if (g->report_fn != NULL)
		g->report_fn(side, what, g->report_arg);
}

void
gate_watch(struct gate *g, gate_changed_fn *fn, void *arg)
{
	assert(g->watchers < GATE_WATCHERS);
	g->watch[g->watchers].fn = fn;
	g->watch[g->watchers].arg = arg;
	g->watchers++;
}
