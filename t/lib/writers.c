/*
 * Writers for the lab: what clients see while roles change.
 *
 * Eight writers of unique keys and one INCR loop, each on a connection of
 * its own, in one poll loop. They know one address, wait 3 s for an answer,
 * reconnect at once and never repeat a write. Every acknowledged write goes
 * into a log, which "writers verify" reads back afterwards.
 *
 * Measured is above all the longest stretch in which none of them got an
 * acknowledgement.
 */

#include <sys/socket.h>
#include <sys/un.h>

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WRITERS_MAX	64
#define VALUE_MAX	65536
#define ERRORS_MAX	16
#define RATE_SLOTS	10
#define TICK_US		100000
#define REFUSED_WAIT_US	5000	/* between attempts that are refused */
#define VERIFY_BATCH	500

enum writer_state {
	WRITER_PAUSE,		/* nothing sent; due at "due" */
	WRITER_DOWN,		/* no connection; due at "due" */
	WRITER_CONNECT,		/* fails at "due" */
	WRITER_WAIT		/* a write is under way; fails at "due" */
};

struct writer {
	enum writer_state state;
	int		 index;		/* the INCR loop has the last one */
	int		 fd;
	int64_t		 due;
	int64_t		 sent_at;
	uint64_t	 n;		/* of the write under way */
	int64_t		 counter;	/* last acknowledged INCR */
	unsigned	 indoubt;	/* on this connection */
	unsigned	 indoubt_marked;	/* of them, before the mark */
	size_t		 out_len, out_off;
	size_t		 in_len;
	char		*out;
	char		 in[512];
};

struct error_count {
	char		 word[32];
	uint64_t	 count;
};

struct stretch {
	int64_t		 us;
	int64_t		 start_mono;
	int64_t		 start_real;
};

static struct {
	const char	*addr;
	const char	*unixsocket;
	const char	*run;
	const char	*log;
	const char	*status;
	int		 port;
	int		 writers;
	int		 timeout_ms;
	int		 think_us;
	int		 seconds;
	size_t		 value_size;
	bool		 live;
} opt = {
	.addr = "127.0.0.1", .port = 6379, .run = NULL, .writers = 8,
	.timeout_ms = 3000, .think_us = 1000, .value_size = 100,
};

static struct {
	uint64_t	 acknowledged, incr_acknowledged;
	uint64_t	 errors, cuts, timeouts, connects, connect_failures;
	uint64_t	 connect_timeouts, backwards, marks;
	unsigned	 indoubt_max;
	unsigned	 indoubt_marked_max, indoubt_previous;
	int64_t		 last_ack, longest_wait;
	struct stretch	 longest, previous;
	struct error_count error[ERRORS_MAX];
	size_t		 nerror;
	uint64_t	 rate[RATE_SLOTS];
	size_t		 slot;
} st;

static FILE		*ack_log;
static volatile sig_atomic_t stop_asked, mark_asked;

