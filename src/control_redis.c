/*
 * Orders to a Redis, each a few commands on its control link. An order ends
 * with a fresh INFO, or it has failed: also when the connection was lost on
 * the way, for then nobody knows what it did.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control_priv.h"
#include "log.h"

#define CONTROL_ORDER_MS	1000

struct control_order {
	LIST_ENTRY(control_order) link;
	struct control		*control;
	enum node_order_kind	 kind;
	enum side		 side;
	unsigned		 seq;
};

/* The order is over; only the newest for its Redis still counts. */
static void
control_order_end(struct control_order *o, bool ok, const char *why)
{
	struct control *c = o->control;

	if (!ok)
		log_warnx("control: an order to the Redis of node %s failed: "
		    "%s", c->node.conf.name[o->side], why);
	if (o->seq == c->order_seq[o->side]) {
		control_push(c, ok ? NODE_EV_ORDER_DONE :
		    NODE_EV_ORDER_FAILED, o->side);
		control_run(c);
	}
	LIST_REMOVE(o, link);
	free(o);
}

/* Their control links are gone, and with them their answers. */
void
control_orders_free(struct control *c)
{
	struct control_order *o;

	while ((o = LIST_FIRST(&c->orders)) != NULL) {
		LIST_REMOVE(o, link);
		free(o);
	}
}

static const char *
control_reply_text(const redisReply *reply)
{
	return reply == NULL ? "the connection was lost or the answer "
	    "did not come in time" : reply->type == REDIS_REPLY_ERROR ?
	    reply->str : "an answer that was not expected";
}

static void
control_on_order_info(struct redis *r, redisReply *reply, void *arg)
{
	struct control_order *o = arg;
	struct info info;

	if (reply == NULL || reply->type != REDIS_REPLY_STRING ||
	    !info_parse(reply->str, (size_t)reply->len, &info)) {
		control_order_end(o, false, control_reply_text(reply));
		return;
	}
	redis_set_info(r, &info);
	control_order_end(o, true, NULL);
}

static void
control_order_info(struct redis *r, struct control_order *o)
{
	redis_command(r, control_on_order_info, o, CONTROL_ORDER_MS, "INFO",
	    NULL);
}

/* For REPLICAOF: +OK, and then what it is now. */
static void
control_on_replicaof(struct redis *r, redisReply *reply, void *arg)
{
	struct control_order *o = arg;

	if (reply == NULL || reply->type == REDIS_REPLY_ERROR)
		control_order_end(o, false, control_reply_text(reply));
	else
		control_order_info(r, o);
}

/* ---- promote ---- */

/*
 * A delete of a key that does not exist writes nothing, but is refused by
 * whoever may not write. NOREPLICAS counts as writable: the other one is
 * attached right after.
 */
static void
control_on_probe(struct redis *r, redisReply *reply, void *arg)
{
	struct control_order *o = arg;

	if (reply == NULL || (reply->type == REDIS_REPLY_ERROR &&
	    (strncmp(reply->str, "READONLY", 8) == 0 ||
	    strncmp(reply->str, "LOADING", 7) == 0 ||
	    strncmp(reply->str, "MASTERDOWN", 10) == 0)))
		control_order_end(o, false, control_reply_text(reply));
	else
		control_order_info(r, o);
}

static void
control_on_promoted(struct redis *r, redisReply *reply, void *arg)
{
	struct control_order *o = arg;

	if (reply == NULL || reply->type == REDIS_REPLY_ERROR)
		control_order_end(o, false, control_reply_text(reply));
	else
		redis_command(r, control_on_probe, o, CONTROL_ORDER_MS,
		    "DEL", "holdover:probe", NULL);
}

/* At promotion the copy is read once more: it must be the one chosen. */
static void
control_on_before_promote(struct redis *r, redisReply *reply, void *arg)
{
	struct control_order *o = arg;
	const struct record *rec = &o->control->node.record;
	struct info info;

	if (reply == NULL || reply->type != REDIS_REPLY_STRING ||
	    !info_parse(reply->str, (size_t)reply->len, &info))
		control_order_end(o, false, control_reply_text(reply));
	else if (strcmp(info.run_id, rec->run[o->side]) != 0)
		control_order_end(o, false, "it has restarted meanwhile");
	else if (info.syncing || info.loading)
		control_order_end(o, false, "it is loading or syncing");
	else
		redis_command(r, control_on_promoted, o, CONTROL_ORDER_MS,
		    "REPLICAOF", "NO", "ONE", NULL);
}

/* ---- clean: nobody else's orders are under way any more ---- */

/*
 * The epoch in a control connection's name, "holdover:CLUSTER:NODE:EPOCH";
 * number 0 when the line of CLIENT LIST is of no such connection.
 */
static struct epoch
control_epoch_of(const char *line, const struct node *n)
{
	struct epoch e = { 0, SIDE_A };
	char prefix[RECORD_NAME + 32];
	const char *p, *colon;
	size_t len;

	snprintf(prefix, sizeof(prefix), " name=holdover:%s:",
	    n->record.cluster);
	if ((p = strstr(line, prefix)) == NULL ||
	    (colon = strchr(p += strlen(prefix), ':')) == NULL)
		return e;
	len = strlen(n->conf.name[SIDE_B]);
	if ((size_t)(colon - p) == len &&
	    memcmp(p, n->conf.name[SIDE_B], len) == 0)
		e.by = SIDE_B;
	e.number = strtoull(colon + 1, NULL, 10);
	return e;
}

static void
control_on_killed(struct redis *r, redisReply *reply, void *arg)
{
	(void)r;
	(void)reply;
	(void)arg;
}

