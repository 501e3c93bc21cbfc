/*
 * The configuration that is in force, and its changes: the file read anew,
 * CONFIG SET, CONFIG REWRITE. A change is whole and checked, or it is not
 * made.
 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include "conf.h"

struct settings;

/*
 * Takes over conf, which came from that file (NULL: none) and these
 * arguments; both outlive it. The arguments win over the file at each
 * reload too.
 */
struct settings	*settings_new(struct conf *, const char *file, int argc,
		    char *const *argv);
void		 settings_free(struct settings *);

/* Valid until the next change. */
const struct conf *settings_conf(const struct settings *);

/*
 * Told of each change, with the new one, which may be kept (conf_keep());
 * the old one is freed afterwards. One watcher.
 */
typedef void settings_fn(struct conf *, void *arg);
void	settings_watch(struct settings *, settings_fn *, void *arg);

/*
 * Asked before each change, when everything else is in order: takes what the
 * new one needs beyond itself, such as the files it names. False with why:
 * nothing changes.
 */
typedef bool settings_take_fn(const struct conf *, char *why, size_t whysize,
	    void *arg);
void	settings_on_take(struct settings *, settings_take_fn *, void *arg);

/*
 * All of these say in text (of size bytes) what was done or what is in the
 * way; false: nothing changed.
 *
 * A reload takes what needs no restart, and names the rest.
 */
bool	settings_reload(struct settings *, char *text, size_t size);
/* Names and values in turns, n words. */
bool	settings_set(struct settings *, int n, char *const *word, char *text,
	    size_t size);
bool	settings_rewrite(struct settings *, char *text, size_t size);

/* Options that differ in the file and need a restart; "" for none. */
const char	*settings_waiting(const struct settings *);

#endif
