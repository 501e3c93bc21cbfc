/*
 * What Redis says to those who listen: names lie within the message, and a
 * message says the same when it is written anew. What is so subscribed to is
 * what a simple list has, and the command for it names just that.
 */
#include "pubsub.h"

#include "fuzz.h"

#define NAMES	64

struct name {
	enum pubsub_kind kind;
	struct resp_arg	 arg;
};

static struct name	list[NAMES];
static size_t		names;

static bool
same(struct resp_arg a, struct resp_arg b)
{
	return a.len == b.len && memcmp(a.p, b.p, a.len) == 0;
}

static void
list_remove(enum pubsub_kind kind, struct resp_arg arg)
{
	size_t i;

	for (i = 0; i < names; i++)
		if (list[i].kind == kind && same(list[i].arg, arg)) {
			list[i] = list[--names];
			return;
		}
}

static void
check_again(enum pubsub_event e, enum pubsub_kind kind, struct resp_arg name)
{
	struct buf b = BUF_INIT;
	enum pubsub_kind kind2;
	struct resp_arg name2;

	if (e != PUBSUB_ADDED)
		return;
	resp_add_array(&b, 2);
	resp_add_str(&b, pubsub_command_name(kind));
	resp_add_bulk(&b, name.p, name.len);
	must(pubsub_parse(buf_data(&b), buf_len(&b), &kind2, &name2) == e);
	must(kind2 == kind && same(name, name2));
	buf_free(&b);
}

static void
hear(struct pubsub *s, const char *p, size_t len)
{
	struct resp_arg name;
	enum pubsub_kind kind;
	enum pubsub_event e = pubsub_parse(p, len, &kind, &name);

	if (e == PUBSUB_OTHER)
		return;
	must(kind < PUBSUB_KINDS);
	if (name.p == NULL)
		return;
	must(name.p > p && name.p + name.len + 2 <= p + len);
	check_again(e, kind, name);
	if (e == PUBSUB_ADDED && names < NAMES) {
		pubsub_add(s, kind, name);
		list_remove(kind, name);
		list[names++] = (struct name){ kind, name };
	} else if (e == PUBSUB_REMOVED) {
		pubsub_remove(s, kind, name);
		list_remove(kind, name);
	}
}

static void
check_command(const struct pubsub *s, enum pubsub_kind kind)
{
	struct resp_request f = { 0 };
	struct buf b = BUF_INIT;
	struct resp_arg a;
	size_t i, n = 0;
	long long k;

	for (i = 0; i < names; i++)
		n += list[i].kind == kind;
	must(pubsub_count(s, kind) == n);
	must(pubsub_command(s, kind, &b) == (n > 0));
	if (n > 0) {
		must(resp_request(&f, buf_data(&b), buf_len(&b)) ==
		    (long long)buf_len(&b));
		must(f.argc == (long long)n + 1);
	}
	for (k = 1; n > 0 && k <= (long long)n; k++) {
		a = resp_request_arg(buf_data(&b), buf_len(&b), k);
		for (i = 0; i < names; i++)
			if (list[i].kind == kind && same(list[i].arg, a))
				break;
		must(i < names);
	}
	buf_free(&b);
}

/* Messages one behind another, and once what is left as it is. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data, *end = p + size;
	struct pubsub s = { 0 };
	struct resp_reply r = { 0 };
	enum pubsub_kind kind;
	long long used;
	bool done;

	names = 0;
	for (; p < end; p += used) {
		used = resp_reply(&r, p, (size_t)(end - p), &done);
		if (used == RESP_BAD || !done)
			break;
		hear(&s, p, (size_t)used);
	}
	hear(&s, p, (size_t)(end - p));
	for (kind = 0; kind < PUBSUB_KINDS; kind++)
		check_command(&s, kind);
	must(pubsub_empty(&s) == (names == 0));
	pubsub_clear(&s);
	return 0;
}
