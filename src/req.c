#include "req.h"

#include <stdlib.h>
#include <string.h>

/* A longer read is not kept for repeating. */
#define REQ_REPEAT_MAX	(32 * 1024)

struct req *
req_new(const struct cmd *cmd, enum req_from from, long long argc,
    const char *p, size_t len)
{
	struct req *r = xcalloc(1, sizeof(*r));

	r->cmd = cmd;
	r->class = cmd->class;
	r->from = from;
	r->argc = argc;
	r->len = len;
	r->bytes = xmalloc(len + 1);
	memcpy(r->bytes, p, len);
	r->bytes[len] = '\0';
	return r;
}

void
req_free(struct req *r)
{
	buf_free(&r->reply);
	/* It may be one that carries a password. */
	if (r->cmd->special == CMD_AUTH || r->cmd->special == CMD_HELLO)
		explicit_bzero(r->bytes, r->len);
	free(r->bytes);
	free(r);
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

size_t
req_cost(const struct req *r)
{
	return sizeof(*r) + r->len + buf_len(&r->reply);
}

bool
req_repeatable(const struct req *r)
{
	return r->class != CMD_WRITE && !r->partly && r->len <= REQ_REPEAT_MAX;
}
