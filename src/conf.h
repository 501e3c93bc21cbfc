/*
 * The configuration: one table (conf.def), from which the parser, CONFIG
 * GET, the sample file and the test of the manual come.
 *
 * The syntax is redis.conf's: one option a line, arguments in quotes where
 * needed, "include FILE"; but "#" begins a comment at any word. A struct
 * conf is made whole, checked whole and never edited afterwards: a change
 * makes a new one.
 */
#ifndef CONF_H
#define CONF_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "util.h"

struct conf_addr {
	char	*host;		/* NULL: not set */
	int	 port;
};

/*
 * C types by the table's TYPE column:
 *   STRING  char *, NULL when empty       LIST   char *, words by one blank,
 *   NUMBER  long long                            never NULL
 *   SIZE    long long, bytes              BOOL   bool, yes or no
 *   MS      long long, milliseconds       ADDR   struct conf_addr
 *   ENUM    int, index into the words of the choices column
 *   MODE    int, the permissions of a file, in octal
 */
#define CONF_T_STRING	char *
#define CONF_T_LIST	char *
#define CONF_T_NUMBER	long long
#define CONF_T_SIZE	long long
#define CONF_T_MS	long long
#define CONF_T_BOOL	bool
#define CONF_T_ADDR	struct conf_addr
#define CONF_T_ENUM	int
#define CONF_T_MODE	int

struct conf {
#define OPTION(name, type, field, def, min, max, choices, when, help) \
	CONF_T_##type field;
#include "conf.def"
#undef OPTION
	_Atomic unsigned kept;	/* see conf_keep() */
};

enum conf_alone { CONF_ALONE_SERVE, CONF_ALONE_HOLD };	/* conf.alone */
enum conf_auth { CONF_AUTH_YES, CONF_AUTH_NO, CONF_AUTH_OPTIONAL };

/* Is it among the words of a LIST, in any case? */
bool		 conf_has_word(const char *list, const char *word);

/*
 * Reads the file (NULL: none), then the overrides as on redis-server's
 * command line ("--port", "7000", ...; argc of them), then checks that the
 * whole makes sense. NULL on any error; why (of whysize bytes) then has
 * file, line, what is wrong and what would be right.
 */
struct conf	*conf_load(const char *file, int argc, char *const *argv,
		    char *why, size_t whysize);
void		 conf_free(struct conf *);

/* The same, once more: it is there until all who keep it have freed it. */
struct conf	*conf_keep(struct conf *);

/* Appends the whole as a file that conf_load() reads back the same. */
void		 conf_print(const struct conf *, struct buf *);

/*
 * The running one with other values, n words of name and value in turns,
 * checked whole. NULL with why: a bad value, or an option that needs a
 * restart.
 */
struct conf	*conf_with(const struct conf *running, int n,
		    char *const *word, char *why, size_t whysize);

/*
 * What of next may be had while running: its RELOAD options, the RESTART
 * options as they are now. Appends the names of those that differ, as
 * "port, vip". NULL with why: the two do not go together.
 */
struct conf	*conf_live(const struct conf *running,
		    const struct conf *next, struct buf *restart, char *why,
		    size_t whysize);

/*
 * Changes the file (by rename, durable) so that it has the RELOAD options'
 * values; comments and the order of lines stay, as do RESTART options,
 * which the file may have newer. False with why: nothing was written.
 */
bool		 conf_rewrite(const struct conf *, const char *file,
		    char *why, size_t whysize) MUST_CHECK;

/*
 * Appends, for each option whose name matches the glob (fnmatch, any case),
 * name and value as two bulk strings; returns how many options.
 */
size_t		 conf_get(const struct conf *, const char *glob, struct buf *);

#endif
