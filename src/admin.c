#include "admin.h"

#include <sys/stat.h>
#include <sys/un.h>
#include <errno.h>
#include <event2/buffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin_priv.h"
#include "log.h"

#define ADMIN_CLIENTS		64
#define ADMIN_INPUT		(64 * 1024)
#define ADMIN_OUTPUT		(1024 * 1024)

/* ---- requests ---- */

void
admin_send(struct admin_conn *c)
{
	bufferevent_write(c->bev, buf_len(&c->out) > 0 ?
	    buf_data(&c->out) : "", buf_len(&c->out));
	buf_drain(&c->out, buf_len(&c->out));
}

static void
admin_end(struct admin_conn *c)
{
	struct admin *a = c->admin;

	control_forget(a->env.control, c);
	if (c->round != NULL)
		c->round->conn = NULL;
	if (c->state == ADMIN_EVENTS)
		atomic_fetch_sub(&a->events, 1);
	TAILQ_REMOVE(&a->all, c, link);
	a->count--;
	bufferevent_free(c->bev);
	buf_free(&c->out);
	free(c);
}

/* Cuts a whole multibulk request into words. */
static void
admin_request(struct admin_conn *c, const char *p, size_t len, int argc)
{
	struct admin_args a = { argc, xcalloc((size_t)argc, sizeof(char *)) };
	struct resp_arg arg;
	bool nul = false;
	int i;

	for (i = 0; i < argc; i++) {
		arg = resp_request_arg(p, len, i);
		nul = nul || memchr(arg.p, '\0', arg.len) != NULL;
		a.argv[i] = xstrndup(arg.p, arg.len);
	}
	if (nul) {
		resp_add_error(&c->out, "ERR there is a NUL in the request");
		admin_send(c);
	} else
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
void
admin_serve(struct admin_conn *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	long long used;
	size_t len;

	/* Who does not read its answers is not read either. */
	while (c->state == ADMIN_OPEN &&
	    (len = evbuffer_get_length(in)) > 0 &&
	    evbuffer_get_length(bufferevent_get_output(c->bev)) <
	    ADMIN_OUTPUT) {
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
	else
		admin_serve(c);
}

static void
admin_on_event(struct bufferevent *bev, short what, void *arg)
{
	static struct log_limit limit;
	struct admin_conn *c = arg;
	char why[512];

	if (what & BEV_EVENT_CONNECTED)
		return;
	if (tls_bufferevent_why(bev, why, sizeof(why)) && log_may(&limit))
		log_info("admin: %s is refused: %s", c->addr.text, why);
	admin_end(c);
}

static void
admin_on_accept(struct evconnlistener *l, evutil_socket_t fd,
    struct sockaddr *sa, int len, void *arg)
{
	static struct log_limit limit;
	struct admin *a = arg;
	struct admin_conn *c;
	SSL *ssl = NULL;

	if (a->count >= ADMIN_CLIENTS) {
		if (log_may(&limit))
			log_warnx("admin: more than %d connections, one is "
			    "refused", ADMIN_CLIENTS);
		close(fd);
		return;
	}
	c = xcalloc(1, sizeof(*c));
	c->admin = a;
	c->role = a->password == NULL || sa->sa_family == AF_UNIX ?
	    OPERATOR : READER;
	conn_addr_from(&c->addr, sa, (socklen_t)len);
	if (sa->sa_family != AF_UNIX &&
	    settings_conf(a->env.settings)->admin_tls)
		ssl = tls_accept(a->env.tls, TLS_FROM_CLIENT);
	c->bev = tls_bufferevent(evconnlistener_get_base(l), fd, ssl, 0);
	bufferevent_setwatermark(c->bev, EV_READ, 0, ADMIN_INPUT);
	bufferevent_setcb(c->bev, admin_on_read, admin_on_written,
	    admin_on_event, c);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	TAILQ_INSERT_TAIL(&a->all, c, link);
	a->count++;
}

/* ---- the log ---- */

struct admin_line {
	struct loop_message	 message;	/* first */
	struct admin		*admin;
	enum log_level		 level;
	char			*text;
};

/* A slow reader of events loses lines, not our memory. */
static void
admin_on_line(struct loop_message *m)
{
	struct admin_line *l = (struct admin_line *)(void *)m;
	struct admin_conn *c;

	TAILQ_FOREACH(c, &l->admin->all, link)
		if (c->state == ADMIN_EVENTS && evbuffer_get_length(
		    bufferevent_get_output(c->bev)) < ADMIN_OUTPUT) {
			buf_addf(&c->out, "+%s%s\r\n", l->level ==
			    LOG_LEVEL_WARN ? "warning: " : "", l->text);
			admin_send(c);
		}
	free(l->text);
	free(l);
}

/* On whatever thread has logged. */
static void
admin_on_log(enum log_level level, const char *text, void *arg)
{
	struct admin *a = arg;
	struct admin_line *l;

	if (atomic_load(&a->events) == 0)
		return;
	l = xcalloc(1, sizeof(*l));
	l->message.fn = admin_on_line;
	l->admin = a;
	l->level = level;
	l->text = xstrdup(text);
	loop_post(a->env.loop, &l->message);
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
	const struct conf *f = settings_conf(a->env.settings);
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
	const struct conf *f = settings_conf(a->env.settings);
	const char *path = f->admin_requirepass_file;
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
	const char *path = settings_conf(env->settings)->admin_unixsocket;

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
	loop_read_mail(a->env.loop);
	for (i = 0; i < a->listeners; i++)
		evconnlistener_free(a->listener[i]);
	while ((c = TAILQ_FIRST(&a->all)) != NULL)
		admin_end(c);
	if (a->password != NULL)
		explicit_bzero(a->password, strlen(a->password));
	free(a->password);
	free(a);
}

void
admin_summary(const struct admin *a, struct buf *out)
{
	admin_text_summary(&a->env, out);
}
