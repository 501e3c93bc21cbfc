#include "conn.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "conn_priv.h"
#include "log.h"

/* An output buffer that grew larger than this is given back when empty. */
#define CONN_KEEP	(16 * 1024)

void
conn_addr_from(struct conn_addr *a, const struct sockaddr *sa, socklen_t len)
{
	char host[INET6_ADDRSTRLEN] = "";

	memset(a, 0, sizeof(*a));
	assert(len <= sizeof(a->sa));
	memcpy(&a->sa, sa, len);
	a->len = len;
	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)sa;

		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		snprintf(a->text, sizeof(a->text), "%s:%d", host,
		    ntohs(in->sin_port));
	} else if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)sa;

		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		snprintf(a->text, sizeof(a->text), "[%s]:%d", host,
		    ntohs(in6->sin6_port));
	} else if (len > offsetof(struct sockaddr_un, sun_path)) {
		const struct sockaddr_un *un = (const void *)sa;

		snprintf(a->text, sizeof(a->text), "%.*s:0",
		    (int)sizeof(a->text) - 3, un->sun_path);
	}
}

bool
conn_addr_unix(struct conn_addr *a, const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(un.sun_path))
		return false;
	strcpy(un.sun_path, path);
	conn_addr_from(a, (const struct sockaddr *)(const void *)&un,
	    sizeof(un));
	return true;
}

static bool
conn_same_sockaddr_host(const struct sockaddr *a, const struct sockaddr *b)
{
	const struct sockaddr_in *a4 = (const void *)a, *b4 = (const void *)b;
	const struct sockaddr_in6 *a6 = (const void *)a, *b6 = (const void *)b;

	if (a->sa_family != b->sa_family)
		return false;
	return a->sa_family == AF_INET ?
	    a4->sin_addr.s_addr == b4->sin_addr.s_addr :
	    a->sa_family == AF_INET6 &&
	    IN6_ARE_ADDR_EQUAL(&a6->sin6_addr, &b6->sin6_addr);
}

bool
conn_same_host(const struct conn_addr *a, const struct conn_addr *b)
{
	return conn_same_sockaddr_host((const struct sockaddr *)&a->sa,
	    (const struct sockaddr *)&b->sa);
}

bool
conn_resolve(const char *host, int port, struct conn_addr *a,
    const char **why)
{
	struct addrinfo hints, *res;
	char service[16];
	int rc;

	memset(&hints, 0, sizeof(hints));
	hints.ai_socktype = SOCK_STREAM;
	hints.ai_flags = AI_NUMERICSERV;
	snprintf(service, sizeof(service), "%d", port);
	if ((rc = getaddrinfo(host, service, &hints, &res)) != 0) {
		*why = gai_strerror(rc);
		return false;
	}
	conn_addr_from(a, res->ai_addr, res->ai_addrlen);
	freeaddrinfo(res);
	return true;
}

static void	conn_on_out(evutil_socket_t, short, void *);

/* The socket takes no more, or takes it again. */
static void
conn_block(struct conn *c, bool blocked)
{
	if (c->blocked == blocked)
		return;
	c->blocked = blocked;
	if (c->out == NULL)
		c->out = event_new(loop_base(c->loop), c->fd,
		    EV_WRITE | EV_PERSIST, conn_on_out, c);
	if (c->out == NULL || (blocked ? event_add(c->out, NULL) :
	    event_del(c->out)) == -1)
		fatalx("conn: out of memory");
}

void
conn_end(struct conn *c, int error)
{
	if (c->state == CONN_ENDED)
		return;
	event_del(&c->in);
	if (error == 0) {
		c->state = CONN_HALF;
	} else {
		c->state = CONN_ENDED;
		conn_block(c, false);
		loop_cancel(&c->flush);
	}
	c->ops->on_end(c->arg, error);
}

void
conn_arm(struct conn *c, short what, event_callback_fn fn)
{
	event_del(&c->in);
	event_assign(&c->in, loop_base(c->loop), c->fd, what | EV_PERSIST,
	    fn, c);
	if (event_add(&c->in, NULL) == -1)
		fatalx("conn: event_add failed");
}

/*
 * As read() and send(), which let other threads cancel this one meanwhile:
 * with threads, that costs more than all else that they do in user space.
 */
static ssize_t
conn_sys_read(int fd, void *p, size_t n)
{
	return syscall(SYS_read, fd, p, n);
}

static ssize_t
conn_sys_send(int fd, const void *p, size_t n)
{
	return syscall(SYS_sendto, fd, p, n, MSG_NOSIGNAL, NULL, 0);
}

static void
conn_read(struct conn *c)
{
	ssize_t n;

	n = conn_sys_read(c->fd, loop_buffer(c->loop), LOOP_READ_SIZE);
	if (n > 0)
		c->ops->on_data(c->arg, loop_buffer(c->loop), (size_t)n);
	else if (n == 0)
		conn_end(c, 0);
	else if (errno != EAGAIN && errno != EINTR)
		conn_end(c, errno);
}

