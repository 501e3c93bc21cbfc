#include "vrrp.h"

#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <libgen.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "garp.h"
#include "log.h"

/*
 * What no event told of is noticed within this time: a lost netlink message,
 * a keepalived that has started, a file that was taken away.
 */
#define VRRP_LOOK_MS	250
#define VRRP_LINE_MAX	1024
#define VRRP_FILE_MAX	64

struct vrrp_pipe {
	int			 fd;		/* -1: none */
	struct event		*on_read;
};

struct vrrp {
	struct event_base	*base;
	struct vrrp_view	 view;
	vrrp_changed_fn		*changed;
	void			*arg;

	int			 family;	/* of the VIP; 0: none */
	struct in6_addr		 vip;		/* or in_addr in front */
	char			 interface[IF_NAMESIZE]; /* that has it */
	struct garp		*garp;		/* NULL: not allowed */
	char			*instance;
	uint64_t		 order;		/* of what was said last */
	char			*fifo;
	char			*track_file;
	int			 track_value;
	bool			 track_wanted;
	int			 track_error;	/* last errno logged */

	int			 netlink;
	int			 inotify;
	struct vrrp_pipe	 pipe;		/* the one at its path */
	struct vrrp_pipe	 old;		/* the one that was there */
	int			 pipe_error;	/* last errno logged */
	struct pidfile		*keepalived;
	struct event		*on_netlink;
	struct event		*on_inotify;
	struct event		*on_tick;
	struct buf		 line;
};

/* ---- the address ---- */

static bool
vrrp_is_vip(const struct vrrp *v, const struct sockaddr *sa)
{
	if (sa == NULL || sa->sa_family != v->family)
		return false;
	if (v->family == AF_INET)
		return memcmp(&((const struct sockaddr_in *)
		    (const void *)sa)->sin_addr, &v->vip,
		    sizeof(struct in_addr)) == 0;
	return memcmp(&((const struct sockaddr_in6 *)
	    (const void *)sa)->sin6_addr, &v->vip, sizeof(v->vip)) == 0;
}

/* Has the kernel the VIP now? Looked up whole: messages may be lost. */
static bool
vrrp_look_address(struct vrrp *v)
{
	struct ifaddrs *all, *i;
	bool found = false;

	if (v->family == 0)
		return false;
	if (getifaddrs(&all) == -1) {
		log_warn("vrrp: the addresses of this machine cannot be read");
		return false;
	}
	for (i = all; i != NULL && !found; i = i->ifa_next)
		if ((found = vrrp_is_vip(v, i->ifa_addr)))
			snprintf(v->interface, sizeof(v->interface), "%s",
			    i->ifa_name);
	freeifaddrs(all);
	if (found == v->view.address)
		return false;
	v->view.address = found;
	v->view.address_since = mono_now();
	log_info("vrrp: the VIP is %s", found ? "here" : "no longer here");
	vrrp_announce(v);
	return true;
}

void
vrrp_announce(struct vrrp *v)
{
	if (v->view.address && v->garp != NULL)
		garp_send(v->garp, v->interface, &v->vip);
}

/* Is keepalived there? One that is gone says nothing about it. */
static bool
vrrp_look_keepalived(struct vrrp *v)
{
	enum pidfile_state is = pidfile_look(v->keepalived);

	if (is == v->view.keepalived)
		return false;
	v->view.keepalived = is;
	if (is == PIDFILE_GONE) {
		v->view.said = VRRP_STOP;
		log_warnx("vrrp: keepalived is not running%s; start it",
		    v->view.address ? ", and its VIP was left behind" : "");
	} else
		log_info("vrrp: keepalived is running");
	return true;
}

static void
vrrp_look(struct vrrp *v)
{
	bool address = vrrp_look_address(v);
	bool keepalived = vrrp_look_keepalived(v);

	if (address || keepalived)
		v->changed(v->arg);
}

static void
vrrp_on_ended(void *arg)
{
	vrrp_look(arg);
}

