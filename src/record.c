#include "record.h"

#include <inttypes.h>
#include <openssl/sha.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

#define RECORD_FIRST	"holdover-record 1\n"
#define RECORD_WORDS	4

int
epoch_cmp(struct epoch a, struct epoch b)
{
	if (a.number != b.number)
		return a.number < b.number ? -1 : 1;
	return (int)a.by - (int)b.by;
}

int
record_cmp(const struct record *a, const struct record *b)
{
	int by_epoch = epoch_cmp(a->epoch, b->epoch);

	if (by_epoch != 0)
		return by_epoch;
	return a->seq == b->seq ? 0 : a->seq < b->seq ? -1 : 1;
}

void
record_add_past(struct record *r, struct epoch e, const char *replid,
    long long end)
{
	memmove(r->past + 1, r->past,
	    (RECORD_HISTORY - 1) * sizeof(*r->past));
	if (r->npast < RECORD_HISTORY)
		r->npast++;
	r->past[0].epoch = e;
	r->past[0].end = end;
	snprintf(r->past[0].replid, sizeof(r->past[0].replid), "%s", replid);
}

bool
record_name_ok(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

	return n > 0 && n <= RECORD_NAME && s[n] == '\0';
}

/* ---- to text ---- */

static const char *const record_sides[] = { "a", "b", "-" };

static void
record_sum(const char *p, size_t len, char hex[2 * SHA256_DIGEST_LENGTH + 1])
{
	unsigned char sum[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)p, len, sum);
	util_hex(sum, sizeof(sum), hex);
}

static size_t PRINTF(3, 4)
record_line(char *out, size_t at, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(out + at, RECORD_TEXT - at, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= RECORD_TEXT - at)
		abort();
	return at + (size_t)n;
}

static const char *
record_or_none(const char *s)
{
	return *s != '\0' ? s : "-";
}

size_t
record_encode(const struct record *r, struct epoch promised, char *out)
{
	char sum[2 * SHA256_DIGEST_LENGTH + 1];
	size_t n = 0;
	unsigned i;

	n = record_line(out, n, RECORD_FIRST);
	n = record_line(out, n, "cluster %s\n", r->cluster);
	n = record_line(out, n, "nodes %s %s\n", r->node[0], r->node[1]);
	n = record_line(out, n, "promised %" PRIu64 " %s\n", promised.number,
	    record_sides[promised.by]);
	n = record_line(out, n, "epoch %" PRIu64 " %s\n", r->epoch.number,
	    record_sides[r->epoch.by]);
	n = record_line(out, n, "seq %" PRIu64 "\n", r->seq);
	n = record_line(out, n, "primary %s\n", record_sides[r->primary]);
	n = record_line(out, n, "fresh %s %s\n",
	    r->fresh & SIDE_BIT(SIDE_A) ? "a" : "-",
	    r->fresh & SIDE_BIT(SIDE_B) ? "b" : "-");
	n = record_line(out, n, "run %s %s\n", record_or_none(r->run[0]),
	    record_or_none(r->run[1]));
	n = record_line(out, n, "intent %s\n", record_sides[r->intent]);
	for (i = 0; i < r->npast; i++)
		n = record_line(out, n, "past %" PRIu64 " %s %s %lld\n",
		    r->past[i].epoch.number,
		    record_sides[r->past[i].epoch.by],
		    record_or_none(r->past[i].replid), r->past[i].end);
	record_sum(out, n, sum);
	return record_line(out, n, "sum %s\n", sum);
}

/* ---- from text ---- */

/* One line, cut into words. */
struct record_words {
	unsigned	n;
	char		word[RECORD_WORDS + 1][RECORD_NAME + 1];
};

static bool
record_split(const char *p, size_t len, struct record_words *w)
{
	const char *end = p + len, *blank;
	size_t n;

	for (w->n = 0; w->n <= RECORD_WORDS; p = blank + 1) {
		blank = memchr(p, ' ', (size_t)(end - p));
		n = (size_t)((blank != NULL ? blank : end) - p);
		if (n == 0 || n > RECORD_NAME || memchr(p, '\0', n) != NULL)
			return false;
		memcpy(w->word[w->n], p, n);
		w->word[w->n++][n] = '\0';
		if (blank == NULL)
			return true;
	}
	return false;
}

static bool
record_side(const char *s, enum side *out)
{
	int i;

	for (i = 0; i < (int)NELEM(record_sides); i++)
		if (strcmp(s, record_sides[i]) == 0) {
			*out = (enum side)i;
			return true;
		}
	return false;
}

static bool
record_u64(const char *s, uint64_t *out)
{
	long long n;

	if (!util_number(s, strlen(s), &n) || n < 0)
		return false;
	*out = (uint64_t)n;
	return true;
}

static bool
record_epoch(const char *number, const char *by, struct epoch *out)
{
	return record_u64(number, &out->number) &&
	    record_side(by, &out->by) && out->by != SIDE_NONE;
}

/* Run ids and replication ids: 40 hex digits, or "-". */
static bool
record_id(const char *s, char out[INFO_ID + 1])
{
	size_t n = strlen(s);

	if (strcmp(s, "-") == 0) {
		out[0] = '\0';
		return true;
	}
	if (n != INFO_ID || strspn(s, "0123456789abcdefABCDEF") != n)
		return false;
	memcpy(out, s, n + 1);
	return true;
}

static bool
record_fresh(const char *a, const char *b, unsigned *out)
{
	*out = (strcmp(a, "a") == 0 ? SIDE_BIT(SIDE_A) : 0) |
	    (strcmp(b, "b") == 0 ? SIDE_BIT(SIDE_B) : 0);
	return (strcmp(a, "-") == 0 || strcmp(a, "a") == 0) &&
	    (strcmp(b, "-") == 0 || strcmp(b, "b") == 0);
}

