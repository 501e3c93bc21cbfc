/*
 * What a Redis answers to COMMAND. Whatever it is, what is learned has names
 * that can be found, are not in the table, and does not depend on which of
 * the two Redis said it.
 */
#include "commands.h"

#include "fuzz.h"

static redisReply *
parse(const uint8_t *data, size_t size)
{
	redisReader *reader = redisReaderCreate();
	void *reply = NULL;

	must(reader != NULL);
	redisReaderFeed(reader, (const char *)data, size);
	if (redisReaderGetReply(reader, &reply) != REDIS_OK)
		reply = NULL;
	redisReaderFree(reader);
	return reply;
}

static const struct cmd *
look(const char *name)
{
	size_t len = strcspn(name, "|");
	const char *sub = name[len] != '\0' ? name + len + 1 : NULL;

	return cmd_lookup(name, len, sub, sub != NULL ? strlen(sub) : 0);
}

static void
check(const struct commands *cs)
{
	const struct cmd *c, *found;
	size_t i;

	for (i = 0; i < commands_count(cs); i++) {
		c = commands_row(cs, i);
		must(strlen(c->name) > 0 && strlen(c->name) <= CMD_NAME_MAX);
		must(cmd_index(c) == cmd_count());
		must(c->class == CMD_READ || c->class == CMD_WRITE);
		found = look(c->name);
		must(cmd_index(found) == cmd_count() ||
		    strchr(c->name, '|') != NULL);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	redisReply *reply = parse(data, size);
	struct commands *cs = reply != NULL ? commands_read(reply) : NULL;
	size_t n;

	if (cs != NULL) {
		n = commands_learn(cs, NULL);
		must(n <= commands_count(cs));
		must(commands_learn(NULL, cs) == n);
		check(cs);
		must(commands_learn(NULL, NULL) == 0);
		commands_free(cs);
	}
	if (reply != NULL)
		freeReplyObject(reply);
	return 0;
}
