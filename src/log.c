#include "log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const log_names[] = {
	[LOG_LEVEL_DEBUG] = "debug", [LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_WARN] = "warn",
};

static enum log_level	 log_level = LOG_LEVEL_INFO;
static FILE		*log_file;		/* NULL: stderr */
static char		*log_path;
static log_watch_fn	*log_watcher;
static void		*log_watcher_arg;

/* The journal adds the time itself. */
static bool
log_has_time(void)
{
	return log_file != NULL || getenv("JOURNAL_STREAM") == NULL;
}

bool
log_open(enum log_level level, const char *path)
{
	FILE *f = NULL;
	char *copy = NULL;

	if (path != NULL && *path != '\0' &&
	    ((copy = strdup(path)) == NULL ||
	    (f = fopen(path, "ae")) == NULL)) {
		free(copy);
		return false;
	}
	if (log_file != NULL)
		fclose(log_file);
	free(log_path);
	log_file = f;
	log_path = copy;
	log_level = level;
	return true;
}

bool
log_reopen(void)
{
	FILE *f;

	if (log_path == NULL)
		return true;
	if ((f = fopen(log_path, "ae")) == NULL)
		return false;
	fclose(log_file);
	log_file = f;
	return true;
}

void
log_set_level(enum log_level level)
{
	log_level = level;
}

bool
log_level_parse(const char *s, enum log_level *out)
{
	size_t i;

	for (i = 0; i < NELEM(log_names); i++)
		if (strcmp(s, log_names[i]) == 0) {
			*out = (enum log_level)i;
			return true;
		}
	return false;
}

void
log_watch(log_watch_fn *fn, void *arg)
{
	log_watcher = fn;
	log_watcher_arg = arg;
}

/* One write a line, so that lines of several processes do not mix. */
static void
log_line(enum log_level level, const char *text)
{
	FILE *f = log_file != NULL ? log_file : stderr;
	char when[64] = "";
	struct timespec ts;
	struct tm tm;
	size_t n;

	if (log_has_time()) {
		clock_gettime(CLOCK_REALTIME, &ts);
		localtime_r(&ts.tv_sec, &tm);
		n = strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
		snprintf(when + n, sizeof(when) - n, ".%03ld ",
		    ts.tv_nsec / 1000000);
	}
	fprintf(f, "%s%s%s\n", when, level == LOG_LEVEL_WARN ? "warning: " :
	    "", text);
	fflush(f);
	if (level >= LOG_LEVEL_INFO && log_watcher != NULL)
		log_watcher(level, text, log_watcher_arg);
}

static void
log_at(enum log_level level, int error, const char *fmt, va_list ap)
{
	char text[1024];
	int n, saved = errno;

	if (level < log_level)
		return;
	n = vsnprintf(text, sizeof(text), fmt, ap);
	if (error != 0 && n >= 0 && (size_t)n < sizeof(text))
		snprintf(text + n, sizeof(text) - (size_t)n, ": %s",
		    strerror(error));
	log_line(level, text);
	errno = saved;
}

#define LOG_FUNCTION(name, level, error)				\
void									\
name(const char *fmt, ...)						\
{									\
	va_list ap;							\
									\
	va_start(ap, fmt);						\
	log_at(level, error, fmt, ap);					\
	va_end(ap);							\
}

LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG, 0)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO, 0)
LOG_FUNCTION(log_warnx, LOG_LEVEL_WARN, 0)
LOG_FUNCTION(log_warn, LOG_LEVEL_WARN, errno)

void
fatal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_at(LOG_LEVEL_WARN, errno, fmt, ap);
	va_end(ap);
	exit(1);
}

void
fatalx(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_at(LOG_LEVEL_WARN, 0, fmt, ap);
	va_end(ap);
	exit(1);
}
