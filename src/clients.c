#include "clients.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "clients_show.h"
#include "log.h"
#include "stats.h"

struct clients {
	struct client_env		 env;	/* first: see clients_of() */
	struct clients_ops		 ops;
	struct client_places		 all;
	enum gate_state			 was;	/* the gate */
	struct event			*again;	/* a hold is told again */
	struct event			*near;	/* goes on with the next */
	struct client_place		*next;	/* to be made ready, or NULL */
};

/* They wait 10 s for what they were told of. */
#define CLIENTS_AGAIN_SECONDS	5

/* Before a hold so many that listen are made ready for it in one turn. */
#define CLIENTS_NEAR		8
#define CLIENTS_NEAR_LOOKS	512

static struct clients *
clients_of(struct client_env *env)
{
	return (struct clients *)(void *)env;
}

static void
clients_gone(struct client_env *env, struct client *c)
{
	struct clients *cs = clients_of(env);
	struct client_place *p = client_place(c);

	cs->ops.moved(client_facts(c).conn, false, cs->ops.arg);
	if (cs->next == p)
		cs->next = TAILQ_NEXT(p, link);
	TAILQ_REMOVE(&cs->all, p, link);
	STATS_ADD(clients, -1);
}

static struct client *
clients_find(struct clients *cs, uint64_t id)
{
	struct client_place *p;

	TAILQ_FOREACH(p, &cs->all, link)
		if (client_facts(client_at(p)).id == id)
			return client_at(p);
	return NULL;
}

/* ---- CLIENT LIST, INFO and KILL ---- */

void
clients_list(struct clients *cs, struct buf *out)
{
	struct client_place *p;

	TAILQ_FOREACH(p, &cs->all, link)
		clients_line(client_at(p), loop_now(cs->env.loop), out);
}

/* CLIENT LIST, KILL or UNBLOCK, on its way from thread to thread. */
struct clients_question {
	struct clients_round	 round;		/* first: see ..._of() */
	struct clients		*home;
	uint64_t		 me;		/* the client that asks */
	struct clients_filter	 filter;	/* of LIST and KILL */
	bool			 old_form;	/* KILL ADDRESS */
	int			 proto;		/* of its answer */
	uint64_t		 blocked;	/* of UNBLOCK */
	const char		*unblock;	/* TIMEOUT or ERROR */
	struct session		 by;		/* as this user */
	long long		 killed;	/* or unblocked */
	enum client_answer	 how;
	struct buf		 text;
};

static struct clients_question *
clients_question_of(struct clients_round *r)
{
	return (struct clients_question *)(void *)r;
}

static void
clients_visit_list(struct clients *cs, struct clients_round *r)
{
	struct clients_question *q = clients_question_of(r);
	struct mono now = loop_now(cs->env.loop);
	struct client_place *p;

	TAILQ_FOREACH(p, &cs->all, link)
		if (clients_matches(&q->filter, client_at(p), now))
			clients_line(client_at(p), now, &q->text);
}

/* The one that asks goes last, with its answer. */
static void
clients_visit_kill(struct clients *cs, struct clients_round *r)
{
	struct clients_question *q = clients_question_of(r);
	struct client_place *p, *next;

	TAILQ_FOREACH_SAFE(p, &cs->all, link, next) {
		if (!clients_matches(&q->filter, client_at(p),
		    loop_now(cs->env.loop)))
			continue;
		q->killed++;
		if (client_facts(client_at(p)).id == q->me)
			q->how = CLIENT_ENDS;
		else
			client_end(client_at(p), "killed by CLIENT KILL");
	}
}

static void
clients_visit_unblock(struct clients *cs, struct clients_round *r)
{
	struct clients_question *q = clients_question_of(r);
	struct client *c = clients_find(cs, q->blocked);

	if (c != NULL && client_unblock(c, q->unblock, &q->by))
		q->killed++;
}

