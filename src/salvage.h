/*
 * Saves the data set of a Redis, before it is discarded, as an RDB file that
 * any Redis of that version or newer loads.
 *
 * It is read key by key (SCAN, DUMP, PTTL) over a link of its own. Redis
 * could write such a file itself, but under its own name only, where the
 * next full resync overwrites it: CONFIG SET dbfilename is refused by
 * default since Redis 7, and a replica of nowhere answers no SYNC. So it
 * must not be written to meanwhile.
 */
#ifndef SALVAGE_H
#define SALVAGE_H

#include "redis.h"

struct salvage;

/* Called once: what was saved, or why it was not; then free it. */
typedef void salvage_done_fn(bool ok, const char *text, void *arg);

/*
 * Begins; path is the file to be, which must not be there yet. opts are
 * those of the control link.
 */
struct salvage	*salvage_new(struct event_base *, const struct redis_opts *,
		    const char *path, salvage_done_fn *, void *arg);

/* Also before it is done: what there is of the file then is removed. */
void		 salvage_free(struct salvage *);

#endif
