#include "pool.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "pause.h"
#include "stats.h"

#define POOL_BUCKETS		256

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

/* Those that may be closed later are, so many at once, this often. */
#define POOL_DROPS		8
#define POOL_DROP_US		2000

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

/*
 * A BUSY one is shared, but takes no more until a script has ended, or Redis'
 * pause. A RETIRED one was shared; it goes when its last reply is in.
 */
enum pool_role {
	POOL_SHARED,
	POOL_BUSY,
	POOL_RETIRED,
	POOL_OWN,
	POOL_AHEAD,
	POOL_SPARE,
	POOL_LOST
};

/* By which command it may ask what Redis calls a connection. */
enum pool_id {
	POOL_ID_UNKNOWN,
	POOL_ID_CLIENT,		/* CLIENT ID */
	POOL_ID_HELLO		/* nobody is denied that */
};

struct pool_user {
	LIST_ENTRY(pool_user)	 of_bucket;
	struct pool		*pool;
	enum pool_kind		 kind;
	struct session		 key;	/* only what session_copy_key() does */
	size_t			 refs;	/* clients and links */
	enum pool_id		 id_by;
	struct pool_link	*shared[2];	/* in use now, or NULL */
	LIST_HEAD(, pool_link)	 sharing[2];	/* SHARED and BUSY, by side */
	LIST_HEAD(, pool_link)	 spare[2];	/* by side */
};

struct pool_link {
	TAILQ_ENTRY(pool_link)	 of_pool;
	LIST_ENTRY(pool_link)	 of_user;	/* by role; or of dropped */
	LIST_ENTRY(pool_link)	 of_scripts;
	struct pool_user	*user;
	struct backend		*backend;
	void			*owner;		/* of one OWN or AHEAD */
	enum pool_role		 role;
	enum side		 side;
	uint64_t		 number;
	char			*name;		/* that Redis knows, or NULL */
	bool			 name_lost;	/* it may be another one */
	bool			 id_asked;
	unsigned		 ids;		/* asked for, unanswered */
	uint64_t		 id;		/* what Redis calls it, or 0 */
	unsigned		 greetings;	/* unanswered */
	unsigned		 idle;		/* ticks */
	unsigned		 choked;	/* ticks */
	unsigned		 age;		/* ticks */
	uint64_t		 awaited;	/* at the last look */
	struct loop_task	 lose;
	struct loop_task	 bury;
};

struct pool {
	struct loop			*loop;
	struct gate			*gate;
	const struct pool_ops		*ops;
	struct conn_addr		 redis[2];
	TAILQ_HEAD(, pool_link)		 links;
	uint64_t			 last_number;
	LIST_HEAD(, pool_user)		 users[POOL_BUCKETS];
	size_t				 shared; /* links of that role */
	size_t				 spare;
	LIST_HEAD(, pool_link)		 dropped;	/* but not closed */
	struct event			*close;
	struct event			*tick;
	LIST_HEAD(, pool_link)		 scripts;
	struct event			*look;	/* while scripts run, or
						 * Redis pauses */
	bool				 looks;
	bool				 paused;
};

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

static struct pool_user *
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

/* ---- links: life ---- */

static void
pool_count(struct pool_link *l, int n)
{
	struct pool *p = l->user->pool;

	switch (l->role) {
	case POOL_SHARED:
	case POOL_BUSY:
	case POOL_RETIRED:
		p->shared += (size_t)n;
		STATS_ADD(links_shared, n);
		break;
	case POOL_OWN:
	case POOL_AHEAD:
		STATS_ADD(links_own, n);
		break;
	case POOL_SPARE:
		p->spare += (size_t)n;
		STATS_ADD(links_spare, n);
		break;
	case POOL_LOST:
		break;
	}
}

static void
pool_set_role(struct pool_link *l, enum pool_role role)
{
	struct pool_user *u = l->user;

	if (l->role == POOL_SHARED && u->shared[l->side] == l)
		u->shared[l->side] = NULL;
	if (l->role == POOL_SHARED || l->role == POOL_BUSY ||
	    l->role == POOL_SPARE)
		LIST_REMOVE(l, of_user);
	pool_count(l, -1);
	l->role = role;
	l->idle = 0;
	pool_count(l, 1);
	if (role == POOL_SHARED || role == POOL_BUSY)
		LIST_INSERT_HEAD(&u->sharing[l->side], l, of_user);
	else if (role == POOL_SPARE)
		LIST_INSERT_HEAD(&u->spare[l->side], l, of_user);
}