static bool
record_past_line(struct record *r, const struct record_words *w)
{
	struct record_past *p;

	if (r->npast == RECORD_HISTORY)
		return false;
	p = &r->past[r->npast++];
	return record_epoch(w->word[1], w->word[2], &p->epoch) &&
	    record_id(w->word[3], p->replid) &&
	    util_number(w->word[4], strlen(w->word[4]), &p->end);
}

enum record_line { RECORD_CLUSTER, RECORD_NODES, RECORD_PROMISED,
	RECORD_EPOCH, RECORD_SEQ, RECORD_PRIMARY, RECORD_FRESH, RECORD_RUN,
	RECORD_INTENT, RECORD_PAST };

static const struct {
	const char	*name;
	unsigned	 words;		/* with the name */
} record_lines[] = {
	[RECORD_CLUSTER] = { "cluster", 2 },
	[RECORD_NODES] = { "nodes", 3 },
	[RECORD_PROMISED] = { "promised", 3 },
	[RECORD_EPOCH] = { "epoch", 3 },
	[RECORD_SEQ] = { "seq", 2 },
	[RECORD_PRIMARY] = { "primary", 2 },
	[RECORD_FRESH] = { "fresh", 3 },
	[RECORD_RUN] = { "run", 3 },
	[RECORD_INTENT] = { "intent", 2 },
	[RECORD_PAST] = { "past", 5 },
};

static bool
record_take(struct record *r, struct epoch *promised, enum record_line line,
    const struct record_words *w)
{
	const char *one = w->word[1], *two = w->word[2];

	switch (line) {
	case RECORD_CLUSTER:
		strcpy(r->cluster, one);
		return record_name_ok(one);
	case RECORD_NODES:
		strcpy(r->node[0], one);
		strcpy(r->node[1], two);
		return record_name_ok(one) && record_name_ok(two) &&
		    strcmp(one, two) < 0;
	case RECORD_PROMISED:
		return record_epoch(one, two, promised);
	case RECORD_EPOCH:
		return record_epoch(one, two, &r->epoch);
	case RECORD_SEQ:
		return record_u64(one, &r->seq);
	case RECORD_PRIMARY:
		return record_side(one, &r->primary);
	case RECORD_FRESH:
		return record_fresh(one, two, &r->fresh);
	case RECORD_RUN:
		return record_id(one, r->run[0]) && record_id(two, r->run[1]);
	case RECORD_INTENT:
		return record_side(one, &r->intent);
	case RECORD_PAST:
		return record_past_line(r, w);
	}
	return false;
}

/* The sum line ends the text; returns where it begins, NULL if damaged. */
static const char *
record_check_sum(const char *p, size_t len)
{
	char sum[2 * SHA256_DIGEST_LENGTH + 1], line[sizeof(sum) + 8];
	size_t n;

	snprintf(line, sizeof(line), "sum %0*d\n", (int)sizeof(sum) - 1, 0);
	n = strlen(line);
	if (len < n)
		return NULL;
	record_sum(p, len - n, sum);
	snprintf(line, sizeof(line), "sum %s\n", sum);
	return memcmp(p + len - n, line, n) == 0 ? p + len - n : NULL;
}

/* One line; false with the reason in why. */
static bool
record_read_line(struct record *r, struct epoch *promised, unsigned *seen,
    const char *p, size_t len, char *why, size_t whysize)
{
	struct record_words w;
	unsigned i;

	if (!record_split(p, len, &w)) {
		snprintf(why, whysize, "it is not \"name value\"");
		return false;
	}
	for (i = 0; i < NELEM(record_lines); i++)
		if (strcmp(w.word[0], record_lines[i].name) == 0)
			break;
	if (i == NELEM(record_lines)) {
		snprintf(why, whysize, "'%s' is not known here: a newer "
		    "Holdover wrote it", w.word[0]);
		return false;
	}
	if ((*seen & (1u << i)) && i != RECORD_PAST) {
		snprintf(why, whysize, "'%s' stands there twice", w.word[0]);
		return false;
	}
	*seen |= 1u << i;
	if (w.n != record_lines[i].words ||
	    !record_take(r, promised, (enum record_line)i, &w)) {
		snprintf(why, whysize, "the value of '%s' is none",
		    w.word[0]);
		return false;
	}
	return true;
}

bool
record_decode(const char *p, size_t len, struct record *r,
    struct epoch *promised, char *why, size_t whysize)
{
	const char *end, *nl;
	char reason[160];
	unsigned line = 2, seen = 0, i;

	memset(r, 0, sizeof(*r));
	memset(promised, 0, sizeof(*promised));
	if (len < strlen(RECORD_FIRST) ||
	    memcmp(p, RECORD_FIRST, strlen(RECORD_FIRST)) != 0) {
		snprintf(why, whysize, "line 1 is not \"holdover-record 1\"");
		return false;
	}
	if ((end = record_check_sum(p, len)) == NULL) {
		snprintf(why, whysize,
		    "its last line is not the checksum of the others");
		return false;
	}
	for (p += strlen(RECORD_FIRST); p < end; p = nl + 1, line++) {
		nl = memchr(p, '\n', (size_t)(end - p));
		if (nl == NULL || !record_read_line(r, promised, &seen, p,
		    (size_t)(nl - p), reason, sizeof(reason))) {
			snprintf(why, whysize, "line %u: %s", line,
			    nl == NULL ? "it has no end" : reason);
			return false;
		}
	}
	for (i = 0; i < RECORD_PAST; i++)
		if (!(seen & (1u << i))) {
			snprintf(why, whysize, "'%s' is missing",
			    record_lines[i].name);
			return false;
		}
	return true;
}
