/*
 * A load generator: many clients on one epoll, one kind of request, and
 * what came back.
 *
 *	load PORT get|set|connect|idle|storm CLIENTS PIPELINE BYTES SECONDS
 *	    [RATE]
 *
 * get and set keep PIPELINE requests of BYTES values under way per client.
 * connect makes a connection for each GET. idle asks once per client, one
 * after the other, and stays connected until its standard input ends. storm
 * has as many idle clients, and RATE others a second that connect, ask once and
 * go; each counts from when it was to connect. With a
 * RATE (requests a second, all clients together) each client asks when it is
 * its time, and the latency counts from then, so that a stall is not hidden.
 * Prints one line:
 * requests, seconds, p50 and p99 in microseconds (0 without a rate).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LOAD_BUFFER	(256 * 1024)
#define LOAD_EVENTS	1024
#define LOAD_SAMPLES	4000000

/* Of a storm: connections under way at once, and from one source address. */
#define LOAD_SLOTS	16384
#define LOAD_FROM_ONE	16384

struct load_client {
	int		 fd;
	size_t		 written;	/* of the batch under way */
	size_t		 got;		/* of its replies */
	int64_t		 due;		/* ns, with a rate */
	int		 busy;
};

static struct sockaddr_in	 load_to;
static char			*load_batch;	/* what one client sends */
static size_t			 load_len;
static size_t			 load_reply;	/* bytes of its replies */
static unsigned long		 load_pipeline;
static enum { LOAD_STAY, LOAD_CONNECT, LOAD_IDLE, LOAD_STORM } load_mode;
static int			 load_epoll;
static struct load_client	*load_end;	/* of all clients */
static uint64_t			 load_done;
static uint32_t			*load_sample;	/* us */
static size_t			 load_samples;

static int64_t
load_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void
load_die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* One request and one reply of that kind, repeated. */
static void
load_prepare(const char *kind, unsigned long n, size_t bytes)
{
	int set = strcmp(kind, "set") == 0;
	char head[64], *value = malloc(bytes + 1), *p;
	unsigned long i;
	int len;

	memset(value, 'x', bytes);
	value[bytes] = '\0';
	len = snprintf(head, sizeof(head), "*%d\r\n$3\r\n%s\r\n$8\r\n"
	    "key:%04zu\r\n", set ? 3 : 2, set ? "SET" : "GET", bytes % 10000);
	p = load_batch = malloc(n * (bytes + 128));
	for (i = 0; i < n; i++) {
		memcpy(p, head, (size_t)len);
		p += len;
		if (set)
			p += sprintf(p, "$%zu\r\n%s\r\n", bytes, value);
	}
	load_len = (size_t)(p - load_batch);
	len = snprintf(head, sizeof(head), "$%zu\r\n", bytes);
	load_reply = n * (set ? 5 : (size_t)len + bytes + 2);
	free(value);
}

static void
load_watch(struct load_client *c, int op, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = c };

	if (epoll_ctl(load_epoll, op, c->fd, &e) == -1)
		load_die("epoll_ctl");
}

/* So many come from 127.0.0.1 that its ports, in TIME_WAIT, run out. */
static void
load_bind(int fd)
{
	static unsigned long n;
	struct sockaddr_in from = { .sin_family = AF_INET };
	int one = 1;

	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 0x100 +
	    n++ / LOAD_FROM_ONE % 0x10000);
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&from, sizeof(from)) == -1)
		load_die("bind");
}

