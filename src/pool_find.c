#include <assert.h>

#include "pool_priv.h"
#include "stats.h"

/*
 * Shared links at most, all users together; to one Redis of one user; and
 * spare ones.
 */
#define POOL_SHARED_MAX		256
#define POOL_SHARED_OF_USER	4
#define POOL_AUTH_MAX		64	/* that ask for a password */
#define POOL_SPARE_MAX		256

/*
 * Redis takes 16 KiB from a connection, answers, and takes the next. While it
 * has so much of one to do, it gets others by which it can take more at once.
 */
#define POOL_LOAD		(64 * 1024)

/* A spare one of this user, or a new one. */
static struct pool_link *
pool_link_get(struct pool_user *u, enum side side, enum pool_role role)
{
	struct pool_link *l = LIST_FIRST(&u->spare[side]);

	if (l != NULL) {
		pool_set_role(l, role);
		return l;
	}
	return pool_link_new(u, side, role);
}

/* Makes room for one more shared link: closes one that nobody uses. */
static bool
pool_evict(struct pool *p)
{
	struct pool_link *l, *worst = NULL;

	if (p->shared < POOL_SHARED_MAX)
		return true;
	TAILQ_FOREACH(l, &p->links, of_pool)
		if (l->role == POOL_SHARED && backend_idle(l->backend) &&
		    (worst == NULL || l->idle > worst->idle))
			worst = l;
	if (worst == NULL)
		return false;
	pool_bury(worst);
	return true;
}

static bool
pool_takes_more(const struct pool_link *l)
{
	return backend_load(l->backend) < POOL_LOAD &&
	    !backend_stuck(l->backend);
}

/* There is none, or it has enough to do, or cannot be read at the moment. */
static struct pool_link *
pool_shared_other(struct pool_user *u, enum side side)
{
	struct pool_link *l, *found = NULL, *stuck = NULL;
	size_t n = 0;

	LIST_FOREACH(l, &u->sharing[side], of_user) {
		n++;
		if (l->role == POOL_BUSY || backend_stuck(l->backend))
			stuck = l;
		else if (found == NULL || backend_load(l->backend) <
		    backend_load(found->backend))
			found = l;
	}
	if ((found == NULL || !pool_takes_more(found)) &&
	    n < POOL_SHARED_OF_USER && pool_evict(u->pool))
		found = pool_link_get(u, side, POOL_SHARED);
	u->shared[side] = found;
	return found != NULL ? found : stuck;
}

struct pool_link *
pool_shared(struct pool_user *u, enum side side)
{
	struct pool_link *l = u->shared[side];

	if (l == NULL || !pool_takes_more(l))
		l = pool_shared_other(u, side);
	if (l != NULL)
		l->idle = 0;
	return l;
}

/* The same user for something else. */
static struct pool_user *
pool_user_for(struct pool_user *u, enum pool_kind kind)
{
	struct session key;
	struct pool_user *other;

	if (kind == POOL_SCRIPTS)
		return pool_user_find(u->pool, kind, &u->key);
	session_init(&key);
	if (kind != POOL_AUTH)
		session_copy_key(&key, &u->key);
	key.db = 0;
	if (kind != POOL_ALONE)
		key.proto = 2;
	other = pool_user_find(u->pool, kind, &key);
	session_clear(&key);
	return other;
}

/*
 * Redis 7.2 to 8.0 say nothing to a wrong password while another answer has
 * yet to leave (acl.c, addAuthErrReply()): what is asked next would be taken
 * for its answer. So one AUTH does not follow another before that is answered.
 */
static struct pool_link *
pool_shared_idle(struct pool_user *u, enum side side)
{
	struct pool_link *l;
	size_t n = 0;

	TAILQ_FOREACH(l, &u->pool->links, of_pool) {
		if (l->user != u || l->side != side || l->role != POOL_SHARED)
			continue;
		if (backend_idle(l->backend))
			return l;
		n++;
	}
	return n < POOL_AUTH_MAX && pool_evict(u->pool) ?
	    pool_link_get(u, side, POOL_SHARED) : NULL;
}

struct pool_link *
pool_shared_for(struct pool_user *u, enum side side, enum pool_kind kind)
{
	struct pool_user *other = pool_user_for(u, kind);
	struct pool_link *l = kind == POOL_AUTH ?
	    pool_shared_idle(other, side) : pool_shared(other, side);

	pool_user_put(other);
	if (kind == POOL_SCRIPTS)
		pool_look_soon(u->pool);
	return l;
}

struct pool_link *
pool_own(struct pool_user *u, enum side side, void *owner)
{
	struct pool_link *l = pool_link_get(u, side, POOL_OWN);

	l->owner = owner;
	STATS_ADD(pinned, 1);
	return l;
}

struct pool_link *
pool_ahead(struct pool_user *u, enum side side, void *owner)
{
	struct pool_link *l = pool_link_get(u, side, POOL_AHEAD);

	l->owner = owner;
	return l;
}

void
pool_take_ahead(struct pool_link *l)
{
	assert(l->role == POOL_AHEAD || l->role == POOL_LOST);
	if (l->role == POOL_AHEAD)
		pool_set_role(l, POOL_OWN);
}

static void
pool_set_user(struct pool_link *l, struct pool_user *u)
{
	struct pool_user *was = l->user;

	if (was->kind == POOL_SCRIPTS)
		LIST_REMOVE(l, of_scripts);
	l->user = u;
	u->refs++;
	pool_user_put(was);
}

/* May that user's clients have had it? */
static bool
pool_was_for(const struct pool_link *l, const struct pool_user *u)
{
	enum pool_kind kind = l->user->kind;

	return (kind == POOL_WORK || kind == POOL_SCRIPTS) &&
	    session_same_key(&l->user->key, &u->key);
}

struct pool_link *
pool_claim(struct pool_user *u, enum side side, uint64_t number, void *owner,
    bool *later)
{
	struct pool_link *l;

	*later = false;
	TAILQ_FOREACH(l, &u->pool->links, of_pool)
		if (l->number == number)
			break;
	if (l == NULL || l->side != side || l->owner != NULL ||
	    l->role == POOL_LOST || !pool_was_for(l, u))
		return NULL;
	if (l->role == POOL_SHARED)
		pool_set_role(l, POOL_RETIRED);
	*later = l->role == POOL_BUSY || !backend_idle(l->backend);
	if (*later)
		return NULL;
	pool_set_role(l, POOL_OWN);
	pool_set_user(l, u);
	l->owner = owner;
	STATS_ADD(pinned, 1);
	return l;
}

void
pool_return(struct pool_link *l, struct pool_user *u)
{
	assert(l->role == POOL_OWN && backend_idle(l->backend));
	STATS_ADD(unpinned, 1);
	if (u->pool->spare >= POOL_SPARE_MAX) {
		pool_bury(l);
		return;
	}
	l->owner = NULL;
	pool_set_user(l, u);
	pool_set_role(l, POOL_SPARE);
}
