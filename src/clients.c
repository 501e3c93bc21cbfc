#include "clients.h"

#include <assert.h>
#include <errno.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "log.h"
#include "stats.h"

#define CLIENTS_BACKLOG		1024
#define CLIENTS_LISTENERS	16

/* Out of descriptors: accept again after this long. */
#define CLIENTS_ACCEPT_PAUSE_MS	100

struct clients_entry {
	TAILQ_ENTRY(clients_entry)	 link;
	struct client			*client;
};

struct clients {
	struct client_env		 env;	/* first: see clients_of() */
	TAILQ_HEAD(, clients_entry)	 all;
	size_t				 count;
	size_t				 max;
	uint64_t			 last_id;
	struct evconnlistener		*listener[CLIENTS_LISTENERS];
	size_t				 listeners;
	struct event			*accept_again;
	clients_moved_fn		*moved;
	void				*moved_arg;
};

static struct clients *
clients_of(struct client_env *env)
{
	return (struct clients *)(void *)env;
}

static void
clients_tell(struct clients *cs, const struct clients_entry *e, bool came)
{
	if (cs->moved != NULL)
		cs->moved(client_facts(e->client).conn, came, cs->moved_arg);
}

void
clients_watch(struct clients *cs, clients_moved_fn *fn, void *arg)
{
	cs->moved = fn;
	cs->moved_arg = arg;
}

static void
clients_gone(struct client_env *env, void *owner)
{
	struct clients *cs = clients_of(env);
	struct clients_entry *e = owner;

	clients_tell(cs, e, false);
	TAILQ_REMOVE(&cs->all, e, link);
	cs->count--;
	free(e);
}

/* ---- CLIENT LIST, INFO and KILL ---- */

/* One line, with the fields of Redis 7.0 that mean something here. */
static void
clients_line(struct clients *cs, const struct client *c, struct buf *out)
{
	struct client_facts f = client_facts(c);
	const struct session *s = f.session;
	struct mono now = loop_now(cs->env.loop);

	buf_addf(out, "id=%llu addr=%s laddr=%s fd=%d name=%s age=%lld "
	    "idle=%lld flags=%s db=%d multi=%d qbuf=0 qbuf-free=0 obl=0 "
	    "oll=0 omem=%zu events=r cmd=%s user=%s redir=-1 resp=%d "
	    "lib-name=%s lib-ver=%s waiting=%zu unanswered=%zu\n",
	    (unsigned long long)f.id, conn_peer(f.conn)->text,
	    conn_local(f.conn)->text, conn_fd(f.conn),
	    s->name != NULL ? s->name : "",
	    (long long)mono_ms(now, f.since) / 1000,
	    (long long)mono_ms(now, f.active) / 1000,
	    f.streaming ? "P" : s->in_tx ? "x" : "N", s->db,
	    s->in_tx ? 0 : -1, conn_pending(f.conn), f.command,
	    s->user != NULL ? s->user : "default", s->proto,
	    s->lib_name != NULL ? s->lib_name : "",
	    s->lib_ver != NULL ? s->lib_ver : "", f.waiting, f.unanswered);
}

void
clients_list(struct clients *cs, struct buf *out)
{
	struct clients_entry *e;

	TAILQ_FOREACH(e, &cs->all, link)
		clients_line(cs, e->client, out);
}

struct clients_filter {
	char		*addr;
	char		*laddr;
	char		*user;
	char		*type;
	long long	 id;		/* 0: any */
	bool		 skip_me;
};

static bool
clients_matches(const struct clients_filter *f, const struct client *c,
    const struct client *me)
{
	struct client_facts x = client_facts(c);
	const char *user = x.session->user != NULL ? x.session->user :
	    "default";
	const char *type = x.streaming ? "pubsub" : "normal";

	return !(f->skip_me && c == me) &&
	    (f->id == 0 || (uint64_t)f->id == x.id) &&
	    (f->addr == NULL || strcmp(f->addr, conn_peer(x.conn)->text) == 0)
	    && (f->laddr == NULL ||
	    strcmp(f->laddr, conn_local(x.conn)->text) == 0) &&
	    (f->user == NULL || strcmp(f->user, user) == 0) &&
	    (f->type == NULL || strcasecmp(f->type, type) == 0);
}

/* One "NAME value" pair of CLIENT KILL's newer form; false: syntax error. */
static bool
clients_filter_add(struct clients_filter *f, const struct req *r, long long i)
{
	char **field = session_arg_is(r, i, "ADDR") ? &f->addr :
	    session_arg_is(r, i, "LADDR") ? &f->laddr :
	    session_arg_is(r, i, "USER") ? &f->user :
	    session_arg_is(r, i, "TYPE") ? &f->type : NULL;
	struct resp_arg a;

	if (i + 1 >= r->argc)
		return false;
	if (field != NULL) {
		free(*field);
		*field = session_arg(r, i + 1);
		return true;
	}
	if (session_arg_is(r, i, "SKIPME")) {
		f->skip_me = session_arg_is(r, i + 1, "yes");
		return f->skip_me || session_arg_is(r, i + 1, "no");
	}
	a = resp_request_arg(r->bytes, r->len, i + 1);
	return session_arg_is(r, i, "ID") &&
	    util_number(a.p, a.len, &f->id) && f->id > 0;
}