static void
vrrp_on_netlink(evutil_socket_t fd, short what, void *arg)
{
	char drop[16384];

	(void)what;
	/* ENOBUFS says that messages were lost; what counts is looked up. */
	while (recv(fd, drop, sizeof(drop), MSG_DONTWAIT) > 0 ||
	    errno == ENOBUFS || errno == EINTR)
		continue;
	vrrp_look(arg);
}

static bool
vrrp_open_netlink(struct vrrp *v, const char *vip, char *why, size_t whysize)
{
	struct sockaddr_nl nl = { .nl_family = AF_NETLINK,
	    .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR };

	if (vip == NULL)
		return true;
	v->family = inet_pton(AF_INET, vip, &v->vip) == 1 ? AF_INET :
	    inet_pton(AF_INET6, vip, &v->vip) == 1 ? AF_INET6 : 0;
	if (v->family == 0) {
		snprintf(why, whysize, "vip: '%s' is not an IP address", vip);
		return false;
	}
	if ((v->garp = garp_new(v->family)) == NULL)
		log_warn("vrrp: where the VIP is, only keepalived tells the "
		    "network, for want of CAP_NET_RAW");
	v->netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, NETLINK_ROUTE);
	if (v->netlink == -1 || bind(v->netlink,
	    (const struct sockaddr *)(const void *)&nl, sizeof(nl)) == -1) {
		snprintf(why, whysize, "the kernel's addresses cannot be "
		    "watched (netlink): %s", strerror(errno));
		return false;
	}
	return true;
}

/* ---- keepalived's words ---- */

bool
vrrp_notify(struct vrrp *v, const struct vrrp_line *line)
{
	if (v->instance != NULL ? strcmp(line->name, v->instance) != 0 :
	    line->group)
		return false;
	if (line->order != 0 && line->order < v->order) {
		log_info("vrrp: keepalived said %s before that",
		    vrrp_state_name(line->state));
		return true;
	}
	v->order = line->order;
	log_info("vrrp: keepalived says %s%s, priority %d",
	    vrrp_state_name(line->state),
	    line->lower_prio ? " (MASTER_RX_LOWER_PRI)" : "",
	    line->priority);
	v->view.said = line->state;
	v->view.priority = line->priority;
	if (line->lower_prio)
		v->view.lower_prio = true;
	vrrp_look(v);
	v->changed(v->arg);
	return true;
}

static void
vrrp_take_line(struct vrrp *v, const char *p, size_t len)
{
	struct vrrp_line line;
	const char *why;

	if (len == 0)
		return;
	if (info_vrrp_line(p, len, &line, &why))
		vrrp_notify(v, &line);
	else
		log_warnx("vrrp: a line in %s cannot be understood: %s",
		    v->fifo, why);
}

static void
vrrp_take_lines(struct vrrp *v)
{
	char *nl;
	size_t n;

	while (buf_len(&v->line) > 0 && (nl = memchr(buf_data(&v->line), '\n',
	    buf_len(&v->line))) != NULL) {
		n = (size_t)(nl - buf_data(&v->line));
		vrrp_take_line(v, buf_data(&v->line), n);
		buf_drain(&v->line, n + 1);
	}
	if (buf_len(&v->line) <= VRRP_LINE_MAX)
		return;
	log_warnx("vrrp: a line in %s is longer than %d bytes, dropped",
	    v->fifo, VRRP_LINE_MAX);
	buf_free(&v->line);
}

static void
vrrp_on_pipe(evutil_socket_t fd, short what, void *arg)
{
	struct vrrp *v = arg;
	char text[4096];
	ssize_t n;

	(void)what;
	while ((n = read(fd, text, sizeof(text))) > 0) {
		buf_add(&v->line, text, (size_t)n);
		vrrp_take_lines(v);
	}
}

static void
vrrp_close(struct event *e, int fd)
{
	if (e != NULL)
		event_free(e);
	if (fd != -1)
		close(fd);
}