static int64_t
time_us(clockid_t clock)
{
	struct timespec ts;

	if (clock_gettime(clock, &ts) == -1)
		abort();
	return ((int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000);
}

static int64_t
time_now(void)
{
	return (time_us(CLOCK_MONOTONIC));
}

static void
fatal(const char *fmt, ...)
{
	va_list ap;

	fputs("writers: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(2);
}

static void
usage(void)
{
	fputs("usage: writers [run] [options]\n"
	    "       writers verify [options] LOGFILE\n"
	    "  --addr A --port N | --unix PATH    where to (127.0.0.1:6379)\n"
	    "  --run WORD       part of every key (pid and time)\n"
	    "  --writers N      of unique keys (8), beside one INCR loop\n"
	    "  --timeout MS     longest wait for an answer (3000)\n"
	    "  --think US       pause after each acknowledgement (1000)\n"
	    "  --value-size N   bytes of each value (100)\n"
	    "  --seconds N      stop by itself\n"
	    "  --log FILE       every acknowledged write\n"
	    "  --status FILE    the statistics, replaced every 100 ms\n"
	    "  --live           print one line every 100 ms\n"
	    "SIGTERM ends it; SIGUSR1 prints and resets the longest stretch.\n",
	    stderr);
	exit(2);
}

/* ---- sockets ---- */

/* Where to, as told by the options. */
static socklen_t
socket_address(struct sockaddr_storage *sa)
{
	struct sockaddr_un *sun = (struct sockaddr_un *)sa;
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST,
	    .ai_socktype = SOCK_STREAM }, *ai;
	char port[16];
	socklen_t len;

	memset(sa, 0, sizeof(*sa));
	if (opt.unixsocket != NULL) {
		sun->sun_family = AF_UNIX;
		if (strlen(opt.unixsocket) >= sizeof(sun->sun_path))
			fatal("socket path too long");
		strcpy(sun->sun_path, opt.unixsocket);
		return (sizeof(*sun));
	}
	snprintf(port, sizeof(port), "%d", opt.port);
	if (getaddrinfo(opt.addr, port, &hints, &ai) != 0)
		fatal("%s: not an IP address", opt.addr);
	len = ai->ai_addrlen;
	memcpy(sa, ai->ai_addr, len);
	freeaddrinfo(ai);
	return (len);
}

/* Begin to connect; -1 with errno when that fails at once. */
static int
socket_connect(bool block)
{
	struct sockaddr_storage sa;
	socklen_t len = socket_address(&sa);
	int fd, type, one = 1;

	type = SOCK_STREAM | SOCK_CLOEXEC | (block ? 0 : SOCK_NONBLOCK);
	if ((fd = socket(sa.ss_family, type, 0)) == -1)
		fatal("socket: %s", strerror(errno));
	if (opt.unixsocket == NULL)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one,
		    sizeof(one));
	if (connect(fd, (struct sockaddr *)&sa, len) == -1 &&
	    errno != EINPROGRESS) {
		int saved = errno;

		close(fd);
		errno = saved;
		return (-1);
	}
	return (fd);
}

/* ---- statistics ---- */

static void
stats_error(struct writer *w, const char *line)
{
	char word[sizeof(st.error[0].word)];
	size_t i, len;

	len = strcspn(line, " \r\n");
	if (len >= sizeof(word))
		len = sizeof(word) - 1;
	memcpy(word, line, len);
	word[len] = '\0';

	st.errors++;
	if (strcmp(word, "INDOUBT") == 0) {
		if (++w->indoubt > st.indoubt_max)
			st.indoubt_max = w->indoubt;
		if (w->indoubt - w->indoubt_marked > st.indoubt_marked_max)
			st.indoubt_marked_max = w->indoubt - w->indoubt_marked;
	}
	for (i = 0; i < st.nerror; i++) {
		if (strcmp(st.error[i].word, word) == 0) {
			st.error[i].count++;
			return;
		}
	}
	if (st.nerror == ERRORS_MAX)
		return;
	strcpy(st.error[st.nerror].word, word);
	st.error[st.nerror++].count = 1;
}

/* The time since the last acknowledgement may be the longest so far. */
static void
stats_stretch(int64_t now)
{
	int64_t us = now - st.last_ack;

	if (us <= st.longest.us)
		return;
	st.longest.us = us;
	st.longest.start_mono = st.last_ack;
	st.longest.start_real = time_us(CLOCK_REALTIME) - us;
}

static void
stats_ack(struct writer *w, int64_t now)
{
	st.acknowledged++;
	st.rate[st.slot]++;
	stats_stretch(now);
	st.last_ack = now;
	if (now - w->sent_at > st.longest_wait)
		st.longest_wait = now - w->sent_at;
}

static void
stats_mark(struct writer *ws, int count)
{
	int i;

	st.marks++;
	st.previous = st.longest;
	st.indoubt_previous = st.indoubt_marked_max;
	st.indoubt_marked_max = 0;
	for (i = 0; i < count; i++)
		ws[i].indoubt_marked = ws[i].indoubt;
	memset(&st.longest, 0, sizeof(st.longest));
	st.longest_wait = 0;
	printf("mark %" PRIu64 " longest_us %" PRId64 "\n", st.marks,
	    st.previous.us);
	fflush(stdout);
}