/* Kills the connections of older leaders. False: there is a newer one. */
static bool
control_kill_older(struct redis *r, const struct node *n, char *list)
{
	struct epoch e;
	char *line, *next, id[32];
	bool newest = true;
	int cmp;

	for (line = list; line != NULL && *line != '\0'; line = next) {
		if ((next = strchr(line, '\n')) != NULL)
			*next++ = '\0';
		e = control_epoch_of(line, n);
		cmp = epoch_cmp(e, n->record.epoch);
		newest = newest && cmp <= 0;
		if (e.number == 0 || cmp >= 0 ||
		    sscanf(line, "id=%31[0-9]", id) != 1)
			continue;
		redis_command(r, control_on_killed, NULL, CONTROL_ORDER_MS,
		    "CLIENT", "KILL", "ID", id, NULL);
	}
	return newest;
}

/*
 * An answer to CLIENT LIST. Who may not ask for it cannot be told by it
 * either; that is for DOCTOR.
 */
static bool
control_take_list(struct control *c, enum side s, redisReply *reply)
{
	struct redis *r = c->redis[s];

	if (reply == NULL)
		return false;
	if (reply->type == REDIS_REPLY_STRING &&
	    !control_kill_older(r, &c->node, reply->str)) {
		log_warnx("control: on the Redis of node %s there is a "
		    "control connection of a newer leader: this node leads "
		    "no more", c->node.conf.name[s]);
		control_push(c, NODE_EV_LEASE_ENDED, SIDE_NONE);
		return false;
	}
	c->clean[s] = redis_connection(r);
	return true;
}

static void
control_on_list(struct redis *r, redisReply *reply, void *arg)
{
	struct control_order *o = arg;

	if (control_take_list(o->control, o->side, reply))
		control_order_info(r, o);
	else
		control_order_end(o, false, control_reply_text(reply));
}

/*
 * Once per epoch: both links carry it in their names from now on, so that
 * a later leader knows and ends them, and none counts as clean yet.
 */
static void
control_take_epoch(struct control *c)
{
	const struct node *n = &c->node;
	char name[2 * RECORD_NAME + 64];
	enum side s;

	if (c->clean_epoch == n->record.epoch.number)
		return;
	c->clean_epoch = n->record.epoch.number;
	snprintf(name, sizeof(name), "holdover:%s:%s:%llu",
	    n->record.cluster, n->conf.name[n->conf.me],
	    (unsigned long long)c->clean_epoch);
	for (s = SIDE_A; s <= SIDE_B; s++) {
		redis_set_name(c->redis[s], name);
		c->clean[s] = c->listing[s] = 0;
	}
}

static void
control_clean(struct redis *r, struct control_order *o)
{
	control_take_epoch(o->control);
	o->control->listing[o->side] = redis_connection(r);
	redis_command(r, control_on_list, o, CONTROL_ORDER_MS, "CLIENT",
	    "LIST", NULL);
}

static void
control_on_relisted(struct redis *r, redisReply *reply, void *arg)
{
	struct control *c = arg;
	enum side s = r == c->redis[SIDE_A] ? SIDE_A : SIDE_B;

	if (reply == NULL || !node_leads(&c->node))
		return;
	if (control_take_list(c, s, reply))
		redis_poll(r);
	control_run(c);
}

void
control_list_redis(struct control *c, enum side s)
{
	struct redis *r = c->redis[s];
	unsigned connection = redis_connection(r);

	control_take_epoch(c);
	if (!redis_is_current(r) || c->clean[s] == connection ||
	    c->listing[s] == connection)
		return;
	c->listing[s] = connection;
	redis_command(r, control_on_relisted, c, CONTROL_ORDER_MS, "CLIENT",
	    "LIST", NULL);
}

/* Does that kind of order change what a Redis is? */
static bool
control_order_changes(enum node_order_kind kind)
{
	return kind == NODE_DO_FENCE || kind == NODE_DO_PROMOTE ||
	    kind == NODE_DO_ATTACH;
}

void
control_order_redis(struct control *c, enum node_order_kind kind,
    enum side side)
{
	struct redis *r = c->redis[side];
	struct control_order *o;
	const struct conf_addr *to;
	char port[16];

	if (kind == NODE_DO_SALVAGE) {
		control_salvage(c, side);
		return;
	}
	o = xcalloc(1, sizeof(*o));
	o->control = c;
	o->kind = kind;
	o->side = side;
	o->seq = ++c->order_seq[side];
	LIST_INSERT_HEAD(&c->orders, o, link);
	if (control_order_changes(kind) && (!redis_is_current(r) ||
	    c->clean[side] != redis_connection(r))) {
		control_order_end(o, false, "it has not been read yet on this "
		    "connection");
		return;
	}
	switch (kind) {
	case NODE_DO_CLEAN:
		control_clean(r, o);
		break;
	case NODE_DO_FENCE:
		redis_command(r, control_on_replicaof, o, CONTROL_ORDER_MS,
		    "REPLICAOF", "127.0.0.1", "1", NULL);
		break;
	case NODE_DO_PROMOTE:
		redis_command(r, control_on_before_promote, o,
		    CONTROL_ORDER_MS, "INFO", NULL);
		break;
	case NODE_DO_ATTACH:
		to = side == c->me ? &c->conf->peer_redis : &c->conf->redis;
		snprintf(port, sizeof(port), "%d", to->port);
		log_info("control: the Redis of node %s becomes a replica of "
		    "%s:%s", c->node.conf.name[side], to->host, port);
		redis_command(r, control_on_replicaof, o, CONTROL_ORDER_MS,
		    "REPLICAOF", to->host, port, NULL);
		break;
	default:
		control_order_info(r, o);
		break;
	}
}
