#include "admin.h"

#include <sys/stat.h>
#include <sys/un.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "admin_priv.h"
#include "log.h"
#include "resp.h"

#define ADMIN_LISTENERS		8
#define ADMIN_CLIENTS		64
#define ADMIN_INPUT		(64 * 1024)
#define ADMIN_OUTPUT		(1024 * 1024)
#define ADMIN_PASSWORD		512

enum admin_permission { READER, OPERATOR };

enum admin_state {
	ADMIN_OPEN,
	ADMIN_WAITING,		/* for an order that is being carried out */
	ADMIN_EVENTS,		/* gets every line that is logged */
	ADMIN_CLOSING		/* when what was written has left */
};

struct admin_conn {
	TAILQ_ENTRY(admin_conn)	 link;
	struct admin		*admin;
	struct bufferevent	*bev;
	struct resp_request	 framing;
	enum admin_state	 state;
	enum admin_permission	 role;
	struct buf		 out;
};

struct admin {
	struct admin_env		 env;
	char				*password;	/* NULL: none */
	struct evconnlistener		*listener[ADMIN_LISTENERS];
	size_t				 listeners;
	TAILQ_HEAD(, admin_conn)	 all;
	size_t				 count;
};

/* The words of one request. Strings, but they may hold a NUL: then none. */
struct admin_args {
	int	  argc;
	char	**argv;
};

typedef void admin_fn(struct admin_conn *, const struct admin_args *);

struct admin_row {
	const char		*name;
	int			 arity;
	enum admin_permission	 permission;
	admin_fn		*fn;
	const char		*syntax;
	const char		*help;
};

#define ADMIN(name, arity, permission, fn, syntax, help) \
	static admin_fn fn;
#include "admin.def"
#undef ADMIN

static const struct admin_row admin_rows[] = {
#define ADMIN(name, arity, permission, fn, syntax, help) \
	{ name, arity, permission, fn, syntax, help },
#include "admin.def"
#undef ADMIN
};

static void	admin_serve(struct admin_conn *);

/* ---- answers ---- */

static void
admin_send(struct admin_conn *c)
{
	bufferevent_write(c->bev, buf_len(&c->out) > 0 ?
	    buf_data(&c->out) : "", buf_len(&c->out));
	buf_drain(&c->out, buf_len(&c->out));
}

static void
admin_text(struct admin_conn *c, struct buf *text)
{
	resp_add_bulk(&c->out, buf_len(text) > 0 ? buf_data(text) : "",
	    buf_len(text));
	buf_free(text);
}

static void
admin_end(struct admin_conn *c)
{
	struct admin *a = c->admin;

	control_forget(a->env.control, c);
	TAILQ_REMOVE(&a->all, c, link);
	a->count--;
	bufferevent_free(c->bev);
	buf_free(&c->out);
	free(c);
}

/* ---- the verbs ---- */

static void
admin_ping(struct admin_conn *c, const struct admin_args *a)
{
	(void)a;
	resp_add_simple(&c->out, "PONG");
}

/*
 * That this is answered is the answer: whether the node is fit to hold the
 * VIP is told by the track_file, which weighs the peer as well.
 */
static void
admin_health(struct admin_conn *c, const struct admin_args *a)
{
	(void)a;
	resp_add_simple(&c->out, "OK");
}

static void
admin_quit(struct admin_conn *c, const struct admin_args *a)
{
	(void)a;
	resp_add_simple(&c->out, "OK");
	c->state = ADMIN_CLOSING;
}

static void
admin_auth(struct admin_conn *c, const struct admin_args *a)
{
	const char *given = a->argv[a->argc - 1];
	const char *password = c->admin->password;
	char x[ADMIN_PASSWORD] = "", y[ADMIN_PASSWORD] = "";

	if (password == NULL) {
		resp_add_error(&c->out, "ERR no password is set "
		    "(admin-requirepass-file): AUTH is not needed");
		return;
	}
	/* Takes as long for a nearly right one as for any other. */
	snprintf(x, sizeof(x), "%s", password);
	snprintf(y, sizeof(y), "%s", given);
	if (strlen(given) < sizeof(y) && CRYPTO_memcmp(x, y, sizeof(x)) == 0) {
		c->role = OPERATOR;
		resp_add_simple(&c->out, "OK");
	} else {
		log_warnx("admin: AUTH with a wrong password");
		resp_add_error(&c->out, "WRONGPASS the password is wrong");
	}
	explicit_bzero(x, sizeof(x));
	explicit_bzero(y, sizeof(y));
}