static void
stats_print(FILE *f)
{
	uint64_t rate = 0;
	size_t i;

	for (i = 0; i < RATE_SLOTS; i++)
		rate += st.rate[i];
	fprintf(f, "acknowledged %" PRIu64 "\n", st.acknowledged);
	fprintf(f, "incr_acknowledged %" PRIu64 "\n", st.incr_acknowledged);
	fprintf(f, "per_second %" PRIu64 "\n", rate);
	fprintf(f, "errors %" PRIu64 "\n", st.errors);
	for (i = 0; i < st.nerror; i++)
		fprintf(f, "error.%s %" PRIu64 "\n", st.error[i].word,
		    st.error[i].count);
	fprintf(f, "indoubt_max_per_connection %u\n", st.indoubt_max);
	fprintf(f, "previous_indoubt_max %u\n", st.indoubt_previous);
	fprintf(f, "cuts %" PRIu64 "\n", st.cuts);
	fprintf(f, "timeouts %" PRIu64 "\n", st.timeouts);
	fprintf(f, "connects %" PRIu64 "\n", st.connects);
	fprintf(f, "connect_failures %" PRIu64 "\n", st.connect_failures);
	fprintf(f, "connect_timeouts %" PRIu64 "\n", st.connect_timeouts);
	fprintf(f, "counter_backwards %" PRIu64 "\n", st.backwards);
	fprintf(f, "since_ack_us %" PRId64 "\n", time_now() - st.last_ack);
	fprintf(f, "longest_wait_us %" PRId64 "\n", st.longest_wait);
	fprintf(f, "longest_us %" PRId64 "\n", st.longest.us);
	fprintf(f, "longest_start_mono_us %" PRId64 "\n",
	    st.longest.start_mono);
	fprintf(f, "longest_start_real_us %" PRId64 "\n",
	    st.longest.start_real);
	fprintf(f, "marks %" PRIu64 "\n", st.marks);
	fprintf(f, "previous_longest_us %" PRId64 "\n", st.previous.us);
	fprintf(f, "previous_start_mono_us %" PRId64 "\n",
	    st.previous.start_mono);
	fprintf(f, "previous_start_real_us %" PRId64 "\n",
	    st.previous.start_real);
}

/* A reader sees the old statistics or the new, never half of them. */
static void
stats_write(void)
{
	char tmp[4096];
	FILE *f;

	if (ack_log != NULL && fflush(ack_log) == EOF)
		fatal("%s: %s", opt.log, strerror(errno));
	if (opt.status == NULL)
		return;
	if ((size_t)snprintf(tmp, sizeof(tmp), "%s.new", opt.status) >=
	    sizeof(tmp))
		fatal("path too long");
	if ((f = fopen(tmp, "w")) == NULL)
		fatal("%s: %s", tmp, strerror(errno));
	stats_print(f);
	if (fclose(f) == EOF || rename(tmp, opt.status) == -1)
		fatal("%s: %s", opt.status, strerror(errno));
}

static void
stats_tick(void)
{
	stats_stretch(time_now());
	stats_write();
	if (opt.live) {
		uint64_t rate = 0;
		size_t i;

		for (i = 0; i < RATE_SLOTS; i++)
			rate += st.rate[i];
		printf("%" PRIu64 "/s, longest %.1f ms, errors %" PRIu64
		    ", cuts %" PRIu64 ", time-outs %" PRIu64 "\n", rate,
		    (double)st.longest.us / 1000, st.errors, st.cuts,
		    st.timeouts);
		fflush(stdout);
	}
	st.slot = (st.slot + 1) % RATE_SLOTS;
	st.rate[st.slot] = 0;
}

/* ---- one writer ---- */

static bool
writer_counts(const struct writer *w)
{
	return (w->index == opt.writers);
}

static void
writer_close(struct writer *w, int64_t due)
{
	if (w->fd != -1)
		close(w->fd);
	w->fd = -1;
	w->state = WRITER_DOWN;
	w->due = due;
	w->indoubt = w->indoubt_marked = 0;
	w->in_len = w->out_len = w->out_off = 0;
}

