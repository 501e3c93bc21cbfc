/*
 * The record comes back from its text as it went in, and text that is
 * damaged in any way is refused in words that name the line.
 */
#include "record.h"

#include <openssl/sha.h>
#include <stdlib.h>

#include "tap.h"
#include "util.h"

#define ID_A	"0123456789abcdef0123456789abcdef01234567"
#define ID_B	"ffffffffffffffffffffffffffffffffffffffff"

static const char lines[] =
    "holdover-record 1\n"
    "cluster shop\n"
    "nodes a b\n"
    "promised 8 b\n"
    "epoch 7 a\n"
    "seq 3\n"
    "primary b\n"
    "fresh a b\n"
    "run " ID_A " -\n"
    "intent a\n"
    "past 6 b " ID_B " -1\n";

static struct record
sample(void)
{
	struct record r = { .cluster = "shop", .node = { "a", "b" },
	    .epoch = { 7, SIDE_A }, .seq = 3, .primary = SIDE_B, .fresh = 3,
	    .run = { ID_A, "" }, .intent = SIDE_A };

	record_add_past(&r, (struct epoch){ 6, SIDE_B }, ID_B, -1);
	return r;
}

/* With the checksum that the lines ask for. */
static char *
summed(const char *text)
{
	unsigned char sum[SHA256_DIGEST_LENGTH];
	char hex[2 * sizeof(sum) + 1];

	SHA256((const unsigned char *)text, strlen(text), sum);
	util_hex(sum, sizeof(sum), hex);
	return xasprintf("%ssum %s\n", text, hex);
}

static void
refused(const char *text, const char *want, const char *what)
{
	char why[200] = "";
	struct record r;
	struct epoch promised;
	char *whole = summed(text);

	ok(!record_decode(whole, strlen(whole), &r, &promised, why,
	    sizeof(why)), "refused: %s", what);
	is_str(why, want, "and why: %s", what);
	free(whole);
}

/* The sample with the first occurrence of one text replaced by another. */
static void
changed(const char *from, const char *to, const char *want, const char *what)
{
	const char *at = strstr(lines, from);
	char *text;

	if (at == NULL)
		abort();
	text = xasprintf("%.*s%s%s", (int)(at - lines), lines, to,
	    at + strlen(from));
	refused(text, want, what);
	free(text);
}

static void
test_there_and_back(void)
{
	struct record r = sample(), got;
	struct epoch promised;
	char text[RECORD_TEXT], why[200], *want = summed(lines);
	size_t n = record_encode(&r, (struct epoch){ 8, SIDE_B }, text);
	unsigned i;

	is_str(text, want, "the text of a record");
	is_int((long long)n, (long long)strlen(want), "and its length");
	free(want);
	ok(record_decode(text, n, &got, &promised, why, sizeof(why)),
	    "is read");
	ok(memcmp(&got, &r, sizeof(r)) == 0, "as it was");
	ok(promised.number == 8 && promised.by == SIDE_B,
	    "with what is promised");
	for (i = 0; i < RECORD_HISTORY + 3; i++)
		record_add_past(&r, (struct epoch){ 100 + i, SIDE_A }, ID_A,
		    9223372036854775807);
	is_int(r.npast, RECORD_HISTORY, "the history is limited");
	ok(r.past[0].epoch.number == 102 + RECORD_HISTORY,
	    "to the newest, which are first");
	memset(r.cluster, 'c', RECORD_NAME);
	memset(r.node[0], 'a', RECORD_NAME);
	memset(r.node[1], 'b', RECORD_NAME);
	n = record_encode(&r, (struct epoch){ 8, SIDE_B }, text);
	ok(record_decode(text, n, &got, &promised, why, sizeof(why)) &&
	    memcmp(&got, &r, sizeof(r)) == 0, "the longest record");
	memset(&r, 0, sizeof(r));
	strcpy(r.cluster, "c");
	strcpy(r.node[0], "x");
	strcpy(r.node[1], "y");
	r.primary = r.intent = SIDE_NONE;
	n = record_encode(&r, r.epoch, text);
	ok(record_decode(text, n, &got, &promised, why, sizeof(why)) &&
	    memcmp(&got, &r, sizeof(r)) == 0, "the emptiest record");
}