static void
conn_on_in(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	/* The clock of this turn starts with its first event. */
	loop_now(c->loop);
	if (what & EV_READ)
		conn_read(c);
	else if (what & EV_CLOSED) {
		c->unread = true;
		conn_end(c, 0);
	}
}

void
conn_slim(struct buf *b)
{
	if (buf_len(b) == 0 && b->size > CONN_KEEP)
		buf_free(b);
}

int
conn_put(struct conn *c, struct buf *b)
{
	ssize_t n;

	while (buf_len(b) > 0) {
		n = conn_sys_send(c->fd, buf_data(b), buf_len(b));
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN) {
			conn_block(c, true);
			return 0;
		}
		if (n == -1)
			return errno;
		buf_drain(b, (size_t)n);
	}
	conn_block(c, false);
	conn_slim(b);
	return 0;
}

/* Sends; false when the connection ended while doing so. */
static bool
conn_send(struct conn *c)
{
	size_t before = buf_len(&c->output);
	int error = c->tls != NULL ? conn_tls_send(c) :
	    conn_put(c, &c->output);

	c->sent += before - buf_len(&c->output);
	if (error != 0)
		conn_end(c, error);
	return error == 0;
}

static void
conn_flush_cb(void *arg)
{
	struct conn *c = arg;

	if (conn_pending(c) == 0 || c->blocked)
		return;
	if (conn_send(c) && conn_pending(c) == 0 && c->ops->on_sent)
		c->ops->on_sent(c->arg);
}

void
conn_opened(struct conn *c)
{
	c->state = CONN_UP;
	if (c->ops->on_open != NULL)
		c->ops->on_open(c->arg);
	if (c->state != CONN_ENDED && buf_len(&c->output) > 0)
		loop_defer(c->loop, &c->flush);
}

void
conn_begin(struct conn *c)
{
	if (c->tls != NULL) {
		conn_tls_begin(c);
		return;
	}
	conn_arm(c, EV_READ, conn_on_in);
	conn_opened(c);
}

/* It is not late if what it said has not been read yet. */
static void
conn_on_late(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	int unread = 0;

	(void)fd;
	(void)what;
	loop_now(c->loop);
	if (ioctl(c->fd, FIONREAD, &unread) == 0 && unread > 0)
		return;
	if (c->state == CONN_PROXIED)
		conn_proxy_late(c);
	else if (c->state == CONN_HANDSHAKE)
		conn_tls_late(c);
}

struct event *
conn_limit(struct conn *c)
{
	static const struct timeval limit = { CONN_LIMIT_SECONDS, 0 };
	struct event *e = event_new(loop_base(c->loop), -1, EV_PERSIST,
	    conn_on_late, c);

	if (e == NULL || event_add(e, &limit) == -1)
		fatalx("conn: out of memory");
	return e;
}

static void
conn_on_connected(struct conn *c)
{
	socklen_t len = sizeof(c->error);

	getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &c->error, &len);
	conn_block(c, false);
	if (c->error != 0) {
		conn_end(c, c->error);
		return;
	}
	conn_begin(c);
}

static void
conn_on_out(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	(void)what;
	loop_now(c->loop);
	if (c->state == CONN_CONNECTING)
		conn_on_connected(c);
	else if (conn_send(c) && conn_pending(c) == 0 && c->ops->on_sent)
		c->ops->on_sent(c->arg);
}

static struct conn *
conn_make(struct loop *l, int fd, enum conn_state state,
    const struct conn_ops *ops, void *arg)
{
	struct conn *c = xcalloc(1, sizeof(*c));

	c->loop = l;
	c->ops = ops;
	c->arg = arg;
	c->fd = fd;
	c->state = state;
	loop_task_init(&c->flush, conn_flush_cb, c);
	event_assign(&c->in, loop_base(l), fd, EV_READ | EV_PERSIST,
	    conn_on_in, c);
	return c;
}

struct conn *
conn_accepted(struct loop *l, const struct conn_caller *caller,
    const struct conn_ops *ops, void *arg)
{
	struct conn *c = conn_make(l, caller->fd, CONN_UP, ops, arg);

	c->peer = caller->from;
	if (caller->how & CONN_PROXY)
		conn_expect_proxy(c);
	else if (!(caller->how & CONN_TLS))
		conn_arm(c, EV_READ, conn_on_in);
	return c;
}

/* A connect that fails at once is told at the end of the turn. */
static void
conn_failed_cb(void *arg)
{
	struct conn *c = arg;

	conn_end(c, c->error);
}

struct conn *
conn_connect(struct loop *l, const struct conn_addr *to,
    const struct conn_ops *ops, void *arg)
{
	struct conn *c;
	int fd, one = 1;

	fd = socket(to->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0);
	c = conn_make(l, fd, CONN_CONNECTING, ops, arg);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	conn_name_from(&c->peer, (const struct sockaddr *)&to->sa, to->len);
	if (fd == -1 || (connect(fd, (const struct sockaddr *)&to->sa,
	    to->len) == -1 && errno != EINPROGRESS)) {
		c->error = errno;
		loop_task_init(&c->flush, conn_failed_cb, c);
		loop_defer(l, &c->flush);
	} else
		conn_block(c, true);
	if (to->tls != NULL)
		c->tls = conn_tls_new(c, tls_connect(to->tls));
	return c;
}

