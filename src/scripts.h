/*
 * The bodies of Lua scripts that clients have shown, by their SHA1: each
 * Redis caches those that it was sent itself, and another one has to be
 * shown them again. For all threads; bounded, the oldest are forgotten.
 */
#ifndef SCRIPTS_H
#define SCRIPTS_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"

void	scripts_learn(const char *body, size_t len);
void	scripts_forget(void);

/* Appends the body with that SHA1, 40 hex digits; false: it is not known. */
bool	scripts_find(const char *sha1, size_t len, struct buf *out);

#endif
