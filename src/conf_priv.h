/*
 * Shared by conf.c (reading and checking), conf_print.c (values as text) and
 * conf_live.c (changes while running), and by nobody else.
 */
#ifndef CONF_PRIV_H
#define CONF_PRIV_H

#include <stdint.h>

#include "conf.h"
#include "util.h"

#define CONF_FILE_MAX	(1024 * 1024)

enum conf_type { CONF_STRING, CONF_LIST, CONF_NUMBER, CONF_SIZE, CONF_MS,
	CONF_BOOL, CONF_ADDR, CONF_ENUM, CONF_MODE };

enum conf_when { RELOAD, RESTART };

struct conf_row {
	const char	*name;
	enum conf_type	 type;
	size_t		 offset;
	const char	*def;
	long long	 min;
	long long	 max;
	const char	*choices;	/* of ENUM, parted by blanks */
	enum conf_when	 when;
	const char	*help;
};

extern const struct conf_row	conf_rows[];
extern const size_t		conf_nrows;

/* Where the reading stands, for messages. */
struct conf_reader {
	struct conf	*conf;
	const char	*file;		/* NULL: the command line */
	unsigned	 line;
	unsigned	 depth;
	char		*why;
	size_t		 whysize;
};

/* Puts file, line and the words into why; always false. */
bool	conf_error(struct conf_reader *, const char *, ...) PRINTF(2, 3);

const struct conf_row	*conf_find(const char *name);
void	*conf_field(const struct conf *, const struct conf_row *);

/* The reader gets a new struct conf with every option at its default. */
struct conf	*conf_defaults(struct conf_reader *);

/* False with why. What stands behind the text's last line end counts. */
bool	conf_read_text(struct conf_reader *, const char *path,
	    const char *text, size_t len) MUST_CHECK;
/* How long the line is without its comment: "#" that begins a word. */
size_t	conf_line_end(const char *, size_t len);
bool	conf_set_value(struct conf_reader *, const struct conf_row *,
	    const char *text) MUST_CHECK;
/* Does the whole make sense? */
bool	conf_check(struct conf_reader *) MUST_CHECK;

void	conf_print_value(const struct conf *, const struct conf_row *,
	    struct buf *);
/* The same in quotes where the file needs them. */
void	conf_print_quoted(const struct conf *, const struct conf_row *,
	    struct buf *);

#endif
