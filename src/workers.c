#include "workers.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "listener.h"
#include "log.h"
#include "stats.h"

#define WORKERS_PORTS		32

/* One may have this part more clients than another. */
#define WORKERS_UNEVEN		8

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
	unsigned		 farewells;	/* that it has heard of */
	struct conn_addr	 gone;		/* the last one's VIP */
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
		struct conn_addr	 vip;
		struct {
			struct conn_addr	 vip;
			bool			 leaving;
			uint64_t		 seq;
		} leaving;
		struct {
			struct conn_caller	 caller;
			uint64_t		 id;
			unsigned		 farewells;
		} client;
		struct buf		 moved;		/* "+peer", "-peer" */
	} u;
};

static struct workers_message *
workers_message_of(struct loop_message *m)
{
	return (struct workers_message *)(void *)m;
}

static struct workers_message *
workers_message(struct worker *w, void (*fn)(struct loop_message *))
{
	struct workers_message *m = xcalloc(1, sizeof(*m));

	m->message.fn = fn;
	m->worker = w;
	return m;
}

/* ---- the gate: changes down, progress and reports up ---- */

static void
worker_on_news(struct loop_message *message)
{
	struct workers_message *m = workers_message_of(message);

	gate_apply(m->worker->gate, &m->u.news);
	free(m);
}

static void
workers_on_gate(void *arg)
{
	struct workers *ws = arg;
	struct workers_message *m;
	size_t i;

	for (i = 0; i < ws->count; i++) {
		m = workers_message(&ws->worker[i], worker_on_news);
		m->u.news = gate_news(ws->master);
		loop_post(ws->worker[i].loop, &m->message);
	}
}

static void
workers_on_progress(struct loop_message *message)
{
	struct worker *w = (struct worker *)(void *)((char *)message -
	    offsetof(struct worker, progress));

	gate_progress(w->all->master);
}

static void
worker_on_gate_progress(void *arg)
{
	struct worker *w = arg;

	loop_post(w->all->home, &w->progress);
}

static void
workers_on_report(struct loop_message *message)
{
	const struct worker_report *r =
	    (const struct worker_report *)(void *)message;

	gate_report(r->worker->all->master, r->side, r->what);
}

static void
worker_on_gate_report(enum side side, enum gate_evidence what, void *arg)
{
	struct worker *w = arg;

	loop_post(w->all->home, &w->report[side][what].message);
}

static void
worker_init_reports(struct worker *w)
{
	enum gate_evidence what;
	enum side s;

	for (s = SIDE_A; s <= SIDE_B; s++)
		for (what = 0; what < GATE_EVIDENCES; what++)
			w->report[s][what] = (struct worker_report){
			    .message.fn = workers_on_report, .worker = w,
			    .side = s, .what = what };
}

/* ---- rounds ---- */

static void
workers_on_home(struct loop_message *message)
{
	struct clients_round *r = (struct clients_round *)(void *)
	    ((char *)message - offsetof(struct clients_round, message));

	r->home(r);
}

static void
workers_on_visit(struct loop_message *message)
{
	struct clients_round *r = (struct clients_round *)(void *)
	    ((char *)message - offsetof(struct clients_round, message));
	struct workers *ws = r->carrier;

	if (r->visit != NULL)
		r->visit(ws->worker[r->at].clients, r);
	if (++r->at < ws->count)
		loop_post(ws->worker[r->at].loop, &r->message);
	else {
		r->message.fn = workers_on_home;
		loop_post(r->home_loop, &r->message);
	}
}

static void
workers_carry(struct clients_round *r, struct loop *home, void *arg)
{
	struct workers *ws = ((struct worker *)arg)->all;

	r->message = (struct loop_message){ .fn = workers_on_visit };
	r->home_loop = home;
	r->carrier = ws;
	r->at = 0;
	loop_post(ws->worker[0].loop, &r->message);
}

void
workers_round(struct workers *ws, struct clients_round *r)
{
	workers_carry(r, ws->home, &ws->worker[0]);
}

/* ---- clients come and go ---- */

static void
worker_forget(struct worker *w)
{
	atomic_fetch_sub(&w->load, 1);
	atomic_fetch_sub(&w->all->clients, 1);
}

