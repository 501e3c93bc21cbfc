#include "backend.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "pubsub.h"
#include "stats.h"

/* So many bytes are better sent than copied. */
#define BACKEND_AT_ONCE	(16 * 1024)

/*
 * A longer message is not for a subscriber: as in Redis, whose
 * client-output-buffer-limit for them is this by default.
 */
#define BACKEND_PUSH_MAX	(32 * 1024 * 1024)

/* Its reply comes when all that SUBSCRIBE and the like say is there. */
static const char backend_fence[] = "*2\r\n$4\r\nPING\r\n$8\r\nholdover\r\n";

enum backend_mode { BACKEND_PAIRED, BACKEND_STREAM, BACKEND_LOST };

struct backend {
	struct loop			*loop;
	struct gate			*gate;
	enum side			 side;
	const struct backend_ops	*ops;
	void				*arg;
	struct conn			*conn;
	enum backend_mode		 mode;
	enum backend_ear		 ear;
	struct req_list			 unanswered;
	size_t				 keyed;	/* unanswered, not class ANY */
	size_t				 load;	/* unanswered, bytes */
	uint64_t			 queued; /* bytes ever given to conn */
	struct resp_reply		 reply;
	struct buf			 gathered; /* see backend_gathers() */
	struct buf			 cork;	/* to be sent at uncork */
	bool				 corked;
	/* read, but not to be released */
	struct buf			 kept;
	unsigned			 choked; /* by so many clients */
	void				*choker; /* the last of them */
};

/* One that blocks may take forever; a drain does not wait for it. */
static bool
backend_counts(const struct req *r)
{
	return r->class != CMD_ANY && !r->blocks;
}

static bool
backend_may_read(struct backend *b)
{
	return b->choked == 0 && (b->keyed == 0 || b->mode == BACKEND_STREAM ||
	    gate_may_release(b->gate, b->side, loop_now(b->loop)));
}

static struct req *
backend_pop(struct backend *b)
{
	struct req *r = TAILQ_FIRST(&b->unanswered);

	if (r == NULL)
		return NULL;
	TAILQ_REMOVE(&b->unanswered, r, of_backend);
	b->load -= r->len;
	if (r->class != CMD_ANY)
		b->keyed--;
	if (backend_counts(r))
		gate_done(b->gate, r->class == CMD_WRITE);
	return r;
}

/*
 * UNBLOCKED is also what CLIENT UNBLOCK ... ERROR says; the demotion's has
 * other words (Redis 7.0, replication.c).
 */
bool
backend_is_bounce(const struct backend *b, const struct resp_reply *head)
{
	return resp_is_error(head, "READONLY") ||
	    resp_is_error(head, "LOADING") ||
	    resp_is_error(head, "MASTERDOWN") ||
	    (resp_is_error(head, "NOREPLICAS") &&
	    !gate_settled(b->gate, loop_now(b->loop))) ||
	    strncmp(head->first, "-UNBLOCKED force", 16) == 0;
}

static void
backend_count(struct backend *b, const struct req *r)
{
	b->load += r->len;
	if (r->class != CMD_ANY)
		b->keyed++;
	if (backend_counts(r))
		gate_sent(b->gate, r->class == CMD_WRITE);
}

/* Single requests take the place of the run at the front. */
static void
backend_split(struct backend *b, struct req *run)
{
	struct req_list singles = TAILQ_HEAD_INITIALIZER(singles);
	struct req *r, *last = NULL;

	req_split(run, &singles);
	TAILQ_FOREACH(r, &singles, of_client) {
		backend_count(b, r);
		if (last == NULL)
			TAILQ_INSERT_AFTER(&b->unanswered, run, r,
			    of_backend);
		else
			TAILQ_INSERT_AFTER(&b->unanswered, last, r,
			    of_backend);
		last = r;
	}
	backend_pop(b);
	b->ops->on_split(b->arg, run, &singles);
	req_free(run);
}

