#include "client_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "pause.h"
#include "stats.h"

/*
 * A reply on a shared link that would leave more than this unread is asked
 * again on a link of the client's own, if it may be.
 */
#define CLIENT_RECALL		(1024 * 1024)

/* So many bytes are better sent than copied. */
#define CLIENT_AT_ONCE		(16 * 1024)

/* ---- answers ---- */

/* Its link may be read again. */
void
client_unchoke(struct client *c)
{
	struct pool_link *l = c->choked;

	c->choked = NULL;
	if (l != NULL)
		backend_resume(pool_backend(l));
}

/*
 * More than that is not read for it. On its own link nobody else waits, and
 * what is not read need not be copied either.
 */
static size_t
client_output_limit(const struct client *c)
{
	return conn_blocked(c->conn) && c->state == CLIENT_OPEN &&
	    c->link != NULL && pool_link_own(c->link) ? CLIENT_AT_ONCE :
	    c->env->output_limit;
}

void
client_write(struct client *c, const char *p, size_t n)
{
	/* Is it all of this turn, or much? */
	if (c->in_flight == 0 || n >= CLIENT_AT_ONCE)
		conn_write_now(c->conn, p, n);
	else
		conn_write(c->conn, p, n);
	if (conn_pending(c->conn) > client_output_limit(c) &&
	    c->link != NULL && c->choked == NULL) {
		c->choked = c->link;
		backend_pause(pool_backend(c->link), c);
		client_listen_count(c);
	}
}

/* The client's answer is Holdover's own; it goes out when it is its turn. */
void
client_answered(struct client *c, struct req *r)
{
	if (c->next == r)
		c->next = TAILQ_NEXT(r, of_client);
	c->cost += buf_len(&r->reply);
	r->state = REQ_DONE;
}

/* Hands out all answers whose turn has come. */
void
client_advance(struct client *c)
{
	struct req *r;

	while ((r = TAILQ_FIRST(&c->reqs)) != NULL && r->state == REQ_DONE) {
		if (buf_len(&r->reply) > 0 && !r->silent)
			client_write(c, buf_data(&r->reply),
			    buf_len(&r->reply));
		client_free_req(c, r);
	}
	if (c->session.told != SESSION_UNTOLD || c->failing > 0)
		client_tell(c, false);
	if (c->state == CLIENT_LEAVING)
		client_check_left(c);
}

/*
 * HELLO says which role the server has, and some clients refuse to write
 * to what calls itself a replica. It may have been answered by one.
 */
static void
client_mend_hello(struct buf *reply)
{
	static const char replica[] = "$4\r\nrole\r\n$7\r\nreplica\r\n";
	static const char primary[] = "$4\r\nrole\r\n$6\r\nmaster\r\n";
	struct buf out = BUF_INIT;
	char *p, *at;

	p = buf_data(reply);
	at = memmem(p, buf_len(reply), replica, sizeof(replica) - 1);
	if (at == NULL)
		return;
	buf_add(&out, p, (size_t)(at - p));
	buf_add(&out, primary, sizeof(primary) - 1);
	at += sizeof(replica) - 1;
	buf_add(&out, at, buf_len(reply) - (size_t)(at - p));
	buf_free(reply);
	*reply = out;
}

/*
 * INFO counts connections, and Redis' are not those of the clients: the
 * number is of CLIENT LIST's lines.
 */
static void
client_mend_info(struct buf *reply, const struct resp_reply *head)
{
	static const char field[] = "\r\nconnected_clients:";
	struct buf out = BUF_INIT;
	char *p = buf_data(reply), *end = p + buf_len(reply), *at, *rest;
	char number[24];
	int n;

	if ((head->type != '$' && head->type != '=') ||
	    (at = memmem(p, buf_len(reply), field, sizeof(field) - 1)) == NULL)
		return;
	at += sizeof(field) - 1;
	rest = memchr(at, '\r', (size_t)(end - at));
	p = (char *)memchr(p, '\n', (size_t)(end - p)) + 1;
	n = snprintf(number, sizeof(number), "%" PRIu64, stats_sum().clients);
	buf_addf(&out, "%c%zu\r\n", head->type, (size_t)(at - p) + (size_t)n +
	    (size_t)(end - rest) - 2);
	buf_add(&out, p, (size_t)(at - p));
	buf_add(&out, number, (size_t)n);
	buf_add(&out, rest, (size_t)(end - rest));
	buf_free(reply);
	*reply = out;
}

/* ---- several requests become single ones ---- */

