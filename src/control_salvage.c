/*
 * What a Redis has of its own is saved before it becomes a replica.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "control_priv.h"
#include "log.h"
#include "stats.h"

static void
control_on_salvaged(bool ok, const char *text, void *arg)
{
	struct control *c = arg;
	const char *name = c->node.conf.name[c->salvage_side];

	if (ok) {
		stats.salvaged++;
		log_warnx("control: the Redis of node %s has data of its own "
		    "and becomes a replica; saved %s", name, text);
		control_count_own(c, c->salvage_side);
	} else {
		stats.salvages_failed++;
		log_warnx("control: what the Redis of node %s has of its own "
		    "could not be saved, so it stays as it is: %s", name,
		    text);
	}
	salvage_free(c->salvage);
	c->salvage = NULL;
	if (c->salvage_seq != c->order_seq[c->salvage_side])
		return;
	control_push(c, ok ? NODE_EV_ORDER_DONE : NODE_EV_ORDER_FAILED,
	    c->salvage_side);
	control_run(c);
}

/* SALVAGE-DIR/salvage-NODE-TIME.rdb */
static char *
control_salvage_path(const struct control *c, enum side s)
{
	const char *dir = c->conf->salvage_dir;
	time_t now = time(NULL);
	char when[32];
	struct tm tm;

	if (dir == NULL)
		dir = c->conf->state_dir;
	if (mkdir(dir, 0700) == -1 && errno != EEXIST)
		log_warn("control: salvage-dir %s cannot be made", dir);
	localtime_r(&now, &tm);
	strftime(when, sizeof(when), "%Y%m%d-%H%M%S", &tm);
	return xasprintf("%s/salvage-%s-%s.rdb", dir,
	    c->node.conf.name[s], when);
}

void
control_salvage(struct control *c, enum side side)
{
	struct redis_opts o;
	char label[RECORD_NAME + 16], why[256], *path;

	control_salvage_end(c);
	c->salvage_side = side;
	c->salvage_seq = ++c->order_seq[side];
	if (!control_redis_opts(c, &o, why, sizeof(why))) {
		log_warnx("control: %s", why);
		control_push(c, NODE_EV_ORDER_FAILED, side);
		return;
	}
	snprintf(label, sizeof(label), "salvage %s", c->node.conf.name[side]);
	o.label = label;
	o.addr = c->addr[side];
	path = control_salvage_path(c, side);
	log_info("control: saving the data of node %s as %s",
	    c->node.conf.name[side], path);
	c->salvage = salvage_new(loop_base(c->loop), &o, path,
	    control_on_salvaged, c);
	free(path);
	control_redis_opts_free(&o);
}

void
control_salvage_end(struct control *c)
{
	if (c->salvage != NULL)
		salvage_free(c->salvage);
	c->salvage = NULL;
}
