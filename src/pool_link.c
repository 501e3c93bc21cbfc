#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "pool_priv.h"
#include "stats.h"

/* Those that may be closed later are, so many at once, this often. */
#define POOL_DROPS		8
#define POOL_DROP_US		2000

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

void
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

void
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

void
pool_bury(struct pool_link *l)
{
	pool_silence(l);
	loop_defer_last(l->user->pool->loop, &l->bury);
}

/* The next one that clients asked and that is not answered, or NULL. */
static struct req *
pool_take_back(struct pool_link *l, bool *ran)
{
	struct req *r;

	while ((r = backend_take_back(l->backend, ran)) != NULL &&
	    r->from != REQ_CLIENT)
		req_free(r);
	return r;
}

/* What clients asked stays theirs. */
static void
pool_empty(struct pool_link *l)
{
	bool ran;

	while (pool_take_back(l, &ran) != NULL)
		continue;
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

	while ((r = pool_take_back(l, &ran)) != NULL)
		ops->on_back(r->owner, r, ran);
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

void
pool_drop(struct pool_link *l)
{
	pool_empty(l);
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

void
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

	pool_empty(l);
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
	while ((r = pool_take_back(l, &ran)) != NULL) {
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

	while ((r = pool_take_back(l, &ran)) != NULL)
		ops->on_busy(r->owner, r, why);
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

/* ---- making one ---- */

static void
pool_greet_cb(void *arg, struct req *r)
{
	struct pool_link *l = arg;

	l->greetings++;
	backend_send(l->backend, r);
}

struct pool_link *
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

/* ---- one and its Redis ---- */

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
pool_link_number(const struct pool_link *l)
{
	return l->number;
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