static void
admin_help(struct admin_conn *c, const struct admin_args *a)
{
	struct buf text = BUF_INIT;
	size_t i;

	(void)a;
	for (i = 0; i < NELEM(admin_rows); i++)
		buf_addf(&text, "%s\n    %s\n", admin_rows[i].syntax,
		    admin_rows[i].help);
	admin_text(c, &text);
}

static void
admin_command(struct admin_conn *c, const struct admin_args *a)
{
	size_t i;

	if (a->argc < 2 || strcasecmp(a->argv[1], "DOCS") != 0) {
		resp_add_array(&c->out, 0);
		return;
	}
	resp_add_map(&c->out, NELEM(admin_rows), 2);
	for (i = 0; i < NELEM(admin_rows); i++) {
		resp_add_str(&c->out, admin_rows[i].name);
		resp_add_map(&c->out, 1, 2);
		resp_add_str(&c->out, "summary");
		resp_add_str(&c->out, admin_rows[i].help);
	}
}

static void
admin_config(struct admin_conn *c, const struct admin_args *a)
{
	struct buf pairs = BUF_INIT;
	size_t n;

	if (strcasecmp(a->argv[1], "GET") != 0) {
		resp_add_error(&c->out, "ERR CONFIG knows GET only");
		return;
	}
	n = conf_get(c->admin->env.conf, a->argv[2], &pairs);
	resp_add_map(&c->out, n, 2);
	buf_add(&c->out, n > 0 ? buf_data(&pairs) : "", buf_len(&pairs));
	buf_free(&pairs);
}

static void
admin_status(struct admin_conn *c, const struct admin_args *a)
{
	struct buf text = BUF_INIT;

	(void)a;
	admin_text_status(&c->admin->env, &text);
	admin_text(c, &text);
}

static void
admin_info(struct admin_conn *c, const struct admin_args *a)
{
	struct buf text = BUF_INIT;

	if (admin_text_info(&c->admin->env, a->argc > 1 ? a->argv[1] : NULL,
	    &text))
		admin_text(c, &text);
	else
		resp_add_error(&c->out, "ERR there is no section '%s'",
		    a->argv[1]);
}

static void
admin_show(struct admin_conn *c, const struct admin_args *a)
{
	struct buf text = BUF_INIT;

	if (admin_text_show(&c->admin->env, a->argv[1], &text))
		admin_text(c, &text);
	else
		resp_add_error(&c->out, "ERR SHOW knows CLIENTS, BACKENDS, "
		    "HOLD, SWITCHES, CONFIG and PEER");
}

static void
admin_pause(struct admin_conn *c, const struct admin_args *a)
{
	const struct admin_env *e = &c->admin->env;
	enum gate_state state = GATE_HOLD_ALL;
	long long ms = e->conf->hold_timeout;
	int i = 1;

	if (i < a->argc && (strcasecmp(a->argv[i], "WRITE") == 0 ||
	    strcasecmp(a->argv[i], "ALL") == 0))
		state = strcasecmp(a->argv[i++], "ALL") == 0 ?
		    GATE_HOLD_ALL : GATE_HOLD_WRITES;
	if (i < a->argc && (!util_duration(a->argv[i++], &ms) || ms == 0)) {
		resp_add_error(&c->out, "ERR the time is not one such as "
		    "500ms or 5s");
		return;
	}
	if (i < a->argc) {
		resp_add_error(&c->out,
		    "ERR the syntax is PAUSE [WRITE|ALL] [TIME]");
		return;
	}
	gate_pause(e->gate, state, mono_add_ms(mono_now(), ms));
	log_info("admin: PAUSE %s for %lld ms",
	    state == GATE_HOLD_ALL ? "ALL" : "WRITE", ms);
	resp_add_simple(&c->out, "OK");
}