size_t
clients_kill(struct clients *cs, uint64_t id, const char *addr)
{
	struct client_place *p, *next;
	size_t n = 0;

	TAILQ_FOREACH_SAFE(p, &cs->all, link, next) {
		struct client_facts f = client_facts(client_at(p));

		if ((id != 0 && f.id != id) || (addr != NULL &&
		    strcmp(addr, conn_peer(f.conn)->text) != 0))
			continue;
		client_end(client_at(p), "killed by an operator");
		n++;
	}
	return n;
}

static void
clients_question_free(struct clients_question *q)
{
	clients_filter_clear(&q->filter);
	session_clear(&q->by);
	buf_free(&q->text);
	free(q);
}

/* Home again: the client that asked may have left meanwhile. */
static void
clients_on_answer(struct clients_round *r)
{
	struct clients_question *q = clients_question_of(r);
	struct client *c = clients_find(q->home, q->me);
	struct buf out = BUF_INIT;

	if (r->visit == clients_visit_list)
		resp_add_verbatim(&out, buf_data(&q->text),
		    buf_len(&q->text), q->proto);
	else if (!q->old_form)
		resp_add_int(&out, q->killed);
	else if (q->killed > 0)
		resp_add_simple(&out, "OK");
	else
		resp_add_error(&out, "ERR No such client");
	if (c != NULL)
		client_answer_later(c, &out, q->how);
	buf_free(&out);
	clients_question_free(q);
}

static struct clients_question *
clients_question_new(struct clients *cs, const struct client *c,
    clients_visit_fn *visit)
{
	struct clients_question *q = xcalloc(1, sizeof(*q));

	q->round.visit = visit;
	q->round.home = clients_on_answer;
	q->home = cs;
	q->me = client_facts(c).id;
	q->proto = client_facts(c).session->proto;
	q->how = CLIENT_STAYS;
	session_init(&q->by);
	return q;
}

/* Redis has looked at the arguments: what it took may be new to us. */
static enum client_answer
clients_ask_filtered(struct clients *cs, const struct client *c,
    const struct req *r, clients_visit_fn *visit, struct buf *out)
{
	struct clients_question *q = clients_question_new(cs, c, visit);
	char *word = NULL;

	q->old_form = visit == clients_visit_kill && r->argc == 3;
	if (q->old_form)
		q->filter.addr = session_arg(r, 2);
	else {
		q->filter.not_me = visit == clients_visit_kill ? q->me : 0;
		word = clients_filter_parse(&q->filter, r, q->me);
	}
	if (word != NULL) {
		resp_add_error(out, "ERR Holdover: '%s' does not know '%s'",
		    r->cmd->name, word);
		free(word);
		clients_question_free(q);
		return CLIENT_STAYS;
	}
	cs->ops.round(&q->round, cs->env.loop, cs->ops.arg);
	return CLIENT_LATER;
}

static enum client_answer
clients_ask_unblock(struct clients *cs, const struct client *c,
    const struct req *r, struct buf *out)
{
	struct resp_arg id = resp_request_arg(r->bytes, r->len, 2);
	struct clients_question *q;
	long long n;

	/* Redis' own words (networking.c, clientCommand). */
	if (!util_number(id.p, id.len, &n)) {
		resp_add_error(out, "ERR value is not an integer or out of "
		    "range");
		return CLIENT_STAYS;
	}
	q = clients_question_new(cs, c, clients_visit_unblock);
	q->blocked = (uint64_t)n;
	session_copy_key(&q->by, client_facts(c).session);
	q->unblock = session_arg_is(r, 3, "ERROR") ? "ERROR" : "TIMEOUT";
	cs->ops.round(&q->round, cs->env.loop, cs->ops.arg);
	return CLIENT_LATER;
}

static enum client_answer
clients_answer(struct client_env *env, struct client *c, const struct req *r,
    struct buf *out)
{
	struct clients *cs = clients_of(env);
	struct buf text = BUF_INIT;