static void
client_take_singles(struct client *c, struct req *r,
    struct req_list *singles)
{
	struct req *one, *first = TAILQ_FIRST(singles);

	while ((one = TAILQ_FIRST(singles)) != NULL) {
		TAILQ_REMOVE(singles, one, of_client);
		TAILQ_INSERT_BEFORE(r, one, of_client);
		c->cost += req_cost(one);
	}
	if (c->next == r)
		c->next = first;
	client_drop_req(c, r);
}

/* A run that waits. */
void
client_split(struct client *c, struct req *r)
{
	struct req_list singles = TAILQ_HEAD_INITIALIZER(singles);

	req_split(r, &singles);
	client_take_singles(c, r, &singles);
	req_free(r);
}

/* A run that is in flight. */
static void
client_on_split(void *arg, struct req *r, struct req_list *singles)
{
	struct client *c = arg;
	const struct req *one;
	struct req *done;

	/* It was not its turn: what is answered stands before the rest. */
	if (buf_len(&r->reply) > 0) {
		c->cost -= req_cost(r);
		done = req_split_done(r);
		TAILQ_INSERT_BEFORE(r, done, of_client);
		c->cost += req_cost(r) + req_cost(done);
	}
	TAILQ_FOREACH(one, singles, of_client)
		c->in_flight++;
	c->in_flight--;
	client_take_singles(c, r, singles);
}

/* ---- refusals of a Redis in the wrong role ---- */

/* What stands behind a bounced request ran, and running it twice shows? */
static bool
client_ran_behind(const struct client *c)
{
	const struct req *r;
	bool behind = false;

	TAILQ_FOREACH(r, &c->reqs, of_client) {
		if (r->state == REQ_BOUNCED)
			behind = true;
		else if (behind && r->state == REQ_DONE &&
		    (r->class == CMD_WRITE || session_changes(r)))
			return true;
	}
	return false;
}

/*
 * All that was sent has been answered, and some of it was bounced: put the
 * bounced ones, and the reads behind them, back to wait; unless something
 * behind them did run, when order forbids it.
 */
void
client_settle_bounced(struct client *c)
{
	bool pass = client_ran_behind(c);
	struct req *r, *first = NULL;

	TAILQ_FOREACH(r, &c->reqs, of_client) {
		if (r->state == REQ_WAITING)
			break;
		if (first == NULL && r->state != REQ_BOUNCED)
			continue;
		if (r->class == CMD_LOCAL)
			continue;
		if (pass) {
			stats.bounce_passed += r->state == REQ_BOUNCED;
			r->state = REQ_DONE;
			continue;
		}
		if (r->state == REQ_BOUNCED)
			client_unsend_refused(c, r);
		else
			client_unsend(c, r);
		if (first == NULL)
			first = r;
	}
	c->bounced = 0;
	if (first != NULL)
		c->next = first;
	client_advance(c);
	if (first != NULL && c->state != CLIENT_DEAD) {
		hold_add(c->env->hold, &c->waiter);
		client_account(c);
	}
}

/* It did not run; unless something behind it did, it is asked again. */
static void
client_put_back(struct client *c, struct req *r, const char *p, size_t n)
{
	buf_add(&r->reply, p, n);
	c->cost += n;
	r->state = REQ_BOUNCED;
	c->bounced++;
}

static bool
client_is_bounce(const struct client *c, const struct resp_reply *head)
{
	return backend_is_bounce(pool_backend(c->link), head);
}

static void
client_bounce(struct client *c, struct req *r, const struct resp_reply *head,
    const char *p, size_t n)
{
	stats.bounced++;
	if (head->first[1] == 'U')
		c->unblocked = true;
	gate_report(c->env->gate, pool_link_side(c->link), GATE_BOUNCED);
	client_put_back(c, r, p, n);
}

/* ---- large replies ---- */

/*
 * May all that is in flight be asked once more? Only where nothing changes,
 * and nothing was passed on of the reply that has begun.
 */
static bool
client_may_recall(const struct client *c)
{
	const struct req *r;

	if (c->state != CLIENT_OPEN || c->bounced > 0)
		return false;
	TAILQ_FOREACH(r, &c->reqs, of_client) {
		if (r->state == REQ_WAITING)
			return true;
		if (r->state != REQ_SENT || r->class == CMD_WRITE ||
		    r->class == CMD_LOCAL || r->partly ||
		    buf_len(&r->reply) > 0 || session_changes(r))
			return false;
	}
	return true;
}