/* False when the client is to be killed itself. */
static bool
clients_answer_kill(struct clients *cs, struct client *me,
    const struct req *r, struct buf *out)
{
	struct clients_filter f = { .skip_me = true };
	struct clients_entry *e, *next;
	long long i, killed = 0;
	bool old_form = r->argc == 3, ok = true, suicide = false;

	if (old_form) {
		f.addr = session_arg(r, 2);
		f.skip_me = false;
	} else
		for (i = 2; i < r->argc && ok; i += 2)
			ok = clients_filter_add(&f, r, i);
	TAILQ_FOREACH_SAFE(e, &cs->all, link, next) {
		if (!ok || !clients_matches(&f, e->client, me))
			continue;
		killed++;
		if (e->client == me)
			suicide = true;
		else
			client_end(e->client, "killed by CLIENT KILL");
	}
	if (!ok)
		resp_add_error(out, "ERR syntax error");
	else if (!old_form)
		resp_add_int(out, killed);
	else if (killed > 0)
		resp_add_simple(out, "OK");
	else
		resp_add_error(out, "ERR No such client");
	free(f.addr);
	free(f.laddr);
	free(f.user);
	free(f.type);
	return !suicide;
}

size_t
clients_kill(struct clients *cs, uint64_t id, const char *addr)
{
	struct clients_entry *e, *next;
	size_t n = 0;

	TAILQ_FOREACH_SAFE(e, &cs->all, link, next) {
		struct client_facts f = client_facts(e->client);

		if ((id != 0 && f.id != id) || (addr != NULL &&
		    strcmp(addr, conn_peer(f.conn)->text) != 0))
			continue;
		client_end(e->client, "killed by an operator");
		n++;
	}
	return n;
}

static bool
clients_answer(struct client_env *env, struct client *c, const struct req *r,
    struct buf *out)
{
	struct clients *cs = clients_of(env);
	struct buf text = BUF_INIT;

	switch (r->cmd->special) {
	case CMD_CLIENT_LIST:
		clients_list(cs, &text);
		break;
	case CMD_CLIENT_INFO:
		clients_line(cs, c, &text);
		break;
	case CMD_CLIENT_KILL:
		return clients_answer_kill(cs, c, r, out);
	default:
		resp_add_error(out, "ERR Holdover: '%s' cannot be answered "
		    "here", r->cmd->name);
		return true;
	}
	resp_add_bulk(out, buf_data(&text), buf_len(&text));
	buf_free(&text);
	return true;
}

/* ---- the gate ---- */

static void
clients_on_gate(void *arg)
{
	struct clients *cs = arg;
	struct clients_entry *e, *next;

	TAILQ_FOREACH_SAFE(e, &cs->all, link, next)
		client_on_gate(e->client);
	hold_release(cs->env.hold);
}

static const struct hold_ops clients_hold_ops = {
	.go_on = client_go_on,
	.expire = client_expire,
};

/* ---- listening ---- */

static void
clients_on_accept(struct evconnlistener *l, evutil_socket_t fd,
    struct sockaddr *sa, int len, void *arg)
{
	static const char full[] = "-ERR max number of clients reached\r\n";
	struct clients *cs = arg;
	struct clients_entry *e;

	(void)l;
	(void)sa;
	(void)len;
	if (cs->count >= cs->max) {
		stats.clients_rejected++;
		if (write(fd, full, sizeof(full) - 1) == -1)
			log_debug("clients: one more could not be told so");
		close(fd);
		return;
	}
	stats.clients_accepted++;
	e = xcalloc(1, sizeof(*e));
	TAILQ_INSERT_TAIL(&cs->all, e, link);
	cs->count++;
	e->client = client_new(&cs->env, fd, ++cs->last_id, e);
	clients_tell(cs, e, true);
}

static void
clients_accept_again(evutil_socket_t fd, short what, void *arg)
{
	struct clients *cs = arg;
	size_t i;

	(void)fd;
	(void)what;
	for (i = 0; i < cs->listeners; i++)
		evconnlistener_enable(cs->listener[i]);
}

static void
clients_on_accept_error(struct evconnlistener *l, void *arg)
{
	static const struct timeval pause =
	    { 0, CLIENTS_ACCEPT_PAUSE_MS * 1000 };
	struct clients *cs = arg;

	log_warn("clients: accept failed (raise LimitNOFILE if it is for "
	    "want of descriptors), next try in %d ms",
	    CLIENTS_ACCEPT_PAUSE_MS);
	evconnlistener_disable(l);
	evtimer_add(cs->accept_again, &pause);
}

