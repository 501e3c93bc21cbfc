#include "cmd.h"

#include <assert.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include "util.h"

/* Slots of the hash: a power of two, well over the number of rows. */
#define CMD_SLOTS	4096

#define CMD_HASH_BEGIN	2166136261u

/* A name and a subcommand, with room to spare. */
#define CMD_NAME_MAX	64

static const struct cmd cmd_rows[] = {
#define CMD(name, arity, class, flags, special, instead) \
	{ name, arity, CMD_##class, flags, CMD_##special, instead },
#include "cmd.def"
#undef CMD
};

static const struct cmd cmd_unknown = { "unknown", -1, CMD_WRITE, CMD_PINS,
	CMD_PLAIN, NULL };

static uint16_t		cmd_slot[CMD_SLOTS];	/* row + 1; 0: free */
static uint8_t		cmd_len[NELEM(cmd_rows)];
static pthread_once_t	cmd_once = PTHREAD_ONCE_INIT;

/* A name in lower case, hashed (FNV-1a) as it grows. */
struct cmd_name {
	uint32_t	 hash;
	size_t		 len;
	char		 text[CMD_NAME_MAX];
};

static void
cmd_name_put(struct cmd_name *n, char c)
{
	n->text[n->len++] = c;
	n->hash = (n->hash ^ (unsigned char)c) * 16777619u;
}

/* False for what cannot be one of ours: they are short, and have no bar. */
static bool
cmd_name_add(struct cmd_name *n, const char *p, size_t len)
{
	size_t i;
	char c;

	if (len == 0 || len > sizeof(n->text) - 1 - n->len)
		return false;
	for (i = 0; i < len; i++) {
		c = p[i];
		if (c >= 'A' && c <= 'Z')
			c |= 0x20;
		else if (c == '|')
			return false;
		cmd_name_put(n, c);
	}
	return true;
}

static void
cmd_fill(void)
{
	struct cmd_name n;
	const char *p;
	size_t i;
	uint32_t h;

	for (i = 0; i < NELEM(cmd_rows); i++) {
		n.hash = CMD_HASH_BEGIN;
		n.len = 0;
		for (p = cmd_rows[i].name; *p != '\0'; p++)
			cmd_name_put(&n, *p);
		assert(n.len < sizeof(n.text));
		cmd_len[i] = (uint8_t)n.len;
		for (h = n.hash; cmd_slot[h % CMD_SLOTS] != 0; h++)
			continue;
		cmd_slot[h % CMD_SLOTS] = (uint16_t)(i + 1);
	}
}

static const struct cmd *
cmd_search(const struct cmd_name *n)
{
	uint32_t h;
	size_t row;

	for (h = n->hash; cmd_slot[h % CMD_SLOTS] != 0; h++) {
		row = cmd_slot[h % CMD_SLOTS] - 1u;
		if (cmd_len[row] == n->len &&
		    memcmp(cmd_rows[row].name, n->text, n->len) == 0)
			return &cmd_rows[row];
	}
	return NULL;
}

const struct cmd *
cmd_find(const char *name, size_t len, const char *sub, size_t sublen)
{
	struct cmd_name n;
	const struct cmd *c, *s;

	pthread_once(&cmd_once, cmd_fill);
	n.hash = CMD_HASH_BEGIN;
	n.len = 0;
	if (!cmd_name_add(&n, name, len) || (c = cmd_search(&n)) == NULL)
		return NULL;
	if (!(c->flags & CMD_CONTAINER) || sub == NULL)
		return c;
	cmd_name_put(&n, '|');
	s = cmd_name_add(&n, sub, sublen) ? cmd_search(&n) : NULL;
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