/* Accepted by another worker, which may have known less than this one does. */
static void
worker_on_client(struct loop_message *message)
{
	struct workers_message *m = workers_message_of(message);
	struct worker *w = m->worker;

	if (w->finished) {
		close(m->u.client.caller.fd);
		worker_forget(w);
	} else
		clients_add(w->clients, &m->u.client.caller, m->u.client.id);
	if (m->u.client.farewells < w->farewells)
		clients_farewell(w->clients, &w->gone);
	free(m);
}

static void
workers_on_moved(struct loop_message *message)
{
	struct workers_message *m = workers_message_of(message);
	struct workers *ws = m->worker->all;
	const char *p = buf_data(&m->u.moved), *end = p +
	    buf_len(&m->u.moved);

	for (; p < end; p += strlen(p) + 1)
		ws->watch_fn(p + 1, *p == '+', ws->watch_arg);
	buf_free(&m->u.moved);
	free(m);
}

static void
worker_tell_cb(void *arg)
{
	struct worker *w = arg;

	loop_post(w->all->home, &w->moved->message);
	w->moved = NULL;
}

/*
 * Told before its socket is closed, so before its address comes again; but
 * all of a turn at once.
 */
static void
worker_on_moved(const struct conn *conn, bool came, void *arg)
{
	struct worker *w = arg;
	const char *peer;

	if (!came)
		worker_forget(w);
	if (w->all->watched.len == 0 || !conn_is_at(conn, &w->all->watched))
		return;
	if (w->moved == NULL) {
		w->moved = workers_message(w, workers_on_moved);
		loop_defer(w->loop, &w->tell);
	}
	peer = conn_from(conn)->text;
	buf_add(&w->moved->u.moved, came ? "+" : "-", 1);
	buf_add(&w->moved->u.moved, peer, strlen(peer) + 1);
}

void
workers_watch(struct workers *ws, const struct conn_addr *at,
    workers_watch_fn *fn, void *arg)
{
	assert(!ws->running);
	ws->watched = *at;
	ws->watch_fn = fn;
	ws->watch_arg = arg;
}

/*
 * Whoever has accepted a client serves it, which costs least, unless another
 * has clearly fewer: of few clients each one counts.
 */
static struct worker *
worker_pick(struct worker *w)
{
	struct workers *ws = w->all;
	size_t i, own = atomic_load(&w->load), load, least = own;
	struct worker *best = w;

	for (i = 0; i < ws->count; i++) {
		load = atomic_load(&ws->worker[i].load);
		if (load < least) {
			least = load;
			best = &ws->worker[i];
		}
	}
	return own - least > least / WORKERS_UNEVEN ? best : w;
}

static void
worker_refuse(const struct conn_caller *caller)
{
	static const char full[] = "-ERR max number of clients reached\r\n";

	STATS_ADD(clients_rejected, 1);
	/* Before the handshake, nothing can be said. */
	if (!(caller->how & CONN_TLS) &&
	    write(caller->fd, full, sizeof(full) - 1) == -1)
		log_debug("workers: one more could not be told so");
	close(caller->fd);
}

static void
worker_on_accept(const struct conn_caller *caller, void *arg)
{
	struct worker *w = arg, *to;
	struct workers *ws = w->all;
	struct workers_message *m;
	uint64_t id;

	if (atomic_fetch_add(&ws->clients, 1) >=
	    atomic_load(&ws->maxclients)) {
		atomic_fetch_sub(&ws->clients, 1);
		worker_refuse(caller);
		return;
	}
	STATS_ADD(clients_accepted, 1);
	id = atomic_fetch_add(&ws->last_id, 1) + 1;
	to = worker_pick(w);
	atomic_fetch_add(&to->load, 1);
	if (to == w) {
		clients_add(w->clients, caller, id);
		return;
	}
	m = workers_message(to, worker_on_client);
	m->u.client.caller = *caller;
	m->u.client.id = id;
	m->u.client.farewells = w->farewells;
	loop_post(to->loop, &m->message);
}

/* At a unix socket one of them accepts for all. */
bool
workers_listen(struct workers *ws, const struct conn_addr *a, unsigned how)
{
	struct listener *l = NULL;
	struct worker *w;
	size_t i;

	assert(!ws->running);
	for (i = 0; i < ws->count; i++) {
		w = &ws->worker[i];
		assert(w->listeners < WORKERS_PORTS);
		l = i == 0 ? listener_new(w->loop, a, how, worker_on_accept,
		    w) : listener_beside(l, w->loop, w);
		if (l == NULL)
			return false;
		w->listener[w->listeners++] = l;
		if (a->sa.ss_family == AF_UNIX)
			break;
	}
	return true;
}

