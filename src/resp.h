/*
 * RESP2, RESP3 and inline commands: where one message ends in a run of
 * bytes, and how replies are written. Pure: no I/O, no clock, no knowledge
 * of commands. Nothing is read twice: a message that comes in pieces costs
 * no more than one that comes whole, and nothing is allocated.
 *
 * Lengths from the wire are checked against the limits below before any
 * arithmetic. The rules and texts are those of Redis 7.0 (networking.c,
 * processInlineBuffer and processMultibulkBuffer; redis.io/docs protocol).
 */
#ifndef RESP_H
#define RESP_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"

#define RESP_MORE	0		/* not complete yet */
#define RESP_BAD	(-1)		/* see the error text, then close */

#define RESP_MAX_INLINE		(64 * 1024)
#define RESP_MAX_ARGS		0x7fffffffLL
#define RESP_MAX_BULK		(512LL * 1024 * 1024)
#define RESP_MAX_REQUEST	(1024LL * 1024 * 1024)

struct resp_arg {
	const char	*p;
	size_t		 len;
};

/* ---- requests ---- */

/*
 * Where the framing of one request stands. Zero it to begin, or call
 * resp_request_begin(); it is ready for the next request after each one
 * that was found.
 */
struct resp_request {
	size_t		 off;	/* bytes of this request framed so far */
	size_t		 scanned;	/* behind off: has no line end */
	long long	 left;		/* arguments still to come */
	long long	 bulk;		/* of the argument under way, or -1 */
	bool		 multibulk;	/* past its "*n" line */

	/* The results, when one was found. */
	long long	 argc;		/* 0: an empty line or "*0", ignore */
	bool		 is_inline;	/* see resp_inline_args() */
	size_t		 name_off;	/* argument 0 of a multibulk */
	size_t		 name_len;
	size_t		 sub_off;	/* argument 1, when argc > 1 */
	size_t		 sub_len;
	const char	*error;	/* after RESP_BAD, until the thread's next:
				 * "Protocol error: ..." without "-ERR " and
				 * line end */
};

static inline void
resp_request_begin(struct resp_request *f)
{
	f->off = f->scanned = 0;
	f->left = 0;
	f->multibulk = false;
}

/*
 * Looks for one whole request at p, which must be the same bytes as at the
 * last call for this request, and possibly more behind them. Returns its
 * length in bytes, RESP_MORE or RESP_BAD.
 */
long long	resp_request(struct resp_request *, const char *p, size_t len);

/*
 * For a multibulk too large to be gathered, of which resp_request() said
 * RESP_MORE: takes off what has been framed, so many bytes. From then on
 * resp_request_rest() follows the rest as it comes: it returns how many
 * bytes at p belong to the request and may be taken off too (what it leaves
 * must be there again at the next call), and *done at its end, when the
 * state is ready for the next; or RESP_BAD.
 */
size_t		resp_request_front(struct resp_request *);
long long	resp_request_rest(struct resp_request *, const char *p,
		    size_t len, bool *done);

/*
 * Argument i of a whole multibulk request of argc arguments, as
 * resp_request() found it. Walks from the front.
 */
struct resp_arg	resp_request_arg(const char *p, size_t len, long long i);

/*
 * Rewrites a whole inline request as a multibulk with the same arguments,
 * unquoted by Redis' rules (sdssplitargs), appended to out. Returns the
 * number of arguments (0: nothing was written), or -1 on unbalanced quotes.
 */
int	resp_inline_args(const char *p, size_t len, struct buf *out);

/* ---- replies ---- */

/*
 * Follows one reply through the bytes as they come, RESP2 or RESP3, however
 * deep or large. Zero it to begin; after done it begins anew by itself.
 */
struct resp_reply {
	long long	 todo;		/* values not complete yet; 0: idle */
	long long	 bulk;	/* bytes of a bulk still to come, CRLF too */
	size_t		 line;		/* length of the header line so far */
	char		 head[64];	/* the header line under way */

	char		 type;		/* first byte of the whole reply */
	size_t		 first_len; /* its first line, cut off at 63 bytes, */
	char		 first[64];	/* without CRLF; NUL-terminated. Has the
					 * type byte: "-READONLY You ..." */
};

/*
 * Eats the bytes at p that belong to the present reply and says how many
 * they were; *done when the reply is complete. RESP_BAD when this is not
 * RESP. A push ('>') or an attribute ('|') counts as follows: a push is a
 * message of its own, with type '>'; an attribute belongs to the value
 * behind it.
 */
long long	resp_reply(struct resp_reply *, const char *p, size_t len,
		    bool *done);

/*
 * The length of the whole reply at p, if it is a simple one (a line or a
 * bulk string) that is no error and all there; 0 for any other, which
 * resp_reply() must follow. For the many that come one behind another.
 */
size_t		resp_reply_plain(const char *p, size_t len);

/* Is the reply under way an error whose first word is this one? */
bool	resp_is_error(const struct resp_reply *, const char *word);

/* ---- writing ---- */

void	resp_add_array(struct buf *, size_t n);		/* "*n" */
void	resp_add_bulk(struct buf *, const void *, size_t);
void	resp_add_str(struct buf *, const char *);	/* bulk */
void	resp_add_verbatim(struct buf *, const void *, size_t, int proto);
void	resp_add_simple(struct buf *, const char *);	/* "+..." */
void	resp_add_int(struct buf *, long long);
void	resp_add_null(struct buf *, int proto);		/* "$-1" or "_" */
void	resp_add_null_array(struct buf *, int proto);	/* "*-1" or "_" */
void	resp_add_map(struct buf *, size_t pairs, int proto);
/* An error; line ends in the text become spaces. "READONLY no" or "ERR no" */
void	resp_add_error(struct buf *, const char *, ...) PRINTF(2, 3);
/* A whole command from C strings, ended by NULL. */
void	resp_add_command(struct buf *, ...) __attribute__((__sentinel__));

#endif