static void
writer_connect(struct writer *w, int64_t now)
{
	if ((w->fd = socket_connect(false)) == -1) {
		st.connect_failures++;
		writer_close(w, now + REFUSED_WAIT_US);
		return;
	}
	w->state = WRITER_CONNECT;
	w->due = now + (int64_t)opt.timeout_ms * 1000;
}

static void
writer_flush(struct writer *w, int64_t now)
{
	ssize_t n;

	n = send(w->fd, w->out + w->out_off, w->out_len - w->out_off,
	    MSG_NOSIGNAL);
	if (n == -1) {
		if (errno == EAGAIN || errno == EINTR)
			return;
		st.cuts++;
		writer_close(w, now);
		return;
	}
	w->out_off += (size_t)n;
}

/* The next write. What came of the one before is no longer asked. */
static void
writer_send(struct writer *w, int64_t now)
{
	char key[160], id[160];
	int klen, ilen, n;
	size_t vlen;

	w->n++;
	if (writer_counts(w)) {
		klen = snprintf(key, sizeof(key), "c:%s", opt.run);
		n = sprintf(w->out, "*2\r\n$4\r\nINCR\r\n$%d\r\n%s\r\n", klen,
		    key);
		w->out_len = (size_t)n;
	} else {
		klen = snprintf(key, sizeof(key), "w:%s:%d:%" PRIu64, opt.run,
		    w->index, w->n);
		ilen = snprintf(id, sizeof(id), "%s:%d:%" PRIu64 ";", opt.run,
		    w->index, w->n);
		vlen = opt.value_size > (size_t)ilen ? opt.value_size :
		    (size_t)ilen;
		n = sprintf(w->out, "*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%zu\r\n",
		    klen, key, vlen);
		w->out_len = (size_t)n;
		memcpy(w->out + w->out_len, id, (size_t)ilen);
		memset(w->out + w->out_len + ilen, '.', vlen - (size_t)ilen);
		w->out_len += vlen;
		memcpy(w->out + w->out_len, "\r\n", 2);
		w->out_len += 2;
	}
	w->out_off = 0;
	w->state = WRITER_WAIT;
	w->sent_at = now;
	w->due = now + (int64_t)opt.timeout_ms * 1000;
	writer_flush(w, now);
}

static void
writer_reply(struct writer *w, const char *line, int64_t now)
{
	int64_t value;

	w->state = WRITER_PAUSE;
	w->due = now + opt.think_us;
	if (line[0] == '-') {
		stats_error(w, line + 1);
		return;
	}
	if (line[0] == (writer_counts(w) ? ':' : '+')) {
		stats_ack(w, now);
		if (!writer_counts(w)) {
			if (ack_log != NULL)
				fprintf(ack_log, "s %d %" PRIu64 " %" PRId64
				    "\n", w->index, w->n, now);
			return;
		}
		/* Less than before: an acknowledged INCR has been lost. */
		value = strtoll(line + 1, NULL, 10);
		if (value <= w->counter)
			st.backwards++;
		w->counter = value;
		st.incr_acknowledged++;
		if (ack_log != NULL)
			fprintf(ack_log, "i %" PRId64 " %" PRId64 "\n", value,
			    now);
		return;
	}
	stats_error(w, "unexpected");
	writer_close(w, now);
}

static void
writer_read(struct writer *w, int64_t now)
{
	char *end;
	ssize_t n;

	n = recv(w->fd, w->in + w->in_len, sizeof(w->in) - 1 - w->in_len, 0);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		st.cuts++;
		writer_close(w, now);
		return;
	}
	w->in_len += (size_t)n;
	w->in[w->in_len] = '\0';
	if ((end = strstr(w->in, "\r\n")) == NULL) {
		if (w->in_len == sizeof(w->in) - 1) {
			stats_error(w, "unexpected");
			writer_close(w, now);
		}
		return;
	}
	*end = '\0';
	if (w->state != WRITER_WAIT || end + 2 != w->in + w->in_len) {
		/* More than was asked for. */
		stats_error(w, "unexpected");
		writer_close(w, now);
		return;
	}
	w->in_len = 0;
	writer_reply(w, w->in, now);
}

