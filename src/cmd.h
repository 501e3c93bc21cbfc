/*
 * What each command is to the gate, from one table (cmd.def), and from what
 * a Redis says of those that are not in it. Knows names, never bytes on a
 * wire.
 */
#ifndef CMD_H
#define CMD_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The gate class.
 *
 * ANY commands neither read nor write keys: whichever Redis is alive may
 * run them, so that connecting works while the gate holds. LOCAL ones
 * Holdover answers by itself. A write is what CLIENT PAUSE WRITE would
 * stop: also EVAL, EVALSHA, FCALL, PUBLISH, SPUBLISH and PFCOUNT.
 */
enum cmd_class { CMD_READ, CMD_WRITE, CMD_ANY, CMD_LOCAL, CMD_REFUSED };
#define CMD_CLASSES	5

/* No name is longer; that of a subcommand has its container's in it. */
#define CMD_NAME_MAX	63

#define CMD_BLOCKS	0x01	/* may wait in Redis for as long as it likes */
#define CMD_STREAM	0x02	/* ends the pairing of requests and replies:
				 * MONITOR, SYNC */
#define CMD_LISTENS	0x04	/* answered by pushes: SUBSCRIBE and its
				 * family */
#define CMD_CONTAINER	0x08	/* its first argument names a subcommand */
#define CMD_PINS	0x10	/* may leave state in the connection that is
				 * unknown here: it is this client's for good */
#define CMD_ALONE	0x20	/* Redis answers it whatever else it does: it
				 * never stands behind what others asked */
#define CMD_SCRIPT	0x40	/* runs one, or is answered by another thread:
				 * while it does not end, Redis reads nothing
				 * from the same connection */
#define CMD_PERMIT	0x80	/* local, but Redis says who may */
#define CMD_OPTION	0x100	/* blocks only with BLOCK among its options */
#define CMD_NAMED	0x200	/* Redis is to know the name of who asks */
#define CMD_OWNS	(CMD_BLOCKS | CMD_STREAM | CMD_LISTENS | CMD_PINS | \
			CMD_NAMED)
				/* needs a connection of its own */

/*
 * Commands that a session itself must look at: they change what it is, or
 * it answers them. Everything else is CMD_PLAIN.
 */
enum cmd_special {
	CMD_PLAIN, CMD_AUTH, CMD_HELLO, CMD_SELECT, CMD_RESET, CMD_QUIT,
	CMD_MULTI, CMD_EXEC, CMD_DISCARD, CMD_WATCH, CMD_UNWATCH,
	CMD_CLIENT_SETNAME, CMD_CLIENT_GETNAME, CMD_CLIENT_ID,
	CMD_CLIENT_SETINFO, CMD_CLIENT_LIST, CMD_CLIENT_INFO, CMD_CLIENT_KILL,
	CMD_CLIENT_MAINT, CMD_CLIENT_REPLY, CMD_ROLE, CMD_INFO, CMD_WAIT,
	CMD_TRACKING, CMD_TRACKINGINFO, CMD_CLIENT_GETREDIR, CMD_CACHING,
	CMD_MONITOR, CMD_EVAL, CMD_EVALSHA,
	CMD_CLIENT_PAUSE, CMD_CLIENT_UNPAUSE, CMD_SCRIPT_LOAD,
	CMD_SCRIPT_FLUSH, CMD_CLIENT_UNBLOCK, CMD_SYNC
};

struct cmd {
	const char	*name;		/* lower case, "client|setname" */
	int		 arity;		/* as COMMAND says: -n is at least n */
	enum cmd_class	 class;
	unsigned	 flags;
	enum cmd_special special;
	const char	*instead; /* of a refused one: what to use, or NULL */
};

/*
 * The command of that name, in any case. For a container the subcommand
 * (the first argument; NULL when there is none) decides; one that is not
 * known is as its container says. An unknown command is a write that pins:
 * never NULL. What was found stays valid for good.
 */
const struct cmd	*cmd_lookup(const char *name, size_t len,
			    const char *sub, size_t sublen);

bool	cmd_is_unknown(const struct cmd *);

/* Like cmd_lookup(), but NULL for what the table itself does not know. */
const struct cmd	*cmd_find(const char *name, size_t len,
			    const char *sub, size_t sublen);

/* Does the number of arguments (the name counts) fit? */
bool	cmd_arity_ok(const struct cmd *, long long argc);

/* Row i of the table, NULL past its end. */
const struct cmd	*cmd_row(size_t i);

size_t	cmd_count(void);

/* Its row; that of one that is not in the table is the one past the end. */
size_t	cmd_index(const struct cmd *);

/*
 * Makes these commands known to all threads, in the place of those learned
 * before; the table wins over them. The rows are copied. More than
 * CMD_LEARNED_MAX, over the life of the process, stay unknown. For one
 * thread. Returns how many are known now.
 */
#define CMD_LEARNED_MAX	4096
size_t	cmd_learn(const struct cmd *, size_t n);

const char	*cmd_class_name(enum cmd_class);	/* "read", ... */

#endif
