/*
 * Allocation that cannot fail, time that cannot go back, and numbers
 * read from text.
 */
#ifndef UTIL_H
#define UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_CHECK	__attribute__((__warn_unused_result__))
#define PRINTF(f, a)	__attribute__((__format__(__printf__, f, a)))
#define NELEM(a)	(sizeof(a) / sizeof((a)[0]))

/* BSD's queue.h has it, glibc's has not. The element may go meanwhile. */
#ifndef TAILQ_FOREACH_SAFE
#define TAILQ_FOREACH_SAFE(var, head, field, next)			\
	for ((var) = TAILQ_FIRST(head);					\
	    (var) != NULL && ((next) = TAILQ_NEXT(var, field), 1);	\
	    (var) = (next))
#endif

/* All of these end the process when memory runs out. Free with free(). */
void	*xmalloc(size_t);
void	*xcalloc(size_t, size_t);
void	*xrealloc(void *, size_t);
char	*xstrdup(const char *);
char	*xstrndup(const char *, size_t);
char	*xasprintf(const char *, ...) PRINTF(1, 2);

/*
 * A point in time that goes on while the machine sleeps (CLOCK_BOOTTIME),
 * so that a process that was frozen finds its lease over. A struct, so
 * that it cannot be mixed up with a number of milliseconds.
 */
struct mono { int64_t us; };

struct mono	 mono_now(void);
struct mono	 mono_add_ms(struct mono, int64_t ms);
int64_t		 mono_us(struct mono later, struct mono earlier);
int64_t		 mono_ms(struct mono later, struct mono earlier);

static inline bool
mono_before(struct mono a, struct mono b)
{
	return a.us < b.us;
}

/*
 * The whole of the text must be the number; false otherwise, and *out is
 * left alone. Sizes know b, k, kb, m, mb, g, gb as redis.conf does (k is
 * 1000, kb is 1024); durations know us is not one, ms, s, m, h, and a bare
 * number is milliseconds.
 */
bool	util_number(const char *, size_t len, long long *out) MUST_CHECK;
bool	util_size(const char *, long long *bytes) MUST_CHECK;
bool	util_duration(const char *, long long *ms) MUST_CHECK;

/* Lower-case hex of n bytes; out has 2n+1. */
void	util_hex(const void *, size_t n, char *out);

/* Cryptographically random bytes; ends the process if there are none. */
void	util_random(void *, size_t);

/*
 * Writes a whole file so that it is there after a power cut, or not at
 * all: a temporary beside it, fsync, rename, fsync of the directory. With
 * durable false the two fsyncs are left out. False with errno on failure.
 */
bool	util_write_file(const char *path, const void *, size_t, int mode,
	    bool durable) MUST_CHECK;

/* So that a rename in it is there after a power cut. */
bool	util_sync_directory_of(const char *path) MUST_CHECK;

/*
 * Reads a whole file of at most max bytes; NUL-terminated, free with
 * free(). NULL with errno; EFBIG when it is longer.
 */
char	*util_read_file(const char *path, size_t max, size_t *len) MUST_CHECK;

#endif
