#include "listener.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "log.h"

#define LISTENER_BACKLOG	1024

/* A crowd that connects at once must not keep the loop from its work. */
#define LISTENER_A_TURN		32

/* Out of descriptors: accept again after this long. */
#define LISTENER_PAUSE_MS	100

/*
 * Descriptors that clients do not get, or a quarter where there are few: what
 * is accepted without a connection to Redis would wait in vain.
 */
#define LISTENER_SPARE		64

/* The kernel's table of descriptors takes 8 bytes for each below this. */
#define LISTENER_HIGH		65536

struct listener {
	int		 fd;
	struct conn_addr addr;
	unsigned	 how;
	struct event	*in;
	struct event	*again;
	listener_fn	*fn;
	void		*arg;
};

/* The first descriptor that is not for clients. */
static int
listener_most(void)
{
	struct rlimit l;
	rlim_t spare;

	if (getrlimit(RLIMIT_NOFILE, &l) == -1 || l.rlim_cur > INT_MAX)
		return INT_MAX;
	spare = l.rlim_cur / 4;
	return (int)(l.rlim_cur - (spare < LISTENER_SPARE ? spare :
	    LISTENER_SPARE));
}

static void
listener_pause(struct listener *l)
{
	static const struct timeval pause = { 0, LISTENER_PAUSE_MS * 1000 };
	static struct log_limit limit;

	if (log_may(&limit))
		log_warnx("listener: no more clients can be accepted for want "
		    "of descriptors (raise LimitNOFILE), next try in %d ms",
		    LISTENER_PAUSE_MS);
	event_del(l->in);
	evtimer_add(l->again, &pause);
}

static void
listener_on_again(evutil_socket_t fd, short what, void *arg)
{
	struct listener *l = arg;
	int lowest = fcntl(l->fd, F_DUPFD_CLOEXEC, 0);

	(void)fd;
	(void)what;
	if (lowest != -1)
		close(lowest);
	if (lowest == -1 || lowest >= listener_most())
		listener_pause(l);
	else
		event_add(l->in, NULL);
}

/* False: nobody else is there, or cannot be taken now. */
static bool
listener_accept_one(struct listener *l, int most)
{
	struct conn_caller caller = { .how = l->how };
	socklen_t len = sizeof(caller.from);

	caller.fd = accept4(l->fd, &caller.from.u.sa, &len,
	    SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (caller.fd != -1)
		l->fn(&caller, l->arg);
	else if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS &&
	    errno != ENOMEM)
		/* Or one has left already, which says nothing of others. */
		return errno != EAGAIN && errno != EINVAL;
	if (caller.fd == -1 || caller.fd >= most)
		listener_pause(l);
	return caller.fd != -1 && caller.fd < most;
}

static void
listener_on_in(evutil_socket_t fd, short what, void *arg)
{
	int i, most = listener_most();

	(void)fd;
	(void)what;
	for (i = 0; i < LISTENER_A_TURN && listener_accept_one(arg, most); i++)
		continue;
}

void
listener_accept(struct listener *l)
{
	int i;

	for (i = 0; i < LISTENER_BACKLOG && listener_accept_one(l, INT_MAX);
	    i++)
		continue;
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

/*
 * A process that is killed closes its descriptors from the highest down
 * (Linux 6). With the listeners above their clients, who is cut and connects
 * anew finds nobody, and is not accepted by the dead to be cut again.
 */
static int
listener_raise(int fd)
{
	int most = listener_most();
	int high = fcntl(fd, F_DUPFD_CLOEXEC, most < LISTENER_HIGH ? most :
	    LISTENER_HIGH);

	if (high == -1)
		return fd;
	close(fd);
	return high;
}

static int
listener_socket(const struct conn_addr *a, bool beside)
{
	int fd, saved, one = 1;

	fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	if (a->sa.ss_family != AF_UNIX)
		listener_set_options(fd, a);
	if ((beside && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one,
	    sizeof(one)) == -1) ||
	    bind(fd, (const struct sockaddr *)&a->sa, a->len) == -1 ||
	    listen(fd, LISTENER_BACKLOG) == -1) {
		saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	return listener_raise(fd);
}

static struct listener *
listener_make(struct loop *loop, const struct conn_addr *a, int fd,
    unsigned how, listener_fn *fn, void *arg)
{
	struct listener *l = xcalloc(1, sizeof(*l));

	l->fd = fd;
	l->addr = *a;
	l->how = how;
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

struct listener *
listener_new(struct loop *loop, const struct conn_addr *a, unsigned how,
    listener_fn *fn, void *arg)
{
	int fd;

	if (a->sa.ss_family == AF_UNIX && !listener_unlink_stale(a))
		return NULL;
	fd = listener_socket(a, false);
	return fd == -1 ? NULL : listener_make(loop, a, fd, how, fn, arg);
}

/*
 * The first of them has bound the address for itself alone, which fails
 * where anybody listens, another Holdover as well. It is shared only now.
 */
struct listener *
listener_beside(const struct listener *l, struct loop *loop, void *arg)
{
	int fd, one = 1;

	if (setsockopt(l->fd, SOL_SOCKET, SO_REUSEPORT, &one,
	    sizeof(one)) == -1)
		return NULL;
	fd = listener_socket(&l->addr, true);
	return fd == -1 ? NULL : listener_make(loop, &l->addr, fd, l->how,
	    l->fn, arg);
}

void
listener_shut(struct listener *l)
{
	if (shutdown(l->fd, SHUT_RD) == -1)
		log_warn("listener: %s cannot be shut", l->addr.text);
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
