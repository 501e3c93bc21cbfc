#include "pubsub.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "util.h"

struct pubsub_name {
	size_t	len;
	char	text[];
};

struct pubsub_names {
	void	*tree[PUBSUB_KINDS];	/* of tsearch(3) */
	size_t	 n[PUBSUB_KINDS];
};

static const struct pubsub_word {
	const char		*word;
	enum pubsub_event	 event;
	enum pubsub_kind	 kind;
} pubsub_words[] = {
	{ "message", PUBSUB_MESSAGE, PUBSUB_CHANNEL },
	{ "pmessage", PUBSUB_MESSAGE, PUBSUB_PATTERN },
	{ "smessage", PUBSUB_MESSAGE, PUBSUB_SHARD },
	{ "subscribe", PUBSUB_ADDED, PUBSUB_CHANNEL },
	{ "psubscribe", PUBSUB_ADDED, PUBSUB_PATTERN },
	{ "ssubscribe", PUBSUB_ADDED, PUBSUB_SHARD },
	{ "unsubscribe", PUBSUB_REMOVED, PUBSUB_CHANNEL },
	{ "punsubscribe", PUBSUB_REMOVED, PUBSUB_PATTERN },
	{ "sunsubscribe", PUBSUB_REMOVED, PUBSUB_SHARD },
};

/* ---- what Redis says ---- */

/* The bulk string at *p, which is moved behind it; p NULL: it is none. */
static struct resp_arg
pubsub_bulk(const char **p, const char *end)
{
	struct resp_arg none = { NULL, 0 }, a;
	const char *eol = memchr(*p, '\n', (size_t)(end - *p));
	long long len;

	if (eol == NULL || **p != '$' || eol - *p < 3 ||
	    !util_number(*p + 1, (size_t)(eol - *p) - 2, &len) || len < 0 ||
	    len > end - eol - 3)
		return none;
	a = (struct resp_arg){ eol + 1, (size_t)len };
	*p = a.p + len + 2;
	return a;
}

enum pubsub_event
pubsub_parse(const char *p, size_t len, enum pubsub_kind *kind,
    struct resp_arg *name)
{
	const char *end = p + len;
	const struct pubsub_word *w;
	struct resp_arg word;
	size_t i;

	if (len < 4 || (*p != '*' && *p != '>') ||
	    (p = memchr(p, '\n', len)) == NULL || ++p == end)
		return PUBSUB_OTHER;
	word = pubsub_bulk(&p, end);
	for (i = 0; word.p != NULL &&
	    i < sizeof(pubsub_words) / sizeof(pubsub_words[0]); i++) {
		w = &pubsub_words[i];
		if (strlen(w->word) != word.len ||
		    memcmp(w->word, word.p, word.len) != 0)
			continue;
		*kind = w->kind;
		*name = p < end ? pubsub_bulk(&p, end) :
		    (struct resp_arg){ NULL, 0 };
		return w->event;
	}
	return PUBSUB_OTHER;
}

/* ---- the names ---- */

static int
pubsub_compare(const void *a, const void *b)
{
	const struct pubsub_name *x = a, *y = b;

	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return memcmp(x->text, y->text, x->len);
}

static struct pubsub_name *
pubsub_name_new(struct resp_arg a)
{
	struct pubsub_name *name = xmalloc(sizeof(*name) + a.len);

	name->len = a.len;
	memcpy(name->text, a.p, a.len);
	return name;
}

void
pubsub_add(struct pubsub *s, enum pubsub_kind kind, struct resp_arg a)
{
	struct pubsub_name *name = pubsub_name_new(a), **found;

	if (s->names == NULL)
		s->names = xcalloc(1, sizeof(*s->names));
	found = tsearch(name, &s->names->tree[kind], pubsub_compare);
	if (found == NULL)
		fatalx("pubsub: out of memory");
	if (*found == name)
		s->names->n[kind]++;
	else
		free(name);
}

bool
pubsub_has(const struct pubsub *s, enum pubsub_kind kind, struct resp_arg a)
{
	struct pubsub_name *key;
	bool has;

	if (s->names == NULL)
		return false;
	key = pubsub_name_new(a);
	has = tfind(key, &s->names->tree[kind], pubsub_compare) != NULL;
	free(key);
	return has;
}

void
pubsub_remove(struct pubsub *s, enum pubsub_kind kind, struct resp_arg a)
{
	struct pubsub_name *key, **found, *name;

	if (s->names == NULL)
		return;
	key = pubsub_name_new(a);
	found = tfind(key, &s->names->tree[kind], pubsub_compare);
	if (found != NULL) {
		name = *found;
		tdelete(key, &s->names->tree[kind], pubsub_compare);
		free(name);
		s->names->n[kind]--;
	}
	free(key);
	if (pubsub_empty(s))
		pubsub_clear(s);
}

void
pubsub_clear(struct pubsub *s)
{
	size_t i;

	for (i = 0; i < PUBSUB_KINDS && s->names != NULL; i++)
		tdestroy(s->names->tree[i], free);
	free(s->names);
	s->names = NULL;
}

bool
pubsub_empty(const struct pubsub *s)
{
	return pubsub_count(s, PUBSUB_CHANNEL) +
	    pubsub_count(s, PUBSUB_PATTERN) +
	    pubsub_count(s, PUBSUB_SHARD) == 0;
}

size_t
pubsub_count(const struct pubsub *s, enum pubsub_kind kind)
{
	return s->names != NULL ? s->names->n[kind] : 0;
}

const char *
pubsub_command_name(enum pubsub_kind kind)
{
	static const char *const names[] = {
		[PUBSUB_CHANNEL] = "subscribe",
		[PUBSUB_PATTERN] = "psubscribe",
		[PUBSUB_SHARD] = "ssubscribe",
	};

	return names[kind];
}

static void
pubsub_walk(const void *node, VISIT when, void *arg)
{
	const struct pubsub_name *const *name = node;

	if (when == postorder || when == leaf)
		resp_add_bulk(arg, (*name)->text, (*name)->len);
}

bool
pubsub_command(const struct pubsub *s, enum pubsub_kind kind, struct buf *out)
{
	if (pubsub_count(s, kind) == 0)
		return false;
	resp_add_array(out, pubsub_count(s, kind) + 1);
	resp_add_str(out, pubsub_command_name(kind));
	twalk_r(s->names->tree[kind], pubsub_walk, out);
	return true;
}
