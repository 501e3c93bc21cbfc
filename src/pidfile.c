#include "pidfile.h"

#include <sys/syscall.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "util.h"

#define PIDFILE_MAX	64

struct pidfile {
	struct event_base	*base;
	char			*path;
	char			*name;
	pidfile_ended_fn	*ended;
	void			*arg;
	enum pidfile_state	 state;
	int			 fd;		/* of the process; -1: none */
	struct event		*on_end;
};

/* The number in the file; 0: there is none. */
static long long
pidfile_read(const char *path)
{
	size_t len;
	char *text = util_read_file(path, PIDFILE_MAX, &len);
	long long pid = 0;

	if (text == NULL)
		return 0;
	len = strcspn(text, "\r\n ");
	if (!util_number(text, len, &pid) || pid <= 0)
		pid = 0;
	free(text);
	return pid;
}

/* Is it that program? Where /proc is hidden the file is believed. */
static bool
pidfile_is(long long pid, const char *name)
{
	char path[64], *text;
	size_t len, want = strlen(name);
	bool same;

	snprintf(path, sizeof(path), "/proc/%lld/comm", pid);
	if ((text = util_read_file(path, PIDFILE_MAX, &len)) == NULL)
		return errno != ENOENT;
	same = len >= want && memcmp(text, name, want) == 0 &&
	    (text[want] == '\n' || text[want] == '\0');
	free(text);
	return same;
}

static bool
pidfile_lives(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return fd != -1 && poll(&p, 1, 0) == 0;
}

static void
pidfile_close(struct pidfile *p)
{
	if (p->on_end != NULL)
		event_free(p->on_end);
	if (p->fd != -1)
		close(p->fd);
	p->on_end = NULL;
	p->fd = -1;
}

static void
pidfile_on_end(evutil_socket_t fd, short what, void *arg)
{
	struct pidfile *p = arg;

	(void)fd;
	(void)what;
	pidfile_look(p);
	p->ended(p->arg);
}

/* Takes hold of the process that the file names now, if it lives. */
static void
pidfile_open(struct pidfile *p)
{
	long long pid = pidfile_read(p->path);

	if (pid == 0) {
		if (p->state == PIDFILE_RUNS)
			p->state = PIDFILE_GONE;
		return;
	}
	p->fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
	if (p->fd == -1 && errno != ESRCH) {
		/* A kernel that has no such thing, or forbids it */
		p->state = PIDFILE_UNKNOWN;
		return;
	}
	if (!pidfile_lives(p->fd) || !pidfile_is(pid, p->name)) {
		pidfile_close(p);
		p->state = PIDFILE_GONE;
		return;
	}
	p->state = PIDFILE_RUNS;
	p->on_end = event_new(p->base, p->fd, EV_READ, pidfile_on_end, p);
	if (p->on_end == NULL || event_add(p->on_end, NULL) == -1)
		fatalx("pidfile: out of memory");
}

enum pidfile_state
pidfile_look(struct pidfile *p)
{
	if (p->path == NULL || pidfile_lives(p->fd))
		return p->state;
	pidfile_close(p);
	pidfile_open(p);
	return p->state;
}

struct pidfile *
pidfile_new(struct event_base *base, const char *path, const char *name,
    pidfile_ended_fn *ended, void *arg)
{
	struct pidfile *p = xcalloc(1, sizeof(*p));

	p->base = base;
	p->path = path != NULL ? xstrdup(path) : NULL;
	p->name = xstrdup(name);
	p->ended = ended;
	p->arg = arg;
	p->fd = -1;
	return p;
}

void
pidfile_free(struct pidfile *p)
{
	pidfile_close(p);
	free(p->path);
	free(p->name);
	free(p);
}