/* A reply, or its last piece, is there. */
static void
backend_replied(struct backend *b, struct req *r, unsigned replies,
    const char *p, size_t n)
{
	bool done;

	r->answered += replies;
	done = r->answered == r->n;
	if (done) {
		backend_pop(b);
		r->state = REQ_DONE;
	}
	b->ops->on_reply(b->arg, r, &b->reply, p, n, done);
}

static void backend_fail(struct backend *, int);

/*
 * Errors, and what is or may be a push, are handed on whole. It may be one
 * in RESP2 where the client listens, or begins to.
 */
static bool
backend_gathers(const struct backend *b)
{
	const struct req *r = TAILQ_FIRST(&b->unanswered);
	char type = b->reply.type;

	return type == '-' || type == '>' || (r != NULL && r->fenced) ||
	    (type == '*' && b->ear == BACKEND_IN_BAND);
}

static bool
backend_gather(struct backend *b, const char **p, size_t *n, bool whole)
{
	if (whole && buf_len(&b->gathered) == 0)
		return true;
	buf_add(&b->gathered, *p, *n);
	*p = buf_data(&b->gathered);
	*n = buf_len(&b->gathered);
	if (!whole && *n > BACKEND_PUSH_MAX) {
		log_warnx("backend: Redis at %s sent a message of more than "
		    "%d bytes, its connection is closed",
		    conn_peer(b->conn)->text, BACKEND_PUSH_MAX);
		backend_fail(b, EMSGSIZE);
	}
	return whole;
}

/* Is it a push? Then it has been handed on. */
static bool
backend_push(struct backend *b, struct req *r, const char *p, size_t n)
{
	char type = b->reply.type;
	enum pubsub_event e = PUBSUB_OTHER;
	enum pubsub_kind kind;
	struct resp_arg name;

	if (type != '>' && type != '*')
		return false;
	e = pubsub_parse(p, n, &kind, &name);
	if (type == '*' && (e == PUBSUB_OTHER ||
	    (b->ear != BACKEND_IN_BAND && !r->fenced)))
		return false;
	if (r != NULL && r->fenced && (e == PUBSUB_ADDED ||
	    e == PUBSUB_REMOVED))
		r->answered = 1;
	b->ops->on_push(b->arg, p, n);
	return true;
}

/* It has confirmed at least one, or failed; what comes then ends it. */
static void
backend_replied_fenced(struct backend *b, struct req *r, const char *p,
    size_t n)
{
	if (b->reply.type == '-' && r->answered == 0) {
		r->answered = 1;
		b->ops->on_reply(b->arg, r, &b->reply, p, n, false);
		return;
	}
	b->reply.type = '+';
	b->reply.first[0] = '\0';
	r->answered = 1;
	backend_replied(b, r, 1, p, 0);
}

/* Hands on a piece of the reply under way. */
static void
backend_deliver(struct backend *b, const char *p, size_t n, bool whole)
{
	struct resp_reply *head = &b->reply;
	struct req *r = TAILQ_FIRST(&b->unanswered);

	if (!backend_gathers(b)) {
		if (whole)
			backend_replied(b, r, 1, p, n);
		else
			b->ops->on_reply(b->arg, r, head, p, n, false);
		return;
	}
	if (!backend_gather(b, &p, &n, whole))
		return;
	if (head->type == '-' && r != NULL && r->kind == REQ_RUN &&
	    r->from == REQ_CLIENT && (backend_is_bounce(b, head) ||
	    resp_is_error(head, "NOSCRIPT"))) {
		backend_split(b, r);
		r = TAILQ_FIRST(&b->unanswered);
	}
	if (backend_push(b, r, p, n))
		;
	else if (r == NULL)
		backend_fail(b, EPROTO);
	else if (r->fenced)
		backend_replied_fenced(b, r, p, n);
	else
		backend_replied(b, r, 1, p, n);
	buf_free(&b->gathered);
}

/*
 * Simple replies one behind another, as far as they belong to one request
 * or run, are handed on in one piece. Returns how many bytes that were.
 */
