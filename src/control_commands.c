/*
 * What the two Redis say of their commands. It is asked on each new
 * connection, when modules come and go, and when clients use what is not
 * known; not often, for it keeps a Redis busy for a millisecond or two.
 */
#include <stdlib.h>

#include "commands.h"
#include "control_priv.h"
#include "log.h"
#include "stats.h"

/* Clients may use what is not known all the time. */
#define CONTROL_COMMANDS_UNKNOWN_MS	10000
/* It could not say, or the link did not outlive the question. */
#define CONTROL_COMMANDS_FAILED_MS	60000
/* Silence is no reason to hang up. */
#define CONTROL_COMMANDS_WAIT_MS	(24 * 3600 * 1000)

struct control_commands_of {
	struct commands	*says;		/* NULL: nothing yet */
	bool		 asked;		/* the answer is awaited */
	struct mono	 asked_at;
	struct mono	 not_before;	/* it failed */
	unsigned	 warned;	/* on that connection */
	/* When it was asked last. */
	unsigned	 connection;
	uint32_t	 modules;
	uint64_t	 unknown;
};

struct control_commands {
	struct control_commands_of of[2];
	size_t			 learned;
};

void
control_commands_start(struct control *c)
{
	c->commands = xcalloc(1, sizeof(*c->commands));
}

void
control_commands_free(struct control *c)
{
	commands_free(c->commands->of[SIDE_A].says);
	commands_free(c->commands->of[SIDE_B].says);
	free(c->commands);
}

/* The same is asked once more, later. */
static void
control_commands_failed(struct control *c, enum side s, const char *why)
{
	struct control_commands_of *of = &c->commands->of[s];

	if (why != NULL && of->warned != of->connection)
		log_warnx("control: the Redis of node %s does not say which "
		    "commands it has: %s; those of modules, and new ones, are "
		    "taken for writes, and their clients get connections of "
		    "their own", c->node.conf.name[s], why);
	of->warned = of->connection;
	of->connection = 0;
	of->not_before = mono_add_ms(mono_now(), CONTROL_COMMANDS_FAILED_MS);
}

static void
control_commands_learn(struct control *c, enum side s)
{
	struct control_commands *cc = c->commands;
	size_t i, n = commands_count(cc->of[s].says);
	size_t reads = 0, pin = 0, was = cc->learned;
	const struct cmd *cmd;

	for (i = 0; i < n; i++) {
		cmd = commands_row(cc->of[s].says, i);
		reads += cmd->class == CMD_READ;
		pin += (cmd->flags & CMD_PINS) != 0;
	}
	cc->learned = commands_learn(cc->of[SIDE_A].says,
	    cc->of[SIDE_B].says);
	STATS_ADD(commands_learned, cc->learned - was);
	if (n > 0 || was > 0)
		log_info("control: the Redis of node %s has %zu commands that "
		    "Holdover learns of: %zu reads, %zu writes, %zu of them "
		    "pin", c->node.conf.name[s], n, reads, n - reads, pin);
}

static void
control_on_commands(struct redis *r, redisReply *reply, void *arg)
{
	struct control *c = arg;
	enum side s = r == c->redis[SIDE_A] ? SIDE_A : SIDE_B;
	struct control_commands_of *of = &c->commands->of[s];
	struct commands *says;

	of->asked = false;
	if (reply == NULL)
		control_commands_failed(c, s, NULL);
	else if (reply->type == REDIS_REPLY_ERROR)
		control_commands_failed(c, s, reply->str);
	else if ((says = commands_read(reply)) == NULL)
		control_commands_failed(c, s, "it is no list");
	else {
		commands_free(of->says);
		of->says = says;
		control_commands_learn(c, s);
	}
}

/* An INFO of it was read: is there reason to ask? */
void
control_commands_look(struct control *c, enum side s)
{
	struct control_commands_of *of = &c->commands->of[s];
	struct redis *r = c->redis[s];
	uint64_t unknown = stats_sum().requests_unknown;
	struct mono now = mono_now();

	if (of->asked || mono_before(now, of->not_before) ||
	    redis_link(r) != REDIS_LINKED || !redis_is_current(r) ||
	    (of->connection == redis_connection(r) &&
	    of->modules == redis_info(r)->modules && (of->unknown == unknown ||
	    mono_ms(now, of->asked_at) < CONTROL_COMMANDS_UNKNOWN_MS)))
		return;
	of->asked = true;
	of->asked_at = now;
	of->connection = redis_connection(r);
	of->modules = redis_info(r)->modules;
	of->unknown = unknown;
	redis_command(r, control_on_commands, c, CONTROL_COMMANDS_WAIT_MS,
	    "COMMAND", NULL);
}
