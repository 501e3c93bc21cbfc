#include "stats.h"

#include <assert.h>
#include <pthread.h>

#include "util.h"

_Thread_local struct stats stats;

static const struct stats_row stats_rows[] = {
#define COUNTER(field, help) \
	{ #field, help, false, offsetof(struct stats_sum, field) },
#define GAUGE(field, help) \
	{ #field, help, true, offsetof(struct stats_sum, field) },
#include "stats.def"
#undef GAUGE
#undef COUNTER
};

/* Taken when a thread comes or goes and by readers, never to count. */
static pthread_mutex_t	 stats_lock = PTHREAD_MUTEX_INITIALIZER;
static const struct stats *stats_of[STATS_THREADS];
static size_t		 stats_threads;
static struct stats_sum	 stats_gone;

static void
stats_add_up(struct stats_sum *sum, const struct stats *s)
{
#define COUNTER(field, help) \
	sum->field += atomic_load_explicit(&s->field, memory_order_relaxed);
#include "stats.def"
#undef COUNTER
}

void
stats_join(void)
{
	pthread_mutex_lock(&stats_lock);
	assert(stats_threads < STATS_THREADS);
	stats_of[stats_threads++] = &stats;
	pthread_mutex_unlock(&stats_lock);
}

void
stats_leave(void)
{
	size_t i;

	pthread_mutex_lock(&stats_lock);
	for (i = 0; stats_of[i] != &stats; i++)
		assert(i < stats_threads);
	stats_of[i] = stats_of[--stats_threads];
	stats_add_up(&stats_gone, &stats);
	pthread_mutex_unlock(&stats_lock);
}

struct stats_sum
stats_sum(void)
{
	struct stats_sum sum;
	size_t i;

	pthread_mutex_lock(&stats_lock);
	sum = stats_gone;
	for (i = 0; i < stats_threads; i++)
		stats_add_up(&sum, stats_of[i]);
	pthread_mutex_unlock(&stats_lock);
	return sum;
}

const struct stats_row *
stats_row(size_t i)
{
	return i < NELEM(stats_rows) ? &stats_rows[i] : NULL;
}

uint64_t
stats_value(const struct stats_sum *s, const struct stats_row *row)
{
	return *(const uint64_t *)(const void *)
	    ((const char *)s + row->offset);
}
