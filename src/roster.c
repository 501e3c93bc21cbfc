#include "roster.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "util.h"

struct roster {
	void	*tree;		/* of tsearch(3) */
	size_t	 count;
	size_t	 max;
};

static int
roster_cmp(const void *a, const void *b)
{
	return strcmp(a, b);
}

struct roster *
roster_new(size_t max)
{
	struct roster *r = xcalloc(1, sizeof(*r));

	r->max = max;
	return r;
}

void
roster_free(struct roster *r)
{
	roster_clear(r);
	free(r);
}

void
roster_clear(struct roster *r)
{
	tdestroy(r->tree, free);
	r->tree = NULL;
	r->count = 0;
}

size_t
roster_count(const struct roster *r)
{
	return r->count;
}

void
roster_add(struct roster *r, const char *addr)
{
	char *copy, **at;

	if (r->count >= r->max)
		return;
	copy = xstrdup(addr);
	if ((at = tsearch(copy, &r->tree, roster_cmp)) == NULL)
		fatalx("roster: out of memory");
	if (*at == copy)
		r->count++;
	else
		free(copy);
}

void
roster_remove(struct roster *r, const char *addr)
{
	char **at = tfind(addr, &r->tree, roster_cmp), *found;

	if (at == NULL)
		return;
	found = *at;
	tdelete(found, &r->tree, roster_cmp);
	free(found);
	r->count--;
}

struct roster_walk {
	void	(*fn)(const char *, void *);
	void	 *arg;
};

/* Inner nodes are visited three times, leaves once. */
static void
roster_visit(const void *node, VISIT which, void *closure)
{
	const struct roster_walk *w = closure;

	if (which == postorder || which == leaf)
		w->fn(*(char *const *)node, w->arg);
}

void
roster_each(const struct roster *r, void (*fn)(const char *, void *),
    void *arg)
{
	struct roster_walk w = { fn, arg };

	twalk_r(r->tree, roster_visit, &w);
}
