#include "session_priv.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "stats.h"

/* Who says more at HELLO is taken for one with a password. */
#define SESSION_HELLO_ARGS	16

void
session_init(struct session *s)
{
	memset(s, 0, sizeof(*s));
	s->proto = 2;
	TAILQ_INIT(&s->tx);
}

static void
session_forget_tx(struct session *s)
{
	struct req *r;

	while ((r = TAILQ_FIRST(&s->tx)) != NULL) {
		TAILQ_REMOVE(&s->tx, r, of_client);
		req_free(r);
	}
	s->in_tx = false;
	s->watching = false;
	s->exec = SESSION_EXEC_RUN;
}

static void
session_set_req(struct req **field, struct req *r)
{
	if (*field != NULL)
		req_free(*field);
	*field = r;
}

void
session_set(char **field, char *value)
{
	free(*field);
	*field = value;
}

void
session_set_name(struct session *s, char *name)
{
	if (name != NULL && *name == '\0') {
		free(name);
		name = NULL;
	}
	session_set(&s->name, name);
}

static void
session_set_secret(char **field, char *value)
{
	if (*field != NULL)
		explicit_bzero(*field, strlen(*field));
	session_set(field, value);
}

void
session_clear(struct session *s)
{
	session_forget_tx(s);
	pubsub_clear(&s->subs);
	session_set_req(&s->tracking, NULL);
	session_set_req(&s->caching, NULL);
	session_set(&s->user, NULL);
	session_set_secret(&s->password, NULL);
	session_set(&s->db_user, NULL);
	session_set_secret(&s->db_password, NULL);
	session_set(&s->name, NULL);
	session_set(&s->lib_name, NULL);
	session_set(&s->lib_ver, NULL);
}

char *
session_arg(const struct req *r, long long i)
{
	struct resp_arg a;

	if (i >= r->argc)
		return NULL;
	a = resp_request_arg(r->bytes, r->len, i);
	return xstrndup(a.p, a.len);
}

bool
session_arg_is(const struct req *r, long long i, const char *word)
{
	struct resp_arg a;

	if (i >= r->argc)
		return false;
	a = resp_request_arg(r->bytes, r->len, i);
	return a.len == strlen(word) && strncasecmp(a.p, word, a.len) == 0;
}

static long long
session_arg_number(const struct req *r, long long i, long long otherwise)
{
	struct resp_arg a;
	long long n;

	if (i >= r->argc)
		return otherwise;
	a = resp_request_arg(r->bytes, r->len, i);
	return util_number(a.p, a.len, &n) ? n : otherwise;
}

bool
session_changes(const struct req *r)
{
	switch (r->cmd->special) {
	case CMD_AUTH:
	case CMD_HELLO:
	case CMD_SELECT:
	case CMD_RESET:
		return true;
	default:
		return false;
	}
}

void
session_on_sent(struct session *s, const struct req *r)
{
	session_set_req(&s->caching, NULL);
	if (r->kind != REQ_ONE)
		return;
	switch (r->cmd->special) {
	case CMD_MULTI:
		s->in_tx = true;
		break;
	case CMD_EXEC:
	case CMD_DISCARD:
	case CMD_RESET:
		s->in_tx = false;
		break;
	default:
		break;
	}
}

static void
session_on_select(struct session *s, const struct req *r)
{
	s->db = (int)session_arg_number(r, 1, s->db);
	s->db_first = false;
	session_set(&s->db_user, NULL);
	session_set_secret(&s->db_password, NULL);
}

static bool
session_same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* AUTH with a password alone is the default user's. */
static bool
session_same_user(const char *a, const char *b)
{
	return strcmp(a != NULL ? a : "default", b != NULL ? b :
	    "default") == 0;
}

/*
 * It is that user from now on; takes both over. Its database was selected by
 * the one before, if that was somebody else.
 */
static void
session_become(struct session *s, char *user, char *password)
{
	if (s->db != 0 && !s->db_first && !session_same_user(s->user, user)) {
		s->db_first = true;
		s->db_user = s->user;
		s->db_password = s->password;
		s->user = s->password = NULL;
	}
	session_set(&s->user, user);
	session_set_secret(&s->password, password);
}