static void
worker_unlisten(struct worker *w)
{
	while (w->listeners > 0)
		listener_free(w->listener[--w->listeners]);
}

static void
worker_on_leaving(struct loop_message *message)
{
	struct workers_message *m = workers_message_of(message);

	clients_leaving(m->worker->clients, m->u.leaving.leaving ?
	    &m->u.leaving.vip : NULL, m->u.leaving.seq);
	free(m);
}

void
workers_leaving(struct workers *ws, const struct conn_addr *vip)
{
	struct workers_message *m;
	size_t i;

	for (i = 0; i < ws->count; i++) {
		m = workers_message(&ws->worker[i], worker_on_leaving);
		m->u.leaving.leaving = vip != NULL;
		m->u.leaving.seq = gate_number(ws->master);
		if (vip != NULL)
			m->u.leaving.vip = *vip;
		loop_post(ws->worker[i].loop, &m->message);
	}
}

static void
worker_on_farewell(struct loop_message *message)
{
	struct workers_message *m = workers_message_of(message);
	struct worker *w = m->worker;
	size_t i, n;

	w->farewells++;
	w->gone = m->u.vip;
	/* Who has just connected is to be told as well. */
	for (i = 0; i < w->listeners; i++)
		listener_accept(w->listener[i]);
	n = clients_farewell(w->clients, &w->gone);
	if (n > 0)
		log_info("clients: the VIP has left, %zu closed", n);
	free(m);
}

void
workers_farewell(struct workers *ws, const struct conn_addr *vip)
{
	struct workers_message *m;
	size_t i;

	for (i = 0; i < ws->count; i++) {
		m = workers_message(&ws->worker[i], worker_on_farewell);
		m->u.vip = *vip;
		loop_post(ws->worker[i].loop, &m->message);
	}
}

static void
worker_on_finish(struct loop_message *message)
{
	struct workers_message *m = workers_message_of(message);

	m->worker->finished = true;
	worker_unlisten(m->worker);
	clients_finish(m->worker->clients);
	free(m);
}

void
workers_finish(struct workers *ws)
{
	struct worker *w;
	size_t i, k;

	/* Everywhere, before anybody is closed and connects again. */
	for (i = 0; i < ws->count; i++)
		for (k = 0; k < ws->worker[i].listeners; k++)
			listener_shut(ws->worker[i].listener[k]);
	for (i = 0; i < ws->count; i++) {
		w = &ws->worker[i];
		loop_post(w->loop,
		    &workers_message(w, worker_on_finish)->message);
	}
}

size_t
workers_load(const struct workers *ws, size_t i)
{
	return atomic_load(&ws->worker[i].load);
}

size_t
workers_clients(const struct workers *ws)
{
	return atomic_load(&ws->clients);
}

/* ---- configuration, reports ---- */

static void
worker_on_conf(struct loop_message *message)
{
	struct workers_message *m = workers_message_of(message);

	clients_set_conf(m->worker->clients, m->u.conf);
	conf_free(m->u.conf);
	free(m);
}

static void
workers_set_own_conf(struct workers *ws, const struct conf *conf)
{
	atomic_store(&ws->maxclients, (size_t)conf->maxclients);
	atomic_store(&ws->memory.limit, (size_t)conf->hold_memory);
}

void
workers_set_conf(struct workers *ws, struct conf *conf)
{
	struct workers_message *m;
	size_t i;

	workers_set_own_conf(ws, conf);
	for (i = 0; i < ws->count; i++) {
		m = workers_message(&ws->worker[i], worker_on_conf);
		m->u.conf = conf_keep(conf);
		loop_post(ws->worker[i].loop, &m->message);
	}
}

void
workers_set_redis(struct workers *ws, const struct conn_addr redis[2])
{
	size_t i;

	assert(!ws->running);
	for (i = 0; i < ws->count; i++)
		clients_set_redis(ws->worker[i].clients, redis);
}

struct hold_report
workers_hold_report(const struct workers *ws)
{
	struct hold_report sum = { 0, 0 }, r;
	size_t i;

	for (i = 0; i < ws->count; i++) {
		r = hold_report(clients_hold(ws->worker[i].clients));
		sum.requests += r.requests;
		if (r.longest_us > sum.longest_us)
			sum.longest_us = r.longest_us;
	}
	return sum;
}

