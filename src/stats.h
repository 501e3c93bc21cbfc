/*
 * What is counted, from one table (stats.def). Plain data.
 */
#ifndef STATS_H
#define STATS_H

#include <stddef.h>
#include <stdint.h>

struct stats {
#define COUNTER(field, help) uint64_t field;
#include "stats.def"
#undef COUNTER
};

/* The process's counters. Only the thread that serves clients counts. */
extern struct stats stats;

struct stats_row {
	const char	*name;
	const char	*help;
	size_t		 offset;	/* into struct stats */
};

/* Row i of the table; NULL past its end. */
const struct stats_row	*stats_row(size_t i);
uint64_t		 stats_value(const struct stats *,
			    const struct stats_row *);

#endif
