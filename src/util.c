#include "util.h"

#include <sys/random.h>
#include <sys/stat.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

/* ---- memory ---- */

static void *
util_checked(void *p)
{
	if (p == NULL)
		fatalx("out of memory");
	return p;
}

void *
xmalloc(size_t n)
{
	return util_checked(malloc(n > 0 ? n : 1));
}

void *
xcalloc(size_t n, size_t size)
{
	return util_checked(calloc(n > 0 ? n : 1, size > 0 ? size : 1));
}

void *
xrealloc(void *p, size_t n)
{
	return util_checked(realloc(p, n > 0 ? n : 1));
}

char *
xstrdup(const char *s)
{
	return util_checked(strdup(s));
}

char *
xstrndup(const char *s, size_t n)
{
	return util_checked(strndup(s, n));
}

char *
xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	return util_checked(n < 0 ? NULL : s);
}

/* ---- time ---- */

struct mono
mono_now(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_BOOTTIME, &ts) != 0)
		fatal("clock_gettime");
	return (struct mono){ (int64_t)ts.tv_sec * 1000000 +
	    ts.tv_nsec / 1000 };
}

struct mono
mono_add_ms(struct mono t, int64_t ms)
{
	return (struct mono){ t.us + ms * 1000 };
}

int64_t
mono_us(struct mono later, struct mono earlier)
{
	return later.us - earlier.us;
}

int64_t
mono_ms(struct mono later, struct mono earlier)
{
	return (later.us - earlier.us) / 1000;
}

/* ---- numbers ---- */

bool
util_number(const char *p, size_t len, long long *out)
{
	bool minus = len > 0 && *p == '-';
	unsigned long long max, n = 0;
	size_t i = minus ? 1 : 0;

	max = minus ? (unsigned long long)LLONG_MAX + 1 : LLONG_MAX;
	if (i == len)
		return false;
	for (; i < len; i++) {
		unsigned d = (unsigned char)p[i] - (unsigned)'0';

		if (d > 9 || n > (max - d) / 10)
			return false;
		n = n * 10 + d;
	}
	*out = minus ? (long long)(0 - n) : (long long)n;
	return true;
}

struct util_unit {
	const char	*name;
	long long	 factor;
};

/* A number that is not negative, with one of these units. */
static bool
util_with_unit(const char *s, const struct util_unit *unit, long long *out)
{
	size_t digits = strspn(s, "0123456789");
	long long n;

	if (!util_number(s, digits, &n))
		return false;
	for (; unit->name != NULL; unit++)
		if (strcasecmp(s + digits, unit->name) == 0) {
			if (n > LLONG_MAX / unit->factor)
				return false;
			*out = n * unit->factor;
			return true;
		}
	return false;
}

bool
util_size(const char *s, long long *bytes)
{
	static const struct util_unit units[] = {
		{ "", 1 }, { "b", 1 },
		{ "k", 1000 }, { "kb", 1024 },
		{ "m", 1000000 }, { "mb", 1024 * 1024 },
		{ "g", 1000000000 }, { "gb", 1024 * 1024 * 1024 },
		{ NULL, 0 }
	};

	return util_with_unit(s, units, bytes);
}

bool
util_duration(const char *s, long long *ms)
{
	static const struct util_unit units[] = {
		{ "", 1 }, { "ms", 1 }, { "s", 1000 }, { "m", 60 * 1000 },
		{ "h", 60 * 60 * 1000 }, { NULL, 0 }
	};

	return util_with_unit(s, units, ms);
}

void
util_hex(const void *p, size_t n, char *out)
{
	const unsigned char *b = p;
	size_t i;

	for (i = 0; i < n; i++) {
		out[2 * i] = "0123456789abcdef"[b[i] >> 4];
		out[2 * i + 1] = "0123456789abcdef"[b[i] & 15];
	}
	out[2 * n] = '\0';
}

void
util_random(void *p, size_t n)
{
	unsigned char *b = p;
	ssize_t got;

	while (n > 0) {
		got = getrandom(b, n, 0);
		if (got < 0 && errno != EINTR)
			fatal("getrandom");
		if (got > 0) {
			b += got;
			n -= (size_t)got;
		}
	}
}

/* ---- files ---- */

static bool
util_write_all(int fd, const char *p, size_t n)
{
	ssize_t w;

	while (n > 0) {
		w = write(fd, p, n);
		if (w < 0 && errno != EINTR)
			return false;
		if (w > 0) {
			p += w;
			n -= (size_t)w;
		}
	}
	return true;
}

/* Keeps errno. */
static bool
util_close(int fd, bool ok)
{
	int saved = errno;

	if (close(fd) != 0 && ok)
		return false;
	errno = saved;
	return ok;
}

bool
util_sync_directory_of(const char *path)
{
	char *copy = xstrdup(path);
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	free(copy);
	return fd >= 0 && util_close(fd, fsync(fd) == 0);
}

bool
util_write_file(const char *path, const void *p, size_t n, int mode,
    bool durable)
{
	char *tmp = xasprintf("%s.new", path);
	int fd, saved;
	bool ok;

	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
	    mode);
	ok = fd >= 0 && util_close(fd, util_write_all(fd, p, n) &&
	    (!durable || fsync(fd) == 0));
	ok = ok && rename(tmp, path) == 0 &&
	    (!durable || util_sync_directory_of(path));
	saved = errno;
	if (!ok && fd >= 0)
		unlink(tmp);
	free(tmp);
	errno = saved;
	return ok;
}

char *
util_read_file(const char *path, size_t max, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *mem;
	size_t have = 0;
	ssize_t got;

	if (fd < 0)
		return NULL;
	/* One byte more than allowed, to see that it is longer. */
	mem = xmalloc(max + 2);
	while ((got = read(fd, mem + have, max + 1 - have)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got > 0 && (have += (size_t)got) <= max)
			continue;
		if (got > 0)
			errno = EFBIG;
		free(mem);
		util_close(fd, false);
		return NULL;
	}
	close(fd);
	mem[have] = '\0';
	*len = have;
	return mem;
}
