#include "redis.h"

#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

/* One that was up and went is asked again that soon, and for that long. */
#define REDIS_AGAIN_US		2000
#define REDIS_EAGER_MS		300

#define REDIS_ARGS		16
#define REDIS_CONNECT_MS	1000

struct redis_wait {
	TAILQ_ENTRY(redis_wait)	 link;
	redis_reply_fn		*fn;
	void			*arg;
	struct mono		 deadline;
};
TAILQ_HEAD(redis_waits, redis_wait);

struct redis {
	struct event_base	*base;
	struct redis_opts	 opts;
	char			*name;		/* CLIENT SETNAME, or NULL */
	redis_changed_fn	*changed;
	void			*arg;
	enum redis_link		 link;
	char			 distrust[256];
	struct bufferevent	*bev;		/* NULL: not even connecting */
	bool			 connected;
	redisReader		*reader;
	struct redis_waits	 waits;
	bool			 polling;	/* an INFO is awaited */
	unsigned		 polls;		/* answered by one */
	unsigned		 rested;	/* ticks since it was asked */
	struct event		*tick;
	struct event		*again;		/* connect before the tick */
	struct mono		 eager_until;
	struct mono		 connect_deadline;
	struct info		 info;
	struct mono		 heard;
	unsigned		 connection;	/* the present or last one */
	unsigned		 info_connection; /* over which info came */
};

static void	redis_connect(struct redis *);

/* ---- waiting for answers ---- */

/* Tells everybody who waits that no answer will come. */
static void
redis_fail_waits(struct redis *r)
{
	struct redis_waits old;
	struct redis_wait *w;

	/* What is asked from inside a callback belongs to the next link. */
	TAILQ_INIT(&old);
	TAILQ_CONCAT(&old, &r->waits, link);
	while ((w = TAILQ_FIRST(&old)) != NULL) {
		TAILQ_REMOVE(&old, w, link);
		w->fn(r, NULL, w->arg);
		free(w);
	}
}

static void
redis_set_link(struct redis *r, enum redis_link link)
{
	static const char *const names[] = { "down", "refused",
	    "untrusted", "denied", "up" };

	if (r->link == link)
		return;
	log_info("%s: link to %s is %s", r->opts.label, r->opts.addr.text,
	    names[link]);
	r->link = link;
	r->changed(r, r->arg);
}

static void
redis_disconnect(struct redis *r)
{
	if (r->bev != NULL)
		bufferevent_free(r->bev);
	if (r->reader != NULL)
		redisReaderFree(r->reader);
	r->bev = NULL;
	r->reader = NULL;
	r->connected = false;
	r->polling = false;
}

/*
 * The connection is gone: what took its place tells what became of Redis. A
 * killed process' listener goes some milliseconds after its connections, and
 * until then a new one is accepted, and reset: it is asked again soon. But
 * not for ever: who always hangs up is asked at the next poll.
 */
static void
redis_lost(struct redis *r, int error)
{
	static const struct timeval soon = { 0, REDIS_AGAIN_US };
	struct mono now = mono_now();
	bool was_up = r->link == REDIS_LINKED;
	/* In protected mode Redis says no, and hangs up. */
	bool denied = r->link == REDIS_DENIED &&
	    (error == 0 || error == ECONNRESET);

	redis_disconnect(r);
	redis_set_link(r, denied ? REDIS_DENIED :
	    error == ECONNREFUSED ? REDIS_REFUSED : REDIS_DOWN);
	redis_fail_waits(r);
	if (was_up)
		r->eager_until = mono_add_ms(now, REDIS_EAGER_MS);
	if (was_up && r->bev == NULL)
		redis_connect(r);
	else if (r->link == REDIS_DOWN && mono_before(now, r->eager_until))
		evtimer_add(r->again, &soon);
}

