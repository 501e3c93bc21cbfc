/*
 * Whether a program is there, by the pid file that it keeps.
 *
 * A program that has never been seen is not called dead: it may keep its
 * file elsewhere, or not be used at all.
 */
#ifndef PIDFILE_H
#define PIDFILE_H

#include <event2/event.h>

enum pidfile_state {
	PIDFILE_UNKNOWN,	/* never seen: there was no such file */
	PIDFILE_RUNS,
	PIDFILE_GONE		/* the process of the file has ended */
};

struct pidfile;

/* The program has ended: pidfile_look() says so from now on. */
typedef void pidfile_ended_fn(void *arg);

/*
 * name is the program's, as the kernel has it (/proc/PID/comm): a number in
 * an old file may be somebody else's by now. path NULL: always UNKNOWN.
 */
struct pidfile	*pidfile_new(struct event_base *, const char *path,
		    const char *name, pidfile_ended_fn *, void *arg);
void		 pidfile_free(struct pidfile *);

/*
 * Looks. The end of a program is noticed at once, its start at the next look;
 * that costs one system call while it runs.
 */
enum pidfile_state	pidfile_look(struct pidfile *);

#endif