static void
load_open(struct load_client *c)
{
	int one = 1;

	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (c->fd == -1)
		load_die("socket");
	if (load_mode == LOAD_STORM)
		load_bind(c->fd);
	if (connect(c->fd, (struct sockaddr *)&load_to,
	    sizeof(load_to)) == -1)
		load_die("connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	load_watch(c, EPOLL_CTL_ADD, EPOLLIN);
}

/* Sends the batch, or what is left of it. */
static void
load_send(struct load_client *c)
{
	size_t before = c->written;
	ssize_t n;

	n = send(c->fd, load_batch + c->written, load_len - c->written,
	    MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n == -1 && errno != EAGAIN)
		load_die("send");
	c->written += n > 0 ? (size_t)n : 0;
	c->busy = 1;
	if (c->written < load_len)
		load_watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
	else if (before > 0)
		load_watch(c, EPOLL_CTL_MOD, EPOLLIN);
}

/* A whole batch was answered. */
static void
load_answered(struct load_client *c, int64_t gap)
{
	int64_t now;

	c->written = c->got = 0;
	c->busy = 0;
	load_done += load_pipeline;
	if (gap > 0) {
		now = load_now();
		if (load_samples < LOAD_SAMPLES)
			load_sample[load_samples++] =
			    (uint32_t)((now - c->due) / 1000);
		c->due += gap;
		return;
	}
	if (load_mode == LOAD_IDLE) {
		/* One after the other: the last of them ends it. */
		if (++c < load_end) {
			load_open(c);
			load_send(c);
		}
		return;
	}
	if (load_mode == LOAD_CONNECT) {
		close(c->fd);
		load_open(c);
	}
	load_send(c);
}

static void
load_read(struct load_client *c, char *buf, int64_t gap)
{
	ssize_t n = recv(c->fd, buf, LOAD_BUFFER, MSG_DONTWAIT);

	if (n == 0 || (n == -1 && errno != EAGAIN)) {
		errno = n == 0 ? ECONNRESET : errno;
		load_die("recv");
	}
	if (n == -1)
		return;
	if (c->got == 0 && buf[0] == '-') {
		fprintf(stderr, "load: %.*s", (int)n, buf);
		exit(1);
	}
	c->got += (size_t)n;
	if (c->got >= load_reply)
		load_answered(c, gap);
}

/* With a rate: starts whoever is due; returns ns until the next is. */
static long
load_due(struct load_client *c, unsigned long n)
{
	int64_t now = load_now(), next = now + 100000000;
	unsigned long i;

	for (i = 0; i < n; i++) {
		if (!c[i].busy && c[i].due <= now)
			load_send(&c[i]);
		else if (!c[i].busy && c[i].due < next)
			next = c[i].due;
	}
	return (long)(next - now);
}

static int
load_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void
load_print(double seconds)
{
	if (load_samples > 0)
		qsort(load_sample, load_samples, sizeof(*load_sample),
		    load_compare);
	printf("%llu %.6f %u %u\n", (unsigned long long)load_done, seconds,
	    load_samples > 0 ? load_sample[load_samples / 2] : 0,
	    load_samples > 0 ? load_sample[load_samples * 99 / 100] : 0);
	fflush(stdout);
}

/* Reads an answer; one of the storm goes with it, and its slot is free. */
static void
load_storm_read(struct load_client *c, const struct load_client *idle_end,
    char *buf)
{
	ssize_t n = read(c->fd, buf, LOAD_BUFFER);

	if (n <= 0 || (c->got == 0 && buf[0] == '-')) {
		fprintf(stderr, "load: storm: %.*s\n", n > 0 ? (int)n : 6,
		    n > 0 ? buf : "closed");
		exit(1);
	}
	c->got += (size_t)n;
	if (c->got < load_reply)
		return;
	c->got = c->written = 0;
	c->busy = 0;
	if (c < idle_end)
		return;
	load_sample[load_samples++] = (uint32_t)((load_now() - c->due) / 1000);
	load_done++;
	close(c->fd);
}

/* The first n are there to stay; the others come when they are due. */
static void
load_storm(struct load_client *c, unsigned long n, double seconds,
    double rate)
{
	static struct epoll_event events[LOAD_EVENTS];
	uint64_t opened = 0, all = (uint64_t)(seconds * rate);
	struct load_client *slot = c + n, *next;
	char *buf = malloc(LOAD_BUFFER);
	int64_t begin, due;
	unsigned long i;
	int k, got;

	for (i = 0; i < n; i++) {
		load_open(&c[i]);
		load_send(&c[i]);
		while (c[i].busy)
			load_storm_read(&c[i], slot, buf);
	}
	begin = load_now();
	while (load_done < all) {
		due = begin + (int64_t)((double)opened * 1e9 / rate);
		if (opened < all && load_now() >= due) {
			next = &slot[opened++ % LOAD_SLOTS];
			if (next->busy) {
				errno = ETIMEDOUT;
				load_die("storm");
			}
			next->due = due;
			load_open(next);
			load_send(next);
			continue;
		}
		got = epoll_wait(load_epoll, events, LOAD_EVENTS,
		    opened < all && due - load_now() < 1000000 ? 0 : 1);
		for (k = 0; k < got; k++)
			load_storm_read(events[k].data.ptr, slot, buf);
	}
	load_print((double)(load_now() - begin) / 1e9);
	free(buf);
}

static void
load_run(struct load_client *c, unsigned long n, double seconds, int64_t gap)
{
	static struct epoll_event events[LOAD_EVENTS];
	char *buf = malloc(LOAD_BUFFER);
	int64_t begin = load_now(), end = begin + (int64_t)(seconds * 1e9);
	int64_t now = begin;
	struct timespec wait = { 0, 0 };
	unsigned long i;
	int k, got;

	load_end = c + n;
	for (i = 0; i < (load_mode == LOAD_IDLE ? 1 : n); i++) {
		c[i].due = begin + gap * (int64_t)i / (int64_t)n;
		load_open(&c[i]);
		if (gap == 0)
			load_send(&c[i]);
	}
	while (load_mode == LOAD_IDLE ? load_done < n * load_pipeline :
	    now < end) {
		wait.tv_nsec = gap > 0 ? load_due(c, n) : 100000000;
		got = epoll_pwait2(load_epoll, events, LOAD_EVENTS, &wait,
		    NULL);
		for (k = 0; k < got; k++) {
			if (events[k].events & EPOLLOUT)
				load_send(events[k].data.ptr);
			if (events[k].events & ~(uint32_t)EPOLLOUT)
				load_read(events[k].data.ptr, buf, gap);
		}
		now = load_now();
	}
	load_print((double)(now - begin) / 1e9);
	free(buf);
}

int
main(int argc, char **argv)
{
	struct load_client *c;
	unsigned long n;
	double rate = argc > 7 ? atof(argv[7]) : 0;

	if (argc < 7) {
		fprintf(stderr, "usage: load PORT get|set|connect|idle|storm "
		    "CLIENTS PIPELINE BYTES SECONDS [RATE]\n");
		return 2;
	}
	load_to.sin_family = AF_INET;
	load_to.sin_port = htons((uint16_t)atoi(argv[1]));
	load_to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	n = strtoul(argv[3], NULL, 10);
	load_pipeline = strtoul(argv[4], NULL, 10);
	load_mode = strcmp(argv[2], "connect") == 0 ? LOAD_CONNECT :
	    strcmp(argv[2], "idle") == 0 ? LOAD_IDLE :
	    strcmp(argv[2], "storm") == 0 ? LOAD_STORM : LOAD_STAY;
	/* Wake up when asked to, not up to 50 us later. */
	prctl(PR_SET_TIMERSLACK, 1UL);
	load_prepare(argv[2], load_pipeline, strtoul(argv[5], NULL, 10));
	load_epoll = epoll_create1(0);
	load_sample = malloc(LOAD_SAMPLES * sizeof(*load_sample));
	c = calloc(n + LOAD_SLOTS, sizeof(*c));
	if (load_mode == LOAD_STORM)
		load_storm(c, n, atof(argv[6]), rate);
	else
		load_run(c, n, atof(argv[6]), rate > 0 ?
		    (int64_t)(1e9 * (double)n / rate) : 0);
	while (load_mode == LOAD_IDLE && getchar() != EOF)
		continue;
	free(load_sample);
	free(load_batch);
	free(c);
	return 0;
}