	switch (r->cmd->special) {
	case CMD_CLIENT_LIST:
		return clients_ask_filtered(cs, c, r, clients_visit_list,
		    out);
	case CMD_CLIENT_KILL:
		return clients_ask_filtered(cs, c, r, clients_visit_kill,
		    out);
	case CMD_CLIENT_UNBLOCK:
		return clients_ask_unblock(cs, c, r, out);
	case CMD_CLIENT_INFO:
		clients_line(c, loop_now(env->loop), &text);
		resp_add_verbatim(out, buf_data(&text), buf_len(&text),
		    client_facts(c).session->proto);
		buf_free(&text);
		return CLIENT_STAYS;
	default:
		resp_add_error(out, "ERR Holdover: '%s' cannot be answered "
		    "here", r->cmd->name);
		return CLIENT_STAYS;
	}
}

/* ---- whom CLIENT TRACKING ... REDIRECT names ---- */

#define CLIENTS_NAME_MS		1000	/* at most, until Redis has said */

struct clients_search {
	struct clients_round	 round;		/* first: see ..._of() */
	struct clients		*home;
	uint64_t		 me;
	uint64_t		 id;
	enum side		 side;
	bool			 anew;
	struct mono		 until;
	bool			 exists;
	uint64_t		 found;		/* what Redis calls it, or 0 */
};

static struct clients_search *
clients_search_of(struct clients_round *r)
{
	return (struct clients_search *)(void *)r;
}

static void
clients_visit_search(struct clients *cs, struct clients_round *r)
{
	struct clients_search *s = clients_search_of(r);
	struct client *c = clients_find(cs, s->id);

	if (c != NULL)
		s->exists = client_be_found(c, s->side, s->anew, &s->found);
}

static void
clients_search_again(evutil_socket_t fd, short what, void *arg)
{
	struct clients_search *s = arg;

	(void)fd;
	(void)what;
	s->exists = false;
	s->home->ops.round(&s->round, s->home->env.loop, s->home->ops.arg);
}

/* Its connection may be so new that Redis has not told its number. */
static void
clients_on_search(struct clients_round *r)
{
	static const struct timeval soon = { 0, 1000 };
	struct clients_search *s = clients_search_of(r);
	struct client *c = clients_find(s->home, s->me);

	if (c != NULL && s->exists && s->found == 0 &&
	    mono_before(mono_now(), s->until) &&
	    event_base_once(loop_base(s->home->env.loop), -1, EV_TIMEOUT,
	    clients_search_again, s, &soon) == 0)
		return;
	if (c != NULL)
		client_found(c, s->id, s->found);
	free(s);
}

static void
clients_ask_search(struct client_env *env, struct client *c, uint64_t id,
    enum side side, bool anew)
{
	struct clients *cs = clients_of(env);
	struct clients_search *s = xcalloc(1, sizeof(*s));

	s->round.visit = clients_visit_search;
	s->round.home = clients_on_search;
	s->home = cs;
	s->me = client_facts(c).id;
	s->id = id;
	s->side = side;
	s->anew = anew;
	/* Over a switch it may have to wait for its own connection. */
	s->until = mono_add_ms(mono_now(), anew ? env->hold_timeout :
	    CLIENTS_NAME_MS);
	cs->ops.round(&s->round, env->loop, cs->ops.arg);
}

/* It has another connection: those who named it have to ask again. */
struct clients_refind {
	struct clients_round	 round;		/* first */
	uint64_t		 id;
};

static void
clients_visit_refind(struct clients *cs, struct clients_round *r)
{
	const struct clients_refind *f = (const void *)r;
	struct client_place *p, *next;

	TAILQ_FOREACH_SAFE(p, &cs->all, link, next)
		client_refind(client_at(p), f->id);
}

static void
clients_on_refound(struct clients_round *r)
{
	free(r);
}

