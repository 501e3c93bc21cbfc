/*
 * The few words of TAP that the unit tests need. A test ends with
 * "return tap_done();"; prove does the rest.
 */
#ifndef TAP_H
#define TAP_H

#include <stdio.h>
#include <string.h>

static int tap_count, tap_failed;

#define ok(cond, ...) do {						\
	int tap_ok_ = !!(cond);						\
	printf("%sok %d - ", tap_ok_ ? "" : "not ", ++tap_count);	\
	printf(__VA_ARGS__);						\
	printf("\n");							\
	if (!tap_ok_) {							\
		tap_failed++;						\
		printf("# failed: %s at %s:%d\n", #cond, __FILE__,	\
		    __LINE__);						\
	}								\
} while (0)

#define is_str(got, want, ...) do {					\
	const char *tap_got_ = (got), *tap_want_ = (want);		\
	ok(strcmp(tap_got_, tap_want_) == 0, __VA_ARGS__);		\
	if (strcmp(tap_got_, tap_want_) != 0)				\
		printf("# got  '%s'\n# want '%s'\n", tap_got_, tap_want_); \
} while (0)

#define is_int(got, want, ...) do {					\
	long long tap_got_ = (got), tap_want_ = (want);			\
	ok(tap_got_ == tap_want_, __VA_ARGS__);				\
	if (tap_got_ != tap_want_)					\
		printf("# got  %lld\n# want %lld\n", tap_got_, tap_want_); \
} while (0)

static inline int
tap_done(void)
{
	printf("1..%d\n", tap_count);
	return tap_failed != 0;
}

#endif