/* It lives, but it is not whom it should be, or thinks so of us. */
static void
redis_on_distrust(struct redis *r, const char *why)
{
	if (r->link != REDIS_UNTRUSTED || strcmp(r->distrust, why) != 0)
		log_warnx("%s: TLS with %s failed: %s", r->opts.label,
		    r->opts.addr.text, why);
	snprintf(r->distrust, sizeof(r->distrust), "%s", why);
	redis_disconnect(r);
	redis_set_link(r, REDIS_UNTRUSTED);
	redis_fail_waits(r);
}

/* ---- reading and writing ---- */

static void
redis_on_read(struct bufferevent *bev, void *arg)
{
	struct redis *r = arg;
	struct evbuffer *in = bufferevent_get_input(bev);
	struct redis_wait *w;
	redisReply *reply;
	void *got;
	size_t n;

	while ((n = evbuffer_get_contiguous_space(in)) > 0) {
		redisReaderFeed(r->reader,
		    (const char *)evbuffer_pullup(in, (ev_ssize_t)n), n);
		evbuffer_drain(in, n);
	}
	while (r->bev == bev) {
		if (redisReaderGetReply(r->reader, &got) != REDIS_OK) {
			log_warnx("%s: %s sent what is no reply: %s",
			    r->opts.label, r->opts.addr.text,
			    r->reader->errstr);
			redis_lost(r, EPROTO);
			return;
		}
		if ((reply = got) == NULL)
			return;
		w = TAILQ_FIRST(&r->waits);
		if (w != NULL) {
			TAILQ_REMOVE(&r->waits, w, link);
			w->fn(r, reply, w->arg);
			free(w);
		}
		freeReplyObject(reply);
	}
}

static void
redis_send(struct redis *r, redis_reply_fn *fn, void *arg, int timeout_ms,
    int argc, const char **argv, const size_t *arglen)
{
	struct redis_wait *w = xcalloc(1, sizeof(*w));
	char *cmd;
	int len;

	len = redisFormatCommandArgv(&cmd, argc, argv, arglen);
	if (len == -1)
		fatalx("%s: out of memory", r->opts.label);
	w->fn = fn;
	w->arg = arg;
	w->deadline = mono_add_ms(mono_now(), timeout_ms);
	TAILQ_INSERT_TAIL(&r->waits, w, link);
	bufferevent_write(r->bev, cmd, (size_t)len);
	explicit_bzero(cmd, (size_t)len);
	redisFreeCommand(cmd);
}

void
redis_command(struct redis *r, redis_reply_fn *fn, void *arg, int timeout_ms,
    ...)
{
	const char *argv[REDIS_ARGS];
	va_list ap;
	int argc = 0;

	va_start(ap, timeout_ms);
	while ((argv[argc] = va_arg(ap, const char *)) != NULL) {
		argc++;
		assert(argc < REDIS_ARGS);
	}
	va_end(ap);
	if (!r->connected)
		fn(r, NULL, arg);
	else
		redis_send(r, fn, arg, timeout_ms, argc, argv, NULL);
}

void
redis_command_argv(struct redis *r, redis_reply_fn *fn, void *arg,
    int timeout_ms, int argc, const char **argv, const size_t *len)
{
	if (!r->connected)
		fn(r, NULL, arg);
	else
		redis_send(r, fn, arg, timeout_ms, argc, argv, len);
}

/* ---- polling ---- */

static void
redis_on_auth(struct redis *r, redisReply *reply, void *arg)
{
	(void)arg;
	if (reply == NULL || reply->type != REDIS_REPLY_ERROR)
		return;
	if (r->link != REDIS_DENIED)
		log_warnx("%s: %s refused the control link: %.*s; %s",
		    r->opts.label, r->opts.addr.text,
		    (int)strcspn(reply->str, "."), reply->str,
		    strncmp(reply->str, "DENIED", 6) == 0 ?
		    "give it a password, or \"protected-mode no\" in a "
		    "trusted network" : "see redis-user and "
		    "redis-password-file");
	redis_set_link(r, REDIS_DENIED);
}

