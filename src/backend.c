#include "backend.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "log.h"
#include "stats.h"

enum backend_mode { BACKEND_PAIRED, BACKEND_STREAM, BACKEND_LOST };

struct backend {
	struct loop			*loop;
	struct gate			*gate;
	enum side			 side;
	const struct backend_ops	*ops;
	void				*arg;
	struct conn			*conn;
	enum backend_mode		 mode;
	struct req_list			 unanswered;
	size_t				 keyed;	/* unanswered, not class ANY */
	uint64_t			 queued; /* bytes ever given to conn */
	struct resp_reply		 reply;
	struct buf			 error;	/* an error reply under way */
	/* read, but not to be released */
	struct buf			 kept;
	bool				 choked; /* by the client's output */
};

/* One that blocks may take forever; a drain does not wait for it. */
static bool
backend_counts(const struct req *r)
{
	return r->class != CMD_ANY && !(r->cmd->flags & CMD_BLOCKS);
}

static bool
backend_may_read(struct backend *b)
{
	return !b->choked && (b->keyed == 0 || b->mode == BACKEND_STREAM ||
	    gate_may_release(b->gate, b->side, loop_now(b->loop)));
}

static struct req *
backend_pop(struct backend *b)
{
	struct req *r = TAILQ_FIRST(&b->unanswered);

	if (r == NULL)
		return NULL;
	TAILQ_REMOVE(&b->unanswered, r, of_backend);
	if (r->class != CMD_ANY)
		b->keyed--;
	if (backend_counts(r))
		gate_done(b->gate, r->class == CMD_WRITE);
	return r;
}

/* Hands on a piece of the reply under way. */
static void
backend_deliver(struct backend *b, const char *p, size_t n, bool done)
{
	struct resp_reply *head = &b->reply;
	struct req *r = TAILQ_FIRST(&b->unanswered);

	if (head->type == '>') {
		b->ops->on_push(b->arg, p, n);
		return;
	}
	if (head->type == '-' && (!done || buf_len(&b->error) > 0)) {
		buf_add(&b->error, p, n);
		if (!done)
			return;
		p = buf_data(&b->error);
		n = buf_len(&b->error);
	}
	if (done) {
		backend_pop(b);
		r->state = REQ_DONE;
	}
	b->ops->on_reply(b->arg, r, head, p, n, done);
	if (done)
		buf_free(&b->error);
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
		used = resp_reply(&b->reply, p, n, &done);
		if (used == RESP_BAD || (b->reply.type != '>' &&
		    TAILQ_EMPTY(&b->unanswered))) {
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

static const struct conn_ops backend_conn_ops = {
	.on_data = backend_on_data,
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
	buf_free(&b->error);
	buf_free(&b->kept);
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
backend_idle(const struct backend *b)
{
	return TAILQ_EMPTY(&b->unanswered);
}

bool
backend_keyed(const struct backend *b)
{
	return b->keyed > 0;
}

void
backend_send(struct backend *b, struct req *r)
{
	assert(b->mode == BACKEND_PAIRED);
	r->state = REQ_SENT;
	r->sent_from = b->queued;
	b->queued += r->len;
	TAILQ_INSERT_TAIL(&b->unanswered, r, of_backend);
	if (r->class != CMD_ANY)
		b->keyed++;
	stats.writes_sent += r->class == CMD_WRITE;
	if (backend_counts(r))
		gate_sent(b->gate, r->class == CMD_WRITE);
	conn_write(b->conn, r->bytes, r->len);
}

void
backend_send_raw(struct backend *b, const char *p, size_t n)
{
	b->queued += n;
	conn_write(b->conn, p, n);
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
	struct req *r = backend_pop(b);

	if (r != NULL)
		*maybe_ran = r->sent_from < conn_sent(b->conn);
	return r;
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
backend_pause(struct backend *b)
{
	b->choked = true;
	backend_on_gate(b);
}

void
backend_resume(struct backend *b)
{
	b->choked = false;
	backend_on_gate(b);
}