/* Nobody waits for what the link answers; all is asked once more. */
static void
client_recall(struct client *c)
{
	struct req_list singles = TAILQ_HEAD_INITIALIZER(singles);
	struct req *r, *one;

	while ((r = TAILQ_FIRST(&c->reqs)) != NULL && r->state == REQ_SENT) {
		stats.recalled += r->n - r->answered;
		req_split(r, &singles);
		client_drop_req(c, r);
		r->from = REQ_NOBODY;
	}
	while ((one = TAILQ_LAST(&singles, req_list)) != NULL) {
		TAILQ_REMOVE(&singles, one, of_client);
		TAILQ_INSERT_HEAD(&c->reqs, one, of_client);
		one->state = REQ_WAITING;
		c->cost += req_cost(one);
	}
	c->next = TAILQ_FIRST(&c->reqs);
	c->in_flight = 0;
	client_unchoke(c);
	c->link = NULL;
	loop_defer(c->env->loop, &c->pump);
}

/*
 * A large reply on a shared link: the next come by a link of its own; and
 * this one too, if its client might not read it as fast as it comes.
 */
static bool
client_takes_large(struct client *c, const struct req *r,
    const struct resp_reply *head)
{
	size_t size = conn_pending(c->conn) + (size_t)head->bulk;

	if (size <= CLIENT_LARGE || r->silent)
		return false;
	c->heavy = CLIENT_HEAVY;
	if (size <= CLIENT_RECALL || pool_link_own(c->link) ||
	    TAILQ_FIRST(&c->reqs) != r || !client_may_recall(c))
		return false;
	client_recall(c);
	return true;
}

/* ---- replies ---- */

static void
client_forget_user(struct client *c)
{
	if (c->user != NULL)
		pool_user_put(c->user);
	c->user = NULL;
}

static void
client_on_done(struct client *c, struct req *r, const struct resp_reply *head)
{
	if (head->type != '-' || r->n > 1)
		STATS_ADD(writes_acked, r->writes);
	if (r->kind != REQ_ONE || (r->cmd->special == CMD_PLAIN && !r->in_tx &&
	    (r->cmd->flags & (CMD_LISTENS | CMD_PINS)) == 0))
		return;
	if (r->cmd->special == CMD_EXEC && session_awaits_exec(&c->session)) {
		c->cost -= buf_len(&r->reply);
		session_on_exec(&c->session, c->id, &r->reply);
		c->cost += buf_len(&r->reply);
		client_forget_user(c);
		client_name_lost(c);
	}
	session_on_reply(&c->session, r, head);
	if (r->cmd->special == CMD_TRACKING)
		client_redirect_answered(c, r, head->type == '-');
	if (head->type != '-' && !r->in_tx)
		client_script_learn(c, r);
	client_listen_learn(c);
	if (session_changes(r)) {
		client_forget_user(c);
		client_name_lost(c);
	}
	if (r->silent)
		return;
	c->cost -= buf_len(&r->reply);
	if (r->cmd->special == CMD_HELLO)
		client_mend_hello(&r->reply);
	else if (r->cmd->special == CMD_INFO && !r->in_tx)
		client_mend_info(&r->reply, head);
	else if (r->cmd->special == CMD_TRACKINGINFO && !r->in_tx)
		client_mend_trackinginfo(c, &r->reply);
	else if (r->cmd->special == CMD_CLIENT_UNPAUSE && !r->in_tx &&
	    head->type != '-')
		pause_end();
	c->cost += buf_len(&r->reply);
}

/* Is it kept until it is whole, or until its turn comes? */
static bool
client_keeps_reply(const struct client *c, const struct req *r,
    const struct resp_reply *head)
{
	if (TAILQ_FIRST(&c->reqs) != r)
		return true;
	if (r->kind != REQ_TX)
		return r->cmd->special == CMD_HELLO ||
		    ((r->cmd->special == CMD_INFO ||
		    r->cmd->special == CMD_TRACKINGINFO) && !r->in_tx) ||
		    (r->cmd->special == CMD_EXEC &&
		    session_awaits_exec(&c->session));
	/* Until EXEC's is there, Redis may still refuse all of it. */
	return r->refused || r->answered + (head->todo > 0) < r->n;
}

static void
client_pass(struct client *c, struct req *r, const struct resp_reply *head,
    const char *p, size_t n)
{
	if (r->silent)
		return;
	if (client_keeps_reply(c, r, head)) {
		buf_add(&r->reply, p, n);
		c->cost += n;
		return;
	}
	if (buf_len(&r->reply) > 0) {
		client_write(c, buf_data(&r->reply), buf_len(&r->reply));
		c->cost -= buf_len(&r->reply);
		buf_free(&r->reply);
	}
	if (n > 0)
		client_write(c, p, n);
	r->partly = head->todo > 0;
}