static size_t
backend_feed_plain(struct backend *b, const char *p, size_t n)
{
	struct req *r = TAILQ_FIRST(&b->unanswered);
	unsigned replies = 0;
	size_t used = 0, len;

	if (r == NULL || r->fenced)
		return 0;
	while (replies < r->n - r->answered && used < n &&
	    (len = resp_reply_plain(p + used, n - used)) > 0) {
		used += len;
		replies++;
	}
	if (replies > 0) {
		b->reply.type = *p;
		b->reply.first_len = 0;
		b->reply.first[0] = '\0';
		backend_replied(b, r, replies, p, used);
	}
	return used;
}

static void
backend_fail(struct backend *b, int error)
{
	b->mode = BACKEND_LOST;
	gate_report(b->gate, b->side,
	    error == ECONNREFUSED ? GATE_REFUSED : GATE_LOST);
	b->ops->on_lost(b->arg, error);
}

static void
backend_feed(struct backend *b, const char *p, size_t n)
{
	long long used;
	bool done;

	while (n > 0 && b->mode == BACKEND_PAIRED) {
		used = b->reply.todo == 0 ?
		    (long long)backend_feed_plain(b, p, n) : 0;
		if (used > 0) {
			p += used;
			n -= (size_t)used;
			continue;
		}
		used = resp_reply(&b->reply, p, n, &done);
		if (used == RESP_BAD || (TAILQ_EMPTY(&b->unanswered) &&
		    !backend_gathers(b))) {
			log_warnx("backend: Redis at %s sent what is no reply",
			    conn_peer(b->conn)->text);
			backend_fail(b, EPROTO);
			return;
		}
		backend_deliver(b, p, (size_t)used, done);
		p += used;
		n -= (size_t)used;
	}
	if (n > 0 && b->mode == BACKEND_STREAM)
		b->ops->on_push(b->arg, p, n);
}

static void
backend_on_data(void *arg, const char *p, size_t n)
{
	struct backend *b = arg;

	if (backend_may_read(b))
		backend_feed(b, p, n);
	else {
		buf_add(&b->kept, p, n);
		conn_pause(b->conn);
	}
}

static void
backend_on_end(void *arg, int error)
{
	struct backend *b = arg;

	if (b->mode != BACKEND_LOST)
		backend_fail(b, error == 0 ? ECONNRESET : error);
}

static void
backend_on_sent(void *arg)
{
	struct backend *b = arg;

	if (b->mode != BACKEND_LOST)
		b->ops->on_room(b->arg);
}

static const struct conn_ops backend_conn_ops = {
	.on_data = backend_on_data,
	.on_sent = backend_on_sent,
	.on_end = backend_on_end,
};

struct backend *
backend_new(struct loop *l, struct gate *g, enum side side,
    const struct conn_addr *addr, const struct backend_ops *ops, void *arg)
{
	struct backend *b = xcalloc(1, sizeof(*b));

	b->loop = l;
	b->gate = g;
	b->side = side;
	b->ops = ops;
	b->arg = arg;
	b->mode = BACKEND_PAIRED;
	TAILQ_INIT(&b->unanswered);
	b->conn = conn_connect(l, addr, &backend_conn_ops, b);
	return b;
}

void
backend_free(struct backend *b)
{
	assert(TAILQ_EMPTY(&b->unanswered));
	conn_free(b->conn);
	buf_free(&b->gathered);
	buf_free(&b->kept);
	buf_free(&b->cork);
	free(b);
}

void
backend_silence(struct backend *b)
{
	b->mode = BACKEND_LOST;
}

enum side
backend_side(const struct backend *b)
{
	return b->side;
}

bool
backend_between(const struct backend *b)
{
	return b->reply.todo == 0;
}

bool
backend_idle(const struct backend *b)
{
	return TAILQ_EMPTY(&b->unanswered);
}

size_t
backend_unanswered(const struct backend *b)
{
	const struct req *r;
	size_t n = 0;

	TAILQ_FOREACH(r, &b->unanswered, of_backend)
		n += r->n - r->answered;
	return n;
}