static void
writer_on_connect(struct writer *w, int64_t now)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1 ||
	    error != 0) {
		st.connect_failures++;
		writer_close(w, now + REFUSED_WAIT_US);
		return;
	}
	st.connects++;
	writer_send(w, now);
}

static void
writer_on_due(struct writer *w, int64_t now, bool stopping)
{
	switch (w->state) {
	case WRITER_PAUSE:
		if (!stopping)
			writer_send(w, now);
		break;
	case WRITER_DOWN:
		if (!stopping)
			writer_connect(w, now);
		break;
	case WRITER_CONNECT:
		st.connect_timeouts++;
		writer_close(w, now);
		break;
	case WRITER_WAIT:
		st.timeouts++;
		writer_close(w, now);
		break;
	}
}

static void
writer_on_events(struct writer *w, short revents, int64_t now)
{
	if (revents == 0 || w->fd == -1)
		return;
	if (w->state == WRITER_CONNECT) {
		writer_on_connect(w, now);
		return;
	}
	if (revents & (POLLIN | POLLHUP | POLLERR))
		writer_read(w, now);
	if (w->fd != -1 && w->out_off < w->out_len && (revents & POLLOUT))
		writer_flush(w, now);
}

/* ---- the loop ---- */

static void
on_signal(int sig)
{
	if (sig == SIGUSR1)
		mark_asked = 1;
	else
		stop_asked = 1;
}

static void
run_turn(struct writer *ws, int count, int64_t until, bool stopping)
{
	struct pollfd pfd[WRITERS_MAX + 1];
	struct timespec ts;
	int64_t now, wait;
	int i;

	for (i = 0; i < count; i++) {
		struct writer *w = &ws[i];

		pfd[i].fd = w->fd;
		pfd[i].revents = 0;
		pfd[i].events = POLLIN;
		if (w->state == WRITER_CONNECT || w->out_off < w->out_len)
			pfd[i].events |= POLLOUT;
		if (w->due < until && !(stopping && (w->state == WRITER_PAUSE ||
		    w->state == WRITER_DOWN)))
			until = w->due;
	}
	if ((wait = until - time_now()) < 0)
		wait = 0;
	ts.tv_sec = wait / 1000000;
	ts.tv_nsec = (wait % 1000000) * 1000;
	if (ppoll(pfd, (nfds_t)count, &ts, NULL) == -1 && errno != EINTR)
		fatal("poll: %s", strerror(errno));
	for (i = 0; i < count; i++)
		writer_on_events(&ws[i], pfd[i].revents, time_now());
	now = time_now();
	for (i = 0; i < count; i++)
		if (ws[i].due <= now)
			writer_on_due(&ws[i], now, stopping);
}

static bool
run_waits(const struct writer *ws, int count)
{
	int i;

	for (i = 0; i < count; i++)
		if (ws[i].state == WRITER_WAIT)
			return (true);
	return (false);
}

static int
run(void)
{
	static struct writer ws[WRITERS_MAX + 1];
	struct sigaction sa;
	int64_t now, tick, end;
	int i, count = opt.writers + 1;
	bool stopping = false;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = on_signal;
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	if (opt.log != NULL && (ack_log = fopen(opt.log, "w")) == NULL)
		fatal("%s: %s", opt.log, strerror(errno));
	if (ack_log != NULL)
		fprintf(ack_log, "run %s\n", opt.run);

	now = st.last_ack = time_now();
	end = opt.seconds > 0 ? now + (int64_t)opt.seconds * 1000000 :
	    INT64_MAX;
	for (i = 0; i < count; i++) {
		ws[i].index = i;
		ws[i].fd = -1;
		ws[i].state = WRITER_DOWN;
		ws[i].due = now;
		if ((ws[i].out = malloc(opt.value_size + 1024)) == NULL)
			fatal("out of memory");
	}
	tick = now + TICK_US;
	/* In the end the answers under way are waited for. */
	while (!stopping || run_waits(ws, count)) {
		run_turn(ws, count, tick, stopping);
		now = time_now();
		if (mark_asked) {
			mark_asked = 0;
			stats_stretch(now);
			stats_mark(ws, count);
			stats_write();
		}
		if (now >= tick) {
			stats_tick();
			tick = now + TICK_US;
		}
		if (!stopping && (stop_asked || now >= end))
			stopping = true;
	}
	for (i = 0; i < count; i++) {
		if (ws[i].fd != -1)
			close(ws[i].fd);
		free(ws[i].out);
	}
	stats_write();
	if (ack_log != NULL && fclose(ack_log) == EOF)
		fatal("%s: %s", opt.log, strerror(errno));
	stats_print(stdout);
	return (0);
}