static struct event *
vrrp_event(struct vrrp *v, int fd, event_callback_fn fn)
{
	struct event *e;

	if (fd == -1)
		return NULL;
	e = event_new(v->base, fd, EV_READ | EV_PERSIST, fn, v);
	if (e == NULL || event_add(e, NULL) == -1)
		fatalx("vrrp: out of memory");
	return e;
}

/* Opens the FIFO at its path, which is made if need be; -1 with errno. */
static int
vrrp_open_fifo(const struct vrrp *v)
{
	struct stat st;
	int fd;

	if (mkfifo(v->fifo, 0600) == -1 && errno != EEXIST)
		return -1;
	fd = open(v->fifo, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd != -1 && fstat(fd, &st) == 0 && !S_ISFIFO(st.st_mode)) {
		close(fd);
		errno = EEXIST;
		return -1;
	}
	return fd;
}

static bool
vrrp_open_pipe(struct vrrp *v, char *why, size_t whysize)
{
	char drop[4096];

	if (v->fifo == NULL)
		return true;
	v->pipe.fd = vrrp_open_fifo(v);
	if (v->pipe.fd == -1) {
		snprintf(why, whysize, "vrrp-fifo %s cannot be opened: %s",
		    v->fifo, errno == EEXIST ? "it is not a FIFO; move it "
		    "away" : strerror(errno));
		return false;
	}
	/* What stands there already is history. */
	while (read(v->pipe.fd, drop, sizeof(drop)) > 0)
		continue;
	v->pipe.on_read = vrrp_event(v, v->pipe.fd, vrrp_on_pipe);
	return true;
}

static bool
vrrp_pipe_stands(const struct vrrp *v)
{
	struct stat path, pipe;

	return v->fifo == NULL || (stat(v->fifo, &path) == 0 &&
	    fstat(v->pipe.fd, &pipe) == 0 && path.st_ino == pipe.st_ino &&
	    path.st_dev == pipe.st_dev);
}

/*
 * Somebody took the FIFO away. keepalived goes on writing to the old one
 * until it is reloaded or restarted, so that one is still read.
 */
static void
vrrp_keep_pipe(struct vrrp *v)
{
	int fd;

	if (vrrp_pipe_stands(v))
		return;
	if ((fd = vrrp_open_fifo(v)) == -1) {
		if (errno != v->pipe_error)
			log_warn("vrrp: vrrp-fifo %s was removed and cannot "
			    "be made again", v->fifo);
		v->pipe_error = errno;
		return;
	}
	v->pipe_error = 0;
	log_warnx("vrrp: vrrp-fifo %s was removed, made again; keepalived "
	    "uses it from its next reload on", v->fifo);
	vrrp_close(v->old.on_read, v->old.fd);
	v->old = v->pipe;
	v->pipe.fd = fd;
	v->pipe.on_read = vrrp_event(v, fd, vrrp_on_pipe);
}

/* ---- the track_file ---- */

/* Holds the file that value already? */
static bool
vrrp_track_holds(const struct vrrp *v)
{
	size_t len;
	char *text = util_read_file(v->track_file, VRRP_FILE_MAX, &len);
	long long n;
	bool same;

	if (text == NULL)
		return false;
	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == ' '))
		len--;
	same = util_number(text, len, &n) && n == v->track_value;
	free(text);
	return same;
}

static void
vrrp_track_write(struct vrrp *v)
{
	char text[16];
	int n;

	if (!v->track_wanted || vrrp_track_holds(v))
		return;
	n = snprintf(text, sizeof(text), "%d\n", v->track_value);
	if (util_write_file(v->track_file, text, (size_t)n, 0644, false)) {
		v->track_error = 0;
		log_info("vrrp: the track_file says %d", v->track_value);
	} else if (errno != v->track_error) {
		v->track_error = errno;
		log_warn("vrrp: vrrp-track-file %s cannot be written, so "
		    "keepalived does not learn whether this node is fit",
		    v->track_file);
	}
}