uint64_t
backend_awaited(const struct backend *b)
{
	const struct req *r = TAILQ_FIRST(&b->unanswered);

	/* Each takes more bytes than it has replies. */
	return r == NULL ? 0 : r->sent_from + r->answered + 1;
}

size_t
backend_load(const struct backend *b)
{
	return b->load;
}

bool
backend_keyed(const struct backend *b)
{
	return b->keyed > 0;
}

static void
backend_write(struct backend *b, const char *p, size_t n)
{
	if (b->corked)
		buf_add(&b->cork, p, n);
	else if (n >= BACKEND_AT_ONCE)
		conn_write_now(b->conn, p, n);
	else
		conn_write(b->conn, p, n);
}

void
backend_send(struct backend *b, struct req *r)
{
	assert(b->mode == BACKEND_PAIRED);
	r->state = REQ_SENT;
	r->sent_from = b->queued;
	b->queued += r->len;
	TAILQ_INSERT_TAIL(&b->unanswered, r, of_backend);
	STATS_ADD(writes_sent, r->writes);
	backend_count(b, r);
	backend_write(b, r->bytes, r->len);
	if (r->fenced) {
		r->n = 2;
		b->queued += sizeof(backend_fence) - 1;
		backend_write(b, backend_fence, sizeof(backend_fence) - 1);
	}
}

void
backend_listen(struct backend *b, enum backend_ear ear)
{
	b->ear = ear;
}

void
backend_cork(struct backend *b)
{
	b->corked = true;
}

void
backend_uncork(struct backend *b)
{
	b->corked = false;
	conn_write(b->conn, buf_data(&b->cork), buf_len(&b->cork));
	buf_free(&b->cork);
}

void
backend_send_raw(struct backend *b, const char *p, size_t n)
{
	b->queued += n;
	backend_write(b, p, n);
}

bool
backend_ready(const struct backend *b)
{
	return b->mode == BACKEND_PAIRED && !b->corked &&
	    conn_sent(b->conn) > 0;
}

size_t
backend_pending(const struct backend *b)
{
	return conn_pending(b->conn) + buf_len(&b->cork);
}

void
backend_stream(struct backend *b)
{
	assert(TAILQ_EMPTY(&b->unanswered));
	if (b->mode == BACKEND_PAIRED)
		b->mode = BACKEND_STREAM;
}

struct req *
backend_take_back(struct backend *b, bool *maybe_ran)
{
	struct req *r = TAILQ_FIRST(&b->unanswered);

	if (r != NULL && r->kind == REQ_RUN && r->from == REQ_CLIENT)
		backend_split(b, r);
	r = backend_pop(b);
	if (r != NULL)
		*maybe_ran = r->sent_from < conn_sent(b->conn);
	return r;
}

bool
backend_stuck(const struct backend *b)
{
	return b->choked > 0 || buf_len(&b->kept) > 0;
}

bool
backend_streams(const struct backend *b)
{
	return b->mode == BACKEND_STREAM;
}

bool
backend_listens(const struct backend *b)
{
	return b->ear != BACKEND_DEAF;
}

void
backend_on_gate(struct backend *b)
{
	struct buf kept = b->kept;

	if (b->mode == BACKEND_LOST)
		return;
	if (!backend_may_read(b)) {
		conn_pause(b->conn);
		return;
	}
	conn_resume(b->conn);
	if (buf_len(&kept) > 0) {
		b->kept = (struct buf)BUF_INIT;
		backend_feed(b, buf_data(&kept), buf_len(&kept));
		buf_free(&kept);
	}
}

void
backend_pause(struct backend *b, void *owner)
{
	b->choker = owner;
	b->choked++;
	backend_on_gate(b);
}

void
backend_resume(struct backend *b)
{
	assert(b->choked > 0);
	if (--b->choked == 0)
		b->choker = NULL;
	backend_on_gate(b);
}

void *
backend_choker(const struct backend *b)
{
	struct req *r;

	if (b->choker != NULL)
		TAILQ_FOREACH(r, &b->unanswered, of_backend)
			if (r->from == REQ_CLIENT && r->owner != b->choker)
				return b->choker;
	return NULL;
}