static void
pool_bury_cb(void *arg)
{
	struct pool_link *l = arg;
	struct pool *p = l->user->pool;

	TAILQ_REMOVE(&p->links, l, of_pool);
	if (l->user->kind == POOL_SCRIPTS)
		LIST_REMOVE(l, of_scripts);
	backend_free(l->backend);
	pool_user_put(l->user);
	free(l->name);
	free(l);
}

/* Nothing is unanswered on it, or what was has been taken back. */
static void
pool_silence(struct pool_link *l)
{
	pool_set_role(l, POOL_LOST);
	l->owner = NULL;
	loop_cancel(&l->lose);
	backend_silence(l->backend);
}

static void
pool_bury(struct pool_link *l)
{
	pool_silence(l);
	loop_defer_last(l->user->pool->loop, &l->bury);
}

/* Its Redis is gone, or is none that may be heard any more. */
static void
pool_lose_cb(void *arg)
{
	struct pool_link *l = arg;
	const struct pool_ops *ops = l->user->pool->ops;
	void *owner = l->owner;
	struct req *r;
	bool ran;

	while ((r = backend_take_back(l->backend, &ran)) != NULL) {
		if (r->from == REQ_CLIENT)
			ops->on_back(r->owner, r, ran);
		else
			req_free(r);
	}
	pool_bury(l);
	if (owner != NULL)
		ops->on_lost(owner, l->side);
}

void
pool_lose(struct pool_link *l)
{
	struct pool *p = l->user->pool;

	if (l->role == POOL_LOST)
		return;
	/* Its counter goes with the role, the owner is told later. */
	pool_set_role(l, POOL_LOST);
	backend_silence(l->backend);
	loop_defer(p->loop, &l->lose);
}

static void
pool_take_back(struct pool_link *l)
{
	struct req *r;
	bool ran;

	while ((r = backend_take_back(l->backend, &ran)) != NULL)
		if (r->from != REQ_CLIENT)
			req_free(r);
}

void
pool_drop(struct pool_link *l)
{
	pool_take_back(l);
	pool_bury(l);
}

static void
pool_close_later(struct pool *p)
{
	static const struct timeval later = { 0, POOL_DROP_US };

	if (!LIST_EMPTY(&p->dropped) &&
	    !event_pending(p->close, EV_TIMEOUT, NULL))
		event_add(p->close, &later);
}

static void
pool_on_close(evutil_socket_t fd, short what, void *arg)
{
	struct pool *p = arg;
	struct pool_link *l;
	size_t n;

	(void)fd;
	(void)what;
	for (n = 0; n < POOL_DROPS &&
	    gate_order(p->gate)->state == GATE_OPEN &&
	    (l = LIST_FIRST(&p->dropped)) != NULL; n++) {
		LIST_REMOVE(l, of_user);
		pool_bury_cb(l);
	}
	pool_close_later(p);
}

void
pool_drop_later(struct pool_link *l)
{
	struct pool *p = l->user->pool;

	pool_take_back(l);
	pool_silence(l);
	LIST_INSERT_HEAD(&p->dropped, l, of_user);
	pool_close_later(p);
}

/* ---- what a link says ---- */

/* Redis does not take its user: nothing of what waits behind has left. */
static void
pool_unwelcome(struct pool_link *l, const char *command, const char *answer)
{
	const struct pool_ops *ops = l->user->pool->ops;
	bool ahead = l->role == POOL_AHEAD;
	void *owner = l->owner;
	struct req *r;
	bool ran;

	log_warnx("pool: clients of user %s cannot go on at another "
	    "connection, their %s was answered %s; are users and passwords "
	    "the same on both Redis?", l->user->key.user != NULL ?
	    l->user->key.user : "default", command, answer);
	while ((r = backend_take_back(l->backend, &ran)) != NULL) {
		if (r->from != REQ_CLIENT) {
			req_free(r);
			continue;
		}
		ops->on_back(r->owner, r, false);
		if (owner == NULL)
			ops->on_unwelcome(r->owner, command, answer);
	}
	pool_bury(l);
	if (owner != NULL) {
		ops->on_lost(owner, l->side);
		if (!ahead)
			ops->on_unwelcome(owner, command, answer);
	}
}

