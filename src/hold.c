#include "hold.h"

#include <assert.h>
#include <stdlib.h>

#include "log.h"
#include "stats.h"

/* Waiters that go on in one turn of the loop. */
#define HOLD_A_TURN	512

/*
 * How often waiters are looked at without an event: for what expires, and
 * for connections that are tried again.
 */
#define HOLD_TICK_MS	20

struct hold {
	struct loop			*loop;
	const struct hold_ops		*ops;
	struct event			*tick;
	struct event			*more;
	TAILQ_HEAD(, hold_waiter)	 queue;
	size_t				 waiting;
	/* from the front, this release */
	size_t				 to_go;
	size_t				 bytes;
	struct hold_memory		*memory;
	_Atomic uint64_t		 went_on;	/* see hold_report() */
	_Atomic int64_t			 longest_us;
};

static void
hold_on_more(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval at_once = { 0, 0 };
	struct hold *h = arg;
	struct hold_waiter *w;
	size_t n;

	(void)fd;
	(void)what;
	for (n = 0; n < HOLD_A_TURN && h->to_go > 0; n++) {
		if ((w = TAILQ_FIRST(&h->queue)) == NULL) {
			h->to_go = 0;
			return;
		}
		h->to_go--;
		hold_remove(h, w);
		h->ops->go_on(w->arg);
	}
	/* Made active here, it would run again before this turn ends. */
	if (h->to_go > 0)
		event_add(h->more, &at_once);
}

static void
hold_on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct hold *h = arg;
	struct hold_waiter *w, *next;
	struct mono now = loop_now(h->loop);

	(void)fd;
	(void)what;
	TAILQ_FOREACH_SAFE(w, &h->queue, link, next)
		h->ops->expire(w->arg, now);
	hold_release(h);
	if (h->waiting == 0)
		event_del(h->tick);
}

struct hold *
hold_new(struct loop *l, const struct hold_ops *ops, struct hold_memory *m)
{
	struct hold *h = xcalloc(1, sizeof(*h));

	h->loop = l;
	h->ops = ops;
	h->memory = m;
	TAILQ_INIT(&h->queue);
	h->tick = event_new(loop_base(l), -1, EV_PERSIST, hold_on_tick, h);
	h->more = event_new(loop_base(l), -1, 0, hold_on_more, h);
	if (h->tick == NULL || h->more == NULL)
		fatalx("hold: out of memory");
	return h;
}

void
hold_free(struct hold *h)
{
	assert(h->waiting == 0 && h->bytes == 0);
	event_free(h->tick);
	event_free(h->more);
	free(h);
}

void
hold_add(struct hold *h, struct hold_waiter *w)
{
	static const struct timeval tick = { 0, HOLD_TICK_MS * 1000 };

	if (hold_waits(w))
		return;
	TAILQ_INSERT_TAIL(&h->queue, w, link);
	STATS_ADD(waiting, 1);
	if (h->waiting++ == 0)
		event_add(h->tick, &tick);
}

void
hold_remove(struct hold *h, struct hold_waiter *w)
{
	if (!hold_waits(w))
		return;
	TAILQ_REMOVE(&h->queue, w, link);
	w->link.tqe_prev = NULL;
	h->waiting--;
	STATS_ADD(waiting, -1);
}

void
hold_release(struct hold *h)
{
	if (h->waiting == 0)
		return;
	h->to_go = h->waiting;
	event_active(h->more, EV_TIMEOUT, 0);
}

void
hold_take(struct hold *h, size_t n)
{
	if (n == 0)
		return;
	h->bytes += n;
	atomic_fetch_add(&h->memory->used, n);
	STATS_ADD(waiting_bytes, n);
}

void
hold_give(struct hold *h, size_t n)
{
	assert(h->bytes >= n);
	if (n == 0)
		return;
	h->bytes -= n;
	atomic_fetch_sub(&h->memory->used, n);
	STATS_ADD(waiting_bytes, -(int64_t)n);
}

bool
hold_full(const struct hold *h)
{
	return atomic_load(&h->memory->used) >=
	    atomic_load(&h->memory->limit);
}

size_t
hold_waiting(const struct hold *h)
{
	return h->waiting;
}

void
hold_waited(struct hold *h, int64_t us)
{
	atomic_fetch_add(&h->went_on, 1);
	if (us > atomic_load(&h->longest_us))
		atomic_store(&h->longest_us, us);
}

struct hold_report
hold_report(const struct hold *h)
{
	return (struct hold_report){ .requests = atomic_load(&h->went_on),
	    .longest_us = atomic_load(&h->longest_us) };
}

void
hold_report_reset(struct hold *h)
{
	atomic_store(&h->went_on, 0);
	atomic_store(&h->longest_us, 0);
}
