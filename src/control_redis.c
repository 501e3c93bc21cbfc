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
	free(o);
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
 * 0 when the line of CLIENT LIST is of no such connection.
 */
static unsigned long long
control_epoch_of(const char *line, const char *cluster)
{
	char prefix[RECORD_NAME + 32];
	const char *p;

	snprintf(prefix, sizeof(prefix), " name=holdover:%s:", cluster);
	if ((p = strstr(line, prefix)) == NULL ||
	    (p = strchr(p + strlen(prefix), ':')) == NULL)
		return 0;
	return strtoull(p + 1, NULL, 10);
}

static void
control_on_killed(struct redis *r, redisReply *reply, void *arg)
{
	(void)r;
	(void)reply;
	(void)arg;
}

static void
control_on_list(struct redis *r, redisReply *reply, void *arg)
{
	struct control_order *o = arg;
	const struct node *n = &o->control->node;
	unsigned long long epoch;
	char *line, *next, id[32];

	if (reply == NULL || reply->type != REDIS_REPLY_STRING) {
		control_order_end(o, false, control_reply_text(reply));
		return;
	}
	for (line = reply->str; line != NULL && *line != '\0'; line = next) {
		if ((next = strchr(line, '\n')) != NULL)
			*next++ = '\0';
		epoch = control_epoch_of(line, n->record.cluster);
		if (epoch == 0 || epoch >= n->record.epoch.number ||
		    sscanf(line, "id=%31[0-9]", id) != 1)
			continue;
		redis_command(r, control_on_killed, NULL, CONTROL_ORDER_MS,
		    "CLIENT", "KILL", "ID", id, NULL);
	}
	control_order_info(r, o);
}

static void
control_clean(struct redis *r, struct control_order *o)
{
	const struct node *n = &o->control->node;
	char name[2 * RECORD_NAME + 64];

	snprintf(name, sizeof(name), "holdover:%s:%s:%llu",
	    n->record.cluster, n->conf.name[n->conf.me],
	    (unsigned long long)n->record.epoch.number);
	redis_set_name(r, name);
	redis_command(r, control_on_list, o, CONTROL_ORDER_MS, "CLIENT",
	    "LIST", NULL);
}

void
control_order_redis(struct control *c, enum node_order_kind kind,
    enum side side)
{
	struct redis *r = c->redis[side];
	struct control_order *o = xcalloc(1, sizeof(*o));
	const struct conf_addr *to;
	char port[16];

	o->control = c;
	o->kind = kind;
	o->side = side;
	o->seq = ++c->order_seq[side];
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
