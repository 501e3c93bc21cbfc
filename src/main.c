/*
 * Options, wiring, signals, and the orderly end. All upward calls are set
 * here.
 */
#include <errno.h>
#include <event2/event.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin.h"
#include "log.h"
#include "service.h"
#include "stats.h"

/* A handover at the end may take that long; then it ends all the same. */
#define MAIN_HANDOVER_MS	5000

/* How often it is looked whether the last client has gone. */
#define MAIN_LOOK_MS		5

/* Of the end, which begins with a signal or SHUTDOWN. */
enum main_state {
	MAIN_SERVING,
	MAIN_HANDING_OVER,	/* the VIP, and the primary with it */
	MAIN_DRAINING		/* answers in flight are awaited */
};

/* Goes round all threads for the watchdog, so that one that hangs shows. */
struct main_beat {
	struct clients_round	round;	/* first: it is what comes home */
	bool			away;
};

struct main {
	struct event_base	*base;
	struct loop		*loop;
	struct settings		*settings;
	const struct conf	*conf;		/* what is in force */
	struct conn_addr	 vip;		/* len 0: none */
	struct tls		*tls;
	struct gate		*gate;
	struct epoch_store	*store;
	struct workers		*workers;
	struct control		*control;
	struct admin		*admin;
	struct event		*on_signal[3];
	struct event		*on_look;	/* NULL: no systemd */
	struct main_beat	 beat;
	struct event		*on_step;	/* of the end */
	enum main_state		 state;
	struct mono		 drain_until;
};

static void
main_usage(FILE *f)
{
	fprintf(f, "usage: holdover [--check] [FILE] [--OPTION VALUE ...]\n"
	    "       holdover --help | --version\n"
	    "FILE is as holdover.conf(5) says; any of its options may follow "
	    "it.\n");
}

/* ---- the end ---- */

static void
main_next(struct main *m, enum main_state state, int64_t ms)
{
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	m->state = state;
	if (event_add(m->on_step, &tv) == -1)
		fatalx("main: out of memory");
}

/*
 * Nobody is accepted any more, and each client is closed when what Redis
 * has of it is answered.
 */
static void
main_drain(struct main *m)
{
	workers_finish(m->workers);
	m->drain_until = mono_add_ms(mono_now(), m->conf->drain_timeout);
	main_next(m, MAIN_DRAINING, MAIN_LOOK_MS);
}

static void
main_on_handed_over(bool ok, const char *text, void *arg)
{
	struct main *m = arg;

	if (!ok)
		log_warnx("main: the VIP was not handed over: %s", text);
	main_drain(m);
}

static void
main_on_step(evutil_socket_t fd, short what, void *arg)
{
	struct main *m = arg;
	size_t left = workers_clients(m->workers);
	struct timeval soon = { 0, 50 * 1000 };

	(void)fd;
	(void)what;
	if (m->state == MAIN_HANDING_OVER) {
		control_forget(m->control, m);
		main_on_handed_over(false, "it was not done in time", m);
	} else if (left > 0 && mono_before(mono_now(), m->drain_until)) {
		main_next(m, MAIN_DRAINING, MAIN_LOOK_MS);
	} else {
		if (left > 0)
			log_warnx("main: %zu clients got no answer in "
			    "drain-timeout, they are cut", left);
		/* A moment for what has just been written. */
		event_base_loopexit(m->base, &soon);
	}
}

/*
 * The VIP goes first, and the primary with it, so that clients lose nothing
 * but their connection. Asked a second time, it ends at once.
 */
static void
main_end(void *arg)
{
	struct main *m = arg;
	struct control_view v = control_view(m->control);

	if (m->state != MAIN_SERVING) {
		event_base_loopbreak(m->base);
		return;
	}
	service_stopping();
	if (v.standalone || v.vrrp == NULL || !v.vrrp->address ||
	    v.conf->vrrp_track_file == NULL) {
		main_drain(m);
		return;
	}
	main_next(m, MAIN_HANDING_OVER, MAIN_HANDOVER_MS);
	control_handover(m->control, main_on_handed_over, m);
}

static void
main_on_end_signal(evutil_socket_t signal, short what, void *arg)
{
	(void)what;
	log_info("main: %s, ending", strsignal((int)signal));
	main_end(arg);
}