size_t
workers_count(const struct workers *ws)
{
	return ws->count;
}

/* ---- start and end ---- */

static void *
worker_run(void *arg)
{
	struct worker *w = arg;

	stats_join();
	event_base_dispatch(w->base);
	req_forget();
	stats_leave();
	return NULL;
}

/* Signals are the main thread's, but for those of a thread's own faults. */
void
workers_start(struct workers *ws)
{
	static const int own[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
	sigset_t all, was;
	char name[16];
	size_t i;
	int error;

	sigfillset(&all);
	for (i = 0; i < NELEM(own); i++)
		sigdelset(&all, own[i]);
	pthread_sigmask(SIG_SETMASK, &all, &was);
	for (i = 0; i < ws->count; i++) {
		error = pthread_create(&ws->worker[i].thread, NULL,
		    worker_run, &ws->worker[i]);
		if (error != 0)
			fatalx("workers: a thread cannot be started: %s",
			    strerror(error));
		snprintf(name, sizeof(name), "worker %u", (unsigned)i);
		pthread_setname_np(ws->worker[i].thread, name);
	}
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	ws->running = true;
}

static void
worker_on_stop(struct loop_message *message)
{
	struct workers_message *m = workers_message_of(message);

	event_base_loopbreak(m->worker->base);
	free(m);
}

/* What is under way goes on until it is home, here, on one thread. */
static void
workers_read_mail(struct workers *ws)
{
	bool any;
	size_t i;

	do {
		any = loop_read_mail(ws->home);
		for (i = 0; i < ws->count; i++)
			any |= loop_read_mail(ws->worker[i].loop);
	} while (any);
}

void
workers_stop(struct workers *ws)
{
	struct worker *w;
	size_t i;

	for (i = 0; ws->running && i < ws->count; i++) {
		w = &ws->worker[i];
		loop_post(w->loop,
		    &workers_message(w, worker_on_stop)->message);
	}
	for (i = 0; ws->running && i < ws->count; i++)
		pthread_join(ws->worker[i].thread, NULL);
	ws->running = false;
	for (i = 0; i < ws->count; i++)
		worker_unlisten(&ws->worker[i]);
	workers_read_mail(ws);
}

static void
worker_init(struct worker *w, struct workers *ws, struct tls *tls,
    const struct conf *conf)
{
	struct clients_ops ops = { .round = workers_carry,
	    .moved = worker_on_moved, .arg = w };

	w->all = ws;
	w->progress.fn = workers_on_progress;
	loop_task_init(&w->tell, worker_tell_cb, w);
	worker_init_reports(w);
	w->base = event_base_new();
	if (w->base == NULL)
		fatalx("workers: libevent cannot start");
	w->loop = loop_new(w->base);
	w->gate = gate_new(ws->master);
	gate_on_progress(w->gate, worker_on_gate_progress, w);
	gate_on_report(w->gate, worker_on_gate_report, w);
	w->clients = clients_new(w->loop, w->gate, &ws->memory, tls, conf,
	    &ops);
}

struct workers *
workers_new(struct loop *home, struct gate *master, struct tls *tls,
    const struct conf *conf)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	size_t i, n = (size_t)conf->workers;
	struct workers *ws;

	if (n == 0)
		n = cores < 1 ? 1 : cores > WORKERS_BY_DEFAULT ?
		    WORKERS_BY_DEFAULT : (size_t)cores;
	ws = xcalloc(1, sizeof(*ws) + n * sizeof(ws->worker[0]));
	ws->home = home;
	ws->master = master;
	ws->count = n;
	workers_set_own_conf(ws, conf);
	for (i = 0; i < n; i++)
		worker_init(&ws->worker[i], ws, tls, conf);
	gate_watch(master, workers_on_gate, ws);
	return ws;
}

void
workers_free(struct workers *ws)
{
	struct worker *w;
	size_t i;

	assert(!ws->running);
	ws->watched.len = 0;
	for (i = 0; i < ws->count; i++) {
		w = &ws->worker[i];
		loop_cancel(&w->tell);
		if (w->moved != NULL)
			buf_free(&w->moved->u.moved);
		free(w->moved);
		clients_free(w->clients);
	}
	workers_read_mail(ws);
	for (i = 0; i < ws->count; i++) {
		w = &ws->worker[i];
		loop_free(w->loop);
		gate_free(w->gate);
		event_base_free(w->base);
	}
	free(ws);
}