/* Any bit of it. */
static void
test_every_damage(void)
{
	struct record r = sample();
	struct epoch promised;
	char text[RECORD_TEXT], why[200];
	size_t n = record_encode(&r, r.epoch, text), i;
	unsigned taken = 0;

	for (i = 0; i < 8 * n; i++) {
		text[i / 8] ^= (char)(1 << i % 8);
		taken += record_decode(text, n, &r, &promised, why,
		    sizeof(why));
		text[i / 8] ^= (char)(1 << i % 8);
	}
	is_int(taken, 0, "any of %zu bits is missed", 8 * n);
	for (i = 0; i < n; i++)
		taken += record_decode(text, i, &r, &promised, why,
		    sizeof(why));
	is_int(taken, 0, "any of %zu bytes that are cut off", n);
	ok(record_decode(text, n, &r, &promised, why, sizeof(why)),
	    "undamaged it is read");
}

static void
test_refusals(void)
{
	changed("holdover-record 1", "holdover-record 2",
	    "line 1 is not \"holdover-record 1\"", "another format");
	refused("", "line 1 is not \"holdover-record 1\"", "nothing");
	changed("seq 3", "witness w", "line 6: 'witness' is not known here: "
	    "a newer Holdover wrote it", "a name that is not known");
	changed("seq 3", "epoch 7 a", "line 6: 'epoch' stands there twice",
	    "a name twice");
	changed("seq 3\n", "", "'seq' is missing", "a name that is missing");
	changed("seq 3", "seq", "line 6: the value of 'seq' is none",
	    "no value");
	changed("seq 3", "seq 3 4", "line 6: the value of 'seq' is none",
	    "two values");
	changed("seq 3", "seq -3", "line 6: the value of 'seq' is none",
	    "a negative number");
	changed("seq 3", "seq 9223372036854775808",
	    "line 6: the value of 'seq' is none", "a number that is too big");
	changed("seq 3", "seq  3", "line 6: it is not \"name value\"",
	    "two blanks");
	changed("seq 3", "", "line 6: it is not \"name value\"",
	    "an empty line");
	changed("epoch 7 a", "epoch 7 -",
	    "line 5: the value of 'epoch' is none", "an epoch of nobody");
	changed("primary b", "primary c",
	    "line 7: the value of 'primary' is none", "a third side");
	changed("fresh a b", "fresh b a",
	    "line 8: the value of 'fresh' is none", "fresh in another order");
	changed("nodes a b", "nodes b a",
	    "line 3: the value of 'nodes' is none", "nodes in another order");
	changed("nodes a b", "nodes a a",
	    "line 3: the value of 'nodes' is none", "two nodes of one name");
	changed("cluster shop", "cluster sh*p",
	    "line 2: the value of 'cluster' is none", "a name with a star");
	changed("run 0", "run x", "line 9: the value of 'run' is none",
	    "an id that is not hex");
	changed("run 0", "run ", "line 9: the value of 'run' is none",
	    "an id that is too short");
	changed(" -1\n", " -1", "line 11: it has no end", "no line end");
}

static void
test_too_long_a_history(void)
{
	char *text = xstrdup(lines), *more;
	unsigned i;

	for (i = 0; i < RECORD_HISTORY; i++) {
		more = xasprintf("%spast 6 b - 0\n", text);
		free(text);
		text = more;
	}
	refused(text, "line 27: the value of 'past' is none",
	    "more history than there is room for");
	free(text);
}

static void
test_order(void)
{
	struct record a = sample(), b = sample();

	is_int(record_cmp(&a, &b), 0, "equal records");
	b.seq++;
	ok(record_cmp(&a, &b) < 0 && record_cmp(&b, &a) > 0,
	    "a later commit is newer");
	a.epoch.by = SIDE_B;
	ok(record_cmp(&a, &b) > 0, "an epoch by b is above the same by a");
	b.epoch.number++;
	ok(record_cmp(&a, &b) < 0, "and the next number above both");
}

static void
test_names(void)
{
	char name[RECORD_NAME + 2];

	memset(name, 'n', sizeof(name));
	name[RECORD_NAME + 1] = '\0';
	ok(!record_name_ok(name), "a name of 64 letters is too long");
	ok(record_name_ok(name + 1), "one of 63 is not");
	ok(record_name_ok("Shop-1.db_x"), "all that a name may have");
	ok(!record_name_ok(""), "an empty name is none");
	ok(!record_name_ok("a b") && !record_name_ok("a\n") &&
	    !record_name_ok("\xc3\xa9"), "nor one with anything else");
}

int
main(void)
{
	test_there_and_back();
	test_every_damage();
	test_refusals();
	test_too_long_a_history();
	test_order();
	test_names();
	return tap_done();
}
