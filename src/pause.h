/*
 * CLIENT PAUSE, as clients have sent it: until when Redis may leave writes
 * unanswered, so that nobody else may stand behind one. For all threads.
 */
#ifndef PAUSE_H
#define PAUSE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "util.h"

extern _Atomic int64_t pause_until;	/* 0: there is none */

/* It lasts until then, or longer. */
void	pause_begin(struct mono until);
void	pause_end(void);

static inline bool
pause_is_on(struct mono now)
{
	int64_t until = atomic_load_explicit(&pause_until,
	    memory_order_relaxed);

	return until != 0 && mono_before(now, (struct mono){ until });
}

#endif
