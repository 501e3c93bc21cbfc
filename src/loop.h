/*
 * What one thread shares: the event base, one big read buffer, the clock of
 * this turn, and work put off to the end of the turn.
 *
 * A turn is one round of libevent's loop: everything that was readable is
 * handled, then what was put off runs. So many small writes to a socket
 * leave in one system call, and an object is never freed under the feet of
 * the code that is using it.
 */
#ifndef LOOP_H
#define LOOP_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <sys/queue.h>

#include "util.h"

#define LOOP_READ_SIZE	(256 * 1024)

struct loop;

typedef void loop_fn(void *arg);

/* Embedded in what wants to be called; fill it with loop_task_init(). */
TAILQ_HEAD(loop_tasks, loop_task);
struct loop_task {
	TAILQ_ENTRY(loop_task)	 link;
	loop_fn			*fn;
	void			*arg;
	struct loop_tasks	*queue;		/* where it waits, or NULL */
};

struct loop	*loop_new(struct event_base *);
void		 loop_free(struct loop *);

struct event_base	*loop_base(const struct loop *);
char		*loop_buffer(struct loop *);	/* of LOOP_READ_SIZE bytes */

/* The time, read once a turn. */
struct mono	 loop_now(struct loop *);

void	loop_task_init(struct loop_task *, loop_fn *, void *arg);

/* Calls it once at the end of this turn, however often it is asked for. */
void	loop_defer(struct loop *, struct loop_task *);

/* The same, after everything else of the turn: the place to free. */
void	loop_defer_last(struct loop *, struct loop_task *);
void	loop_cancel(struct loop_task *);

#endif
