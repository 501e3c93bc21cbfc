#include "pool_priv.h"

#include <assert.h>
#include <stdlib.h>

#include "log.h"
#include "pause.h"
#include "stats.h"

/* A link that nobody used for this many ticks is closed. */
#define POOL_TICK_S		1
#define POOL_IDLE_TICKS		30

/* What waits for a script is looked at so often. */
#define POOL_LOOK_MS		50

/*
 * Redis takes a connection as the default user's for good if no password
 * was asked for when it was made. So that one set later is asked for soon,
 * those links do not grow old.
 */
#define POOL_OPEN_TICKS		5

/* ---- users ---- */

static unsigned
pool_hash(enum pool_kind kind, const struct session *s)
{
	unsigned h = (unsigned)kind * 7 + (unsigned)s->db * 31 +
	    (unsigned)s->proto;
	const char *p;

	for (p = s->user; p != NULL && *p != '\0'; p++)
		h = h * 33 + (unsigned char)*p;
	for (p = s->password; p != NULL && *p != '\0'; p++)
		h = h * 33 + (unsigned char)*p;
	return h % POOL_BUCKETS;
}

struct pool_user *
pool_user_find(struct pool *p, enum pool_kind kind, const struct session *s)
{
	unsigned h = pool_hash(kind, s);
	struct pool_user *u;

	LIST_FOREACH(u, &p->users[h], of_bucket)
		if (u->kind == kind && session_same_key(&u->key, s)) {
			u->refs++;
			return u;
		}
	u = xcalloc(1, sizeof(*u));
	u->pool = p;
	u->kind = kind;
	u->refs = 1;
	LIST_INIT(&u->sharing[SIDE_A]);
	LIST_INIT(&u->sharing[SIDE_B]);
	LIST_INIT(&u->spare[SIDE_A]);
	LIST_INIT(&u->spare[SIDE_B]);
	session_init(&u->key);
	session_copy_key(&u->key, s);
	LIST_INSERT_HEAD(&p->users[h], u, of_bucket);
	STATS_ADD(users, 1);
	return u;
}

struct pool_user *
pool_user_get(struct pool *p, const struct session *s)
{
	return pool_user_find(p, POOL_WORK, s);
}

void
pool_user_put(struct pool_user *u)
{
	assert(u->refs > 0);
	if (--u->refs > 0)
		return;
	LIST_REMOVE(u, of_bucket);
	STATS_ADD(users, -1);
	session_clear(&u->key);
	free(u);
}

/* ---- the pool ---- */

static void
pool_link_on_gate(struct pool_link *l, const struct gate_order *o)
{
	bool ahead = l->role == POOL_AHEAD;
	bool listens = ahead || backend_streams(l->backend) ||
	    backend_listens(l->backend);
	bool left = o->reads != SIDE_NONE && o->reads != l->side &&
	    o->writes != l->side;

	if (o->trusted != 0 && !(o->trusted & SIDE_BIT(l->side)) &&
	    (backend_keyed(l->backend) || listens))
		pool_lose(l);
	else if (left && (ahead ? o->state == GATE_OPEN && !o->near :
	    !listens && backend_idle(l->backend)))
		pool_lose(l);
	else {
		backend_on_gate(l->backend);
		if (l->owner != NULL)
			l->user->pool->ops->on_gate(l->owner);
		if (left && listens && l->role == POOL_OWN)
			l->user->pool->ops->on_moved(l->owner);
	}
}

void
pool_on_gate(struct pool *p)
{
	const struct gate_order *o = gate_order(p->gate);
	struct pool_link *l, *next;

	TAILQ_FOREACH_SAFE(l, &p->links, of_pool, next)
		if (l->role != POOL_LOST)
			pool_link_on_gate(l, o);
}

/* A shared link that one client does not let be read, for too long. */
static void
pool_check_slow(struct pool_link *l)
{
	void *owner = backend_choker(l->backend);

	if (owner == NULL || l->owner != NULL)
		l->choked = 0;
	else if (l->choked++ > 0)
		l->user->pool->ops->on_slow(owner);
}

/* It was made when no password was asked for, and that is a while ago. */
static void
pool_check_age(struct pool_link *l)
{
	if (l->user->key.password != NULL || l->user->kind == POOL_AUTH ||
	    l->age++ < POOL_OPEN_TICKS)
		return;
	if (l->role == POOL_SHARED)
		pool_set_role(l, POOL_RETIRED);
	if (l->role == POOL_SPARE || (l->role == POOL_RETIRED &&
	    backend_idle(l->backend)))
		pool_bury(l);
}

