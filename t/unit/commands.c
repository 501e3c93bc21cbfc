/*
 * What COMMAND says becomes classes: known ones stay as the table has them,
 * what is not understood is a write that pins, and of two Redis the stricter
 * word counts.
 */
#include "commands.h"

#include "tap.h"

static struct commands *
read_reply(const char *text)
{
	redisReader *reader = redisReaderCreate();
	struct commands *cs = NULL;
	void *reply = NULL;

	redisReaderFeed(reader, text, strlen(text));
	if (redisReaderGetReply(reader, &reply) == REDIS_OK && reply != NULL)
		cs = commands_read(reply);
	if (reply != NULL)
		freeReplyObject(reply);
	redisReaderFree(reader);
	return cs;
}

static const struct cmd *
look(const char *name, const char *sub)
{
	return cmd_lookup(name, strlen(name), sub,
	    sub != NULL ? strlen(sub) : 0);
}

/* Entries as Redis 6 has them: name, arity, flags, three numbers. */
#define ENTRY(name, flags)	"*6\r\n+" name "\r\n:-2\r\n" flags	\
	"\r\n:1\r\n:1\r\n:1\r\n"
#define FLAGS1(a)		"*1\r\n+" a
#define FLAGS2(a, b)		"*2\r\n+" a "\r\n+" b
#define FLAGS3(a, b, c)		"*3\r\n+" a "\r\n+" b "\r\n+" c

static void
is_class(const char *name, enum cmd_class class, unsigned flags,
    const char *why)
{
	const struct cmd *c = look(name, NULL);

	ok(c->class == class && c->flags == flags && !cmd_is_unknown(c) &&
	    cmd_index(c) == cmd_count(), "%s is %s", name, why);
}

static void
test_flags(void)
{
	struct commands *cs = read_reply("*11\r\n"
	    ENTRY("NEW.READ", FLAGS2("readonly", "fast"))
	    ENTRY("new.write", FLAGS2("write", "denyoom"))
	    ENTRY("new.neither", FLAGS1("fast"))
	    ENTRY("new.none", "*0")
	    ENTRY("new.blocks", FLAGS2("write", "blocking"))
	    ENTRY("new.pubsub", FLAGS2("readonly", "pubsub"))
	    ENTRY("new.odd", FLAGS2("readonly", "of_tomorrow"))
	    ENTRY("new.module", FLAGS2("readonly", "module"))
	    ENTRY("new.both", FLAGS2("readonly", "write"))
	    ENTRY("new.repl", FLAGS3("readonly", "may_replicate", "stale"))
	    ENTRY("get", FLAGS1("write")));

	ok(cs != NULL && commands_count(cs) == 10, "all but the known one");
	ok(cmd_is_unknown(look("new.read", NULL)), "nothing is learned yet");
	ok(commands_learn(cs, NULL) == 10, "then all are");
	is_class("new.read", CMD_READ, 0, "a read, in any case");
	is_class("New.Write", CMD_WRITE, 0, "a write");
	is_class("new.neither", CMD_WRITE, CMD_PINS, "a write that pins");
	is_class("new.none", CMD_WRITE, CMD_PINS, "one without flags");
	is_class("new.blocks", CMD_WRITE, CMD_BLOCKS | CMD_PINS, "blocking");
	is_class("new.pubsub", CMD_READ, CMD_PINS, "about its connection");
	is_class("new.odd", CMD_READ, CMD_PINS, "flagged as nobody knows");
	is_class("new.module", CMD_READ, CMD_SCRIPT, "a module's");
	is_class("new.both", CMD_WRITE, 0, "a write if that as well");
	is_class("new.repl", CMD_WRITE, 0, "a write if it may become one");
	ok(look("get", NULL)->class == CMD_READ, "the table wins");
	ok(cmd_find("new.read", 8, NULL, 0) == NULL, "the table stays");
	commands_free(cs);
}

