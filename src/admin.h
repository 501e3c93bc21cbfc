/*
 * The admin port: RESP, so that redis-cli is the console. Shows everything,
 * decides nothing: what it orders, control does.
 *
 * On TCP with admin-requirepass-file a connection is a reader until AUTH;
 * without a password, and on the unix socket (mode 0600), it is an operator.
 */
#ifndef ADMIN_H
#define ADMIN_H

#include "control.h"
#include "settings.h"
#include "workers.h"

struct admin;

/* Everything outlives the admin port. */
struct admin_env {
	struct loop		*loop;
	struct settings		*settings;
	struct gate		*gate;
	struct tls		*tls;
	struct workers		*workers;
	struct control		*control;
	void			(*shutdown)(void *arg);	/* SHUTDOWN */
	void			*arg;
};

/*
 * Listens as the configuration says. NULL when it cannot; why (of whysize
 * bytes) says what is in the way.
 */
struct admin	*admin_new(const struct admin_env *, char *why,
		    size_t whysize);
void		 admin_free(struct admin *);

/* Appends how things are, in one line without its end. */
void		 admin_summary(const struct admin *, struct buf *);

#endif