/* Rotated logs first, so that what the reload says is in the new one. */
static void
main_on_hup(evutil_socket_t signal, short what, void *arg)
{
	struct main *m = arg;
	char text[512];

	(void)signal;
	(void)what;
	service_reloading();
	if (log_reopen())
		log_info("main: the log is opened anew");
	else
		log_warn("main: log-file cannot be opened anew");
	settings_reload(m->settings, text, sizeof(text));
	service_ready();
}

/* ---- systemd ---- */

static void
main_on_visit(struct clients *cs, struct clients_round *r)
{
	(void)cs;
	(void)r;
}

/* Every worker's loop has turned, and here ours does. */
static void
main_on_beat(struct clients_round *r)
{
	struct main_beat *b = (struct main_beat *)r;

	b->away = false;
	service_alive();
}

static void
main_on_look(evutil_socket_t fd, short what, void *arg)
{
	struct main *m = arg;
	struct buf line = BUF_INIT;

	(void)fd;
	(void)what;
	admin_summary(m->admin, &line);
	buf_add(&line, "", 1);
	service_status(buf_data(&line));
	buf_free(&line);
	if (m->beat.away)
		return;
	m->beat.away = true;
	workers_round(m->workers, &m->beat.round);
}

static void
main_serve(struct main *m)
{
	int64_t ms = service_interval_ms();
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	service_ready();
	if (ms == 0)
		return;
	m->beat.round.visit = main_on_visit;
	m->beat.round.home = main_on_beat;
	m->on_look = event_new(m->base, -1, EV_PERSIST, main_on_look, m);
	if (m->on_look == NULL || event_add(m->on_look, &tv) == -1)
		fatalx("main: out of memory");
	main_on_look(-1, 0, m);
}

/* ---- wiring ---- */

/* Each client takes two descriptors. */
static void
main_raise_limits(const struct conf *f)
{
	struct rlimit l;
	rlim_t want = (rlim_t)f->maxclients * 2 + 256;

	if (getrlimit(RLIMIT_NOFILE, &l) == -1 || l.rlim_cur >= want)
		return;
	l.rlim_cur = l.rlim_max < want ? l.rlim_max : want;
	if (setrlimit(RLIMIT_NOFILE, &l) == -1 || l.rlim_cur < want)
		log_warnx("main: %llu descriptors are allowed, maxclients "
		    "%lld needs %llu: raise LimitNOFILE",
		    (unsigned long long)l.rlim_cur, f->maxclients,
		    (unsigned long long)want);
}

static bool
main_on_take(const struct conf *conf, char *why, size_t whysize, void *arg)
{
	const struct main *m = arg;

	return tls_load(m->tls, conf, why, whysize);
}

/* A new configuration: every part that can follow does. */
static void
main_on_settings(struct conf *conf, void *arg)
{
	struct main *m = arg;

	m->conf = conf;
	log_set_level((enum log_level)conf->log_level);
	main_raise_limits(conf);
	workers_set_conf(m->workers, conf);
	control_set_conf(m->control, conf);
}

static void
main_on_leaving(bool leaving, void *arg)
{
	struct main *m = arg;

	workers_leaving(m->workers, leaving ? &m->vip : NULL);
}

static void
main_on_let_go(void *arg)
{
	struct main *m = arg;

	workers_farewell(m->workers, &m->vip);
}

/* Those who come by the VIP are told to control, and those who left. */
static void
main_on_client(const char *peer, bool came, void *arg)
{
	struct main *m = arg;

	if (came)
		control_client_came(m->control, peer);
	else
		control_client_left(m->control, peer);
}

static struct hold_report
main_hold_report(void *arg)
{
	const struct main *m = arg;

	return workers_hold_report(m->workers);
}

static unsigned
main_proxied(const struct conf *f, const char *option)
{
	return conf_has_word(f->proxy_protocol, "yes") ||
	    conf_has_word(f->proxy_protocol, option) ? CONN_PROXY : 0;
}