static void
session_on_auth(struct session *s, const struct req *r)
{
	if (r->argc > 2)
		session_become(s, session_arg(r, 1), session_arg(r, 2));
	else
		session_become(s, NULL, session_arg(r, 1));
}

/* HELLO [protover [AUTH user password] [SETNAME name]] */
static void
session_on_hello(struct session *s, const struct req *r)
{
	long long i;

	s->proto = (int)session_arg_number(r, 1, s->proto);
	if (s->proto < 3)
		s->told = SESSION_UNTOLD;
	for (i = 2; i < r->argc; i++) {
		if (session_arg_is(r, i, "AUTH") && i + 2 < r->argc) {
			session_become(s, session_arg(r, i + 1),
			    session_arg(r, i + 2));
			i += 2;
		} else if (session_arg_is(r, i, "SETNAME")) {
			session_set_name(s, session_arg(r, i + 1));
			i++;
		}
	}
}

static void
session_on_reset(struct session *s)
{
	bool next_begun = s->in_tx;

	session_clear(s);
	s->in_tx = next_begun;
	s->proto = 2;
	s->db = 0;
	s->db_first = false;
	s->told = SESSION_UNTOLD;
	s->monitors = false;
}

/* Copies arguments; returns how many. */
static long long
session_add_args(struct buf *b, const struct req *r, long long i, long long n)
{
	struct resp_arg a;
	long long end = i + n;

	for (; i < end; i++) {
		a = resp_request_arg(r->bytes, r->len, i);
		resp_add_bulk(b, a.p, a.len);
	}
	return n;
}

/* Is it one of its prefixes? Without p: has it any? */
static bool
session_names_prefix(const struct req *r, const struct resp_arg *p)
{
	struct resp_arg a;
	long long i;

	for (i = 3; i + 1 < r->argc; i++) {
		if (!session_arg_is(r, i, "PREFIX"))
			continue;
		a = resp_request_arg(r->bytes, r->len, ++i);
		if (p == NULL || (a.len == p->len &&
		    memcmp(a.p, p->p, a.len) == 0))
			return true;
	}
	return false;
}

/* The request, with the other prefixes of an earlier one: they go on. */
static struct req *
session_with_prefixes(const struct req *r, const struct req *old)
{
	struct buf args = BUF_INIT, all = BUF_INIT;
	struct resp_arg a;
	struct req *both;
	long long i, n = session_add_args(&args, r, 0, r->argc);

	for (i = 3; i + 1 < old->argc; i++) {
		if (!session_arg_is(old, i, "PREFIX"))
			continue;
		a = resp_request_arg(old->bytes, old->len, i + 1);
		if (!session_names_prefix(r, &a))
			n += session_add_args(&args, old, i, 2);
		i++;
	}
	resp_add_array(&all, (size_t)n);
	buf_add(&all, buf_data(&args), buf_len(&args));
	both = req_new(r->cmd, REQ_SESSION, n, buf_data(&all), buf_len(&all));
	buf_free(&args);
	buf_free(&all);
	return both;
}

static void
session_on_tracking(struct session *s, const struct req *r)
{
	if (r->meant != NULL)
		r = r->meant;
	session_set_req(&s->tracking, !session_arg_is(r, 2, "ON") ? NULL :
	    s->tracking != NULL && session_names_prefix(r, NULL) ?
	    session_with_prefixes(r, s->tracking) : req_again(r));
}

void
session_learn(struct session *s, const struct req *r)
{
	switch (r->cmd->special) {
	case CMD_AUTH:
		session_on_auth(s, r);
		break;
	case CMD_HELLO:
		session_on_hello(s, r);
		break;
	case CMD_SELECT:
		session_on_select(s, r);
		break;
	case CMD_RESET:
		session_on_reset(s);
		break;
	case CMD_WATCH:
		s->watching = true;
		break;
	case CMD_UNWATCH:
		s->watching = false;
		s->exec = SESSION_EXEC_RUN;
		break;
	case CMD_CACHING:
		session_set_req(&s->caching, req_again(r));
		break;
	case CMD_TRACKING:
		session_on_tracking(s, r);
		break;
	default:
		break;
	}
}

void
session_on_subscribed(struct session *s, enum pubsub_event e,
    enum pubsub_kind kind, struct resp_arg name)
{
	if (name.p == NULL)
		return;
	if (e == PUBSUB_ADDED)
		pubsub_add(&s->subs, kind, name);
	else
		pubsub_remove(&s->subs, kind, name);
}

