/*
 * A program is watched by its pid file: the real thing, a child of this test.
 */
#include "pidfile.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <signal.h>

#include "tap.h"
#include "tmp.h"
#include "util.h"

static struct event_base *base;
static int ended;

static void
on_ended(void *arg)
{
	(void)arg;
	ended++;
	event_base_loopbreak(base);
}

static void
write_pid(const char *path, long pid)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%ld\n", pid);

	if (!util_write_file(path, text, (size_t)n, 0644, false))
		printf("Bail out! %s cannot be written\n", path);
}

/* Its name is this test's, "pidfile". */
static pid_t
start(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return pid;
}

int
main(void)
{
	static const struct timeval limit = { 10, 0 };
	struct pidfile *p, *other, *none;
	const char *path;
	pid_t pid;

	tmp_begin();
	base = event_base_new();
	path = tmp_path("program.pid");
	p = pidfile_new(base, path, "pidfile", on_ended, NULL);
	other = pidfile_new(base, path, "keepalived", on_ended, NULL);
	none = pidfile_new(base, NULL, "pidfile", on_ended, NULL);

	is_int(pidfile_look(p), PIDFILE_UNKNOWN, "never seen is not dead");
	pid = start();
	write_pid(path, pid);
	is_int(pidfile_look(p), PIDFILE_RUNS, "a file with its number: it "
	    "runs");
	is_int(pidfile_look(other), PIDFILE_GONE, "the number is another "
	    "program's: the one looked for is gone");
	is_int(pidfile_look(none), PIDFILE_UNKNOWN, "no file to look at");

	unlink(path);
	is_int(pidfile_look(p), PIDFILE_RUNS, "without its file it runs on");
	write_pid(path, pid);
	kill(pid, SIGKILL);
	event_base_loopexit(base, &limit);
	event_base_dispatch(base);
	is_int(ended, 1, "its end is told at once");
	is_int(pidfile_look(p), PIDFILE_GONE, "it is gone, file or not");
	waitpid(pid, NULL, 0);
	is_int(pidfile_look(p), PIDFILE_GONE, "as long as nothing is new");

	pid = start();
	write_pid(path, pid);
	is_int(pidfile_look(p), PIDFILE_RUNS, "started again");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	unlink(path);
	is_int(pidfile_look(p), PIDFILE_GONE, "it ended and took its file");
	write_pid(path, 0);
	is_int(pidfile_look(p), PIDFILE_GONE, "a number that is none");

	pidfile_free(p);
	pidfile_free(other);
	pidfile_free(none);
	event_base_free(base);
	return tap_done();
}
