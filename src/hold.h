/*
 * Who waits for the gate, in which order they go on, and how much memory
 * that may take.
 *
 * A waiter is a client with at least one request that cannot go on. They go
 * on in the order in which they began to wait, a bounded number of them a
 * turn, so that a released crowd delays nobody who is being answered. What
 * a waiter holds is its own business; hold knows the bytes.
 */
#ifndef HOLD_H
#define HOLD_H

#include <stdatomic.h>

#include "loop.h"

struct hold;

/* Memory for what waits, of all threads together: see hold_full(). */
struct hold_memory {
	_Atomic size_t	used;
	_Atomic size_t	limit;
};

/* Zero it, but for arg. */
struct hold_waiter {
	TAILQ_ENTRY(hold_waiter)	 link;
	void				*arg;
};

struct hold_ops {
	/*
	 * Go on if you can: it has been taken off the queue, and adds itself
	 * again (to the end) if it must go on waiting.
	 */
	void	(*go_on)(void *arg);
	/* Some of what you hold may have waited too long. */
	void	(*expire)(void *arg, struct mono now);
};

/* The memory outlives all that share it. */
struct hold	*hold_new(struct loop *, const struct hold_ops *,
		    struct hold_memory *);
void		 hold_free(struct hold *);

static inline bool
hold_waits(const struct hold_waiter *w)
{
	return w->link.tqe_prev != NULL;
}

/* Both do nothing when it is (is not) waiting already. */
void		 hold_add(struct hold *, struct hold_waiter *);
void		 hold_remove(struct hold *, struct hold_waiter *);

/* The gate may have changed: let everybody who waits now try to go on. */
void		 hold_release(struct hold *);

/* Bytes held, kept by the waiters themselves. */
void		 hold_take(struct hold *, size_t);
void		 hold_give(struct hold *, size_t);
bool		 hold_full(const struct hold *);
size_t		 hold_waiting(const struct hold *);

/* How long a request waited, told when it went on; for the switch's log. */
void		 hold_waited(struct hold *, int64_t us);

/*
 * What went on since the last hold_report_reset(). Any thread may ask for
 * the report.
 */
struct hold_report {
	uint64_t	 requests;
	int64_t		 longest_us;
};
struct hold_report	hold_report(const struct hold *);
void		 hold_report_reset(struct hold *);

#endif