static void
admin_resume(struct admin_conn *c, const struct admin_args *a)
{
	(void)a;
	gate_pause(c->admin->env.gate, GATE_OPEN, mono_now());
	log_info("admin: RESUME");
	resp_add_simple(&c->out, "OK");
}

static void
admin_notify(struct admin_conn *c, const struct admin_args *a)
{
	struct buf text = BUF_INIT;
	struct vrrp_line line;
	const char *why;
	int i;

	for (i = 1; i < a->argc; i++)
		buf_addf(&text, i == 2 ? "\"%s\" " : "%s ", a->argv[i]);
	if (!info_vrrp_line(buf_data(&text), buf_len(&text), &line, &why))
		resp_add_error(&c->out, "ERR this cannot be understood: %s",
		    why);
	else if (!control_notify(c->admin->env.control, &line))
		resp_add_error(&c->out, "ERR '%s' is not the instance that "
		    "is watched (vrrp-instance)", line.name);
	else
		resp_add_simple(&c->out, "OK");
	buf_free(&text);
}

static void
admin_shutdown(struct admin_conn *c, const struct admin_args *a)
{
	(void)a;
	log_info("admin: SHUTDOWN");
	resp_add_simple(&c->out, "OK");
	c->state = ADMIN_CLOSING;
	c->admin->env.shutdown(c->admin->env.arg);
}

static void
admin_events(struct admin_conn *c, const struct admin_args *a)
{
	(void)a;
	resp_add_simple(&c->out, "OK");
	c->state = ADMIN_EVENTS;
}

/* ---- orders that take their time ---- */

static void
admin_on_done(bool ok, const char *text, void *arg)
{
	struct admin_conn *c = arg;

	if (ok)
		resp_add_simple(&c->out, text);
	else
		resp_add_error(&c->out, "ERR %s", text);
	/* At once when the order never left admin_run(), which sends. */
	if (c->state != ADMIN_WAITING)
		return;
	c->state = ADMIN_OPEN;
	admin_send(c);
	admin_serve(c);
}

/*
 * The answer has come already, or is awaited. Until it is there nothing
 * more of this connection is read.
 */
static void
admin_await(struct admin_conn *c)
{
	if (buf_len(&c->out) == 0)
		c->state = ADMIN_WAITING;
}

static void
admin_switchover(struct admin_conn *c, const struct admin_args *a)
{
	(void)a;
	control_switchover(c->admin->env.control, admin_on_done, c);
	admin_await(c);
}

static void
admin_handover(struct admin_conn *c, const struct admin_args *a)
{
	(void)a;
	control_handover(c->admin->env.control, admin_on_done, c);
	admin_await(c);
}

static void
admin_promote(struct admin_conn *c, const struct admin_args *a)
{
	if (strcasecmp(a->argv[2], "ACCEPT-LOSS") != 0) {
		resp_add_error(&c->out, "ERR what the other Redis has more is "
		    "lost by this; say PROMOTE %s ACCEPT-LOSS if that is "
		    "meant", a->argv[1]);
		return;
	}
	control_promote(c->admin->env.control, a->argv[1], admin_on_done, c);
	admin_await(c);
}

/* ---- requests ---- */

static void
admin_run(struct admin_conn *c, const struct admin_args *a)
{
	const struct admin_row *r = NULL;
	size_t i;

	for (i = 0; i < NELEM(admin_rows) && r == NULL; i++)
		if (strcasecmp(admin_rows[i].name, a->argv[0]) == 0)
			r = &admin_rows[i];
	if (r == NULL)
		resp_add_error(&c->out, "ERR unknown command '%.64s' on the "
		    "admin port; HELP lists what there is", a->argv[0]);
	else if (r->permission > c->role)
		resp_add_error(&c->out, "NOAUTH %s needs an operator: AUTH "
		    "first", r->name);
	else if (r->arity < 0 ? a->argc < -r->arity : a->argc != r->arity)
		resp_add_error(&c->out, "ERR the syntax is %s", r->syntax);
	else
		r->fn(c, a);
	admin_send(c);
}

