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
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "log.h"

/* A lost netlink message is made up for within this time. */
#define VRRP_LOOK_MS	1000
#define VRRP_LINE_MAX	1024
#define VRRP_FILE_MAX	64

struct vrrp {
	struct vrrp_view	 view;
	vrrp_changed_fn		*changed;
	void			*arg;

	int			 family;	/* of the VIP; 0: none */
	struct in6_addr		 vip;		/* or in_addr in front */
	char			*instance;
	char			*fifo;
	char			*track_file;
	int			 track_value;
	bool			 track_wanted;
	int			 track_error;	/* last errno logged */

	int			 netlink;
	int			 inotify;
	int			 pipe;
	struct event		*on_netlink;
	struct event		*on_inotify;
	struct event		*on_pipe;
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
static void
vrrp_look(struct vrrp *v)
{
	struct ifaddrs *all, *i;
	bool found = false;

	if (v->family == 0)
		return;
	if (getifaddrs(&all) == -1) {
		log_warn("vrrp: the addresses of this machine cannot be read");
		return;
	}
	for (i = all; i != NULL && !found; i = i->ifa_next)
		found = vrrp_is_vip(v, i->ifa_addr);
	freeifaddrs(all);
	if (found == v->view.address)
		return;
	v->view.address = found;
	v->view.address_since = mono_now();
	log_info("vrrp: the VIP is %s", found ? "here" : "no longer here");
	v->changed(v->arg);
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

static void
vrrp_on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
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

static bool
vrrp_open_pipe(struct vrrp *v, char *why, size_t whysize)
{
	char drop[4096];
	struct stat st;

	if (v->fifo == NULL)
		return true;
	if (mkfifo(v->fifo, 0600) == -1 && errno != EEXIST) {
		snprintf(why, whysize, "vrrp-fifo %s cannot be made: %s",
		    v->fifo, strerror(errno));
		return false;
	}
	v->pipe = open(v->fifo, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (v->pipe == -1 || fstat(v->pipe, &st) == -1 ||
	    !S_ISFIFO(st.st_mode)) {
		snprintf(why, whysize, "vrrp-fifo %s cannot be opened: %s",
		    v->fifo, v->pipe == -1 ? strerror(errno) :
		    "it is not a FIFO; move it away");
		return false;
	}
	/* What stands there already is history. */
	while (read(v->pipe, drop, sizeof(drop)) > 0)
		continue;
	return true;
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

/* Its directory is watched: a file that is renamed has no watch left. */
static bool
vrrp_open_inotify(struct vrrp *v, char *why, size_t whysize)
{
	char *copy;
	int watch;

	if (v->track_file == NULL)
		return true;
	copy = xstrdup(v->track_file);
	v->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	watch = v->inotify == -1 ? -1 : inotify_add_watch(v->inotify,
	    dirname(copy), IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM |
	    IN_DELETE);
	free(copy);
	if (watch == -1)
		snprintf(why, whysize, "the directory of vrrp-track-file %s "
		    "cannot be watched: %s", v->track_file, strerror(errno));
	return watch != -1;
}

/* ---- start and end ---- */

static struct event *
vrrp_event(struct event_base *base, int fd, event_callback_fn fn,
    struct vrrp *v)
{
	struct event *e;

	if (fd == -1)
		return NULL;
	e = event_new(base, fd, EV_READ | EV_PERSIST, fn, v);
	if (e == NULL || event_add(e, NULL) == -1)
		fatalx("vrrp: out of memory");
	return e;
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

	v->changed = changed;
	v->arg = arg;
	v->instance = vrrp_copy(opts->instance);
	v->fifo = vrrp_copy(opts->fifo);
	v->track_file = vrrp_copy(opts->track_file);
	v->netlink = v->inotify = v->pipe = -1;
	v->view.address_since = mono_now();
	if (!vrrp_open_netlink(v, opts->vip, why, whysize) ||
	    !vrrp_open_pipe(v, why, whysize) ||
	    !vrrp_open_inotify(v, why, whysize)) {
		vrrp_free(v);
		return NULL;
	}
	v->on_netlink = vrrp_event(base, v->netlink, vrrp_on_netlink, v);
	v->on_pipe = vrrp_event(base, v->pipe, vrrp_on_pipe, v);
	v->on_inotify = vrrp_event(base, v->inotify, vrrp_on_inotify, v);
	v->on_tick = event_new(base, -1, EV_PERSIST, vrrp_on_tick, v);
	if (v->on_tick == NULL || event_add(v->on_tick, &tick) == -1)
		fatalx("vrrp: out of memory");
	vrrp_look(v);
	return v;
}

static void
vrrp_close(struct event *e, int fd)
{
	if (e != NULL)
		event_free(e);
	if (fd != -1)
		close(fd);
}

void
vrrp_free(struct vrrp *v)
{
	vrrp_close(v->on_netlink, v->netlink);
	vrrp_close(v->on_pipe, v->pipe);
	vrrp_close(v->on_inotify, v->inotify);
	vrrp_close(v->on_tick, -1);
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
