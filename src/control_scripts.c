/*
 * Scripts that clients load, to call them by their SHA1, are no data: what
 * one Redis caches the other never hears of, and one that restarts has
 * forgotten. So both are shown all of them, the new ones at once: EVALSHA then
 * works at a new primary also inside of MULTI, and by way of the other node.
 */
#include "control_priv.h"
#include "log.h"
#include "scripts.h"

/* Silence is no reason to hang up. */
#define CONTROL_SCRIPTS_WAIT_MS	(24 * 3600 * 1000)
/* So many at once: others wait for that Redis. */
#define CONTROL_SCRIPTS		32

static void
control_on_script(struct redis *r, redisReply *reply, void *arg)
{
	struct control *c = arg;
	enum side s = r == c->redis[SIDE_A] ? SIDE_A : SIDE_B;
	struct control_scripts *of = &c->scripts[s];

	of->awaited--;
	if (reply != NULL && reply->type == REDIS_REPLY_ERROR &&
	    of->refused != of->connection) {
		of->refused = of->connection;
		log_warnx("control: the Redis of node %s takes no scripts from "
		    "Holdover: %s; EVALSHA may fail there after a switch; has "
		    "redis-user the rights that holdover(8) lists?",
		    c->node.conf.name[s], reply->str);
	}
	if (of->awaited == 0)
		control_poke(c);
}

/* Where the client did it, it is done. */
static void
control_scripts_flush(struct control *c, enum side s)
{
	struct control_scripts *of = &c->scripts[s];

	of->forgotten = scripts_forgotten();
	if (gate_order(c->gate)->writes == s)
		return;
	of->number = 0;
	of->awaited++;
	redis_command(c->redis[s], control_on_script, c,
	    CONTROL_SCRIPTS_WAIT_MS, "SCRIPT", "FLUSH", NULL);
}

static void
control_scripts_show(struct control *c, enum side s)
{
	const char *argv[] = { "SCRIPT", "LOAD", NULL };
	size_t len[] = { 6, 4, 0 };
	struct control_scripts *of = &c->scripts[s];
	struct buf body = BUF_INIT;
	unsigned n;

	for (n = 0; n < CONTROL_SCRIPTS && scripts_next(&of->number, &body);
	    n++) {
		argv[2] = buf_data(&body);
		len[2] = buf_len(&body);
		of->awaited++;
		redis_command_argv(c->redis[s], control_on_script, c,
		    CONTROL_SCRIPTS_WAIT_MS, 3, argv, len);
		buf_free(&body);
	}
}

void
control_scripts_look(struct control *c)
{
	struct control_scripts *of;
	enum side s;

	for (s = SIDE_A; s <= SIDE_B; s++) {
		of = &c->scripts[s];
		if (redis_link(c->redis[s]) != REDIS_LINKED ||
		    !redis_is_current(c->redis[s]) ||
		    redis_info(c->redis[s])->loading || of->awaited > 0)
			continue;
		if (of->connection != redis_connection(c->redis[s])) {
			of->connection = redis_connection(c->redis[s]);
			of->number = 0;
		}
		if (of->refused == of->connection)
			continue;
		if (of->forgotten != scripts_forgotten())
			control_scripts_flush(c, s);
		control_scripts_show(c, s);
	}
}
