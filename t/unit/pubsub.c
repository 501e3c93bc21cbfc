/*
 * What Redis says to those who listen, word for word, and what must be taken
 * for something else; and the names that are listened to.
 */
#include "pubsub.h"

#include "tap.h"

/* As "KIND EVENT NAME"; "-" for no name. */
static const char *
heard(const char *text)
{
	static const char *const events[] = { "other", "message", "added",
	    "removed" };
	static const char *const kinds[] = { "channel", "pattern", "shard" };
	static char out[128];
	enum pubsub_kind kind = PUBSUB_KINDS;
	struct resp_arg name = { NULL, 0 };
	enum pubsub_event e = pubsub_parse(text, strlen(text), &kind, &name);

	if (e == PUBSUB_OTHER)
		return events[e];
	snprintf(out, sizeof(out), "%s %s %.*s", kinds[kind], events[e],
	    name.p != NULL ? (int)name.len : 1, name.p != NULL ? name.p : "-");
	return out;
}

static void
test_parse(void)
{
	is_str(heard("*3\r\n$7\r\nmessage\r\n$2\r\nch\r\n$4\r\ntext\r\n"),
	    "channel message ch", "RESP2");
	is_str(heard(">3\r\n$7\r\nmessage\r\n$2\r\nch\r\n$4\r\ntext\r\n"),
	    "channel message ch", "RESP3");
	is_str(heard("*4\r\n$8\r\npmessage\r\n$2\r\nc*\r\n$2\r\nch\r\n"
	    "$4\r\ntext\r\n"), "pattern message c*", "by a pattern");
	is_str(heard("*3\r\n$8\r\nsmessage\r\n$2\r\nch\r\n$0\r\n\r\n"),
	    "shard message ch", "in a shard");
	is_str(heard(">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n"),
	    "channel added a", "SUBSCRIBE");
	is_str(heard("*3\r\n$10\r\npsubscribe\r\n$0\r\n\r\n:1\r\n"),
	    "pattern added ", "PSUBSCRIBE, to nothing");
	is_str(heard("*3\r\n$10\r\nssubscribe\r\n$3\r\na\r\n\r\n:1\r\n"),
	    "shard added a\r\n", "SSUBSCRIBE, any bytes");
	is_str(heard("*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:0\r\n"),
	    "channel removed a", "UNSUBSCRIBE");
	is_str(heard("*3\r\n$12\r\npunsubscribe\r\n$-1\r\n:0\r\n"),
	    "pattern removed -", "PUNSUBSCRIBE where there was none");
	is_str(heard(">3\r\n$12\r\nsunsubscribe\r\n_\r\n:0\r\n"),
	    "shard removed -", "SUNSUBSCRIBE likewise, in RESP3");
}

static void
test_other(void)
{
	static const char *const others[] = {
	    "*0\r\n", "*-1\r\n", "*1\r\n:1\r\n", "$7\r\nmessage\r\n",
	    "+message\r\n", "*2\r\n$4\r\npong\r\n$0\r\n\r\n",
	    "*2\r\n$7\r\nMESSAGE\r\n$1\r\na\r\n",
	    "*2\r\n$8\r\nmessages\r\n$1\r\na\r\n",
	    ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n",
	    ">2\r\n+message\r\n$1\r\na\r\n", "*1\r\n*1\r\n$7\r\nmessage\r\n",
	    "%1\r\n$7\r\nmessage\r\n$1\r\na\r\n" };
	size_t i;

	for (i = 0; i < NELEM(others); i++)
		is_str(heard(others[i]), "other", "not heard of, %zu", i);
	is_str(heard("*1\r\n$7\r\nmessage\r\n"), "channel message -",
	    "without a name");
	is_str(heard("*2\r\n$7\r\nmessage\r\n$9223372036854775807\r\nx\r\n"),
	    "channel message -", "a name that ends nowhere");
}

static struct resp_arg
arg(const char *text)
{
	return (struct resp_arg){ text, strlen(text) };
}

static void
test_names(void)
{
	static const char want[] = "*4\r\n$9\r\nsubscribe\r\n$1\r\na\r\n"
	    "$1\r\nb\r\n$2\r\naa\r\n";
	struct pubsub s = { 0 };
	struct buf b = BUF_INIT;

	ok(pubsub_empty(&s) && !pubsub_command(&s, PUBSUB_CHANNEL, &b) &&
	    buf_len(&b) == 0, "none, and no command");
	pubsub_add(&s, PUBSUB_CHANNEL, arg("b"));
	pubsub_add(&s, PUBSUB_CHANNEL, arg("aa"));
	pubsub_add(&s, PUBSUB_CHANNEL, arg("a"));
	pubsub_add(&s, PUBSUB_CHANNEL, arg("b"));
	ok(pubsub_command(&s, PUBSUB_CHANNEL, &b) &&
	    buf_len(&b) == sizeof(want) - 1 &&
	    memcmp(buf_data(&b), want, sizeof(want) - 1) == 0,
	    "each once, whatever the order");
	ok(!pubsub_command(&s, PUBSUB_PATTERN, &b), "of that kind");
	pubsub_remove(&s, PUBSUB_PATTERN, arg("a"));
	pubsub_remove(&s, PUBSUB_CHANNEL, arg("c"));
	is_int((long long)pubsub_count(&s, PUBSUB_CHANNEL), 3,
	    "others cannot be removed");
	ok(pubsub_has(&s, PUBSUB_CHANNEL, arg("aa")) &&
	    !pubsub_has(&s, PUBSUB_CHANNEL, arg("aaa")) &&
	    !pubsub_has(&s, PUBSUB_PATTERN, arg("aa")), "which there are");
	pubsub_remove(&s, PUBSUB_CHANNEL, arg("a"));
	pubsub_remove(&s, PUBSUB_CHANNEL, arg("b"));
	ok(!pubsub_empty(&s), "one is left");
	pubsub_remove(&s, PUBSUB_CHANNEL, arg("aa"));
	ok(pubsub_empty(&s), "all are gone");
	pubsub_add(&s, PUBSUB_SHARD, (struct resp_arg){ "a\0b", 3 });
	pubsub_add(&s, PUBSUB_SHARD, (struct resp_arg){ "a\0c", 3 });
	is_int((long long)pubsub_count(&s, PUBSUB_SHARD), 2, "names are bytes");
	pubsub_clear(&s);
	ok(pubsub_empty(&s), "all at once");
	buf_free(&b);
}

int
main(void)
{
	test_parse();
	test_other();
	test_names();
	return tap_done();
}