void
conn_start_tls(struct conn *c, SSL *ssl)
{
	c->tls = conn_tls_new(c, ssl);
	if (c->state != CONN_PROXIED)
		conn_tls_begin(c);
}

void
conn_free(struct conn *c)
{
	if (c->tls != NULL)
		conn_tls_free(c);
	if (c->proxy != NULL)
		conn_proxy_free(c->proxy);
	if (c->fd != -1) {
		event_del(&c->in);
		if (c->out != NULL)
			event_free(c->out);
		close(c->fd);
	}
	loop_cancel(&c->flush);
	buf_free(&c->output);
	free(c);
}

void
conn_flush(struct conn *c)
{
	if (c->state != CONN_CONNECTING && c->state != CONN_ENDED)
		conn_flush_cb(c);
}

void
conn_write(struct conn *c, const void *p, size_t n)
{
	if (c->state == CONN_ENDED)
		return;
	buf_add(&c->output, p, n);
	if (c->state != CONN_CONNECTING)
		loop_defer(c->loop, &c->flush);
}

void
conn_write_now(struct conn *c, const void *p, size_t n)
{
	ssize_t sent = 0;

	if (c->tls == NULL && !c->blocked && buf_len(&c->output) == 0 &&
	    c->state >= CONN_UP && c->state < CONN_ENDED) {
		sent = conn_sys_send(c->fd, p, n);
		/* What fails now fails again when the rest is sent. */
		if (sent >= 0 ? (size_t)sent < n : errno == EAGAIN)
			conn_block(c, true);
		if (sent < 0)
			sent = 0;
		c->sent += (uint64_t)sent;
	}
	if ((size_t)sent < n)
		conn_write(c, (const char *)p + sent, n - (size_t)sent);
}

size_t
conn_pending(const struct conn *c)
{
	return buf_len(&c->output) +
	    (c->tls != NULL ? conn_tls_pending(c->tls) : 0);
}

uint64_t
conn_sent(const struct conn *c)
{
	return c->sent;
}

void
conn_pause(struct conn *c)
{
	if (c->state != CONN_UP)
		return;
	c->state = CONN_PAUSED;
	conn_arm(c, EV_CLOSED, event_get_callback(&c->in));
}

void
conn_resume(struct conn *c)
{
	if (c->state != CONN_PAUSED)
		return;
	c->state = CONN_UP;
	conn_arm(c, EV_READ, event_get_callback(&c->in));
	if (c->tls != NULL)
		conn_tls_resume(c);
}

bool
conn_blocked(const struct conn *c)
{
	return c->blocked;
}

bool
conn_at_end(const struct conn *c)
{
	return c->state == CONN_HALF && !c->unread;
}

bool
conn_paused(const struct conn *c)
{
	return c->state == CONN_PAUSED;
}

int
conn_fd(const struct conn *c)
{
	return c->fd;
}

void
conn_name_from(struct conn_name *n, const struct sockaddr *sa, socklen_t len)
{
	memset(n, 0, sizeof(*n));
	/* Of a unix socket only that it is one. */
	memcpy(&n->u, sa, sa->sa_family == AF_UNIX ? sizeof(sa->sa_family) :
	    len < sizeof(n->u) ? len : sizeof(n->u));
}

/* Returns its length; the family alone, and AF_UNSPEC, where it has none. */
static socklen_t
conn_get_local(const struct conn *c, struct sockaddr_storage *sa)
{
	socklen_t len = sizeof(*sa);

	memset(sa, 0, sizeof(*sa));
	return getsockname(c->fd, (struct sockaddr *)sa, &len) == 0 ? len :
	    sizeof(sa->ss_family);
}

const struct conn_addr *
conn_local(const struct conn *c)
{
	static _Thread_local struct conn_addr addr;
	struct sockaddr_storage sa;
	socklen_t len = conn_get_local(c, &sa);

	conn_addr_from(&addr, (struct sockaddr *)&sa, len);
	return &addr;
}

bool
conn_is_at(const struct conn *c, const struct conn_addr *host)
{
	struct sockaddr_storage sa;

	conn_get_local(c, &sa);
	return conn_same_sockaddr_host((const struct sockaddr *)&sa,
	    (const struct sockaddr *)&host->sa);
}

/* Who connects to a unix socket has no name: Redis shows the path. */
const struct conn_addr *
conn_peer(const struct conn *c)
{
	static _Thread_local struct conn_addr addr;

	if (c->peer.u.sa.sa_family == AF_UNIX)
		addr = *conn_local(c);
	else
		conn_addr_from(&addr, &c->peer.u.sa, sizeof(c->peer.u));
	return &addr;
}

const struct conn_addr *
conn_from(const struct conn *c)
{
	return c->proxy != NULL ? conn_proxy_from(c->proxy) : conn_peer(c);
}
