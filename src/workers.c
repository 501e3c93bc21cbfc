#include "workers.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "stats.h"
#include "workers_priv.h"

struct workers_message *
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