void
vrrp_track(struct vrrp *v, int value)
{
	if (v->track_file == NULL)
		return;
	v->track_value = value;
	v->track_wanted = true;
	vrrp_track_write(v);
}

static void
vrrp_on_inotify(evutil_socket_t fd, short what, void *arg)
{
	char drop[4096];

	(void)what;
	while (read(fd, drop, sizeof(drop)) > 0)
		continue;
	vrrp_track_write(arg);
}

/*
 * Its directory is watched: a file that is renamed has no watch left. Done
 * again now and then, for the directory may be a new one.
 */
static bool
vrrp_watch_track(const struct vrrp *v)
{
	char *copy = xstrdup(v->track_file);
	int watch = inotify_add_watch(v->inotify, dirname(copy), IN_MODIFY |
	    IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE);

	free(copy);
	return watch != -1;
}

static bool
vrrp_open_inotify(struct vrrp *v, char *why, size_t whysize)
{
	if (v->track_file == NULL)
		return true;
	v->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (v->inotify == -1 || !vrrp_watch_track(v)) {
		snprintf(why, whysize, "the directory of vrrp-track-file %s "
		    "cannot be watched: %s", v->track_file, strerror(errno));
		return false;
	}
	v->on_inotify = vrrp_event(v, v->inotify, vrrp_on_inotify);
	return true;
}

/* ---- start and end ---- */

static void
vrrp_on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct vrrp *v = arg;

	(void)fd;
	(void)what;
	vrrp_look(v);
	vrrp_keep_pipe(v);
	if (v->track_file != NULL) {
		vrrp_watch_track(v);
		vrrp_track_write(v);
	}
}

static char *
vrrp_copy(const char *s)
{
	return s != NULL ? xstrdup(s) : NULL;
}

struct vrrp *
vrrp_new(struct event_base *base, const struct vrrp_opts *opts,
    vrrp_changed_fn *changed, void *arg, char *why, size_t whysize)
{
	static const struct timeval tick = { VRRP_LOOK_MS / 1000,
	    VRRP_LOOK_MS % 1000 * 1000 };
	struct vrrp *v = xcalloc(1, sizeof(*v));

	v->base = base;
	v->changed = changed;
	v->arg = arg;
	v->instance = vrrp_copy(opts->instance);
	v->fifo = vrrp_copy(opts->fifo);
	v->track_file = vrrp_copy(opts->track_file);
	v->netlink = v->inotify = v->pipe.fd = v->old.fd = -1;
	v->keepalived = pidfile_new(base, opts->pid_file, "keepalived",
	    vrrp_on_ended, v);
	v->view.address_since = mono_now();
	if (!vrrp_open_netlink(v, opts->vip, why, whysize) ||
	    !vrrp_open_pipe(v, why, whysize) ||
	    !vrrp_open_inotify(v, why, whysize)) {
		vrrp_free(v);
		return NULL;
	}
	v->on_netlink = vrrp_event(v, v->netlink, vrrp_on_netlink);
	v->on_tick = event_new(base, -1, EV_PERSIST, vrrp_on_tick, v);
	if (v->on_tick == NULL || event_add(v->on_tick, &tick) == -1)
		fatalx("vrrp: out of memory");
	vrrp_look(v);
	return v;
}

void
vrrp_free(struct vrrp *v)
{
	vrrp_close(v->on_netlink, v->netlink);
	vrrp_close(v->pipe.on_read, v->pipe.fd);
	vrrp_close(v->old.on_read, v->old.fd);
	vrrp_close(v->on_inotify, v->inotify);
	vrrp_close(v->on_tick, -1);
	pidfile_free(v->keepalived);
	if (v->garp != NULL)
		garp_free(v->garp);
	buf_free(&v->line);
	free(v->instance);
	free(v->fifo);
	free(v->track_file);
	free(v);
}

const struct vrrp_view *
vrrp_view(const struct vrrp *v)
{
	return &v->view;
}

void
vrrp_forget_lower_prio(struct vrrp *v)
{
	v->view.lower_prio = false;
}
