#include "loop.h"

#include <stdlib.h>

#include "log.h"

struct loop {
	struct event_base	*base;
	struct event		*end;	/* made active once a turn */
	char			*buffer;
	struct mono		 now;
	bool			 turning; /* end is active, now is valid */
	struct loop_tasks	 tasks;
	struct loop_tasks	 last;
};

/*
 * libevent activates all that epoll reported before it runs the first of
 * them, so an event activated from a callback runs after those.
 */
static void
loop_turn(struct loop *l)
{
	if (l->turning)
		return;
	l->turning = true;
	l->now = mono_now();
	event_active(l->end, EV_TIMEOUT, 0);
}

static void
loop_run(struct loop_tasks *tasks)
{
	struct loop_task *t;

	while ((t = TAILQ_FIRST(tasks)) != NULL) {
		TAILQ_REMOVE(tasks, t, link);
		t->queue = NULL;
		t->fn(t->arg);
	}
}

static void
loop_on_end(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;

	(void)fd;
	(void)what;
	do {
		loop_run(&l->tasks);
		loop_run(&l->last);
	} while (!TAILQ_EMPTY(&l->tasks));
	l->turning = false;
}

struct loop *
loop_new(struct event_base *base)
{
	struct loop *l = xcalloc(1, sizeof(*l));

	l->base = base;
	l->buffer = xmalloc(LOOP_READ_SIZE);
	TAILQ_INIT(&l->tasks);
	TAILQ_INIT(&l->last);
	l->end = event_new(base, -1, 0, loop_on_end, l);
	if (l->end == NULL)
		fatalx("loop: out of memory");
	return l;
}

void
loop_free(struct loop *l)
{
	loop_on_end(-1, 0, l);
	event_free(l->end);
	free(l->buffer);
	free(l);
}

struct event_base *
loop_base(const struct loop *l)
{
	return l->base;
}

char *
loop_buffer(struct loop *l)
{
	return l->buffer;
}

struct mono
loop_now(struct loop *l)
{
	loop_turn(l);
	return l->now;
}

void
loop_task_init(struct loop_task *t, loop_fn *fn, void *arg)
{
	t->fn = fn;
	t->arg = arg;
	t->queue = NULL;
}

static void
loop_queue(struct loop *l, struct loop_tasks *tasks, struct loop_task *t)
{
	if (t->queue != NULL)
		return;
	t->queue = tasks;
	TAILQ_INSERT_TAIL(tasks, t, link);
	loop_turn(l);
}

void
loop_defer(struct loop *l, struct loop_task *t)
{
	loop_queue(l, &l->tasks, t);
}

void
loop_defer_last(struct loop *l, struct loop_task *t)
{
	loop_queue(l, &l->last, t);
}

void
loop_cancel(struct loop_task *t)
{
	if (t->queue == NULL)
		return;
	TAILQ_REMOVE(t->queue, t, link);
	t->queue = NULL;
}
