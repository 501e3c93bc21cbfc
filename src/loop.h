/*
 * What one thread shares: the event base, one big read buffer, the clock of
 * this turn, work put off to the end of the turn, and the mail from other
 * threads.
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
struct loop_task {
	LIST_ENTRY(loop_task)	 link;
	loop_fn			*fn;
	void			*arg;
};

struct loop	*loop_new(struct event_base *);
void		 loop_free(struct loop *);

struct event_base	*loop_base(const struct loop *);
char		*loop_buffer(struct loop *);	/* of LOOP_READ_SIZE bytes */
/* A second one, for what is decrypted from the first. */
char		*loop_scratch(struct loop *);

/* The time, read once a turn. */
struct mono	 loop_now(struct loop *);

/*
 * May something that takes a millisecond be done in this turn? True for the
 * first few that ask; the others wait for a later turn, so that a crowd of
 * them keeps nobody waiting.
 */
#define LOOP_HEAVY	2
bool		 loop_heavy(struct loop *);

void	loop_task_init(struct loop_task *, loop_fn *, void *arg);

/*
 * A message to the thread of another loop. Embedded in what it carries,
 * which belongs to the receiver from loop_post() on.
 */
struct loop_message {
	STAILQ_ENTRY(loop_message) link;
	void			(*fn)(struct loop_message *);
	bool			 posted;	/* kept by loop_post() */
};

/*
 * The only function here for any thread: wakes the loop, whose thread calls
 * m->fn(m). Messages arrive in the order in which they were posted. One
 * that is still on its way is not posted again.
 */
void	loop_post(struct loop *, struct loop_message *m);

/*
 * Handles the mail now; the loop does it by itself. For the end, when its
 * thread is gone. False when there was none.
 */
bool	loop_read_mail(struct loop *);

/* Calls it once at the end of this turn, however often it is asked for. */
void	loop_defer(struct loop *, struct loop_task *);

/* The same, after everything else of the turn: the place to free. */
void	loop_defer_last(struct loop *, struct loop_task *);
void	loop_cancel(struct loop_task *);

static inline bool
loop_queued(const struct loop_task *t)
{
	return t->link.le_prev != NULL;
}

#endif
