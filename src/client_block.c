#include "client_block.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client_priv.h"

/* In which argument the time-out stands, and in which unit. */
struct block_form {
	const char	*name;
	int		 at;	/* from the end if negative; 0: behind BLOCK */
	bool		 ms;
};

static const struct block_form block_forms[] = {
	{ "blmove", -1, false },	{ "blmpop", 1, false },
	{ "blpop", -1, false },		{ "brpop", -1, false },
	{ "brpoplpush", -1, false },	{ "bzmpop", 1, false },
	{ "bzpopmax", -1, false },	{ "bzpopmin", -1, false },
	{ "wait", -1, true },		{ "waitaof", -1, true },
	{ "xread", 0, true },		{ "xreadgroup", 0, true },
};

static const struct block_form *
block_form(const struct req *r)
{
	size_t i;

	for (i = 0; i < sizeof(block_forms) / sizeof(block_forms[0]); i++)
		if (strcmp(block_forms[i].name, r->cmd->name) == 0)
			return &block_forms[i];
	return NULL;
}

/* Up to the next unit that is allowed, at least one of it. */
static long long
block_up(double left_ms, long long unit)
{
	long long n = left_ms > 0 ? (long long)left_ms / unit : 0;

	return (double)(n * unit) < left_ms || n == 0 ? n + 1 : n;
}

static void
block_text(char *text, size_t size, double left_ms, bool ms)
{
	if (ms)
		snprintf(text, size, "%lld", block_up(left_ms, 1));
	else if (text[strspn(text, "0123456789")] == '\0')
		snprintf(text, size, "%lld", block_up(left_ms, 1000));
	else
		snprintf(text, size, "%.3f",
		    (double)block_up(left_ms, 1) / 1000);
}

/* The time-out in ms, and where it stands; 0: none that counts. */
static double
block_timeout(const struct req *r, const struct block_form *f, long long *at,
    char *text, size_t size)
{
	struct resp_arg a;
	double timeout;
	char *end;

	if (f == NULL)
		return 0;
	*at = f->at > 0 ? f->at : f->at < 0 ? r->argc + f->at :
	    req_block_at(r);
	if (*at <= 0 || *at >= r->argc)
		return 0;
	a = resp_request_arg(r->bytes, r->len, *at);
	if (a.len == 0 || a.len >= size)
		return 0;
	memcpy(text, a.p, a.len);
	text[a.len] = '\0';
	timeout = strtod(text, &end);
	if (!f->ms)
		timeout *= 1000;
	return *end == '\0' && timeout > 0 && timeout < 1e15 ? timeout : 0;
}

struct req *
block_shorten(const struct req *r, int64_t passed_ms)
{
	const struct block_form *f = block_form(r);
	struct buf b = BUF_INIT;
	struct req *shorter;
	struct resp_arg a;
	const char *head, *rest;
	char text[64];
	long long at;
	double timeout;

	timeout = block_timeout(r, f, &at, text, sizeof(text));
	if (!(timeout > 0))
		return NULL;
	block_text(text, sizeof(text), timeout - (double)passed_ms, f->ms);

	/* All but that argument, and the line with its length, stays. */
	a = resp_request_arg(r->bytes, r->len, at);
	for (head = a.p - 2; head[-1] != '\n'; head--)
		continue;
	rest = a.p + a.len + 2;
	buf_add(&b, r->bytes, (size_t)(head - r->bytes));
	resp_add_str(&b, text);
	buf_add(&b, rest, r->len - (size_t)(rest - r->bytes));
	shorter = req_new(r->cmd, r->from, r->argc, buf_data(&b),
	    buf_len(&b));
	buf_free(&b);
	return shorter;
}

bool
block_is_over(const struct req *r, int64_t passed_ms)
{
	char text[64];
	long long at;
	double timeout = block_timeout(r, block_form(r), &at, text,
	    sizeof(text));

	return timeout > 0 && (double)passed_ms >= timeout;
}

void
block_time_out(const struct req *r, int proto, struct buf *out)
{
	if (r->cmd->special != CMD_WAIT) {
		resp_add_null_array(out, proto);
		return;
	}
	/* So many have confirmed, for all that is known. */
	if (strcmp(r->cmd->name, "waitaof") == 0) {
		resp_add_array(out, 2);
		resp_add_int(out, 0);
	}
	resp_add_int(out, 0);
}

bool
client_unblock(struct client *c, const char *how, const struct session *by)
{
	struct req *r = c->blocked;
	struct pool_user *u;
	struct pool_link *l;
	struct buf b = BUF_INIT;
	char id[24];

	/* In a switch it is blocked nowhere, and nobody is to see that. */
	if (r != NULL && r->state == REQ_WAITING) {
		client_drop_reply(c, r);
		if (strcmp(how, "ERROR") == 0)
			resp_add_error(&r->reply, "UNBLOCKED client unblocked "
			    "via CLIENT UNBLOCK");
		else
			block_time_out(r, c->session.proto, &r->reply);
		client_answered(c, r);
		client_advance(c);
		return true;
	}
	if (r == NULL || r->state != REQ_SENT ||
	    pool_link_lost(c->link) || pool_link_id(c->link) == 0)
		return false;
	u = pool_user_get(c->env->pool, by);
	l = pool_shared(u, pool_link_side(c->link));
	pool_user_put(u);
	if (l == NULL)
		return false;
	snprintf(id, sizeof(id), "%" PRIu64, pool_link_id(c->link));
	resp_add_command(&b, "CLIENT", "UNBLOCK", id, how, NULL);
	backend_send(pool_backend(l), req_new(cmd_lookup("client", 6,
	    "unblock", 7), REQ_SESSION, 4, buf_data(&b), buf_len(&b)));
	buf_free(&b);
	return true;
}
