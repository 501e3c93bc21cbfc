#include "settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

struct settings {
	struct conf	*conf;
	const char	*file;
	int		 argc;
	char *const	*argv;
	char		*waiting;	/* for a restart */
	settings_fn	*fn;
	void		*arg;
	settings_take_fn *take;
	void		*take_arg;
};

struct settings *
settings_new(struct conf *conf, const char *file, int argc,
    char *const *argv)
{
	struct settings *s = xcalloc(1, sizeof(*s));

	s->conf = conf;
	s->file = file;
	s->argc = argc;
	s->argv = argv;
	s->waiting = xstrdup("");
	return s;
}

void
settings_free(struct settings *s)
{
	conf_free(s->conf);
	free(s->waiting);
	free(s);
}

const struct conf *
settings_conf(const struct settings *s)
{
	return s->conf;
}

void
settings_watch(struct settings *s, settings_fn *fn, void *arg)
{
	s->fn = fn;
	s->arg = arg;
}

void
settings_on_take(struct settings *s, settings_take_fn *take, void *arg)
{
	s->take = take;
	s->take_arg = arg;
}

const char *
settings_waiting(const struct settings *s)
{
	return s->waiting;
}

/* Takes over next. */
static bool
settings_swap(struct settings *s, struct conf *next, char *text, size_t size)
{
	struct conf *old = s->conf;

	if (s->take != NULL && !s->take(next, text, size, s->take_arg)) {
		conf_free(next);
		return false;
	}
	s->conf = next;
	if (s->fn != NULL)
		s->fn(next, s->arg);
	conf_free(old);
	return true;
}

/* Says in text why not; false. */
static bool
settings_not_reloaded(const char *text)
{
	log_warnx("settings: not reloaded, nothing changed: %s", text);
	return false;
}

bool
settings_reload(struct settings *s, char *text, size_t size)
{
	struct buf restart = BUF_INIT;
	struct conf *next = NULL, *live;
	char *waiting;

	if (s->file == NULL)
		snprintf(text, size, "there is no file: all options came by "
		    "the command line");
	else
		next = conf_load(s->file, s->argc, s->argv, text, size);
	if (next == NULL)
		return settings_not_reloaded(text);
	live = conf_live(s->conf, next, &restart, text, size);
	conf_free(next);
	waiting = xstrndup(buf_len(&restart) > 0 ? buf_data(&restart) : "",
	    buf_len(&restart));
	buf_free(&restart);
	if (live == NULL || !settings_swap(s, live, text, size)) {
		free(waiting);
		return settings_not_reloaded(text);
	}
	free(s->waiting);
	s->waiting = waiting;
	snprintf(text, size, *s->waiting != '\0' ?
	    "OK, but these need a restart: %s" : "OK", s->waiting);
	log_info("settings: %s is reloaded%s%s", s->file,
	    *s->waiting != '\0' ? ", these need a restart: " : "",
	    s->waiting);
	return true;
}

bool
settings_set(struct settings *s, int n, char *const *word, char *text,
    size_t size)
{
	struct conf *next = conf_with(s->conf, n, word, text, size);
	int i;

	if (next == NULL || !settings_swap(s, next, text, size))
		return false;
	for (i = 0; i + 1 < n; i += 2)
		log_info("settings: %s is now %s", word[i], word[i + 1]);
	snprintf(text, size, "OK");
	return true;
}

bool
settings_rewrite(struct settings *s, char *text, size_t size)
{
	if (s->file == NULL) {
		snprintf(text, size, "there is no file to rewrite: all "
		    "options came by the command line");
		return false;
	}
	if (!conf_rewrite(s->conf, s->file, text, size))
		return false;
	log_info("settings: %s is rewritten", s->file);
	snprintf(text, size, "OK");
	return true;
}
