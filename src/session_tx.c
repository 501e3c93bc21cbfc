/*
 * What a transaction's commands did to the session, told by EXEC's answer.
 */
#include "session.h"

#include <string.h>

/* Is its answer about the session, or is the answer not Redis' to give? */
static bool
session_tx_concerns(const struct req *r)
{
	return session_changes(r) || r->cmd->class == CMD_LOCAL ||
	    r->cmd->special == CMD_TRACKING ||
	    (r->cmd->flags & CMD_LISTENS) != 0;
}

bool
session_awaits_exec(const struct session *s)
{
	const struct req *r;

	TAILQ_FOREACH(r, &s->tx, of_client)
		if (session_tx_concerns(r))
			return true;
	return false;
}

/* SUBSCRIBE and its family are answered by what is a push elsewhere. */
static void
session_tx_listen(struct session *s, const char *p, size_t len)
{
	enum pubsub_kind kind;
	struct resp_arg name;
	enum pubsub_event e = pubsub_parse(p, len, &kind, &name);

	if (e == PUBSUB_ADDED || e == PUBSUB_REMOVED)
		session_on_subscribed(s, e, kind, name);
}

/* One answer of those in EXEC's; returns how long it is, 0 for none. */
static size_t
session_tx_one(struct session *s, uint64_t id, const struct req *r,
    const char *p, size_t len, struct buf *out)
{
	struct resp_reply one = { 0 };
	bool done = false;
	long long n = resp_reply(&one, p, len, &done);

	if (n <= 0 || !done)
		return 0;
	if (r->cmd->flags & CMD_LISTENS)
		session_tx_listen(s, p, (size_t)n);
	else if (one.type != '-' && session_tx_concerns(r)) {
		session_learn(s, r);
		if (session_answer(s, id, r, out))
			return (size_t)n;
	}
	buf_add(out, p, (size_t)n);
	return (size_t)n;
}

void
session_on_exec(struct session *s, uint64_t id, struct buf *reply)
{
	const char *p = buf_data(reply), *end = p + buf_len(reply);
	const char *line = memchr(p, '\n', buf_len(reply));
	const struct req *r = TAILQ_FIRST(&s->tx);
	struct buf out = BUF_INIT;
	size_t n;

	if (line == NULL || *p != '*')
		return;
	buf_add(&out, p, (size_t)(line + 1 - p));
	for (p = line + 1; p < end; p += n) {
		r = r != NULL ? TAILQ_NEXT(r, of_client) : NULL;
		if (r == NULL ||
		    (n = session_tx_one(s, id, r, p, (size_t)(end - p),
		    &out)) == 0) {
			buf_add(&out, p, (size_t)(end - p));
			break;
		}
	}
	buf_free(reply);
	*reply = out;
}