/* With port 0, nothing is to be done. */
static bool
main_listen_port(struct main *m, const char *host, long long port,
    unsigned how, char *why, size_t whysize)
{
	const char *reason = NULL;
	struct conn_addr a;

	if (port == 0 || (conn_resolve(host, (int)port, &a, &reason) &&
	    workers_listen(m->workers, &a, how)))
		return true;
	snprintf(why, whysize, "cannot listen for clients at %s port %lld: "
	    "%s%s", host, port, reason != NULL ? reason :
	    strerror(errno), reason == NULL && errno == EADDRINUSE ?
	    " (a Redis that binds all addresses is in the way: give it a "
	    "bind of its own)" : "");
	return false;
}

static bool
main_listen_at(struct main *m, const char *host, char *why, size_t whysize)
{
	return main_listen_port(m, host, m->conf->port,
	    main_proxied(m->conf, "port"), why, whysize) &&
	    main_listen_port(m, host, m->conf->tls_port, CONN_TLS |
	    main_proxied(m->conf, "tls-port"), why, whysize);
}

static bool
main_listen_unix(struct main *m, char *why, size_t whysize)
{
	const char *path = m->conf->unixsocket;
	struct conn_addr a;
	mode_t mask;
	bool ok;

	if (path == NULL)
		return true;
	if (!conn_addr_unix(&a, path)) {
		snprintf(why, whysize, "unixsocket: '%s' is too long for a "
		    "unix socket", path);
		return false;
	}
	mask = umask(0777 & ~(mode_t)m->conf->unixsocketperm);
	ok = workers_listen(m->workers, &a,
	    main_proxied(m->conf, "unixsocket"));
	umask(mask);
	if (!ok)
		snprintf(why, whysize, "unixsocket: cannot listen for clients "
		    "at %s: %s", path, strerror(errno));
	return ok;
}

static bool
main_listen(struct main *m, char *why, size_t whysize)
{
	char *words, *host, *next;
	const char *reason;
	bool ok = m->conf->vip == NULL ||
	    (main_listen_at(m, m->conf->vip, why, whysize) &&
	    conn_resolve(m->conf->vip, 0, &m->vip, &reason));

	words = xstrdup(m->conf->bind);
	for (host = strtok_r(words, " ", &next); host != NULL && ok;
	    host = strtok_r(NULL, " ", &next))
		ok = main_listen_at(m, host, why, whysize);
	free(words);
	return ok && main_listen_unix(m, why, whysize);
}

static bool
main_start(struct main *m, char *why, size_t whysize)
{
	struct control_ops ops = { .leaving = main_on_leaving,
	    .let_go = main_on_let_go,
	    .hold_report = main_hold_report, .arg = m };
	struct admin_env env = { .loop = m->loop,
	    .settings = m->settings, .gate = m->gate,
	    .shutdown = main_end, .arg = m };

	m->tls = tls_new();
	if (!tls_load(m->tls, m->conf, why, whysize))
		return false;
	m->workers = workers_new(m->loop, m->gate, m->tls, m->conf);
	if (m->conf->peer != NULL && (m->store = epoch_open(
	    m->conf->state_dir, why, whysize)) == NULL)
		return false;
	m->control = control_new(m->loop, m->conf, m->gate, m->store,
	    m->tls, &ops, why, whysize);
	if (m->control == NULL)
		return false;
	workers_set_redis(m->workers, control_redis_addrs(m->control));
	env.tls = m->tls;
	env.workers = m->workers;
	env.control = m->control;
	m->admin = admin_new(&env, why, whysize);
	settings_on_take(m->settings, main_on_take, m);
	settings_watch(m->settings, main_on_settings, m);
	if (m->admin == NULL || !main_listen(m, why, whysize))
		return false;
	if (m->vip.len > 0)
		workers_watch(m->workers, &m->vip, main_on_client, m);
	workers_start(m->workers);
	return true;
}

static void
main_signals(struct main *m)
{
	static const int ends[] = { SIGTERM, SIGINT };
	size_t i;

	signal(SIGPIPE, SIG_IGN);
	m->on_step = evtimer_new(m->base, main_on_step, m);
	if (m->on_step == NULL)
		fatalx("main: out of memory");
	for (i = 0; i < NELEM(m->on_signal); i++) {
		m->on_signal[i] = i < NELEM(ends) ?
		    evsignal_new(m->base, ends[i], main_on_end_signal, m) :
		    evsignal_new(m->base, SIGHUP, main_on_hup, m);
		if (m->on_signal[i] == NULL ||
		    event_add(m->on_signal[i], NULL) == -1)
			fatalx("main: out of memory");
	}
}

