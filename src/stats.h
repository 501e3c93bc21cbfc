/*
 * What is counted, from one table (stats.def). Plain data.
 *
 * Each thread counts for itself, without a lock; whoever wants to know adds
 * them up. So "stats.requests++" costs what it says, and a sum is never
 * older than what its reader has seen happen.
 */
#ifndef STATS_H
#define STATS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STATS_THREADS	256

struct stats {
#define COUNTER(field, help) _Atomic uint64_t field;
#include "stats.def"
#undef COUNTER
};

struct stats_sum {
#define COUNTER(field, help) uint64_t field;
#include "stats.def"
#undef COUNTER
};

/* This thread's. Only that thread writes them. */
extern _Thread_local struct stats stats;

/*
 * stats.field += n for the hot path: nobody else writes it, so the
 * addition need not lock the memory bus. n may be negative for a gauge.
 */
#define STATS_ADD(field, n)						\
	atomic_store_explicit(&stats.field,				\
	    atomic_load_explicit(&stats.field, memory_order_relaxed) +	\
	    (uint64_t)(n), memory_order_relaxed)

/*
 * A thread begins and ends to count; at most STATS_THREADS at a time. What
 * it counted stays in the sum.
 */
void	stats_join(void);
void	stats_leave(void);

/* Of all threads, those that have left included. */
struct stats_sum	stats_sum(void);

struct stats_row {
	const char	*name;
	const char	*help;
	bool		 gauge;		/* it goes down again */
	size_t		 offset;	/* into struct stats_sum */
};

/* Row i of the table; NULL past its end. */
const struct stats_row	*stats_row(size_t i);
uint64_t		 stats_value(const struct stats_sum *,
			    const struct stats_row *);

#endif