/* Redis runs a script, and does nothing else, not even SELECT. */
static void
pool_refused(struct pool_link *l, const char *error, size_t len)
{
	const struct pool_ops *ops = l->user->pool->ops;
	char *why = xstrndup(error + 1, len - 3);	/* -...\r\n */
	void *owner = l->owner;
	struct req *r;
	bool ran;

	while ((r = backend_take_back(l->backend, &ran)) != NULL) {
		if (r->from == REQ_CLIENT)
			ops->on_busy(r->owner, r, why);
		else
			req_free(r);
	}
	free(why);
	pool_bury(l);
	if (owner != NULL)
		ops->on_lost(owner, l->side);
}

/*
 * An answer to what rebuilds a session: only failure matters, and that of
 * a command queued in a transaction shows at its EXEC.
 */
static void
pool_on_greeted(struct pool_link *l, struct req *r,
    const struct resp_reply *head, const char *p, size_t n)
{
	const char *name = r->cmd->name;
	bool of_session = session_changes(r);
	bool refused = r->refused || (head->type == '-' && (of_session ||
	    r->cmd->special == CMD_TRACKING));

	req_free(r);
	if (refused) {
		if (backend_is_bounce(l->backend, head))
			pool_lose(l);
		else if (resp_is_error(head, "BUSY"))
			pool_refused(l, p, n);
		else
			pool_unwelcome(l, name, head->type == '-' ?
			    head->first : "an error");
		return;
	}
	if (of_session && --l->greetings == 0)
		backend_uncork(l->backend);
	if (l->owner != NULL && backend_idle(l->backend))
		l->user->pool->ops->on_ready(l->owner, l->side);
}

/* It is in HELLO's answer too, whether map or array. */
static void
pool_on_id(struct pool_link *l, struct req *r, const char *p, size_t n,
    bool done)
{
	static const char field[] = "$2\r\nid\r\n:";

	if (r->argc == 2 && *p == ':') {
		l->user->id_by = POOL_ID_CLIENT;
		l->id = strtoull(p + 1, NULL, 10);
	} else if (r->argc == 2)
		l->user->id_by = POOL_ID_HELLO;
	else
		buf_add(&r->reply, p, n);
	if (r->argc == 2 || !done)
		return;
	buf_add(&r->reply, "", 1);
	p = memmem(buf_data(&r->reply), buf_len(&r->reply), field,
	    sizeof(field) - 1);
	if (p != NULL)
		l->id = strtoull(p + sizeof(field) - 1, NULL, 10);
}

static void
pool_on_reply(void *arg, struct req *r, const struct resp_reply *head,
    const char *p, size_t n, bool done)
{
	struct pool_link *l = arg;

	if (r->from == REQ_CLIENT) {
		l->user->pool->ops->on_reply(r->owner, r, head, p, n, done);
		return;
	}
	if (r->from == REQ_SESSION && r->cmd->special == CMD_CLIENT_ID) {
		pool_on_id(l, r, p, n, done);
		if (done && l->ids > 0 && --l->ids == 0 && l->owner != NULL)
			l->user->pool->ops->on_id(l->owner);
	}
	if (!done)
		r->refused |= head->type == '-';
	else if (r->from == REQ_SESSION)
		pool_on_greeted(l, r, head, p, n);
	else
		req_free(r);
}

static void
pool_on_split(void *arg, struct req *r, struct req_list *singles)
{
	struct pool_link *l = arg;

	l->user->pool->ops->on_split(r->owner, r, singles);
}

/* A shared link gets none that anybody asked for. */
static void
pool_on_push(void *arg, const char *p, size_t n)
{
	struct pool_link *l = arg;

	if (l->owner != NULL)
		l->user->pool->ops->on_push(l->owner, l->side, p, n);
}

static void
pool_on_lost(void *arg, int error)
{
	(void)error;
	pool_lose(arg);
}

static void
pool_on_room(void *arg)
{
	struct pool_link *l = arg;

	if (l->owner != NULL)
		l->user->pool->ops->on_room(l->owner);
}

static const struct backend_ops pool_backend_ops = {
	.on_room = pool_on_room,
	.on_reply = pool_on_reply,
	.on_split = pool_on_split,
	.on_push = pool_on_push,
	.on_lost = pool_on_lost,
};

