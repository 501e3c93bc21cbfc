#include "cmd.h"

#include <sys/queue.h>
#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "util.h"

/* Slots of the hashes: powers of two, well over the numbers of rows. */
#define CMD_SLOTS		4096
#define CMD_LEARNED_SLOTS	(2 * CMD_LEARNED_MAX)

#define CMD_HASH_BEGIN	2166136261u

static const struct cmd cmd_rows[] = {
#define CMD(name, arity, class, flags, special, instead) \
	{ name, arity, CMD_##class, flags, CMD_##special, instead },
#include "cmd.def"
#undef CMD
};

static const struct cmd cmd_unknown = { "unknown", -1, CMD_WRITE, CMD_PINS,
	CMD_PLAIN, NULL };

static uint16_t		cmd_slot[CMD_SLOTS];	/* row + 1; 0: free */
static char		cmd_lower[256];		/* 0: in no name */

/*
 * What was learned stays in memory for good: some thread may have found it.
 * So it can be read without a lock, and a slot that is taken always is by
 * the same name.
 */
struct cmd_learned {
	SLIST_ENTRY(cmd_learned) link;
	struct cmd		 cmd;
	struct cmd		 gone;	/* arity 0: Redis has it no more */
	char			 name[CMD_NAME_MAX + 1];
};
static SLIST_HEAD(, cmd_learned) cmd_learned = SLIST_HEAD_INITIALIZER(x);
static size_t			 cmd_learned_n;
static _Atomic(const struct cmd *) cmd_learned_slot[CMD_LEARNED_SLOTS];

/* A name in lower case, hashed (FNV-1a) as it grows; ends with a NUL. */
struct cmd_name {
	uint32_t	 hash;
	size_t		 len;
	char		 text[CMD_NAME_MAX + 1];
};

static uint32_t
cmd_hash(uint32_t hash, char c)
{
	return (hash ^ (unsigned char)c) * 16777619u;
}

static void
cmd_name_put(struct cmd_name *n, char c)
{
	n->text[n->len++] = c;
	n->text[n->len] = '\0';
	n->hash = cmd_hash(n->hash, c);
}

/* False for what cannot be one of ours: they are short, and have no bar. */
static inline bool
cmd_name_add(struct cmd_name *n, const char *p, size_t len)
{
	char *to = n->text + n->len, c;
	uint32_t hash = n->hash;
	size_t i;

	if (len == 0 || len > sizeof(n->text) - 1 - n->len)
		return false;
	for (i = 0; i < len; i++) {
		if ((c = cmd_lower[(unsigned char)p[i]]) == '\0')
			return false;
		to[i] = c;
		hash = cmd_hash(hash, c);
	}
	to[len] = '\0';
	n->len += len;
	n->hash = hash;
	return true;
}

/* That of a row. */
static struct cmd_name
cmd_name_of(const char *name)
{
	struct cmd_name n = { .hash = CMD_HASH_BEGIN };

	assert(strlen(name) < sizeof(n.text));
	for (; *name != '\0'; name++)
		cmd_name_put(&n, *name);
	return n;
}

/* Before main(), as if it were a constant. */
static void __attribute__((__constructor__))
cmd_fill(void)
{
	struct cmd_name n;
	size_t i;
	uint32_t h;

	for (i = 1; i < NELEM(cmd_lower); i++)
		cmd_lower[i] = (char)(i >= 'A' && i <= 'Z' ? i | 0x20 : i);
	cmd_lower['|'] = '\0';
	for (i = 0; i < NELEM(cmd_rows); i++) {
		n = cmd_name_of(cmd_rows[i].name);
		for (h = n.hash; cmd_slot[h % CMD_SLOTS] != 0; h++)
			continue;
		cmd_slot[h % CMD_SLOTS] = (uint16_t)(i + 1);
	}
}

static const struct cmd *
cmd_search(const struct cmd_name *n)
{
	const struct cmd *c;
	uint32_t h;

	for (h = n->hash; cmd_slot[h % CMD_SLOTS] != 0; h++) {
		c = &cmd_rows[cmd_slot[h % CMD_SLOTS] - 1];
		if (strcmp(c->name, n->text) == 0)
			return c;
	}
	return NULL;
}

/* The slot of that name, or the one that is free for it. */
static _Atomic(const struct cmd *) *
cmd_learned_at(const struct cmd_name *n)
{
	_Atomic(const struct cmd *) *slot;
	const struct cmd *c;
	uint32_t h = n->hash;

	for (;; h++) {
		slot = &cmd_learned_slot[h % CMD_LEARNED_SLOTS];
		c = atomic_load_explicit(slot, memory_order_acquire);
		if (c == NULL || strcmp(c->name, n->text) == 0)
			return slot;
	}
}

static const struct cmd *
cmd_search_learned(const struct cmd_name *n)
{
	const struct cmd *c = atomic_load_explicit(cmd_learned_at(n),
	    memory_order_acquire);

	return c != NULL && c->arity != 0 ? c : NULL;
}

/* The subcommand in the place of c, where there is one. */
static const struct cmd *
cmd_search_sub(const struct cmd *c, struct cmd_name *n, const char *sub,
    size_t sublen, bool learned)
{
	const struct cmd *s;

	cmd_name_put(n, '|');
	if (!cmd_name_add(n, sub, sublen))
		return c;
	s = cmd_search(n);
	if (s == NULL && learned)
		s = cmd_search_learned(n);
	return s != NULL ? s : c;
}

static inline const struct cmd *
cmd_get(const char *name, size_t len, const char *sub, size_t sublen,
    bool learned)
{
	struct cmd_name n;
	const struct cmd *c;

	n.hash = CMD_HASH_BEGIN;
	n.len = 0;
	if (!cmd_name_add(&n, name, len))
		return NULL;
	c = cmd_search(&n);
	if (c == NULL && (!learned || (c = cmd_search_learned(&n)) == NULL))
		return NULL;
	if (!(c->flags & CMD_CONTAINER) || sub == NULL)
		return c;
	return cmd_search_sub(c, &n, sub, sublen, learned);
}

const struct cmd *
cmd_find(const char *name, size_t len, const char *sub, size_t sublen)
{
	return cmd_get(name, len, sub, sublen, false);
}

const struct cmd *
cmd_lookup(const char *name, size_t len, const char *sub, size_t sublen)
{
	const struct cmd *c = cmd_get(name, len, sub, sublen, true);

	return c != NULL ? c : &cmd_unknown;
}

bool
cmd_is_unknown(const struct cmd *c)
{
	return c == &cmd_unknown;
}

/* ---- learning ---- */

static bool
cmd_same(const struct cmd *a, const struct cmd *b)
{
	return a->arity == b->arity && a->class == b->class &&
	    a->flags == b->flags && strcmp(a->name, b->name) == 0;
}

/* One like it that stays; NULL when there are too many. */
static const struct cmd *
cmd_keep(const struct cmd *c)
{
	struct cmd_learned *l;

	SLIST_FOREACH(l, &cmd_learned, link)
		if (cmd_same(&l->cmd, c))
			return &l->cmd;
	if (cmd_learned_n == CMD_LEARNED_MAX)
		return NULL;
	cmd_learned_n++;
	l = xcalloc(1, sizeof(*l));
	strcpy(l->name, c->name);
	l->cmd = *c;
	l->cmd.name = l->name;
	l->gone = l->cmd;
	l->gone.arity = 0;
	SLIST_INSERT_HEAD(&cmd_learned, l, link);
	return &l->cmd;
}

/* Redis has it no more. */
static const struct cmd *
cmd_gone(const struct cmd *c)
{
	const struct cmd_learned *l = (const struct cmd_learned *)(const void *)
	    ((const char *)c - offsetof(struct cmd_learned, cmd));

	return &l->gone;
}

size_t
cmd_learn(const struct cmd *rows, size_t n)
{
	static bool told[CMD_LEARNED_SLOTS];
	_Atomic(const struct cmd *) *slot;
	const struct cmd *c;
	struct cmd_name name;
	size_t i, known = 0;

	memset(told, 0, sizeof(told));
	for (i = 0; i < n; i++) {
		name = cmd_name_of(rows[i].name);
		slot = cmd_learned_at(&name);
		c = atomic_load(slot);
		if (c == NULL || !cmd_same(c, &rows[i]))
			c = cmd_keep(&rows[i]);
		if (c == NULL)
			continue;
		atomic_store(slot, c);
		told[slot - cmd_learned_slot] = true;
		known++;
	}
	for (i = 0; i < CMD_LEARNED_SLOTS; i++) {
		c = atomic_load(&cmd_learned_slot[i]);
		if (c != NULL && c->arity != 0 && !told[i])
			atomic_store(&cmd_learned_slot[i], cmd_gone(c));
	}
	return known;
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
	/* Far past the end for one from elsewhere, or before it. */
	size_t i = ((uintptr_t)c - (uintptr_t)cmd_rows) / sizeof(*c);

	return i < NELEM(cmd_rows) ? i : NELEM(cmd_rows);
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
