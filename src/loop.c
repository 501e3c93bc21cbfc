#include "loop.h"

#include <sys/eventfd.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "log.h"

/* A queue: whoever comes goes in front of the end, and may leave without it. */
struct loop_tasks {
	LIST_HEAD(, loop_task)	 head;
	struct loop_task	 end;
};

struct loop {
	struct event_base	*base;
	struct event		*end;	/* made active once a turn */
	char			*buffer;
	char			*scratch;	/* NULL: never asked for */
	struct mono		 now;
	bool			 turning; /* end is active, now is valid */
	unsigned		 heavy;	/* what this turn has done of it */
	struct loop_tasks	 tasks;
	struct loop_tasks	 last;

	int			 bell;	/* eventfd: there is mail */
	struct event		*on_bell;
	pthread_mutex_t		 lock;	/* of what follows */
	STAILQ_HEAD(, loop_message) mail;
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

	while ((t = LIST_FIRST(&tasks->head)) != &tasks->end) {
		loop_cancel(t);
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
	} while (LIST_FIRST(&l->tasks.head) != &l->tasks.end);
	l->turning = false;
	l->heavy = 0;
}

/* ---- mail ---- */

void
loop_post(struct loop *l, struct loop_message *m)
{
	static const uint64_t one = 1;
	bool ring;

	pthread_mutex_lock(&l->lock);
	ring = STAILQ_EMPTY(&l->mail) && !m->posted;
	if (!m->posted) {
		m->posted = true;
		STAILQ_INSERT_TAIL(&l->mail, m, link);
	}
	pthread_mutex_unlock(&l->lock);
	if (ring && write(l->bell, &one, sizeof(one)) == -1)
		fatal("loop: a thread cannot be woken");
}

static struct loop_message *
loop_take(struct loop *l)
{
	struct loop_message *m;

	pthread_mutex_lock(&l->lock);
	if ((m = STAILQ_FIRST(&l->mail)) != NULL) {
		STAILQ_REMOVE_HEAD(&l->mail, link);
		m->posted = false;
	}
	pthread_mutex_unlock(&l->lock);
	return m;
}

bool
loop_read_mail(struct loop *l)
{
	struct loop_message *m;
	bool any = false;

	while ((m = loop_take(l)) != NULL) {
		any = true;
		m->fn(m);
	}
	return any;
}

static void
loop_on_bell(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;
	uint64_t rung;

	(void)what;
	loop_turn(l);
	if (read(fd, &rung, sizeof(rung)) == -1 && errno != EAGAIN)
		fatal("loop: mail");
	loop_read_mail(l);
}

/* ---- start and end ---- */

struct loop *
loop_new(struct event_base *base)
{
	struct loop *l = xcalloc(1, sizeof(*l));

	l->base = base;
	l->buffer = xmalloc(LOOP_READ_SIZE);
	LIST_INSERT_HEAD(&l->tasks.head, &l->tasks.end, link);
	LIST_INSERT_HEAD(&l->last.head, &l->last.end, link);
	l->end = event_new(base, -1, 0, loop_on_end, l);
	l->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (l->bell == -1)
		fatal("loop: eventfd");
	pthread_mutex_init(&l->lock, NULL);
	STAILQ_INIT(&l->mail);
	l->on_bell = event_new(base, l->bell, EV_READ | EV_PERSIST,
	    loop_on_bell, l);
	if (l->end == NULL || l->on_bell == NULL ||
	    event_add(l->on_bell, NULL) == -1)
		fatalx("loop: out of memory");
	return l;
}

void
loop_free(struct loop *l)
{
	loop_read_mail(l);
	loop_on_end(-1, 0, l);
	event_free(l->end);
	event_free(l->on_bell);
	close(l->bell);
	pthread_mutex_destroy(&l->lock);
	free(l->buffer);
	free(l->scratch);
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

char *
loop_scratch(struct loop *l)
{
	if (l->scratch == NULL)
		l->scratch = xmalloc(LOOP_READ_SIZE);
	return l->scratch;
}

struct mono
loop_now(struct loop *l)
{
	loop_turn(l);
	return l->now;
}

bool
loop_heavy(struct loop *l)
{
	loop_turn(l);
	return ++l->heavy <= LOOP_HEAVY;
}

void
loop_task_init(struct loop_task *t, loop_fn *fn, void *arg)
{
	t->fn = fn;
	t->arg = arg;
	t->link.le_prev = NULL;
}

static void
loop_queue(struct loop *l, struct loop_tasks *tasks, struct loop_task *t)
{
	if (loop_queued(t))
		return;
	LIST_INSERT_BEFORE(&tasks->end, t, link);
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
	if (!loop_queued(t))
		return;
	LIST_REMOVE(t, link);
	t->link.le_prev = NULL;
}
