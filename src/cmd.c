#include "cmd.h"

#include <assert.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "util.h"

/* Slots of the hash: a power of two, well over the number of rows. */
#define CMD_SLOTS	2048

static const struct cmd cmd_rows[] = {
#define CMD(name, arity, class, flags, special, instead) \
	{ name, arity, CMD_##class, flags, CMD_##special, instead },
#include "cmd.def"
#undef CMD
};

static const struct cmd cmd_unknown = { "unknown", -1, CMD_WRITE, CMD_PINS,
	CMD_PLAIN, NULL };

static uint16_t		cmd_slot[CMD_SLOTS];	/* row + 1; 0: free */
static pthread_once_t	cmd_once = PTHREAD_ONCE_INIT;

/* FNV-1a, on lower case. */
#define CMD_HASH_BEGIN	2166136261u

static uint32_t
cmd_hash(uint32_t h, const char *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		unsigned char c = (unsigned char)p[i];

		if (c >= 'A' && c <= 'Z')
			c |= 0x20;
		h = (h ^ c) * 16777619u;
	}
	return h;
}

static void
cmd_fill(void)
{
	size_t i;
	uint32_t h;

	for (i = 0; i < NELEM(cmd_rows); i++) {
		h = cmd_hash(CMD_HASH_BEGIN, cmd_rows[i].name,
		    strlen(cmd_rows[i].name));
		while (cmd_slot[h % CMD_SLOTS] != 0)
			h++;
		cmd_slot[h % CMD_SLOTS] = (uint16_t)(i + 1);
	}
}

/* Is the row's name this one, or this one and a subcommand? */
static bool
cmd_is(const struct cmd *c, const char *name, size_t len, const char *sub,
    size_t sublen)
{
	if (strncasecmp(c->name, name, len) != 0)
		return false;
	if (sub == NULL)
		return c->name[len] == '\0';
	return c->name[len] == '|' &&
	    strncasecmp(c->name + len + 1, sub, sublen) == 0 &&
	    c->name[len + 1 + sublen] == '\0';
}

static const struct cmd *
cmd_search(uint32_t h, const char *name, size_t len, const char *sub,
    size_t sublen)
{
	const struct cmd *c;

	for (; cmd_slot[h % CMD_SLOTS] != 0; h++) {
		c = &cmd_rows[cmd_slot[h % CMD_SLOTS] - 1];
		if (cmd_is(c, name, len, sub, sublen))
			return c;
	}
	return NULL;
}

const struct cmd *
cmd_find(const char *name, size_t len, const char *sub, size_t sublen)
{
	const struct cmd *c, *s;
	uint32_t h;

	/* Names from the wire may hold a NUL or a bar, ours never do. */
	if (len == 0 || memchr(name, '\0', len) != NULL ||
	    memchr(name, '|', len) != NULL)
		return NULL;
	pthread_once(&cmd_once, cmd_fill);
	h = cmd_hash(CMD_HASH_BEGIN, name, len);
	if ((c = cmd_search(h, name, len, NULL, 0)) == NULL ||
	    !(c->flags & CMD_CONTAINER) || sub == NULL || sublen == 0 ||
	    memchr(sub, '\0', sublen) != NULL)
		return c;
	h = cmd_hash(cmd_hash(h, "|", 1), sub, sublen);
	s = cmd_search(h, name, len, sub, sublen);
	return s != NULL ? s : c;
}

const struct cmd *
cmd_lookup(const char *name, size_t len, const char *sub, size_t sublen)
{
	const struct cmd *c = cmd_find(name, len, sub, sublen);

	return c != NULL ? c : &cmd_unknown;
}

bool
cmd_arity_ok(const struct cmd *c, long long argc)
{
	return c->arity < 0 ? argc >= -c->arity : argc == c->arity;
}

const struct cmd *
cmd_row(size_t i)
{
	return i < NELEM(cmd_rows) ? &cmd_rows[i] : NULL;
}

size_t
cmd_count(void)
{
	return NELEM(cmd_rows);
}

size_t
cmd_index(const struct cmd *c)
{
	return c == &cmd_unknown ? NELEM(cmd_rows) : (size_t)(c - cmd_rows);
}

const char *
cmd_class_name(enum cmd_class class)
{
	static const char *const names[CMD_CLASSES] = {
		[CMD_READ] = "read", [CMD_WRITE] = "write",
		[CMD_ANY] = "any", [CMD_LOCAL] = "local",
		[CMD_REFUSED] = "refused",
	};

	assert(class < CMD_CLASSES);
	return names[class];
}