/* Cuts a whole multibulk request into words. */
static void
admin_request(struct admin_conn *c, const char *p, size_t len, int argc)
{
	struct admin_args a = { argc, xcalloc((size_t)argc, sizeof(char *)) };
	struct resp_arg arg;
	int i;

	for (i = 0; i < argc; i++) {
		arg = resp_request_arg(p, len, i);
		a.argv[i] = xstrndup(arg.p, arg.len);
	}
	admin_run(c, &a);
	for (i = 0; i < argc; i++) {
		explicit_bzero(a.argv[i], strlen(a.argv[i]));
		free(a.argv[i]);
	}
	free(a.argv);
}

static void
admin_one(struct admin_conn *c, const char *p, size_t len)
{
	struct buf b = BUF_INIT;
	int argc = (int)c->framing.argc;

	if (argc > 0 && c->framing.is_inline) {
		argc = resp_inline_args(p, len, &b);
		p = buf_data(&b);
		len = buf_len(&b);
	}
	if (argc > 0)
		admin_request(c, p, len, argc);
	else if (argc < 0) {
		resp_add_error(&c->out,
		    "ERR Protocol error: unbalanced quotes in request");
		admin_send(c);
	}
	buf_free(&b);
}

static void
admin_bad(struct admin_conn *c, const char *what)
{
	resp_add_error(&c->out, "ERR %s", what);
	admin_send(c);
	c->state = ADMIN_CLOSING;
}

/* Runs what has come, one after the other. */
static void
admin_serve(struct admin_conn *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	long long used;
	size_t len;

	while (c->state == ADMIN_OPEN &&
	    (len = evbuffer_get_length(in)) > 0) {
		used = resp_request(&c->framing,
		    (const char *)evbuffer_pullup(in, -1), len);
		if (used == RESP_BAD)
			admin_bad(c, c->framing.error);
		else if (used == RESP_MORE && len >= ADMIN_INPUT)
			admin_bad(c, "the request is too long");
		if (used <= 0)
			break;
		admin_one(c, (const char *)evbuffer_pullup(in, -1),
		    (size_t)used);
		evbuffer_drain(in, (size_t)used);
	}
	if (c->state == ADMIN_CLOSING && evbuffer_get_length(
	    bufferevent_get_output(c->bev)) == 0)
		admin_end(c);
}

/* ---- connections ---- */

static void
admin_on_read(struct bufferevent *bev, void *arg)
{
	(void)bev;
	admin_serve(arg);
}

static void
admin_on_written(struct bufferevent *bev, void *arg)
{
	struct admin_conn *c = arg;

	(void)bev;
	if (c->state == ADMIN_CLOSING)
		admin_end(c);
}

static void
admin_on_event(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	(void)what;
	admin_end(arg);
}

static void
admin_on_accept(struct evconnlistener *l, evutil_socket_t fd,
    struct sockaddr *sa, int len, void *arg)
{
	struct admin *a = arg;
	struct admin_conn *c;

	(void)len;
	if (a->count >= ADMIN_CLIENTS) {
		log_warnx("admin: more than %d connections, one is refused",
		    ADMIN_CLIENTS);
		close(fd);
		return;
	}
	c = xcalloc(1, sizeof(*c));
	c->admin = a;
	c->role = a->password == NULL || sa->sa_family == AF_UNIX ?
	    OPERATOR : READER;
	c->bev = bufferevent_socket_new(evconnlistener_get_base(l), fd,
	    BEV_OPT_CLOSE_ON_FREE);
	if (c->bev == NULL)
		fatalx("admin: out of memory");
	bufferevent_setwatermark(c->bev, EV_READ, 0, ADMIN_INPUT);
	bufferevent_setcb(c->bev, admin_on_read, admin_on_written,
	    admin_on_event, c);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	TAILQ_INSERT_TAIL(&a->all, c, link);
	a->count++;
}

/* A slow reader of events loses lines, not our memory. */
static void
admin_on_log(enum log_level level, const char *line, void *arg)
{
	struct admin *a = arg;
	struct admin_conn *c;

	TAILQ_FOREACH(c, &a->all, link)
		if (c->state == ADMIN_EVENTS && evbuffer_get_length(
		    bufferevent_get_output(c->bev)) < ADMIN_OUTPUT) {
			buf_addf(&c->out, "+%s%s\r\n",
			    level == LOG_LEVEL_WARN ? "warning: " : "", line);
			admin_send(c);
		}
}