/* ---- verify ---- */

struct wanted {
	int		 writer;
	uint64_t	 n;
	int64_t		 at;
};

static struct {
	FILE		*in, *out;
	char		 run[64];
	uint64_t	 checked, missing, wrong, incr;
	int64_t		 incr_last;
} vf;

static void
verify_expect(const struct wanted *w)
{
	static char value[VALUE_MAX + 3];
	char line[64], id[160];
	long len;
	int ilen;

	if (fgets(line, sizeof(line), vf.in) == NULL)
		fatal("connection lost");
	if (line[0] != '$')
		fatal("asked for a key, got %s", line);
	vf.checked++;
	ilen = snprintf(id, sizeof(id), "%s:%d:%" PRIu64 ";", vf.run,
	    w->writer, w->n);
	if ((len = strtol(line + 1, NULL, 10)) < 0) {
		if (vf.missing++ < 10)
			printf("gone w:%.*s %" PRId64 "\n", ilen - 1, id,
			    w->at);
		return;
	}
	if (len > VALUE_MAX || fread(value, (size_t)len + 2, 1, vf.in) != 1)
		fatal("connection lost");
	if (len < ilen || memcmp(value, id, (size_t)ilen) != 0)
		vf.wrong++;
}

static void
verify_batch(const struct wanted *ws, size_t count)
{
	char key[160];
	size_t i;
	int klen;

	for (i = 0; i < count; i++) {
		klen = snprintf(key, sizeof(key), "w:%s:%d:%" PRIu64, vf.run,
		    ws[i].writer, ws[i].n);
		fprintf(vf.out, "*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n", klen, key);
	}
	if (fflush(vf.out) == EOF)
		fatal("write: %s", strerror(errno));
	for (i = 0; i < count; i++)
		verify_expect(&ws[i]);
}

/* The counter may be above what was acknowledged, never below. */
static int64_t
verify_counter(void)
{
	char line[64];
	int64_t value = 0;

	fprintf(vf.out, "*2\r\n$3\r\nGET\r\n$%zu\r\nc:%s\r\n",
	    strlen(vf.run) + 2, vf.run);
	if (fflush(vf.out) == EOF || fgets(line, sizeof(line), vf.in) == NULL)
		fatal("connection lost");
	if (line[0] != '$')
		fatal("asked for the counter, got %s", line);
	if (line[1] != '-') {
		if (fgets(line, sizeof(line), vf.in) == NULL)
			fatal("connection lost");
		value = strtoll(line, NULL, 10);
	}
	return (value);
}