bool
session_listens(const struct session *s)
{
	return s->tracking != NULL || s->heard_for || s->monitors ||
	    !pubsub_empty(&s->subs);
}

int
session_queued(const struct session *s)
{
	const struct req *r;
	int n = -1;

	TAILQ_FOREACH(r, &s->tx, of_client)
		n++;
	return s->in_tx && n < 0 ? 0 : n;
}

/* The argument of CLIENT TRACKING that is this word, or 0. */
static long long
session_tracking_arg(const struct session *s, const char *word)
{
	long long i;

	for (i = 3; s->tracking != NULL && i < s->tracking->argc; i++)
		if (session_arg_is(s->tracking, i, word))
			return i;
	return 0;
}

long long
session_redirect(const struct session *s)
{
	long long i = session_tracking_arg(s, "REDIRECT");

	return s->tracking == NULL ? -1 : i == 0 ? 0 :
	    session_arg_number(s->tracking, i + 1, 0);
}

bool
session_tracks_all(const struct session *s)
{
	return session_tracking_arg(s, "BCAST") != 0;
}

bool
session_only_listens(const struct session *s)
{
	return s->proto == 2 && !pubsub_empty(&s->subs);
}

bool
session_needs_own(const struct session *s)
{
	return s->in_tx || s->watching || s->exec != SESSION_EXEC_RUN ||
	    session_listens(s) || s->pinned || !TAILQ_EMPTY(&s->tx);
}

bool
session_same_key(const struct session *a, const struct session *b)
{
	return a->db == b->db && a->proto == b->proto &&
	    session_same_text(a->user, b->user) &&
	    session_same_text(a->password, b->password) &&
	    a->db_first == b->db_first &&
	    session_same_text(a->db_user, b->db_user) &&
	    session_same_text(a->db_password, b->db_password);
}

static char *
session_copy(const char *text)
{
	return text != NULL ? xstrdup(text) : NULL;
}

void
session_copy_key(struct session *to, const struct session *from)
{
	to->db = from->db;
	to->proto = from->proto;
	to->db_first = from->db_first;
	session_set(&to->user, session_copy(from->user));
	session_set_secret(&to->password, session_copy(from->password));
	session_set(&to->db_user, session_copy(from->db_user));
	session_set_secret(&to->db_password, session_copy(from->db_password));
}

bool
session_hello_auths(const struct req *r)
{
	long long i;

	for (i = 2; i < r->argc; i++)
		if (i > SESSION_HELLO_ARGS || session_arg_is(r, i, "AUTH"))
			return true;
	return false;
}

/* It is no command that Redis has: it left nothing in the connection. */
static bool
session_is_nobody(const struct resp_reply *head)
{
	static const char nobody[] = "-ERR unknown command";

	return strncmp(head->first, nobody, sizeof(nobody) - 1) == 0;
}

/*
 * Commands queued are kept whatever the answer was: those that were refused
 * make the EXEC fail, and must do so again.
 */
void
session_on_reply(struct session *s, const struct req *r,
    const struct resp_reply *head)
{
	enum cmd_special special = r->cmd->special;
	bool error = head->type == '-';
	struct req *copy;

	if ((r->cmd->flags & CMD_PINS) && !session_is_nobody(head)) {
		STATS_ADD(requests_unknown, cmd_is_unknown(r->cmd));
		s->pinned = true;
	}
	if (special == CMD_EXEC || special == CMD_DISCARD)
		session_on_discarded(s);
	else if (r->in_tx && (special != CMD_MULTI || !error)) {
		copy = req_again(r);
		TAILQ_INSERT_TAIL(&s->tx, copy, of_client);
	} else if (!error)
		session_learn(s, r);
}

void
session_on_discarded(struct session *s)
{
	bool next_begun = s->in_tx;

	session_forget_tx(s);
	s->in_tx = next_begun;
}

void
session_on_lost(struct session *s)
{
	s->in_tx = !TAILQ_EMPTY(&s->tx);
	if (s->watching && s->exec == SESSION_EXEC_RUN)
		s->exec = SESSION_EXEC_NIL;
}

void
session_on_dropped(struct session *s)
{
	s->exec = SESSION_EXEC_ABORT;
}
