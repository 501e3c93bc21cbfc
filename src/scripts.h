/*
 * The bodies of Lua scripts that clients have shown, by their SHA1: each
 * Redis caches those that it was sent itself, and another one has to be
 * shown them again. Those that were loaded, to be called by name only, both
 * Redis are to have at any time. For all threads; bounded, the oldest are
 * forgotten.
 */
#ifndef SCRIPTS_H
#define SCRIPTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

void	scripts_learn(const char *body, size_t len, bool loaded);
void	scripts_forget(void);

/*
 * Each loading has a number, from 1 on. Appends the body of the first after
 * *number, and sets that to its own; false: there is none.
 */
bool	scripts_next(uint64_t *number, struct buf *out);
uint64_t scripts_forgotten(void);	/* how many times */

/* Appends the body with that SHA1, 40 hex digits; false: it is not known. */
bool	scripts_find(const char *sha1, size_t len, struct buf *out);

#endif