static bool
redis_is_denial(const redisReply *reply)
{
	return strncmp(reply->str, "NOAUTH", 6) == 0 ||
	    strncmp(reply->str, "NOPERM", 6) == 0 ||
	    strncmp(reply->str, "DENIED", 6) == 0 ||
	    strncmp(reply->str, "WRONGPASS", 9) == 0;
}

static void
redis_on_named(struct redis *r, redisReply *reply, void *arg)
{
	(void)r;
	(void)reply;
	(void)arg;
}

static void
redis_on_info(struct redis *r, redisReply *reply, void *arg)
{
	struct info info;

	r->polling = false;
	if (reply == NULL)
		return;
	if (reply->type == REDIS_REPLY_ERROR && redis_is_denial(reply)) {
		redis_on_auth(r, reply, arg);
		return;
	}
	/* BUSY: a script runs. It lives, and is what it was. */
	if (reply->type == REDIS_REPLY_ERROR) {
		if (r->heard.us != 0)
			r->heard = mono_now();
		r->changed(r, r->arg);
		return;
	}
	if (reply->type != REDIS_REPLY_STRING ||
	    !info_parse(reply->str, (size_t)reply->len, &info)) {
		log_warnx("%s: %s gave an INFO that cannot be understood",
		    r->opts.label, r->opts.addr.text);
		return;
	}
	r->link = REDIS_LINKED;
	redis_set_info(r, &info);
	r->polls++;
	r->changed(r, r->arg);
}

void
redis_set_info(struct redis *r, const struct info *info)
{
	r->info = *info;
	r->info_connection = r->connection;
	r->heard = mono_now();
}

unsigned
redis_polls(const struct redis *r)
{
	return r->polls;
}

void
redis_poll(struct redis *r)
{
	const char *argv[] = { "INFO" };

	if (!r->connected || r->polling)
		return;
	r->polling = true;
	r->rested = 0;
	/* Silence is no reason to hang up: a busy script is not death. */
	redis_send(r, redis_on_info, NULL, 24 * 3600 * 1000, 1, argv, NULL);
}

void
redis_set_name(struct redis *r, const char *name)
{
	free(r->name);
	r->name = xstrdup(name);
	redis_command(r, redis_on_named, NULL, 1000, "CLIENT", "SETNAME",
	    r->name, NULL);
}

/* ---- connecting ---- */

/* Says who we are, and asks how it is. */
static void
redis_greet(struct redis *r)
{
	if (r->opts.password != NULL && r->opts.user != NULL)
		redis_command(r, redis_on_auth, NULL, 5000, "AUTH",
		    r->opts.user, r->opts.password, NULL);
	else if (r->opts.password != NULL)
		redis_command(r, redis_on_auth, NULL, 5000, "AUTH",
		    r->opts.password, NULL);
	if (r->name != NULL)
		redis_command(r, redis_on_named, NULL, 1000, "CLIENT",
		    "SETNAME", r->name, NULL);
	redis_poll(r);
}

static void
redis_on_connected(struct redis *r)
{
	int one = 1;

	r->connected = true;
	r->connection++;
	setsockopt(bufferevent_getfd(r->bev), IPPROTO_TCP, TCP_NODELAY, &one,
	    sizeof(one));
	redis_greet(r);
}

static void
redis_on_event(struct bufferevent *bev, short what, void *arg)
{
	struct redis *r = arg;
	int error = errno;
	char why[sizeof(r->distrust)];

	if (what & BEV_EVENT_CONNECTED)
		redis_on_connected(r);
	else if ((what & BEV_EVENT_ERROR) &&
	    tls_bufferevent_why(bev, why, sizeof(why)))
		redis_on_distrust(r, why);
	else if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		redis_lost(r, what & BEV_EVENT_EOF ? 0 : error);
}