static int
verify(const char *path)
{
	static struct wanted batch[VERIFY_BATCH];
	struct timeval tv = { .tv_sec = 30 };
	size_t count = 0;
	int64_t counter, value, at;
	char line[256];
	FILE *f;
	int fd, writer;
	uint64_t n, shortfall;

	if ((f = fopen(path, "r")) == NULL)
		fatal("%s: %s", path, strerror(errno));
	if (fgets(line, sizeof(line), f) == NULL ||
	    sscanf(line, "run %63s", vf.run) != 1)
		fatal("%s: not a log of writers", path);
	if ((fd = socket_connect(true)) == -1)
		fatal("connect: %s", strerror(errno));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	if ((vf.in = fdopen(fd, "r")) == NULL ||
	    (vf.out = fdopen(dup(fd), "w")) == NULL)
		fatal("fdopen: %s", strerror(errno));

	while (fgets(line, sizeof(line), f) != NULL) {
		if (strchr(line, '\n') == NULL)
			break;		/* torn by a kill */
		if (sscanf(line, "s %d %" SCNu64 " %" SCNd64, &writer, &n,
		    &at) == 3) {
			batch[count++] = (struct wanted){ writer, n, at };
			if (count == VERIFY_BATCH) {
				verify_batch(batch, count);
				count = 0;
			}
		} else if (sscanf(line, "i %" SCNd64 " %" SCNd64, &value,
		    &at) == 2) {
			vf.incr++;
			if (value > vf.incr_last)
				vf.incr_last = value;
		}
	}
	verify_batch(batch, count);
	counter = verify_counter();
	shortfall = counter < 0 || vf.incr > (uint64_t)counter ?
	    vf.incr - (uint64_t)(counter < 0 ? 0 : counter) : 0;
	printf("checked %" PRIu64 "\nmissing %" PRIu64 "\nwrong %" PRIu64
	    "\nincr_acknowledged %" PRIu64 "\nincr_last %" PRId64
	    "\ncounter %" PRId64 "\nshortfall %" PRIu64 "\n",
	    vf.checked, vf.missing, vf.wrong, vf.incr, vf.incr_last, counter,
	    shortfall);
	fclose(vf.in);
	fclose(vf.out);
	fclose(f);
	return (vf.missing + vf.wrong + shortfall > 0 ? 1 : 0);
}

static long
number(const char *s, long min, long max)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(s, &end, 10);
	if (errno != 0 || *s == '\0' || *end != '\0' || n < min || n > max)
		fatal("%s: not a number between %ld and %ld", s, min, max);
	return (n);
}

int
main(int argc, char *argv[])
{
	static const struct option options[] = {
		{ "addr", required_argument, NULL, 'a' },
		{ "port", required_argument, NULL, 'p' },
		{ "unix", required_argument, NULL, 'u' },
		{ "run", required_argument, NULL, 'r' },
		{ "writers", required_argument, NULL, 'w' },
		{ "timeout", required_argument, NULL, 't' },
		{ "think", required_argument, NULL, 'k' },
		{ "value-size", required_argument, NULL, 'v' },
		{ "seconds", required_argument, NULL, 's' },
		{ "log", required_argument, NULL, 'l' },
		{ "status", required_argument, NULL, 'f' },
		{ "live", no_argument, NULL, 'L' },
		{ NULL, 0, NULL, 0 }
	};
	static char name[64];
	bool verifying = false;
	int c;

	if (argc > 1 && argv[1][0] != '-') {
		if (strcmp(argv[1], "verify") == 0)
			verifying = true;
		else if (strcmp(argv[1], "run") != 0)
			usage();
		argc--;
		argv++;
	}
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'a': opt.addr = optarg; break;
		case 'p': opt.port = (int)number(optarg, 1, 65535); break;
		case 'u': opt.unixsocket = optarg; break;
		case 'r': opt.run = optarg; break;
		case 'w':
			opt.writers = (int)number(optarg, 0, WRITERS_MAX);
			break;
		case 't':
			opt.timeout_ms = (int)number(optarg, 1, 3600000);
			break;
		case 'k':
			opt.think_us = (int)number(optarg, 0, 60000000);
			break;
		case 'v':
			opt.value_size = (size_t)number(optarg, 1, VALUE_MAX);
			break;
		case 's':
			opt.seconds = (int)number(optarg, 1, 1000000);
			break;
		case 'l': opt.log = optarg; break;
		case 'f': opt.status = optarg; break;
		case 'L': opt.live = true; break;
		default: usage();
		}
	}
	argc -= optind;
	argv += optind;
	if (argc != (verifying ? 1 : 0))
		usage();
	if (opt.run == NULL) {
		snprintf(name, sizeof(name), "%ld-%" PRId64, (long)getpid(),
		    time_us(CLOCK_REALTIME) / 1000);
		opt.run = name;
	}
	if (strlen(opt.run) > 63 || strpbrk(opt.run, " \r\n") != NULL)
		fatal("%s: too long a word, or no word", opt.run);
	return (verifying ? verify(argv[0]) : run());
}