static void
main_free(struct main *m)
{
	size_t i;

	if (m->workers != NULL)
		workers_stop(m->workers);
	if (m->admin != NULL)
		admin_free(m->admin);
	if (m->control != NULL)
		control_free(m->control);
	if (m->workers != NULL)
		workers_free(m->workers);
	if (m->tls != NULL)
		tls_free(m->tls);
	loop_free(m->loop);
	if (m->store != NULL)
		epoch_close(m->store);
	gate_free(m->gate);
	for (i = 0; i < NELEM(m->on_signal); i++)
		if (m->on_signal[i] != NULL)
			event_free(m->on_signal[i]);
	if (m->on_look != NULL)
		event_free(m->on_look);
	event_free(m->on_step);
	event_base_free(m->base);
	libevent_global_shutdown();
	settings_free(m->settings);
}

static int
main_run(struct settings *settings)
{
	const struct conf *conf = settings_conf(settings);
	struct main m = { .settings = settings, .conf = conf };
	char why[512];
	int status = 0;

	m.base = event_base_new();
	if (m.base == NULL)
		fatalx("main: libevent cannot start");
	m.loop = loop_new(m.base);
	m.gate = gate_new(NULL);
	stats_join();
	main_raise_limits(conf);
	main_signals(&m);
	if (main_start(&m, why, sizeof(why))) {
		log_info("main: holdover %s is up, node %s of cluster %s",
		    HOLDOVER_VERSION, conf->node != NULL ? conf->node : "-",
		    conf->cluster != NULL ? conf->cluster : "-");
		main_serve(&m);
		event_base_dispatch(m.base);
		log_info("main: holdover ends");
	} else {
		log_warnx("main: cannot start: %s", why);
		status = 1;
	}
	main_free(&m);
	return status;
}

/* The policy, as comments of what can be read back. */
static void
main_print_gate(struct buf *out)
{
	enum gate_state s;
	enum cmd_class c;

	buf_addf(out, "\n# gate       ");
	for (c = 0; c < CMD_CLASSES; c++)
		buf_addf(out, "%9s", cmd_class_name(c));
	for (s = 0; s < GATE_STATE_COUNT; s++) {
		buf_addf(out, "\n# %-11s", gate_state_name(s));
		for (c = 0; c < CMD_CLASSES; c++)
			buf_addf(out, "%9s",
			    gate_verdict_name(gate_table(s, c)));
	}
	buf_addf(out, "\n");
}

static int
main_check(const struct conf *conf)
{
	struct buf text = BUF_INIT;
	struct tls *tls = tls_new();
	char why[512];
	bool ok = tls_load(tls, conf, why, sizeof(why));

	tls_free(tls);
	if (!ok) {
		log_warnx("main: %s", why);
		return 1;
	}

	conf_print(conf, &text);
	main_print_gate(&text);
	fwrite(buf_data(&text), 1, buf_len(&text), stdout);
	buf_free(&text);
	return fflush(stdout) == 0 ? 0 : 1;
}

int
main(int argc, char **argv)
{
	struct conf *conf;
	const char *file = NULL;
	char why[512];
	bool check = false;
	int i = 1, status;

	if (argc > i && strcmp(argv[i], "--help") == 0) {
		main_usage(stdout);
		return 0;
	}
	if (argc > i && strcmp(argv[i], "--version") == 0) {
		printf("holdover %s\n", HOLDOVER_VERSION);
		return 0;
	}
	if (argc > i && strcmp(argv[i], "--check") == 0) {
		check = true;
		i++;
	}
	if (argc > i && strncmp(argv[i], "--", 2) != 0)
		file = argv[i++];
	if (file == NULL && i == argc) {
		main_usage(stderr);
		return 2;
	}
	conf = conf_load(file, argc - i, argv + i, why, sizeof(why));
	if (conf == NULL) {
		log_warnx("main: %s", why);
		return 1;
	}
	if (check) {
		status = main_check(conf);
		conf_free(conf);
		return status;
	}
	if (!log_open((enum log_level)conf->log_level, conf->log_file))
		fatal("main: log-file %s cannot be opened", conf->log_file);
	return main_run(settings_new(conf, file, argc - i, argv + i));
}
