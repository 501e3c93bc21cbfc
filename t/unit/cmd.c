/*
 * Commands are found in any case, subcommands through their container, and
 * what is not known is a write. (0110-commands.t compares the table with a
 * real one.)
 */
#include "cmd.h"

#include "tap.h"

static const struct cmd *
look(const char *name, const char *sub)
{
	return cmd_lookup(name, strlen(name), sub,
	    sub != NULL ? strlen(sub) : 0);
}

static void
test_lookup(void)
{
	static const char nul[] = "get\0x", subnul[] = "setname\0";

	is_str(look("get", NULL)->name, "get", "by name");
	is_str(look("GeT", "k")->name, "get", "in any case");
	is_str(look("CLIENT", "SetName")->name, "client|setname",
	    "a subcommand");
	is_str(look("client", "nosuch")->name, "client",
	    "an unknown one is as its container says");
	is_str(look("client", NULL)->name, "client", "and so is none");
	is_str(look("client", "")->name, "client", "or an empty one");
	ok(look("nosuch", "x")->class == CMD_WRITE,
	    "an unknown command is a write");
	ok(cmd_find("nosuch", 6, NULL, 0) == NULL, "but is not found");
	ok(cmd_find("", 0, NULL, 0) == NULL, "nor is an empty one");
	ok(cmd_find("ge", 2, NULL, 0) == NULL &&
	    cmd_find("gett", 4, NULL, 0) == NULL,
	    "nor parts of names, nor more than names");
	ok(cmd_find("client|setname", 14, NULL, 0) == NULL,
	    "nor a subcommand as a command");
	ok(cmd_find(nul, 5, NULL, 0) == NULL, "nor a name with a NUL");
	is_str(cmd_lookup("client", 6, subnul, 8)->name, "client",
	    "nor a subcommand with one");
}

static void
test_arity(void)
{
	ok(cmd_arity_ok(look("get", NULL), 2) &&
	    !cmd_arity_ok(look("get", NULL), 1) &&
	    !cmd_arity_ok(look("get", NULL), 3), "exactly so many");
	ok(cmd_arity_ok(look("del", NULL), 2) &&
	    cmd_arity_ok(look("del", NULL), 1000) &&
	    !cmd_arity_ok(look("del", NULL), 1), "at least so many");
}

/* The name up to its bar. */
static const struct cmd *
container(const char *name)
{
	return cmd_find(name, strcspn(name, "|"), NULL, 0);
}

static void
test_table(void)
{
	const struct cmd *c, *up;
	const char *bar;
	size_t i, j;

	for (i = 0; (c = cmd_row(i)) != NULL; i++) {
		bar = strchr(c->name, '|');
		if (cmd_find(c->name, strcspn(c->name, "|"),
		    bar != NULL ? bar + 1 : NULL,
		    bar != NULL ? strlen(bar + 1) : 0) != c)
			ok(false, "%s is found by its name", c->name);
		if (strspn(c->name, "abcdefghijklmnopqrstuvwxyz0123456789"
		    "-_.|") != strlen(c->name))
			ok(false, "%s is in lower case", c->name);
		up = container(c->name);
		if (up == NULL || (bar != NULL &&
		    !(up->flags & CMD_CONTAINER)))
			ok(false, "%s has a container", c->name);
		if (c->arity == 0)
			ok(false, "%s has an arity", c->name);
		for (j = 0; j < i; j++)
			if (strcmp(cmd_row(j)->name, c->name) == 0)
				ok(false, "%s stands there once", c->name);
	}
	ok(i > 300, "%zu rows were looked at", i);
	is_str(cmd_class_name(CMD_READ), "read", "a class has a name");
}

int
main(void)
{
	test_lookup();
	test_arity();
	test_table();
	return tap_done();
}
