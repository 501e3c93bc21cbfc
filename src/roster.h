/*
 * A set of clients by their address, "host:port". Plain data.
 */
#ifndef ROSTER_H
#define ROSTER_H

#include <stdbool.h>
#include <stddef.h>

struct roster;

/* More than max are not taken up. */
struct roster	*roster_new(size_t max);
void		 roster_free(struct roster *);
void		 roster_clear(struct roster *);
size_t		 roster_count(const struct roster *);

/* One that is there already, or is not there, changes nothing. */
void		 roster_add(struct roster *, const char *addr);
void		 roster_remove(struct roster *, const char *addr);

/* In no particular order; fn must not change the set. */
void		 roster_each(const struct roster *,
		    void (*fn)(const char *addr, void *arg), void *arg);

#endif