/* ---- links: making and finding ---- */

static void
pool_greet_cb(void *arg, struct req *r)
{
	struct pool_link *l = arg;

	l->greetings++;
	backend_send(l->backend, r);
}

static struct pool_link *
pool_link_new(struct pool_user *u, enum side side, enum pool_role role)
{
	struct pool *p = u->pool;
	struct pool_link *l = xcalloc(1, sizeof(*l));

	l->user = u;
	u->refs++;
	l->side = side;
	l->role = POOL_LOST;
	l->number = ++p->last_number;
	loop_task_init(&l->lose, pool_lose_cb, l);
	loop_task_init(&l->bury, pool_bury_cb, l);
	l->backend = backend_new(p->loop, p->gate, side, &p->redis[side],
	    &pool_backend_ops, l);
	pool_set_role(l, role);
	TAILQ_INSERT_TAIL(&p->links, l, of_pool);
	if (u->kind == POOL_SCRIPTS)
		LIST_INSERT_HEAD(&p->scripts, l, of_scripts);
	STATS_ADD(links_opened, 1);
	if (u->kind != POOL_AUTH)
		session_greet(&u->key, pool_greet_cb, l);
	/* What follows must not run as somebody else. */
	if (l->greetings > 0)
		backend_cork(l->backend);
	return l;
}

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

static void
pool_look_soon(struct pool *p)
{
	static const struct timeval soon = { 0, POOL_LOOK_MS * 1000 };

	if (!p->looks)
		event_add(p->look, &soon);
	p->looks = true;
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

uint64_t
pool_link_number(const struct pool_link *l)
{
	return l->number;
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

/* Nobody waits for the answer: who may not have a name has none. */
void
pool_name(struct pool_link *l, const char *name)
{
	struct buf b = BUF_INIT;
	struct req *r;

	if (!l->name_lost && (name == l->name || (name != NULL &&
	    l->name != NULL && strcmp(name, l->name) == 0)))
		return;
	free(l->name);
	l->name = name != NULL ? xstrdup(name) : NULL;
	l->name_lost = false;
	resp_add_command(&b, "CLIENT", "SETNAME", name != NULL ? name : "",
	    NULL);
	r = req_new(cmd_lookup("client", 6, "setname", 7), REQ_SESSION, 3,
	    buf_data(&b), buf_len(&b));
	r->class = CMD_ANY;
	buf_free(&b);
	backend_send(l->backend, r);
}

void
pool_name_lost(struct pool_link *l)
{
	l->name_lost = true;
}

static void
pool_send_id(struct pool_link *l, const char *request, long long argc)
{
	l->ids++;
	backend_send(l->backend, req_new(cmd_lookup("client", 6, "id", 2),
	    REQ_SESSION, argc, request, strlen(request)));
}

void
pool_ask_id(struct pool_link *l)
{
	if (!l->id_asked)
		pool_ask_id_again(l);
}

void
pool_ask_id_again(struct pool_link *l)
{
	l->id_asked = true;
	if (l->user->id_by != POOL_ID_HELLO)
		pool_send_id(l, "*2\r\n$6\r\nCLIENT\r\n$2\r\nID\r\n", 2);
	if (l->user->id_by != POOL_ID_CLIENT)
		pool_send_id(l, "*1\r\n$5\r\nHELLO\r\n", 1);
}

uint64_t
pool_link_id(const struct pool_link *l)
{
	return l->id;
}

bool
pool_link_asks_id(const struct pool_link *l)
{
	return l->ids > 0;
}

bool
pool_link_greeted(const struct pool_link *l)
{
	return l->greetings == 0;
}

bool
pool_link_own(const struct pool_link *l)
{
	return l->owner != NULL;
}

bool
pool_link_checks(const struct pool_link *l)
{
	return l->user->kind == POOL_CHECK || l->user->kind == POOL_AUTH;
}

bool
pool_link_runs(const struct pool_link *l)
{
	return l->user->kind == POOL_SCRIPTS;
}

enum side
pool_link_side(const struct pool_link *l)
{
	return l->side;
}

bool
pool_link_lost(const struct pool_link *l)
{
	return l->role == POOL_LOST;
}

struct backend *
pool_backend(struct pool_link *l)
{
	return l->backend;
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