static void
redis_connect(struct redis *r)
{
	struct sockaddr_storage sa = r->opts.addr.sa;
	const struct tls_to *tls = r->opts.addr.tls;

	r->bev = tls_bufferevent(r->base, -1,
	    tls != NULL ? tls_connect(tls) : NULL, BEV_OPT_DEFER_CALLBACKS);
	r->reader = redisReaderCreate();
	if (r->reader == NULL)
		fatalx("%s: out of memory", r->opts.label);
	r->connect_deadline = mono_add_ms(mono_now(), REDIS_CONNECT_MS);
	bufferevent_setcb(r->bev, redis_on_read, NULL, redis_on_event, r);
	bufferevent_enable(r->bev, EV_READ | EV_WRITE);
	if (bufferevent_socket_connect(r->bev, (struct sockaddr *)&sa,
	    (int)r->opts.addr.len) == -1)
		redis_lost(r, errno);
}

/* Each poll interval: ask again, connect again, give up on old questions. */
static void
redis_on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct redis *r = arg;
	struct mono now = mono_now();
	struct redis_wait *w = TAILQ_FIRST(&r->waits);

	(void)fd;
	(void)what;
	if (r->bev == NULL)
		redis_connect(r);
	else if ((!r->connected && mono_before(r->connect_deadline, now)) ||
	    (w != NULL && mono_before(w->deadline, now)))
		redis_lost(r, ETIMEDOUT);
	else if (r->link == REDIS_DENIED && w == NULL)
		redis_greet(r);		/* the user may be there by now */
	else if (r->link != REDIS_LINKED || r->info.loading ||
	    r->rested++ >= r->opts.rests)
		redis_poll(r);
}

static void
redis_on_again(evutil_socket_t fd, short what, void *arg)
{
	struct redis *r = arg;

	(void)fd;
	(void)what;
	if (r->bev == NULL)
		redis_connect(r);
}

struct redis *
redis_new(struct event_base *base, const struct redis_opts *opts,
    redis_changed_fn *changed, void *arg)
{
	struct redis *r = xcalloc(1, sizeof(*r));
	struct timeval tv = { opts->poll_ms / 1000,
	    opts->poll_ms % 1000 * 1000 };

	r->base = base;
	r->opts = *opts;
	r->opts.label = xstrdup(opts->label);
	r->opts.user = opts->user != NULL ? xstrdup(opts->user) : NULL;
	r->opts.password = opts->password != NULL ?
	    xstrdup(opts->password) : NULL;
	r->changed = changed;
	r->arg = arg;
	TAILQ_INIT(&r->waits);
	r->tick = event_new(base, -1, EV_PERSIST, redis_on_tick, r);
	r->again = evtimer_new(base, redis_on_again, r);
	if (r->again == NULL || r->tick == NULL ||
	    event_add(r->tick, &tv) == -1)
		fatalx("%s: out of memory", opts->label);
	redis_connect(r);
	return r;
}

void
redis_free(struct redis *r)
{
	struct redis_wait *w;

	redis_disconnect(r);
	while ((w = TAILQ_FIRST(&r->waits)) != NULL) {
		TAILQ_REMOVE(&r->waits, w, link);
		free(w);
	}
	event_free(r->tick);
	event_free(r->again);
	if (r->opts.password != NULL)
		explicit_bzero((char *)(uintptr_t)r->opts.password,
		    strlen(r->opts.password));
	free((void *)(uintptr_t)r->opts.label);
	free((void *)(uintptr_t)r->opts.user);
	free((void *)(uintptr_t)r->opts.password);
	free(r->name);
	free(r);
}

enum redis_link
redis_link(const struct redis *r)
{
	return r->link;
}

const char *
redis_distrust(const struct redis *r)
{
	return r->link == REDIS_UNTRUSTED ? r->distrust : "";
}

const struct info *
redis_info(const struct redis *r)
{
	return &r->info;
}

struct mono
redis_heard(const struct redis *r)
{
	return r->heard;
}

unsigned
redis_connection(const struct redis *r)
{
	return r->connection;
}

bool
redis_is_current(const struct redis *r)
{
	return r->connected && r->info_connection == r->connection;
}

const struct conn_addr *
redis_addr(const struct redis *r)
{
	return &r->opts.addr;
}
