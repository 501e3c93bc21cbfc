#include "commands.h"

#include <stdlib.h>
#include <string.h>

#include "util.h"

/* Of one Redis, and what is looked at of its answer. */
#define COMMANDS_MAX		CMD_LEARNED_MAX
#define COMMANDS_ENTRIES	16384
#define COMMANDS_FLAGS		64

/* Where an entry of COMMAND has what. */
#define COMMANDS_NAME		0
#define COMMANDS_ARITY		1
#define COMMANDS_FLAG		2
#define COMMANDS_SUBCOMMANDS	9	/* since Redis 7 */

struct commands {
	size_t		 n;
	struct cmd	*row;
};

/* Flags that say nothing about the connection. */
static const char *const commands_harmless[] = {
	"admin", "allow_busy", "denyoom", "fast", "loading", "may_replicate",
	"module", "movablekeys", "no_async_loading", "no_mandatory_keys",
	"random", "readonly", "skip_commandlog", "skip_monitor",
	"skip_slowlog", "sort_for_script", "stale", "write",
};

static bool
commands_is_text(const redisReply *r)
{
	return r->type == REDIS_REPLY_STRING || r->type == REDIS_REPLY_STATUS;
}

static bool
commands_is_harmless(const char *flag)
{
	size_t i;

	for (i = 0; i < NELEM(commands_harmless); i++)
		if (strcmp(flag, commands_harmless[i]) == 0)
			return true;
	return false;
}

/* Is it flagged as a write? */
static bool
commands_classify(struct cmd *c, const redisReply *flags)
{
	bool read = false, write = false;
	const redisReply *f;
	size_t i;

	for (i = 0; i < flags->elements && i < COMMANDS_FLAGS; i++) {
		f = flags->element[i];
		if (!commands_is_text(f) || !commands_is_harmless(f->str))
			c->flags |= CMD_PINS;
		if (!commands_is_text(f))
			continue;
		read |= strcmp(f->str, "readonly") == 0;
		write |= strcmp(f->str, "write") == 0 ||
		    strcmp(f->str, "may_replicate") == 0;
		if (strcmp(f->str, "blocking") == 0)
			c->flags |= CMD_BLOCKS;
		if (strcmp(f->str, "module") == 0)
			c->flags |= CMD_SCRIPT;
	}
	c->class = read && !write ? CMD_READ : CMD_WRITE;
	if (!read && !write)
		c->flags |= CMD_PINS;
	return write;
}

/* In lower case; NULL when it can be no name of a command. */
static char *
commands_name(const redisReply *r)
{
	char *name, *p;

	if (!commands_is_text(r) || r->len <= 0 ||
	    (size_t)r->len > CMD_NAME_MAX || strlen(r->str) != (size_t)r->len)
		return NULL;
	name = xstrdup(r->str);
	for (p = name; *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p |= 0x20;
	return name;
}

/*
 * May it be learned? The table wins, also for a subcommand that is missing
 * there, unless that one is a write.
 */
static bool
commands_is_news(const struct cmd *c, const struct cmd *container, bool write)
{
	const char *bar = strchr(c->name, '|');
	size_t len = strcspn(c->name, "|");
	const struct cmd *known;

	if ((bar != NULL) != (container != NULL) || (bar != NULL &&
	    (strncmp(c->name, container->name, len) != 0 ||
	    container->name[len] != '\0' || bar[1] == '\0' ||
	    strchr(bar + 1, '|') != NULL)))
		return false;
	known = cmd_find(c->name, len, bar != NULL ? bar + 1 : NULL,
	    bar != NULL ? strlen(bar + 1) : 0);
	return known == NULL || (write && strcmp(known->name, c->name) != 0);
}

static void
commands_add(struct commands *cs, const struct cmd *c)
{
	cs->row = xrealloc(cs->row, (cs->n + 1) * sizeof(*cs->row));
	cs->row[cs->n++] = *c;
}

/* An entry, and those of its subcommands. */
static void
commands_read_one(struct commands *cs, const redisReply *r,
    const struct cmd *container)
{
	const redisReply *arity, *flags, *subs = NULL;
	struct cmd c = { .special = CMD_PLAIN };
	char *name;
	bool write;
	size_t i;

	if (r->type != REDIS_REPLY_ARRAY || r->elements <= COMMANDS_FLAG ||
	    cs->n == COMMANDS_MAX)
		return;
	arity = r->element[COMMANDS_ARITY];
	flags = r->element[COMMANDS_FLAG];
	if (arity->type != REDIS_REPLY_INTEGER || arity->integer == 0 ||
	    arity->integer < -1000 || arity->integer > 1000 ||
	    flags->type != REDIS_REPLY_ARRAY ||
	    (name = commands_name(r->element[COMMANDS_NAME])) == NULL)
		return;
	if (container == NULL && r->elements > COMMANDS_SUBCOMMANDS &&
	    r->element[COMMANDS_SUBCOMMANDS]->type == REDIS_REPLY_ARRAY &&
	    r->element[COMMANDS_SUBCOMMANDS]->elements > 0)
		subs = r->element[COMMANDS_SUBCOMMANDS];
	c.name = name;
	c.arity = (int)arity->integer;
	write = commands_classify(&c, flags);
	if (subs != NULL)
		c.flags |= CMD_CONTAINER;
	for (i = 0; subs != NULL && i < subs->elements &&
	    i < COMMANDS_ENTRIES; i++)
		commands_read_one(cs, subs->element[i], &c);
	if (cs->n < COMMANDS_MAX && commands_is_news(&c, container, write))
		commands_add(cs, &c);
	else
		free(name);
}

struct commands *
commands_read(const redisReply *r)
{
	struct commands *cs;
	size_t i;

	if (r->type != REDIS_REPLY_ARRAY || r->elements > COMMANDS_ENTRIES)
		return NULL;
	cs = xcalloc(1, sizeof(*cs));
	for (i = 0; i < r->elements; i++)
		commands_read_one(cs, r->element[i], NULL);
	return cs;
}

void
commands_free(struct commands *cs)
{
	size_t i;

	for (i = 0; cs != NULL && i < cs->n; i++)
		free((void *)(uintptr_t)cs->row[i].name);
	if (cs != NULL)
		free(cs->row);
	free(cs);
}

size_t
commands_count(const struct commands *cs)
{
	return cs->n;
}

const struct cmd *
commands_row(const struct commands *cs, size_t i)
{
	return &cs->row[i];
}

static struct cmd *
commands_find(const struct commands *cs, const char *name)
{
	size_t i;

	for (i = 0; i < cs->n; i++)
		if (strcmp(cs->row[i].name, name) == 0)
			return &cs->row[i];
	return NULL;
}

/* Names stay the others'. */
static void
commands_merge(struct commands *all, const struct commands *more)
{
	struct cmd *c;
	size_t i;

	for (i = 0; more != NULL && i < more->n; i++) {
		c = commands_find(all, more->row[i].name);
		if (c == NULL)
			commands_add(all, &more->row[i]);
		else {
			if (more->row[i].class == CMD_WRITE)
				c->class = CMD_WRITE;
			c->flags |= more->row[i].flags;
		}
	}
}

size_t
commands_learn(const struct commands *a, const struct commands *b)
{
	struct commands all = { 0, NULL };
	size_t known;

	commands_merge(&all, a);
	commands_merge(&all, b);
	known = cmd_learn(all.row, all.n);
	free(all.row);
	return known;
}