static void
clients_ask_refind(struct client_env *env, uint64_t id)
{
	struct clients *cs = clients_of(env);
	struct clients_refind *f = xcalloc(1, sizeof(*f));

	f->round.visit = clients_visit_refind;
	f->round.home = clients_on_refound;
	f->id = id;
	cs->ops.round(&f->round, env->loop, cs->ops.arg);
}

/* ---- the gate ---- */

static void
clients_tell(struct clients *cs, bool again)
{
	struct client_place *p, *next;

	TAILQ_FOREACH_SAFE(p, &cs->all, link, next)
		client_tell(client_at(p), again);
}

static void
clients_on_again(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	clients_tell(arg, true);
}

/* A hold that begins, or ends, is told to those who want to know. */
static void
clients_tell_hold(struct clients *cs)
{
	static const struct timeval again = { CLIENTS_AGAIN_SECONDS, 0 };
	struct client_env *env = &cs->env;
	bool holds = gate_order(env->gate)->near ||
	    gate_state(env->gate, loop_now(env->loop)) != GATE_OPEN;

	if (holds == (env->hold_seq != 0))
		return;
	if (holds) {
		env->hold_seq = gate_number(env->gate);
		event_add(cs->again, &again);
	} else {
		env->hold_seq = 0;
		env->end_seq = gate_number(env->gate);
		event_del(cs->again);
	}
	clients_tell(cs, false);
}

/* Those who listen, a few at a time, for others are being served. */
static void
clients_on_near(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval at_once = { 0, 0 };
	struct clients *cs = arg;
	struct client_place *p;
	size_t looks, made = 0;

	(void)fd;
	(void)what;
	for (looks = 0; looks < CLIENTS_NEAR_LOOKS && made < CLIENTS_NEAR &&
	    (p = cs->next) != NULL; looks++) {
		cs->next = TAILQ_NEXT(p, link);
		made += client_on_near(client_at(p));
	}
	if (cs->next != NULL)
		event_add(cs->near, &at_once);
	else
		gate_moved(cs->env.gate);
}

/* The switch waits for them. */
static void
clients_make_ready(struct clients *cs)
{
	static const struct timeval at_once = { 0, 0 };

	if (event_pending(cs->near, EV_TIMEOUT, NULL))
		return;
	gate_moves(cs->env.gate);
	cs->next = TAILQ_FIRST(&cs->all);
	event_add(cs->near, &at_once);
}

static void
clients_on_gate(void *arg)
{
	struct clients *cs = arg;
	enum gate_state state = gate_order(cs->env.gate)->state;

	clients_tell_hold(cs);
	if (gate_order(cs->env.gate)->near)
		clients_make_ready(cs);

	if (cs->was == GATE_OPEN && state != GATE_OPEN)
		hold_report_reset(cs->env.hold);
	cs->was = state;
	pool_on_gate(cs->env.pool);
	client_again_on_gate(&cs->env);
	hold_release(cs->env.hold);
}

static const struct hold_ops clients_hold_ops = {
	.go_on = client_go_on,
	.expire = client_expire,
};

/* ---- coming and going ---- */

void
clients_add(struct clients *cs, const struct conn_caller *caller, uint64_t id)
{
	struct client *c = client_new(&cs->env, caller, id);

	TAILQ_INSERT_TAIL(&cs->all, client_place(c), link);
	STATS_ADD(clients, 1);
	cs->ops.moved(client_facts(c).conn, true, cs->ops.arg);
}

void
clients_leaving(struct clients *cs, const struct conn_addr *vip, uint64_t seq)
{
	struct client_place *p, *next;

	cs->env.leaving = vip != NULL ? *vip : (struct conn_addr){ 0 };
	cs->env.leaving_seq = vip != NULL ? seq : 0;
	TAILQ_FOREACH_SAFE(p, &cs->all, link, next)
		client_on_leaving(client_at(p));
}

/*
 * A reset and no FIN, which would be sent again and again: its answer goes to
 * the VIP's new holder.
 */
