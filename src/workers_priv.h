/*
 * Shared by workers.c (threads, the gate, rounds) and workers_clients.c
 * (clients come and go), and by nobody else.
 */
#ifndef WORKERS_PRIV_H
#define WORKERS_PRIV_H

#include "listener.h"
#include "workers.h"

#define WORKERS_PORTS		32

/* Embedded, so that what a thousand clients notice at once is told once. */
struct worker_report {
	struct loop_message	 message;	/* first */
	struct worker		*worker;
	enum side		 side;
	enum gate_evidence	 what;
};

struct worker {
	struct workers		*all;
	struct event_base	*base;
	struct loop		*loop;
	struct gate		*gate;
	struct clients		*clients;
	pthread_t		 thread;
	/* counted up by whoever accepts, down by the worker */
	_Atomic size_t		 load;
	struct listener		*listener[WORKERS_PORTS];
	size_t			 listeners;
	bool			 finished;	/* takes no more clients */
	struct workers_message	*moved;		/* not yet told, or NULL */
	struct loop_task	 tell;
	struct loop_message	 progress;	/* of the gate, to home */
	struct worker_report	 report[2][GATE_EVIDENCES];
};

struct workers {
	struct loop		*home;
	struct gate		*master;
	struct hold_memory	 memory;
	_Atomic size_t		 maxclients;
	_Atomic size_t		 clients;	/* the sum of all loads */
	_Atomic uint64_t	 last_id;
	_Atomic size_t		 gathered;	/* for a farewell */
	struct conn_addr	 watched;	/* len 0: nobody watches */
	workers_watch_fn	*watch_fn;
	void			*watch_arg;
	bool			 running;
	size_t			 count;
	struct worker		 worker[];
};

/* To one worker, or from it. */
struct workers_message {
	struct loop_message	 message;	/* first: see ..._of() */
	struct worker		*worker;
	union {
		struct gate_news	 news;
		struct conf		*conf;
		struct {
			struct conn_addr	 vip;
			bool			 leaving;
			uint64_t		 seq;
		} leaving;
		struct {
			struct conn_caller	 caller;
			uint64_t		 id;
		} client;
		struct {
			struct conn_addr	 vip;
			uint64_t		 last;	/* client's id */
		} farewell;
		struct buf		 moved;		/* "+peer", "-peer" */
	} u;
};

/* A message to that worker, or from it; free() it. */
struct workers_message	*workers_message(struct worker *,
			    void (*)(struct loop_message *));

static inline struct workers_message *
workers_message_of(struct loop_message *m)
{
	return (struct workers_message *)(void *)m;
}

/* workers_clients.c */
void	worker_tell_cb(void *arg);
void	worker_on_moved(const struct conn *, bool came, void *arg);
void	worker_unlisten(struct worker *);

#endif
