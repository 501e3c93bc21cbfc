#include "listener.h"

#include <sys/stat.h>
#include <sys/un.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "log.h"

#define LISTENER_BACKLOG	1024

/* A crowd that connects at once must not keep the loop from its work. */
#define LISTENER_A_TURN		32

/* Out of descriptors: accept again after this long. */
#define LISTENER_PAUSE_MS	100

struct listener {
	int		 fd;
	struct conn_addr addr;
	struct event	*in;
	struct event	*again;
	listener_fn	*fn;
	void		*arg;
};

static void
listener_pause(struct listener *l)
{
	static const struct timeval pause = { 0, LISTENER_PAUSE_MS * 1000 };

	log_warn("listener: accept failed (raise LimitNOFILE if it is for "
	    "want of descriptors), next try in %d ms", LISTENER_PAUSE_MS);
	event_del(l->in);
	evtimer_add(l->again, &pause);
}

static void
listener_on_again(evutil_socket_t fd, short what, void *arg)
{
	struct listener *l = arg;

	(void)fd;
	(void)what;
	event_add(l->in, NULL);
}

static void
listener_on_in(evutil_socket_t fd, short what, void *arg)
{
	struct listener *l = arg;
	int i, client;

	(void)what;
	for (i = 0; i < LISTENER_A_TURN; i++) {
		client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (client != -1)
			l->fn(client, l->arg);
		else if (errno == EAGAIN)
			return;
		else if (errno == EMFILE || errno == ENFILE ||
		    errno == ENOBUFS || errno == ENOMEM) {
			listener_pause(l);
			return;
		}
	}
}

/* What an earlier process left behind is removed; nothing else is. */
static bool
listener_unlink_stale(const struct conn_addr *a)
{
	const struct sockaddr_un *un = (const void *)&a->sa;
	struct stat st;
	bool stale;
	int fd;

	if (lstat(un->sun_path, &st) == -1)
		return errno == ENOENT;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return false;
	stale = S_ISSOCK(st.st_mode) && connect(fd,
	    (const struct sockaddr *)&a->sa, a->len) == -1 &&
	    errno == ECONNREFUSED;
	close(fd);
	if (!stale)
		errno = EADDRINUSE;
	return stale && unlink(un->sun_path) == 0;
}

static void
listener_set_options(int fd, const struct conn_addr *a)
{
	bool v6 = a->sa.ss_family == AF_INET6;
	int one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP,
	    v6 ? IPV6_FREEBIND : IP_FREEBIND, &one, sizeof(one));
	if (v6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	/* Clients' sockets inherit these, which saves two calls for each. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	/*
	 * And this. Without (for want of CAP_NET_ADMIN) the
	 * kernel sends nothing from an address that it does not have, and an
	 * idle client would never learn that the VIP has left.
	 */
	setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP,
	    v6 ? IPV6_TRANSPARENT : IP_TRANSPARENT, &one, sizeof(one));
}

static int
listener_socket(const struct conn_addr *a)
{
	int fd, saved;

	if (a->sa.ss_family == AF_UNIX && !listener_unlink_stale(a))
		return -1;
	fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	if (a->sa.ss_family != AF_UNIX)
		listener_set_options(fd, a);
	if (bind(fd, (const struct sockaddr *)&a->sa, a->len) == -1 ||
	    listen(fd, LISTENER_BACKLOG) == -1) {
		saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

struct listener *
listener_new(struct loop *loop, const struct conn_addr *a, listener_fn *fn,
    void *arg)
{
	struct listener *l;
	int fd = listener_socket(a);

	if (fd == -1)
		return NULL;
	l = xcalloc(1, sizeof(*l));
	l->fd = fd;
	l->addr = *a;
	l->fn = fn;
	l->arg = arg;
	l->in = event_new(loop_base(loop), fd, EV_READ | EV_PERSIST,
	    listener_on_in, l);
	l->again = evtimer_new(loop_base(loop), listener_on_again, l);
	if (l->in == NULL || l->again == NULL ||
	    event_add(l->in, NULL) == -1)
		fatalx("listener: out of memory");
	return l;
}

void
listener_free(struct listener *l)
{
	event_free(l->in);
	event_free(l->again);
	if (l->addr.sa.ss_family == AF_UNIX)
		unlink(((const struct sockaddr_un *)(const void *)
		    &l->addr.sa)->sun_path);
	close(l->fd);
	free(l);
}
