/*
 * Shared by session.c (what a session is, and learns), session_answer.c
 * (what it answers) and session_rebuild.c (how it is made again), and by
 * nobody else.
 */
#ifndef SESSION_PRIV_H
#define SESSION_PRIV_H

#include "session.h"

/* Each takes the value over, and frees the old one. */
void	session_set(char **field, char *value);
/* An empty one is none. */
void	session_set_name(struct session *, char *name);

#endif
