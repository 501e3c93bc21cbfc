/*
 * What happened, one line per fact: "area: what, name value". The lines
 * are an interface: tests and operators grep them. Nothing secret is ever
 * handed to these functions.
 *
 * Any thread may log. Where to, and who watches, is set while there is only
 * one; log_reopen() and log_set_level() may come at any time.
 */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>
#include <time.h>

#include "util.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN };

/*
 * Where lines go: to the file, or to stderr where file is NULL or "". Lines
 * carry local time with milliseconds, unless stderr goes to the journal.
 * False with errno when the file cannot be opened; the log stays as it was.
 */
bool	log_open(enum log_level, const char *file) MUST_CHECK;

/* Opens the same file anew, for log rotation. */
bool	log_reopen(void) MUST_CHECK;

void	log_set_level(enum log_level);

/* "debug", "info", "warn"; false for anything else. */
bool	log_level_parse(const char *, enum log_level *) MUST_CHECK;

/*
 * Shown every line of info and above after it was written, on the thread
 * that logged it. One watcher.
 */
typedef void log_watch_fn(enum log_level, const char *line, void *arg);
void	log_watch(log_watch_fn *, void *arg);

/*
 * May one more line of this kind be logged? For lines that strangers cause: so
 * many a minute, and no more. How many were left out is logged in time.
 */
#define LOG_A_MINUTE	30
struct log_limit { time_t since; unsigned n; };	/* static, zeroed */
bool	log_may(struct log_limit *) MUST_CHECK;

/* Would a line of this level be written? */
bool	log_is(enum log_level) MUST_CHECK;

/* log_warn and fatal add what errno says; the fatal ones exit with 1. */
void	log_warn(const char *, ...) PRINTF(1, 2);
void	log_warnx(const char *, ...) PRINTF(1, 2);
void	log_info(const char *, ...) PRINTF(1, 2);
void	log_debug(const char *, ...) PRINTF(1, 2);
void	fatal(const char *, ...) PRINTF(1, 2) __attribute__((__noreturn__));
void	fatalx(const char *, ...) PRINTF(1, 2) __attribute__((__noreturn__));

#endif
