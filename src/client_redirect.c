/*
 * CLIENT TRACKING ... REDIRECT names another client, by the id that CLIENT
 * ID told it: Holdover's. Redis has to be told what it calls the connection
 * of that client, which must have one of its own from then on.
 *
 *	NOT_ASKED --all threads are asked--> ASKED --answer--> TOLD --sent-->
 *	NOT_ASKED
 *
 * When the one that tracks has another connection, the other is asked for
 * once more, and told that all it has cached is stale.
 */
#include "client_priv.h"

#include <inttypes.h>
#include <string.h>

/* No connection's: Redis has the words for that. */
#define CLIENT_NOBODY	INT64_MAX

/* Where the id stands in the request; 0: nowhere, or it is none. */
static long long
client_redirect_at(const struct req *r, uint64_t *id)
{
	struct resp_arg a;
	long long i, n;

	for (i = 3; i + 1 < r->argc; i++) {
		if (session_arg_is(r, i, "PREFIX"))
			i++;
		else if (session_arg_is(r, i, "REDIRECT")) {
			a = resp_request_arg(r->bytes, r->len, i + 1);
			if (!util_number(a.p, a.len, &n) || n <= 0)
				return 0;
			*id = (uint64_t)n;
			return i + 1;
		}
	}
	return 0;
}

bool
client_redirect_ready(struct client *c, struct req *r)
{
	uint64_t id;

	if (c->redirect == CLIENT_TOLD && r->meant != NULL) {
		c->redirect = CLIENT_NOT_ASKED;
		if (c->redirect_side == pool_link_side(c->link))
			return true;
	}
	if (client_redirect_at(r->meant != NULL ? r->meant : r, &id) == 0)
		return true;
	if (c->redirect == CLIENT_ASKED || TAILQ_FIRST(&c->reqs) != r)
		return false;
	c->redirect = CLIENT_ASKED;
	c->redirect_side = pool_link_side(c->link);
	c->env->find(c->env, c, id, c->redirect_side, r->silent);
	return false;
}

/* The same for Redis; takes the place of r. */
static void
client_redirect_to(struct client *c, struct req *r, uint64_t id)
{
	struct req *meant = r->meant != NULL ? r->meant : r, *told;
	struct buf b = BUF_INIT;
	struct resp_arg a;
	char number[24];
	uint64_t named;
	long long i, at = client_redirect_at(meant, &named);

	snprintf(number, sizeof(number), "%" PRIu64, id);
	resp_add_array(&b, (size_t)meant->argc);
	for (i = 0; i < meant->argc; i++) {
		a = resp_request_arg(meant->bytes, meant->len, i);
		if (i == at)
			resp_add_str(&b, number);
		else
			resp_add_bulk(&b, a.p, a.len);
	}
	told = req_new(meant->cmd, REQ_CLIENT, meant->argc, buf_data(&b),
	    buf_len(&b));
	buf_free(&b);
	told->meant = meant;
	client_stand_in(c, told, r);
	if (r != meant) {
		r->meant = NULL;
		req_free(r);
	}
	c->next = told;
}

void
client_found(struct client *c, uint64_t named, uint64_t id)
{
	struct req *r = c->next;
	uint64_t names;

	if (c->redirect != CLIENT_ASKED)
		return;
	c->redirect = CLIENT_NOT_ASKED;
	/* The one that asked may have waited too long. */
	if (r != NULL && r->cmd->special == CMD_TRACKING &&
	    client_redirect_at(r->meant != NULL ? r->meant : r, &names) != 0 &&
	    names == named) {
		client_redirect_to(c, r, id != 0 ? id : CLIENT_NOBODY);
		c->redirect = CLIENT_TOLD;
	}
	loop_defer(c->env->loop, &c->pump);
}

/* It is the one that another named. */
bool
client_be_found(struct client *c, enum side side, bool anew, uint64_t *id)
{
	*id = 0;
	if (c->state != CLIENT_OPEN && c->state != CLIENT_STREAM)
		return false;
	c->session.heard_for = true;
	if (c->link == NULL && c->listen == CLIENT_DEAF &&
	    gate_order(c->env->gate)->reads == side)
		client_own(c, side);
	if (c->link == NULL || !pool_link_own(c->link) ||
	    pool_link_lost(c->link) || pool_link_side(c->link) != side)
		return true;
	if (c->state == CLIENT_OPEN && c->listen == CLIENT_DEAF) {
		client_listen_learn(c);
		pool_ask_id(c->link);
	}
	if (c->listen == CLIENT_HEARS)
		*id = pool_link_id(c->link);
	if (*id != 0 && anew)
		client_listen_flush(c);
	return true;
}

/* ---- once more, by another connection ---- */

struct client_asks {
	struct client	*client;
	struct req	*before;	/* the first that waits, or NULL */
};

