#include "stats.h"

#include "util.h"

struct stats stats;

static const struct stats_row stats_rows[] = {
#define COUNTER(field, help) { #field, help, offsetof(struct stats, field) },
#include "stats.def"
#undef COUNTER
};

const struct stats_row *
stats_row(size_t i)
{
	return i < NELEM(stats_rows) ? &stats_rows[i] : NULL;
}

uint64_t
stats_value(const struct stats *s, const struct stats_row *row)
{
	return *(const uint64_t *)(const void *)
	    ((const char *)s + row->offset);
}
