/*
 * Clients come, are told, and go.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "stats.h"
#include "workers_priv.h"

/* One may have this part more clients than another. */
#define WORKERS_UNEVEN		8

static void
worker_forget(struct worker *w)
{
	atomic_fetch_sub(&w->load, 1);
	atomic_fetch_sub(&w->all->clients, 1);
}

/* Accepted by another worker. */
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

void
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
void
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

void
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
	size_t n = clients_farewell(m->worker->clients, &m->u.farewell.vip,
	    m->u.farewell.last);

	if (n > 0)
		log_info("clients: the VIP has left, %zu closed", n);
	free(m);
}

/* To all of them, from whatever thread. */
static void
workers_say_farewell(struct workers *ws, void (*fn)(struct loop_message *),
    const struct conn_addr *vip)
{
	uint64_t last = atomic_load(&ws->last_id);
	struct workers_message *m;
	size_t i;

	for (i = 0; i < ws->count; i++) {
		m = workers_message(&ws->worker[i], fn);
		m->u.farewell.vip = *vip;
		m->u.farewell.last = last;
		loop_post(ws->worker[i].loop, &m->message);
	}
}

/*
 * Who has just connected is to be told as well. But nobody is until all of
 * those are known: the VIP may be back, and who connects anew by then is none
 * of them.
 */
static void
worker_on_gather(struct loop_message *message)
{
	struct workers_message *m = workers_message_of(message);
	struct worker *w = m->worker;
	struct workers *ws = w->all;
	size_t i;

	for (i = 0; i < w->listeners; i++)
		listener_accept(w->listener[i]);
	if (atomic_fetch_add(&ws->gathered, 1) + 1 == ws->count) {
		atomic_store(&ws->gathered, 0);
		workers_say_farewell(ws, worker_on_farewell,
		    &m->u.farewell.vip);
	}
	free(m);
}

void
workers_farewell(struct workers *ws, const struct conn_addr *vip)
{
	workers_say_farewell(ws, worker_on_gather, vip);
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
