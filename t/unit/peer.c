/*
 * Two nodes of different versions find the highest protocol that both
 * speak, or say that there is none. Both are the real thing; only the
 * versions that they say are set here.
 */
#include "log.h"
#include "peer.h"
#include "tap.h"

#include <event2/event.h>
#include <unistd.h>

#define DEADLINE_MS	15000

static char complaint[512];

static void
on_message(const struct msg *m, void *arg)
{
	(void)m;
	(void)arg;
}

static void
on_changed(void *arg)
{
	(void)arg;
}

static void
on_log(enum log_level level, const char *line, void *arg)
{
	(void)arg;
	if (level == LOG_LEVEL_WARN)
		snprintf(complaint, sizeof(complaint), "%s", line);
}

/* An address of the loopback that was free a moment ago. */
static struct conn_addr
free_addr(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	struct conn_addr a;
	const char *why;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd == -1 || bind(fd, (struct sockaddr *)&sin, len) == -1 ||
	    getsockname(fd, (struct sockaddr *)&sin, &len) == -1 ||
	    !conn_resolve("127.0.0.1", ntohs(sin.sin_port), &a, &why))
		fatal("no free port");
	close(fd);
	return a;
}

static struct peer *
start(struct event_base *base, const char *node, const char *name,
    const struct conn_addr *bind, const struct conn_addr *to, int min,
    int max)
{
	struct peer_opts o = { .cluster = "test", .node = node, .name = name,
	    .bind = *bind, .to = *to, .secret = "secret", .secret_len = 6,
	    .retry_ms = 20, .silence_ms = 60000,
	    .protocol_min = min, .protocol_max = max };
	struct peer *p = peer_new(base, &o, on_message, on_changed, NULL);

	if (p == NULL)
		fatal("peer_new");
	return p;
}

static void
meet(int amin, int amax, int bmin, int bmax, int want)
{
	struct event_base *base = event_base_new();
	struct conn_addr x = free_addr(), y = free_addr();
	struct peer *a = start(base, "a", "b", &x, &y, amin, amax);
	struct peer *b = start(base, "b", "a", &y, &x, bmin, bmax);
	struct mono end = mono_add_ms(mono_now(), DEADLINE_MS);
	bool both = false;

	complaint[0] = '\0';
	while (!both && complaint[0] == '\0' &&
	    mono_before(mono_now(), end)) {
		event_base_loop(base, EVLOOP_ONCE);
		both = peer_linked(a) && peer_linked(b);
	}
	ok(both == (want != 0), "%d..%d meets %d..%d: %s", amin, amax, bmin,
	    bmax, want != 0 ? "linked" : "refused");
	is_int(peer_protocol(a), want, "one speaks %d", want);
	is_int(peer_protocol(b), want, "and so does the other");
	ok((strstr(complaint, "upgrade the older one") != NULL) ==
	    (want == 0), "complaint: '%s'", complaint);
	peer_free(a);
	peer_free(b);
	event_base_free(base);
}

/* A build from before there was a range says its one version only. */
static void
one_version(int theirs, int min, int max, int want)
{
	struct msg m = { .type = MSG_HELLO, .protocol = theirs };

	is_int(msg_protocol(&m, min, max), want,
	    "one that says only %d, to %d..%d", theirs, min, max);
}

int
main(void)
{
	log_watch(on_log, NULL);
	meet(0, 0, 0, 0, MSG_PROTOCOL);
	meet(1, 1, 1, 2, 1);
	meet(1, 3, 2, 4, 3);
	meet(2, 2, 1, 5, 2);
	meet(1, 1, 2, 3, 0);
	meet(4, 5, 1, 3, 0);
	one_version(1, 1, 3, 1);
	one_version(2, 1, 3, 2);
	one_version(1, 2, 3, 0);
	one_version(4, 1, 3, 0);
	return tap_done();
}