static void
test_replace(void)
{
	struct commands *a = read_reply("*2\r\n"
	    ENTRY("x.one", FLAGS1("readonly"))
	    ENTRY("x.two", FLAGS1("readonly")));
	struct commands *b = read_reply("*2\r\n"
	    ENTRY("x.one", FLAGS2("write", "noscript"))
	    ENTRY("x.three", FLAGS1("readonly")));
	const struct cmd *was;

	ok(commands_learn(a, NULL) == 2, "of one Redis");
	ok(cmd_is_unknown(look("new.read", NULL)), "what is gone is unknown");
	was = look("x.one", NULL);
	ok(commands_learn(a, b) == 3, "of both");
	is_class("x.one", CMD_WRITE, CMD_PINS, "as the stricter has it");
	is_class("x.two", CMD_READ, 0, "of the first alone");
	is_class("x.three", CMD_READ, 0, "of the second alone");
	is_str(was->name, "x.one", "who has an old row may keep it");
	ok(was->class == CMD_READ, "and it is as it was");
	ok(commands_learn(a, NULL) == 2 && look("x.one", NULL) == was,
	    "and comes back");
	commands_free(a);
	commands_free(b);
}

/* As Redis 7: entries of ten elements, the last one the subcommands. */
#define ENTRY7(name, flags, subs) "*10\r\n$" name "\r\n:-2\r\n" flags	\
	"\r\n:0\r\n:0\r\n:0\r\n*0\r\n*0\r\n*0\r\n" subs

static void
test_subcommands(void)
{
	struct commands *cs = read_reply("*2\r\n"
	    ENTRY7("3\r\nbox", "*0", "*3\r\n"
		ENTRY7("7\r\nbox|put", FLAGS1("write"), "*0\r\n")
		ENTRY7("7\r\nbox|see", FLAGS1("readonly"), "*0\r\n")
		ENTRY7("7\r\nbag|see", FLAGS1("readonly"), "*0\r\n"))
	    ENTRY7("5\r\nxinfo", "*0", "*2\r\n"
		ENTRY7("10\r\nxinfo|mend", FLAGS1("write"), "*0\r\n")
		ENTRY7("9\r\nxinfo|see", "*0", "*0\r\n")));

	ok(commands_learn(NULL, cs) == 4, "a container and subcommands");
	ok(look("box", "SEE")->class == CMD_READ, "a read in it");
	ok(look("box", "put")->class == CMD_WRITE &&
	    look("box", "put")->flags == 0, "a write");
	is_str(look("box", "other")->name, "box", "as the container is");
	ok(look("box", "other")->flags & CMD_PINS, "which pins");
	ok(cmd_is_unknown(look("bag", "see")), "not what is another's");
	is_str(look("xinfo", "mend")->name, "xinfo|mend",
	    "a write in a known container is learned");
	is_str(look("xinfo", "see")->name, "xinfo",
	    "what says nothing is as the known container");
	commands_free(cs);
}

static void
test_bad(void)
{
	struct commands *cs;
	char longest[2 * CMD_NAME_MAX + 64];

	ok(read_reply("+OK\r\n") == NULL, "no list");
	snprintf(longest, sizeof(longest), "*1\r\n*3\r\n+%0*d\r\n:1\r\n*0\r\n",
	    CMD_NAME_MAX + 1, 0);
	cs = read_reply(longest);
	ok(cs != NULL && commands_count(cs) == 0, "a name that is too long");
	commands_free(cs);
	cs = read_reply("*9\r\n:1\r\n$-1\r\n*0\r\n"
	    "*3\r\n+a\r\n+x\r\n*0\r\n" "*3\r\n:1\r\n:1\r\n*0\r\n"
	    "*3\r\n+a|b\r\n:1\r\n*0\r\n" "*3\r\n$3\r\na\0b\r\n:1\r\n*0\r\n"
	    "*3\r\n$0\r\n\r\n:1\r\n*0\r\n" "*3\r\n+a\r\n:0\r\n*0\r\n");
	ok(cs == NULL || commands_count(cs) == 0, "what is no entry");
	commands_free(cs);
	cs = read_reply("*1\r\n*3\r\n+z\r\n:1\r\n*2\r\n:7\r\n*0\r\n");
	ok(cs != NULL && commands_count(cs) == 1 &&
	    (commands_row(cs, 0)->flags & CMD_PINS), "flags that are none");
	commands_free(cs);
	ok(commands_learn(NULL, NULL) == 0, "and all is forgotten");
}

int
main(void)
{
	test_flags();
	test_replace();
	test_subcommands();
	test_bad();
	return tap_done();
}