/* ---- start and end ---- */

static bool
admin_listen(struct admin *a, const struct sockaddr *sa, int len)
{
	struct evconnlistener *l;

	l = evconnlistener_new_bind(loop_base(a->env.loop), admin_on_accept,
	    a, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC |
	    LEV_OPT_REUSEABLE, 16, sa, len);
	if (l == NULL)
		return false;
	a->listener[a->listeners++] = l;
	return true;
}

static bool
admin_listen_unix(struct admin *a, const char *path, char *why,
    size_t whysize)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	mode_t mask;
	bool ok;

	if (strlen(path) >= sizeof(un.sun_path)) {
		snprintf(why, whysize, "admin-unixsocket: '%s' is longer than "
		    "%zu bytes", path, sizeof(un.sun_path) - 1);
		return false;
	}
	strcpy(un.sun_path, path);
	/* The lock of state-dir says that nobody else listens there. */
	unlink(path);
	mask = umask(0177);
	ok = admin_listen(a, (const struct sockaddr *)(const void *)&un,
	    sizeof(un));
	umask(mask);
	if (!ok)
		snprintf(why, whysize, "admin-unixsocket: cannot listen at "
		    "%s: %s", path, strerror(errno));
	return ok;
}

static bool
admin_listen_tcp(struct admin *a, char *why, size_t whysize)
{
	const struct conf *f = a->env.conf;
	struct conn_addr addr;
	const char *reason = NULL;
	char *words, *host, *next;
	bool ok = true;

	words = xstrdup(f->admin_port != 0 ? f->admin_bind : "");
	for (host = strtok_r(words, " ", &next); host != NULL && ok;
	    host = strtok_r(NULL, " ", &next)) {
		ok = a->listeners < ADMIN_LISTENERS - 1 &&
		    conn_resolve(host, (int)f->admin_port, &addr, &reason) &&
		    admin_listen(a, (const struct sockaddr *)&addr.sa,
		    (int)addr.len);
		if (!ok)
			snprintf(why, whysize, "admin-bind: cannot listen at "
			    "%s port %lld: %s", host, f->admin_port,
			    reason != NULL ? reason : strerror(errno));
	}
	free(words);
	return ok;
}

static bool
admin_read_password(struct admin *a, char *why, size_t whysize)
{
	const char *path = a->env.conf->admin_requirepass_file;
	size_t len;

	if (path == NULL)
		return true;
	a->password = util_read_file(path, ADMIN_PASSWORD - 1, &len);
	if (a->password == NULL) {
		snprintf(why, whysize, "admin-requirepass-file %s cannot be "
		    "read: %s", path, strerror(errno));
		return false;
	}
	a->password[strcspn(a->password, "\r\n")] = '\0';
	if (*a->password == '\0')
		snprintf(why, whysize, "admin-requirepass-file %s is empty",
		    path);
	return *a->password != '\0';
}

struct admin *
admin_new(const struct admin_env *env, char *why, size_t whysize)
{
	struct admin *a = xcalloc(1, sizeof(*a));
	const char *path = env->conf->admin_unixsocket;

	a->env = *env;
	TAILQ_INIT(&a->all);
	if (!admin_read_password(a, why, whysize) ||
	    !admin_listen_tcp(a, why, whysize) ||
	    (path != NULL && !admin_listen_unix(a, path, why, whysize))) {
		admin_free(a);
		return NULL;
	}
	log_watch(admin_on_log, a);
	return a;
}

void
admin_free(struct admin *a)
{
	struct admin_conn *c;
	size_t i;

	log_watch(NULL, NULL);
	for (i = 0; i < a->listeners; i++)
		evconnlistener_free(a->listener[i]);
	while ((c = TAILQ_FIRST(&a->all)) != NULL)
		admin_end(c);
	if (a->password != NULL)
		explicit_bzero(a->password, strlen(a->password));
	free(a->password);
	free(a);
}
