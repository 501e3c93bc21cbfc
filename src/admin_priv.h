/*
 * Shared by admin.c (connections and verbs) and admin_show.c (what there is
 * to see), and by nobody else.
 */
#ifndef ADMIN_PRIV_H
#define ADMIN_PRIV_H

#include "admin.h"

/* Text of INFO; section NULL: all. False when there is no such section. */
bool	admin_text_info(const struct admin_env *, const char *section,
	    struct buf *) MUST_CHECK;

void	admin_text_status(const struct admin_env *, struct buf *);

/* Text of SHOW; false when there is nothing of that name. */
bool	admin_text_show(const struct admin_env *, const char *what,
	    struct buf *) MUST_CHECK;

#endif
