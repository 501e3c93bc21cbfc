#include "req.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "resp.h"

/* A longer read is not kept for repeating. */
#define REQ_REPEAT_MAX	(32 * 1024)

/* Options are sought among so many arguments, which are walked each time. */
#define REQ_OPTIONS	32

/*
 * Small ones come and go once a request: they are kept for the next. One
 * thread's are its own.
 */
#define REQ_SMALL	(320 - sizeof(struct req) - 1)
#define REQ_KEPT	1024

static _Thread_local struct {
	struct req	*first;		/* linked by of_client */
	unsigned	 n;
} req_kept;

static inline struct req *
req_alloc(size_t len)
{
	struct req *r = req_kept.first;

	if (len > REQ_SMALL)
		return xmalloc(sizeof(*r) + len + 1);
	if (r == NULL)
		return xmalloc(sizeof(*r) + REQ_SMALL + 1);
	req_kept.first = TAILQ_NEXT(r, of_client);
	req_kept.n--;
	return r;
}

static inline struct req *
req_make(const struct cmd *cmd, const char *p, size_t len)
{
	struct req *r = req_alloc(len);

	memset(r, 0, sizeof(*r));
	r->cmd = cmd;
	r->class = cmd->class;
	r->len = len;
	memcpy(r->bytes, p, len);
	r->bytes[len] = '\0';
	return r;
}

struct req *
req_new(const struct cmd *cmd, enum req_from from, long long argc,
    const char *p, size_t len)
{
	struct req *r = req_make(cmd, p, len);

	r->from = from;
	r->argc = argc;
	r->n = 1;
	r->writes = cmd->class == CMD_WRITE;
	r->script = (cmd->flags & CMD_SCRIPT) != 0;
	r->blocks = (cmd->flags & CMD_BLOCKS) && (!(cmd->flags & CMD_OPTION) ||
	    req_block_at(r) != 0);
	return r;
}

struct req *
req_several(enum req_kind kind, const struct cmd *first,
    enum cmd_class class, unsigned n, unsigned writes, const char *p,
    size_t len)
{
	struct req *r = req_make(first, p, len);

	r->kind = kind;
	r->class = class;
	r->n = n;
	r->writes = writes;
	return r;
}

void
req_free(struct req *r)
{
	if (r->reply.mem != NULL)
		buf_free(&r->reply);
	if (r->meant != NULL)
		req_free(r->meant);
	/* It may be one that carries a password. */
	if (r->cmd->special == CMD_AUTH || r->cmd->special == CMD_HELLO)
		explicit_bzero(r->bytes, r->len);
	if (r->len > REQ_SMALL || req_kept.n == REQ_KEPT) {
		free(r);
		return;
	}
	r->of_client.tqe_next = req_kept.first;
	req_kept.first = r;
	req_kept.n++;
}

void
req_forget(void)
{
	struct req *r;

	while ((r = req_kept.first) != NULL) {
		req_kept.first = TAILQ_NEXT(r, of_client);
		free(r);
	}
	req_kept.n = 0;
}

void
req_split(const struct req *r, struct req_list *out)
{
	struct resp_request f = { 0 };
	const char *p = r->bytes, *end = r->bytes + r->len;
	const struct cmd *cmd;
	struct req *one;
	long long len;
	unsigned i;

	for (i = 0; i < r->n; i++, p += len) {
		len = resp_request(&f, p, (size_t)(end - p));
		assert(len > 0);
		if (i < r->answered)
			continue;
		cmd = cmd_lookup(p + f.name_off, f.name_len,
		    f.argc > 1 ? p + f.sub_off : NULL, f.sub_len);
		one = req_new(cmd, r->from, f.argc, p, (size_t)len);
		one->owner = r->owner;
		one->state = r->state;
		one->held = r->held;
		one->silent = r->silent;
		one->since = r->since;
		one->sent_from = r->sent_from + (uint64_t)(p - r->bytes);
		one->partly = r->partly && i == r->answered;
		TAILQ_INSERT_TAIL(out, one, of_client);
	}
}

static bool
req_arg_is(const struct req *r, long long i, const char *word)
{
	struct resp_arg a = resp_request_arg(r->bytes, r->len, i);

	return a.len == strlen(word) && strncasecmp(a.p, word, a.len) == 0;
}

long long
req_block_at(const struct req *r)
{
	long long i;

	for (i = 1; i + 1 < r->argc; i++) {
		if (i >= REQ_OPTIONS)
			return -1;
		if (req_arg_is(r, i, "STREAMS"))
			return 0;
		if (req_arg_is(r, i, "BLOCK"))
			return i + 1;
		if (req_arg_is(r, i, "GROUP"))
			i += 2;
		else if (req_arg_is(r, i, "COUNT") || req_arg_is(r, i, "CLAIM"))
			i++;
	}
	return 0;
}

struct req *
req_split_done(struct req *r)
{
	struct resp_request f = { 0 };
	const char *p = r->bytes, *end = r->bytes + r->len;
	const struct cmd *cmd;
	enum cmd_class class = r->class;
	struct req *done;
	unsigned i, writes = 0;
	long long len;

	for (i = 0; i < r->answered; i++, p += len) {
		len = resp_request(&f, p, (size_t)(end - p));
		assert(len > 0);
		cmd = cmd_lookup(p + f.name_off, f.name_len,
		    f.argc > 1 ? p + f.sub_off : NULL, f.sub_len);
		writes += cmd->class == CMD_WRITE;
	}
	if (class == CMD_WRITE && writes == 0)
		class = CMD_READ;
	done = req_several(REQ_RUN, r->cmd, class, r->answered, writes,
	    r->bytes, (size_t)(p - r->bytes));
	done->owner = r->owner;
	done->state = REQ_DONE;
	done->held = r->held;
	done->silent = r->silent;
	done->since = r->since;
	done->script = r->script;
	done->reply = r->reply;
	r->reply = (struct buf)BUF_INIT;
	return done;
}

struct req *
req_again(const struct req *r)
{
	struct req *again = req_new(r->cmd, REQ_SESSION, r->argc, r->bytes,
	    r->len);

	/* To queue it once more touches no key. */
	again->class = CMD_ANY;
	return again;
}

bool
req_repeatable(const struct req *r)
{
	return r->class != CMD_WRITE && !r->partly && !r->passed &&
	    r->len <= REQ_REPEAT_MAX;
}
