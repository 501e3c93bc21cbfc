/*
 * Commands that wait in Redis for as long as they were told to: how much of
 * that is left when they are asked once more. Pure, but for what client.h
 * has of it.
 */
#ifndef CLIENT_BLOCK_H
#define CLIENT_BLOCK_H

#include "req.h"

/*
 * The same request with a time-out that is shorter by what has passed: at
 * least the shortest there is. NULL when it waits for ever, or for no time
 * that could be read: then it is asked as it is. Time-outs in whole seconds
 * stay so, rounded up: Redis before 6.0 takes no others.
 */
struct req	*block_shorten(const struct req *, int64_t passed_ms);

/* Has it waited as long as it was to? */
bool		 block_is_over(const struct req *, int64_t passed_ms);

/* What Redis answers then. */
void		 block_time_out(const struct req *, int proto, struct buf *);

#endif
