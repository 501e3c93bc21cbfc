#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOG_TEXT	1024		/* of one line */

static const char *const log_names[] = {
	[LOG_LEVEL_DEBUG] = "debug", [LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_WARN] = "warn",
};

static _Atomic enum log_level	 log_level = LOG_LEVEL_INFO;
static int			 log_fd = STDERR_FILENO;
static char			*log_path;		/* NULL: stderr */
static log_watch_fn		*log_watcher;
static void			*log_watcher_arg;

/* The journal adds the time itself. */
static bool
log_has_time(void)
{
	return log_fd != STDERR_FILENO || getenv("JOURNAL_STREAM") == NULL;
}

static int
log_open_file(const char *path)
{
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
}

bool
log_open(enum log_level level, const char *path)
{
	int fd = STDERR_FILENO;
	char *copy = NULL;

	if (path != NULL && *path != '\0' &&
	    ((copy = strdup(path)) == NULL ||
	    (fd = log_open_file(path)) == -1)) {
		free(copy);
		return false;
	}
	if (log_fd != STDERR_FILENO)
		close(log_fd);
	free(log_path);
	log_fd = fd;
	log_path = copy;
	log_level = level;
	return true;
}

/* Other threads go on writing to the same number meanwhile. */
bool
log_reopen(void)
{
	int fd;
	bool ok;

	if (log_path == NULL)
		return true;
	if ((fd = log_open_file(log_path)) == -1)
		return false;
	ok = dup3(fd, log_fd, O_CLOEXEC) != -1;
	close(fd);
	return ok;
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

/* One write a line, so that those of several threads do not mix. */
static void
log_line(enum log_level level, const char *text)
{
	char line[LOG_TEXT + 128] = "";
	struct timespec ts;
	struct tm tm;
	size_t n = 0;

	if (log_has_time()) {
		clock_gettime(CLOCK_REALTIME, &ts);
		localtime_r(&ts.tv_sec, &tm);
		n = strftime(line, sizeof(line), "%Y-%m-%d %H:%M:%S", &tm);
		n += (size_t)snprintf(line + n, sizeof(line) - n, ".%03ld ",
		    ts.tv_nsec / 1000000);
	}
	n += (size_t)snprintf(line + n, sizeof(line) - n, "%s%s\n",
	    level == LOG_LEVEL_WARN ? "warning: " : "", text);
	/* There is nobody to tell that it failed. */
	if (write(log_fd, line, n) == -1)
		errno = 0;
	if (level >= LOG_LEVEL_INFO && log_watcher != NULL)
		log_watcher(level, text, log_watcher_arg);
}

static void
log_at(enum log_level level, int error, const char *fmt, va_list ap)
{
	char text[LOG_TEXT];
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

bool
log_is(enum log_level level)
{
	return level >= log_level;
}

bool
log_may(struct log_limit *l)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	unsigned left_out = 0, n;
	struct timespec now;
	int saved = errno;

	clock_gettime(CLOCK_MONOTONIC, &now);
	pthread_mutex_lock(&lock);
	if (l->n == 0 || now.tv_sec - l->since >= 60) {
		left_out = l->n > LOG_A_MINUTE ? l->n - LOG_A_MINUTE : 0;
		*l = (struct log_limit){ .since = now.tv_sec };
	}
	n = ++l->n;
	pthread_mutex_unlock(&lock);
	if (left_out > 0)
		log_info("log: %u lines like the next one were left out",
		    left_out);
	errno = saved;
	return n <= LOG_A_MINUTE;
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
