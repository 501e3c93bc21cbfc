/*
 * What a Redis says of its commands: those that cmd.def does not list, of
 * modules and of newer servers, are put into gate classes by their flags.
 * Pure; what a Redis says is not trusted to make sense.
 *
 *	write		a write
 *	readonly	a read
 *	neither		a write that pins: nobody knows what it does
 *	blocking	blocks, and pins
 *	module		may take as long as a script, or be answered by
 *			another thread of Redis
 *
 * and it pins with a flag that says something about the connection (pubsub,
 * no_auth, noscript, no_multi, ...), or that is not known here.
 */
#ifndef COMMANDS_H
#define COMMANDS_H

#include <hiredis/hiredis.h>

#include "cmd.h"

struct commands;

/*
 * From the answer to COMMAND; NULL when it is none. What cannot be in it is
 * passed over.
 */
struct commands	*commands_read(const redisReply *);
void		 commands_free(struct commands *);	/* or NULL */

size_t		 commands_count(const struct commands *);
const struct cmd	*commands_row(const struct commands *, size_t i);

/*
 * Makes known what each of two Redis has (NULL: it did not say); where they
 * differ, what is stricter counts. See cmd_learn().
 */
size_t		 commands_learn(const struct commands *,
		    const struct commands *);

#endif