size_t
clients_farewell(struct clients *cs, const struct conn_addr *vip,
    uint64_t last)
{
	struct client_place *p, *next;
	struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	size_t n = 0;

	TAILQ_FOREACH_SAFE(p, &cs->all, link, next) {
		struct client_facts f = client_facts(client_at(p));

		if (f.id > last || !conn_is_at(f.conn, vip))
			continue;
		setsockopt(conn_fd(f.conn), SOL_SOCKET, SO_LINGER, &reset,
		    sizeof(reset));
		client_end(client_at(p), "the VIP has left");
		n++;
	}
	return n;
}

void
clients_finish(struct clients *cs)
{
	struct client_place *p, *next;

	TAILQ_FOREACH_SAFE(p, &cs->all, link, next)
		client_finish(client_at(p));
}

/* ---- configuration ---- */

/* The commands of a row that client-deny's words name. */
static bool
clients_denied(const struct cmd *cmd, const char *words)
{
	size_t len;
	const char *p;

	for (p = words; *p != '\0'; p += len) {
		p += strspn(p, " ");
		len = strcspn(p, " ");
		if (len > 0 && strncasecmp(cmd->name, p, len) == 0 &&
		    (cmd->name[len] == '\0' || cmd->name[len] == '|'))
			return true;
	}
	return false;
}

void
clients_set_conf(struct clients *cs, const struct conf *conf)
{
	const struct cmd *cmd;
	size_t i;

	cs->env.query_limit = (size_t)conf->client_query_limit;
	cs->env.output_limit = (size_t)conf->client_output_limit;
	cs->env.hold_timeout = conf->hold_timeout;

	free(cs->env.denied);
	cs->env.denied = xcalloc(cmd_count() + 1, sizeof(*cs->env.denied));
	for (i = 0; (cmd = cmd_row(i)) != NULL; i++)
		cs->env.denied[i] = clients_denied(cmd, conf->client_deny);
}

void
clients_set_redis(struct clients *cs, const struct conn_addr redis[2])
{
	pool_set_redis(cs->env.pool, redis);
}

struct clients *
clients_new(struct loop *l, struct gate *g, struct hold_memory *memory,
    struct tls *tls, const struct conf *conf, const struct clients_ops *ops)
{
	struct clients *cs = xcalloc(1, sizeof(*cs));

	cs->env.loop = l;
	cs->env.gate = g;
	cs->env.tls = tls;
	cs->env.hold = hold_new(l, &clients_hold_ops, memory);
	cs->env.pool = pool_new(l, g, &client_pool_ops);
	cs->env.answer = clients_answer;
	cs->env.find = clients_ask_search;
	cs->env.refind = clients_ask_refind;
	cs->env.gone = clients_gone;
	cs->ops = *ops;
	TAILQ_INIT(&cs->all);
	TAILQ_INIT(&cs->env.blocked);
	TAILQ_INIT(&cs->env.again);
	clients_set_conf(cs, conf);
	gate_watch(g, clients_on_gate, cs);
	cs->again = event_new(loop_base(l), -1, EV_PERSIST, clients_on_again,
	    cs);
	cs->near = evtimer_new(loop_base(l), clients_on_near, cs);
	if (cs->again == NULL || cs->near == NULL)
		fatalx("clients: libevent cannot start");
	clients_tell_hold(cs);
	return cs;
}

void
clients_free(struct clients *cs)
{
	struct client_place *p;

	while ((p = TAILQ_FIRST(&cs->all)) != NULL)
		client_end(client_at(p), "Holdover stops");
	event_free(cs->again);
	event_free(cs->near);
	hold_free(cs->env.hold);
	pool_free(cs->env.pool);
	free(cs->env.denied);
	free(cs);
}

const struct hold *
clients_hold(const struct clients *cs)
{
	return cs->env.hold;
}

void
clients_list_links(const struct clients *cs, struct buf *out)
{
	pool_list(cs->env.pool, out);
}
