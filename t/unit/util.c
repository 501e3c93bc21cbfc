/*
 * Numbers from text are taken whole or not at all, and a file that is
 * written is there whole or not at all.
 */
#include "util.h"

#include <sys/stat.h>
#include <errno.h>
#include <limits.h>

#include "tap.h"
#include "tmp.h"

static void
number(const char *s, bool good, long long want)
{
	long long n = 42;

	ok(util_number(s, strlen(s), &n) == good && n == (good ? want : 42),
	    "number '%s' is %s", s, good ? "taken" : "refused");
}

static void
test_numbers(void)
{
	number("0", true, 0);
	number("-12", true, -12);
	number("007", true, 7);
	number("9223372036854775807", true, LLONG_MAX);
	number("-9223372036854775808", true, LLONG_MIN);
	number("9223372036854775808", false, 0);
	number("-9223372036854775809", false, 0);
	number("99999999999999999999999", false, 0);
	number("", false, 0);
	number("-", false, 0);
	number("+1", false, 0);
	number(" 1", false, 0);
	number("1 ", false, 0);
	number("1x", false, 0);
}

static void
size(const char *s, bool good, long long want)
{
	long long n = 42;

	ok(util_size(s, &n) == good && n == (good ? want : 42),
	    "size '%s' is %s", s, good ? "taken" : "refused");
}

static void
test_sizes(void)
{
	size("0", true, 0);
	size("10b", true, 10);
	size("1k", true, 1000);
	size("1kb", true, 1024);
	size("2M", true, 2000000);
	size("64mb", true, 64 << 20);
	size("3g", true, 3000000000);
	size("1GB", true, 1 << 30);
	size("8589934591gb", true, 9223372035781033984);
	size("8589934592gb", false, 0);
	size("-1kb", false, 0);
	size("1tb", false, 0);
	size("mb", false, 0);
	size("1 mb", false, 0);
	size("", false, 0);
}

static void
duration(const char *s, bool good, long long want)
{
	long long n = 42;

	ok(util_duration(s, &n) == good && n == (good ? want : 42),
	    "time '%s' is %s", s, good ? "taken" : "refused");
}

static void
test_durations(void)
{
	duration("250", true, 250);
	duration("250ms", true, 250);
	duration("10s", true, 10000);
	duration("5m", true, 300000);
	duration("2H", true, 7200000);
	duration("5us", false, 0);
	duration("1.5s", false, 0);
	duration("-1s", false, 0);
	duration("9223372036854775807s", false, 0);
}

static void
test_time(void)
{
	struct mono a = mono_now(), b = mono_add_ms(a, 1500);

	is_int(mono_ms(b, a), 1500, "milliseconds between");
	is_int(mono_us(b, a), 1500000, "microseconds between");
	ok(mono_before(a, b) && !mono_before(b, a) && !mono_before(a, a),
	    "before");
	ok(!mono_before(mono_now(), a), "time does not go back");
}

static void
test_hex(void)
{
	char out[9], none[1];

	util_hex("\x00\x1f\xa0\xff", 4, out);
	is_str(out, "001fa0ff", "hex");
	util_hex("", 0, none);
	is_str(none, "", "hex of nothing");
}

static void
test_random(void)
{
	unsigned char a[32] = { 0 }, b[32] = { 0 };

	util_random(a, sizeof(a));
	util_random(b, sizeof(b));
	ok(memcmp(a, b, sizeof(a)) != 0, "random bytes differ");
}

static bool
holds(const char *path, const char *want)
{
	size_t len;
	char *text = util_read_file(path, 100, &len);
	bool same = text != NULL && len == strlen(want) &&
	    strcmp(text, want) == 0;

	free(text);
	return same;
}

static void
test_files(void)
{
	char *path = tmp_path("file");
	struct stat st;
	size_t len = 7;

	ok(util_write_file(path, "one\n", 4, 0600, true) &&
	    holds(path, "one\n"), "a file is written");
	ok(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600,
	    "with its mode");
	ok(util_write_file(path, "", 0, 0600, false) && holds(path, ""),
	    "and replaced");
	ok(access(tmp_path("file.new"), F_OK) == -1 && errno == ENOENT,
	    "nothing is left beside it");
	ok(!util_write_file(tmp_path("none/x"), "x", 1, 0600, true) &&
	    errno == ENOENT,
	    "no directory: says so");
	ok(mkdir(tmp_path("dir"), 0700) == 0 &&
	    !util_write_file(tmp_path("dir"), "x", 1, 0600, true) &&
	    errno == EISDIR, "what cannot be replaced: says so");
	ok(access(tmp_path("dir.new"), F_OK) == -1,
	    "and leaves nothing beside it");
	ok(symlink(tmp_path("file"), tmp_path("link.new")) == 0 &&
	    !util_write_file(tmp_path("link"), "x", 1, 0600, true) &&
	    errno == ELOOP && holds(tmp_path("file"), ""),
	    "a link that lies in wait is not followed");
	ok(util_read_file(tmp_path("none/x"), 10, &len) == NULL &&
	    errno == ENOENT,
	    "no file to read: says so");
	path = tmp_path("long");
	if (!util_write_file(path, "0123456789", 10, 0600, false))
		ok(false, "writing");
	ok(util_read_file(path, 9, &len) == NULL && errno == EFBIG,
	    "one byte over the limit: says so");
	ok(holds(path, "0123456789"), "at the limit it is read");
}

int
main(void)
{
	tmp_begin();
	test_numbers();
	test_sizes();
	test_durations();
	test_time();
	test_hex();
	test_random();
	test_files();
	return tap_done();
}