/* Nothing of it is in flight any more. */
static void
client_on_quiet(struct client *c)
{
	if (c->bounced > 0) {
		client_retry(c, pool_link_side(c->link));
		client_settle_bounced(c);
	}
	if (c->state == CLIENT_DEAD || c->link == NULL)
		return;
	if (!pool_link_own(c->link)) {
		client_unchoke(c);
		c->link = NULL;
		return;
	}
	if (c->next == NULL)
		client_release(c);
	client_listen_check(c);
}

/*
 * Redis refused one: false if its client is to be told. What was passed on as
 * it came is gone; any other waits, and is asked again.
 */
static bool
client_on_error(struct client *c, struct req *r,
    const struct resp_reply *head, const char *p, size_t n)
{
	struct req *again;

	if (r->passed && client_is_bounce(c, head)) {
		client_answer_lost(c, r);
		client_advance(c);
	} else if (r->refused || (r->kind == REQ_ONE &&
	    client_is_bounce(c, head)))
		client_bounce(c, r, head, p, n);
	else if ((again = client_script_again(c, r, head)) != NULL)
		client_put_back(c, again, p, n);
	else
		return false;
	return true;
}

/* One that blocks has written if it was served, not if its time was over. */
static void
client_on_served(struct client *c, const struct req *r, const char *p,
    size_t n)
{
	if (r->class == CMD_WRITE && r->cmd->special != CMD_WAIT &&
	    *p != '_' && !(n == 5 && memcmp(p + 1, "-1\r\n", 4) == 0))
		c->wrote = pool_link_number(c->link);
}

/* All of it is answered. */
static void
client_on_answer(struct client *c, struct req *r,
    const struct resp_reply *head, const char *p, size_t n)
{
	c->in_flight--;
	if (r->n == 1 && n > CLIENT_LARGE)
		c->heavy = CLIENT_HEAVY;
	else if (c->heavy > 0)
		c->heavy--;
	if (r->open) {
		/* It does not wait for the rest, and closes. */
		client_write(c, p, n);
		client_end(c, "Redis answered before the request was over");
		return;
	}
	if (head->type != '-' && client_is_permit(r))
		client_local(c, r);
	else if (head->type != '-' || !client_on_error(c, r, head, p, n)) {
		if (r->blocks)
			client_on_served(c, r, p, n);
		client_pass(c, r, head, p, n);
		client_on_done(c, r, head);
		client_advance(c);
	}
	if (c->state != CLIENT_DEAD && c->in_flight == 0)
		client_on_quiet(c);
	if (c->state != CLIENT_DEAD) {
		if (c->moves)
			client_listen_count(c);
		client_account(c);
		if (c->next != NULL)
			loop_defer(c->env->loop, &c->pump);
	}
}

static void
client_on_reply(void *arg, struct req *r, const struct resp_reply *head,
    const char *p, size_t n, bool done)
{
	struct client *c = arg;

	if (head->todo > 0 && client_takes_large(c, r, head))
		return;
	if (head->type == '-' && head->todo == 0 && r->kind == REQ_TX)
		r->refused |= client_is_bounce(c, head);
	if (done)
		client_on_answer(c, r, head, p, n);
	else if (!client_is_permit(r))
		client_pass(c, r, head, p, n);
}

/* ---- what else the pool says ---- */

static void
client_on_unwelcome(void *arg, const char *command, const char *answer)
{
	(void)command;
	(void)answer;
	client_cut(arg, "its session could not be rebuilt");
}

static void
client_on_slow(void *arg)
{
	client_cut(arg, "it did not read its replies, and others waited");
}

static void
client_on_idle(void *arg)
{
	struct client *c = arg;

	c->heavy = 0;
	client_release(c);
}

const struct pool_ops client_pool_ops = {
	.on_reply = client_on_reply,
	.on_split = client_on_split,
	.on_push = client_on_push,
	.on_back = client_on_back,
	.on_lost = client_on_lost,
	.on_unwelcome = client_on_unwelcome,
	.on_busy = client_on_busy,
	.on_room = client_on_room,
	.on_gate = client_on_gate,
	.on_slow = client_on_slow,
	.on_ready = client_on_ready,
	.on_id = client_on_id,
	.on_moved = client_on_moved,
	.on_idle = client_on_idle,
};