/* Has what it is waiting for now been waited for at the last look? */
static void
pool_look(struct pool_link *l)
{
	uint64_t awaited = backend_awaited(l->backend);
	bool stands = awaited != 0 && awaited == l->awaited;

	l->awaited = awaited;
	if (stands && l->role == POOL_SHARED)
		pool_set_role(l, POOL_BUSY);
	else if (!stands && l->role == POOL_BUSY)
		pool_set_role(l, POOL_SHARED);
}

void
pool_look_soon(struct pool *p)
{
	static const struct timeval soon = { 0, POOL_LOOK_MS * 1000 };

	if (!p->looks)
		event_add(p->look, &soon);
	p->looks = true;
}

/*
 * Writes have links of their own while Redis pauses, but some may have been on
 * their way before.
 */
static bool
pool_look_paused(struct pool *p)
{
	bool paused = pause_is_on(loop_now(p->loop));
	struct pool_link *l;

	TAILQ_FOREACH(l, &p->links, of_pool)
		if (l->user->kind == POOL_WORK &&
		    (l->role == POOL_SHARED || l->role == POOL_BUSY)) {
			pool_look(l);
			paused |= l->role == POOL_BUSY;
		}
	return paused;
}

static void
pool_on_look(evutil_socket_t fd, short what, void *arg)
{
	struct pool *p = arg;
	struct pool_link *l;
	bool again = false;

	(void)fd;
	(void)what;
	LIST_FOREACH(l, &p->scripts, of_scripts) {
		pool_look(l);
		again |= l->awaited != 0;
	}
	if (p->paused)
		p->paused = pool_look_paused(p);
	p->looks = false;
	if (again || p->paused)
		pool_look_soon(p);
}

static void
pool_on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct pool *p = arg;
	struct pool_link *l, *next;

	(void)fd;
	(void)what;
	if (pause_is_on(loop_now(p->loop))) {
		p->paused = true;
		pool_look_soon(p);
	}
	TAILQ_FOREACH_SAFE(l, &p->links, of_pool, next) {
		pool_check_slow(l);
		pool_check_age(l);
		if (!backend_idle(l->backend) || l->role == POOL_AHEAD ||
		    backend_streams(l->backend) ||
		    backend_listens(l->backend))
			l->idle = 0;
		else if (l->idle++ == 0)
			continue;
		else if (l->role == POOL_OWN)
			p->ops->on_idle(l->owner);
		else if (l->idle > POOL_IDLE_TICKS && l->role != POOL_LOST)
			pool_bury(l);
	}
}

struct pool *
pool_new(struct loop *loop, struct gate *g, const struct pool_ops *ops)
{
	static const struct timeval tick = { POOL_TICK_S, 0 };
	struct pool *p = xcalloc(1, sizeof(*p));
	size_t i;

	p->loop = loop;
	p->gate = g;
	p->ops = ops;
	TAILQ_INIT(&p->links);
	LIST_INIT(&p->scripts);
	for (i = 0; i < POOL_BUCKETS; i++)
		LIST_INIT(&p->users[i]);
	LIST_INIT(&p->dropped);
	p->close = evtimer_new(loop_base(loop), pool_on_close, p);
	p->tick = event_new(loop_base(loop), -1, EV_PERSIST, pool_on_tick, p);
	p->look = evtimer_new(loop_base(loop), pool_on_look, p);
	if (p->close == NULL || p->tick == NULL || p->look == NULL ||
	    event_add(p->tick, &tick) == -1)
		fatalx("pool: out of memory");
	return p;
}

void
pool_free(struct pool *p)
{
	struct pool_link *l;

	while ((l = TAILQ_FIRST(&p->links)) != NULL) {
		pool_drop(l);
		loop_cancel(&l->bury);
		pool_bury_cb(l);
	}
	event_free(p->close);
	event_free(p->tick);
	event_free(p->look);
	free(p);
}

void
pool_set_redis(struct pool *p, const struct conn_addr redis[2])
{
	p->redis[SIDE_A] = redis[SIDE_A];
	p->redis[SIDE_B] = redis[SIDE_B];
}

void
pool_list(const struct pool *p, struct buf *out)
{
	static const char *const roles[] = { "shared", "busy", "retired",
	    "own", "ahead", "spare", "lost" };
	static const char *const kinds[] = { "work", "scripts", "alone",
	    "check", "auth" };
	const struct pool_link *l;

	TAILQ_FOREACH(l, &p->links, of_pool)
		buf_addf(out, "link=%s for=%s redis=%s user=%s db=%d resp=%d "
		    "unanswered=%zu stuck=%d\n", roles[l->role],
		    kinds[l->user->kind], p->redis[l->side].text,
		    l->user->key.user != NULL ? l->user->key.user : "default",
		    l->user->key.db, l->user->key.proto,
		    backend_unanswered(l->backend),
		    backend_stuck(l->backend));
}
