/*
 * What a client listens to, and how Redis tells it. Pure.
 */
#ifndef PUBSUB_H
#define PUBSUB_H

#include <stdbool.h>
#include <stddef.h>

#include "resp.h"

enum pubsub_kind { PUBSUB_CHANNEL, PUBSUB_PATTERN, PUBSUB_SHARD,
	PUBSUB_KINDS };

enum pubsub_event {
	PUBSUB_OTHER,		/* nothing about subscriptions */
	PUBSUB_MESSAGE,
	PUBSUB_ADDED,		/* SUBSCRIBE is confirmed, */
	PUBSUB_REMOVED		/* and UNSUBSCRIBE */
};

/*
 * What the whole array or push at p tells, and of a confirmation what about.
 * The name is empty (p NULL) where there was nothing to unsubscribe.
 */
enum pubsub_event	pubsub_parse(const char *p, size_t len,
			    enum pubsub_kind *, struct resp_arg *name);

/* The names of each kind; it takes memory while there are any. */
struct pubsub {
	struct pubsub_names	*names;		/* NULL to begin with */
};

void	pubsub_clear(struct pubsub *);
bool	pubsub_empty(const struct pubsub *);
size_t	pubsub_count(const struct pubsub *, enum pubsub_kind);
void	pubsub_add(struct pubsub *, enum pubsub_kind, struct resp_arg);
bool	pubsub_has(const struct pubsub *, enum pubsub_kind, struct resp_arg);
void	pubsub_remove(struct pubsub *, enum pubsub_kind, struct resp_arg);

/* The command that subscribes to all of that kind; false when none is. */
bool	pubsub_command(const struct pubsub *, enum pubsub_kind, struct buf *);
/* Its name. */
const char	*pubsub_command_name(enum pubsub_kind);

#endif