/* As if the client had asked it, unheard. */
static void
client_redirect_ask(void *arg, struct req *r)
{
	struct client_asks *a = arg;
	struct client *c = a->client;

	r->from = REQ_CLIENT;
	r->state = REQ_WAITING;
	r->owner = c;
	r->silent = true;
	r->since = loop_now(c->env->loop);
	if (a->before != NULL)
		TAILQ_INSERT_BEFORE(a->before, r, of_client);
	else
		TAILQ_INSERT_TAIL(&c->reqs, r, of_client);
	c->cost += req_cost(r);
}

void
client_redirect_again(struct client *c)
{
	struct client_asks a = { .client = c };

	if (session_redirect(&c->session) <= 0)
		return;
	TAILQ_FOREACH(a.before, &c->reqs, of_client)
		if (a.before->state == REQ_WAITING ||
		    a.before->state == REQ_BOUNCED)
			break;
	session_track_again(&c->session, client_redirect_ask, &a);
	client_listen_count(c);
	client_rewind(c);
	loop_defer(c->env->loop, &c->pump);
}

/* Until that is answered, nobody is told of what is written. */
bool
client_redirect_moves(const struct client *c)
{
	const struct req *r;

	if (session_redirect(&c->session) <= 0)
		return false;
	TAILQ_FOREACH(r, &c->reqs, of_client)
		if (r->silent && r->cmd->special == CMD_TRACKING)
			return true;
	return false;
}

/* Is it about to ask? Then for the newest one. */
static bool
client_redirect_asks(struct client *c)
{
	const struct req *r;

	TAILQ_FOREACH(r, &c->reqs, of_client)
		if (r->state == REQ_WAITING && r->silent &&
		    r->cmd->special == CMD_TRACKING) {
			c->redirect_side = SIDE_NONE;
			return true;
		}
	return false;
}

/*
 * What it has now is in the way of the same prefixes. In a transaction all
 * would only be queued.
 */
void
client_refind(struct client *c, uint64_t id)
{
	struct buf b = BUF_INIT;

	if (session_redirect(&c->session) != (long long)id ||
	    c->listen != CLIENT_HEARS || c->session.in_tx ||
	    c->link == NULL || pool_link_lost(c->link) ||
	    client_redirect_asks(c))
		return;
	resp_add_command(&b, "CLIENT", "TRACKING", "OFF", NULL);
	backend_send(pool_backend(c->link), req_new(cmd_lookup("client", 6,
	    "tracking", 8), REQ_SESSION, 3, buf_data(&b), buf_len(&b)));
	buf_free(&b);
	client_redirect_again(c);
}

/* Which id stands in what Redis was told? */
static bool
client_redirect_told_nobody(const struct req *r)
{
	uint64_t id = 0;

	return client_redirect_at(r, &id) != 0 && id == CLIENT_NOBODY;
}

static void
client_redirect_broken(struct client *c, uint64_t id)
{
	struct buf b = BUF_INIT;

	if (c->session.proto != 3)
		return;
	buf_addf(&b, ">2\r\n$21\r\ntracking-redir-broken\r\n:%" PRIu64
	    "\r\n", id);
	client_write(c, buf_data(&b), buf_len(&b));
	buf_free(&b);
}

/*
 * One that was asked again. What was written before Redis took it, it told
 * nobody of: all is stale once more. It does not take one for a connection
 * that the other has just left, but may the next; nor one for nobody.
 */
void
client_redirect_answered(struct client *c, const struct req *r, bool error)
{
	uint64_t id;

	if (!r->silent || r->meant == NULL ||
	    client_redirect_at(r->meant, &id) == 0 ||
	    session_redirect(&c->session) != (long long)id)
		return;
	if (!error)
		c->env->find(c->env, c, id, pool_link_side(c->link), true);
	else if (client_redirect_told_nobody(r))
		client_redirect_broken(c, id);
	else
		client_redirect_again(c);
}

/* ---- what Redis says of it ---- */

/* Whom the tracking of c was redirected to, behind that text. */
static bool
client_redirect_mend(const struct client *c, const char *p, size_t n,
    const char *field, struct buf *out)
{
	long long named = session_redirect(&c->session);
	const char *at = memmem(p, n, field, strlen(field)), *rest;

	if (named <= 0 || at == NULL)
		return false;
	at += strlen(field);
	rest = memchr(at, '\r', (size_t)(p + n - at));
	if (rest == NULL)
		return false;
	buf_add(out, p, (size_t)(at - p));
	buf_addf(out, "%lld", named);
	buf_add(out, rest, (size_t)(p + n - rest));
	return true;
}

void
client_mend_trackinginfo(const struct client *c, struct buf *reply)
{
	struct buf out = BUF_INIT;

	if (!client_redirect_mend(c, buf_data(reply), buf_len(reply),
	    "redirect\r\n:", &out))
		return;
	buf_free(reply);
	*reply = out;
}

bool
client_mend_push(const struct client *c, const char *p, size_t n,
    struct buf *out)
{
	static const char broken[] =
	    ">2\r\n$21\r\ntracking-redir-broken\r\n:";

	return n > sizeof(broken) && memcmp(p, broken, sizeof(broken) - 1) ==
	    0 && client_redirect_mend(c, p, n, broken, out);
}
