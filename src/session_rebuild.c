/*
 * What brings a new connection to where a session is.
 */
#include <stdio.h>
#include <string.h>

#include "session_priv.h"

static void
session_make(const char *name, struct buf *b, long long argc,
    session_req_fn *fn, void *arg)
{
	const struct cmd *cmd = cmd_lookup(name, strlen(name), NULL, 0);
	struct req *r;

	r = req_new(cmd, REQ_SESSION, argc, buf_data(b), buf_len(b));
	/* It touches no key, whatever it repeats of the client's. */
	r->class = CMD_ANY;
	explicit_bzero(buf_data(b), buf_len(b));
	buf_free(b);
	fn(arg, r);
}

static void
session_select(const struct session *s, session_req_fn *fn, void *arg)
{
	struct buf b = BUF_INIT;
	char number[16];

	snprintf(number, sizeof(number), "%d", s->db);
	resp_add_command(&b, "SELECT", number, NULL);
	session_make("select", &b, 2, fn, arg);
}

/* Nothing without a password: every connection is the default user's then. */
static void
session_auth(const char *user, const char *password, int proto,
    session_req_fn *fn, void *arg)
{
	struct buf b = BUF_INIT;

	if (proto == 3 && password != NULL) {
		resp_add_command(&b, "HELLO", "3", "AUTH", user != NULL ?
		    user : "default", password, NULL);
		session_make("hello", &b, 5, fn, arg);
	} else if (proto == 3) {
		resp_add_command(&b, "HELLO", "3", NULL);
		session_make("hello", &b, 2, fn, arg);
	} else if (password != NULL && user != NULL) {
		resp_add_command(&b, "AUTH", user, password, NULL);
		session_make("auth", &b, 3, fn, arg);
	} else if (password != NULL) {
		resp_add_command(&b, "AUTH", password, NULL);
		session_make("auth", &b, 2, fn, arg);
	}
}

void
session_greet(const struct session *s, session_req_fn *fn, void *arg)
{
	bool first = s->db != 0 && s->db_first;

	/*
	 * A wrong password may get no answer behind others (see
	 * pool_shared_idle()), so it is tried before them, too.
	 */
	if (first) {
		session_auth(s->user, s->password, 2, fn, arg);
		session_auth(s->db_user != NULL ? s->db_user : "default",
		    s->db_password != NULL ? s->db_password : "", 2, fn, arg);
		session_select(s, fn, arg);
	}
	session_auth(s->user, s->password, s->proto, fn, arg);
	if (s->db != 0 && !first)
		session_select(s, fn, arg);
}

static void
session_subscribe(const struct session *s, enum pubsub_kind kind,
    session_req_fn *fn, void *arg)
{
	const char *name = pubsub_command_name(kind);
	struct buf b = BUF_INIT;
	struct req *r;

	if (!pubsub_command(&s->subs, kind, &b))
		return;
	r = req_new(cmd_lookup(name, strlen(name), NULL, 0), REQ_SESSION,
	    (long long)pubsub_count(&s->subs, kind) + 1, buf_data(&b),
	    buf_len(&b));
	r->class = CMD_ANY;
	r->fenced = true;
	buf_free(&b);
	fn(arg, r);
}

void
session_replay(const struct session *s, session_req_fn *fn, void *arg)
{
	struct buf b = BUF_INIT;
	const struct req *r;
	enum pubsub_kind kind;

	for (kind = 0; kind < PUBSUB_KINDS; kind++)
		session_subscribe(s, kind, fn, arg);
	if (session_redirect(s) > 0)
		return;
	if (s->tracking != NULL)
		fn(arg, req_again(s->tracking));
	if (s->caching != NULL)
		fn(arg, req_again(s->caching));
	TAILQ_FOREACH(r, &s->tx, of_client)
		fn(arg, req_again(r));
	if (s->monitors) {
		resp_add_command(&b, "MONITOR", NULL);
		session_make("monitor", &b, 1, fn, arg);
	}
}

void
session_track_again(struct session *s, session_req_fn *fn, void *arg)
{
	struct req *r;

	fn(arg, req_again(s->tracking));
	if (s->caching != NULL)
		fn(arg, req_again(s->caching));
	while ((r = TAILQ_FIRST(&s->tx)) != NULL) {
		TAILQ_REMOVE(&s->tx, r, of_client);
		fn(arg, r);
	}
	s->in_tx = false;
}