bool
clients_listen(struct clients *cs, const struct conn_addr *a)
{
	struct evconnlistener *l;
	bool v6 = a->sa.ss_family == AF_INET6;
	int fd, one = 1, saved;

	assert(cs->listeners < CLIENTS_LISTENERS);
	fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0);
	if (fd == -1)
		return false;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP,
	    v6 ? IPV6_FREEBIND : IP_FREEBIND, &one, sizeof(one));
	if (v6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	/*
	 * Clients' sockets inherit it. Without (for want of CAP_NET_ADMIN) the
	 * kernel sends nothing from an address that it does not have, and an
	 * idle client would never learn that the VIP has left.
	 */
	setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP,
	    v6 ? IPV6_TRANSPARENT : IP_TRANSPARENT, &one, sizeof(one));
	if (bind(fd, (const struct sockaddr *)&a->sa, a->len) == -1 ||
	    (l = evconnlistener_new(loop_base(cs->env.loop),
	    clients_on_accept, cs, LEV_OPT_CLOSE_ON_FREE |
	    LEV_OPT_CLOSE_ON_EXEC, CLIENTS_BACKLOG, fd)) == NULL) {
		saved = errno;
		close(fd);
		errno = saved;
		return false;
	}
	evconnlistener_set_error_cb(l, clients_on_accept_error);
	cs->listener[cs->listeners++] = l;
	return true;
}

/*
 * A reset and no FIN, which would be sent again and again: its answer goes to
 * the VIP's new holder.
 */
size_t
clients_farewell(struct clients *cs, const struct conn_addr *vip)
{
	struct clients_entry *e, *next;
	struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	size_t n = 0;

	TAILQ_FOREACH_SAFE(e, &cs->all, link, next) {
		struct client_facts f = client_facts(e->client);

		if (strcmp(conn_local(f.conn)->text, vip->text) != 0)
			continue;
		setsockopt(conn_fd(f.conn), SOL_SOCKET, SO_LINGER, &reset,
		    sizeof(reset));
		client_end(e->client, "the VIP has left");
		n++;
	}
	return n;
}

static void
clients_unlisten(struct clients *cs)
{
	while (cs->listeners > 0)
		evconnlistener_free(cs->listener[--cs->listeners]);
}

void
clients_finish(struct clients *cs)
{
	struct clients_entry *e, *next;

	clients_unlisten(cs);
	TAILQ_FOREACH_SAFE(e, &cs->all, link, next)
		client_finish(e->client);
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
	size_t i, n = 0;

	cs->max = (size_t)conf->maxclients;
	cs->env.query_limit = (size_t)conf->client_query_limit;
	cs->env.output_limit = (size_t)conf->client_output_limit;
	cs->env.hold_timeout = conf->hold_timeout;
	hold_set_limit(cs->env.hold, (size_t)conf->hold_memory);

	for (i = 0; cmd_row(i) != NULL; i++)
		continue;
	free(cs->env.deny);
	cs->env.deny = xcalloc(i + 1, sizeof(*cs->env.deny));
	for (i = 0; (cmd = cmd_row(i)) != NULL; i++)
		if (clients_denied(cmd, conf->client_deny))
			cs->env.deny[n++] = cmd;
}

void
clients_set_redis(struct clients *cs, const struct conn_addr redis[2])
{
	cs->env.redis[SIDE_A] = redis[SIDE_A];
	cs->env.redis[SIDE_B] = redis[SIDE_B];
}

struct clients *
clients_new(struct loop *l, struct gate *g, const struct conf *conf)
{
	struct clients *cs = xcalloc(1, sizeof(*cs));

	cs->env.loop = l;
	cs->env.gate = g;
	cs->env.hold = hold_new(l, &clients_hold_ops, 0);
	cs->env.answer = clients_answer;
	cs->env.gone = clients_gone;
	TAILQ_INIT(&cs->all);
	cs->accept_again = evtimer_new(loop_base(l), clients_accept_again, cs);
	clients_set_conf(cs, conf);
	gate_watch(g, clients_on_gate, cs);
	return cs;
}

void
clients_free(struct clients *cs)
{
	struct clients_entry *e;

	clients_unlisten(cs);
	while ((e = TAILQ_FIRST(&cs->all)) != NULL)
		client_end(e->client, "Holdover stops");
	event_free(cs->accept_again);
	hold_free(cs->env.hold);
	free(cs->env.deny);
	free(cs);
}

size_t
clients_count(const struct clients *cs)
{
	return cs->count;
}

struct hold *
clients_hold(struct clients *cs)
{
	return cs->env.hold;
}
