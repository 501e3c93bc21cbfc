#include "resp.h"

#include <assert.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* No reply has more values than this, nested ones counted. */
#define RESP_MAX_VALUES		(1LL << 40)

/* A number that has become so large has no further digit: see resp_short(). */
#define RESP_SHORT_MAX		100000

/*
 * A number as Redis takes it (util.c, string2ll): no plus, no leading
 * zeros, nothing behind it.
 */
static bool
resp_number(const char *p, size_t len, long long *out)
{
	size_t sign = len > 0 && *p == '-' ? 1 : 0;

	if (len > sign && p[sign] == '0' && len > 1)
		return false;
	return util_number(p, len, out);
}

/*
 * A line like "*3" or "$14" that is whole and has a short number: where the
 * next begins, NULL for any other. Nearly all are like that.
 */
static inline const char *
resp_short(const char *p, const char *end, char type, size_t *n)
{
	unsigned d;

	if (end - p < 4 || p[0] != type || (d = (unsigned)p[1] - '0') > 9)
		return NULL;
	*n = d;
	for (p += 2; (d = (unsigned)p[0] - '0') <= 9; p++) {
		if (*n == 0 || *n >= RESP_SHORT_MAX || end - p < 3)
			return NULL;
		*n = *n * 10 + d;
	}
	return p[0] == '\r' ? p + 2 : NULL;
}

/* ---- requests ---- */

static long long
resp_bad(struct resp_request *f, const char *what)
{
	static _Thread_local char text[64];

	snprintf(text, sizeof(text), "Protocol error: %s", what);
	f->error = text;
	return RESP_BAD;
}

/*
 * The line at f->off: false when its end has not come. Redis looks for CR
 * and takes the byte behind it for LF, whatever it is; inline, it looks for
 * LF.
 */
static bool
resp_line(struct resp_request *f, const char *p, size_t len, char end,
    size_t *n)
{
	const char *from = p + f->off + f->scanned;
	const char *at;

	at = memchr(from, end, len - f->off - f->scanned);
	if (at == NULL) {
		f->scanned = len - f->off;
		return false;
	}
	*n = (size_t)(at - (p + f->off));
	if (end == '\r' && f->off + *n + 2 > len) {
		f->scanned = *n;
		return false;
	}
	f->scanned = 0;
	return true;
}

/* One is found: the state is ready for the next. */
static long long
resp_found(struct resp_request *f)
{
	size_t n = f->off;

	resp_request_begin(f);
	return (long long)n;
}

static long long
resp_inline(struct resp_request *f, const char *p, size_t len)
{
	size_t n;

	if (!resp_line(f, p, len, '\n', &n))
		return len > RESP_MAX_INLINE ?
		    resp_bad(f, "too big inline request") : RESP_MORE;
	f->off = n + 1;
	f->is_inline = true;
	f->argc = n == 0 || (n == 1 && *p == '\r') ? 0 : 1;
	return resp_found(f);
}

/* "*n". */
static long long
resp_count(struct resp_request *f, const char *p, size_t len)
{
	size_t n;

	if (!resp_line(f, p, len, '\r', &n))
		return len > RESP_MAX_INLINE ?
		    resp_bad(f, "too big mbulk count string") : RESP_MORE;
	if (!resp_number(p + 1, n - 1, &f->left) || f->left > RESP_MAX_ARGS)
		return resp_bad(f, "invalid multibulk length");
	f->off = n + 2;
	f->is_inline = false;
	f->multibulk = true;
	f->bulk = -1;
	f->argc = f->left > 0 ? f->left : 0;
	f->left = f->argc;
	return 1;
}

/* "$n" of one argument. */
static long long
resp_bulk(struct resp_request *f, const char *p, size_t len)
{
	char what[32];
	size_t n;

	if (!resp_line(f, p, len, '\r', &n))
		return len - f->off > RESP_MAX_INLINE ?
		    resp_bad(f, "too big bulk count string") : RESP_MORE;
	if (p[f->off] != '$') {
		snprintf(what, sizeof(what), "expected '$', got '%c'",
		    p[f->off]);
		return resp_bad(f, what);
	}
	if (!resp_number(p + f->off + 1, n - 1, &f->bulk) || f->bulk < 0 ||
	    f->bulk > RESP_MAX_BULK)
		return resp_bad(f, "invalid bulk length");
	f->off += n + 2;
	if ((long long)f->off + f->bulk > RESP_MAX_REQUEST)
		return resp_bad(f, "too big request");
	return 1;
}

/*
 * The length of the request at p, if it is all there and has no long
 * numbers; 0 for any other.
 */
static size_t
resp_request_short(struct resp_request *f, const char *p, size_t len)
{
	const char *at, *end = p + len;
	size_t argc, i, n;

	if ((at = resp_short(p, end, '*', &argc)) == NULL)
		return 0;
	for (i = 0; i < argc; i++) {
		at = resp_short(at, end, '$', &n);
		if (at == NULL || (size_t)(end - at) < n + 2)
			return 0;
		if (i == 0) {
			f->name_off = (size_t)(at - p);
			f->name_len = n;
		} else if (i == 1) {
			f->sub_off = (size_t)(at - p);
			f->sub_len = n;
		}
		at += n + 2;
	}
	f->argc = (long long)argc;
	f->is_inline = false;
	return (size_t)(at - p);
}

long long
resp_request(struct resp_request *f, const char *p, size_t len)
{
	long long r;

	if (len == 0)
		return RESP_MORE;
	if (*p != '*')
		return resp_inline(f, p, len);
	/* Tried once, when nothing of it has been looked at. */
	if (!f->multibulk && f->scanned == 0 &&
	    (r = (long long)resp_request_short(f, p, len)) > 0)
		return r;
	if (!f->multibulk && (r = resp_count(f, p, len)) <= 0)
		return r;
	while (f->left > 0) {
		if (f->bulk < 0 && (r = resp_bulk(f, p, len)) <= 0)
			return r;
		if (len - f->off < (size_t)f->bulk + 2)
			return RESP_MORE;
		if (f->left == f->argc) {
			f->name_off = f->off;
			f->name_len = (size_t)f->bulk;
		} else if (f->left == f->argc - 1) {
			f->sub_off = f->off;
			f->sub_len = (size_t)f->bulk;
		}
		f->off += (size_t)f->bulk + 2;
		f->bulk = -1;
		f->left--;
	}
	return resp_found(f);
}

size_t
resp_request_front(struct resp_request *f)
{
	size_t n = f->off;

	f->off = 0;
	/* From here on it counts the line end behind the argument, too. */
	if (f->bulk >= 0)
		f->bulk += 2;
	return n;
}

long long
resp_request_rest(struct resp_request *f, const char *p, size_t len,
    bool *done)
{
	size_t used = 0, n;
	long long r;

	*done = false;
	for (;;) {
		if (f->bulk >= 0) {
			n = len - used < (size_t)f->bulk ? len - used :
			    (size_t)f->bulk;
			used += n;
			f->bulk -= (long long)n;
			if (f->bulk > 0)
				return (long long)used;
			f->bulk = -1;
			f->left--;
		}
		if (f->left == 0) {
			resp_found(f);
			*done = true;
			return (long long)used;
		}
		if ((r = resp_bulk(f, p + used, len - used)) <= 0)
			return r == RESP_BAD ? r : (long long)used;
		used += resp_request_front(f);
	}
}

struct resp_arg
resp_request_arg(const char *p, size_t len, long long i)
{
	const char *end = p + len, *line;
	long long n = 0;

	for (; i >= -1; i--) {
		line = p;
		p = memchr(p, '\r', (size_t)(end - p));
		assert(p != NULL);
		p += 2;
		if (*line == '*')
			continue;
		if (!resp_number(line + 1, (size_t)(p - 2 - line - 1), &n))
			abort();
		if (i >= 0)
			p += n + 2;
	}
	return (struct resp_arg){ p, (size_t)n };
}

/* ---- inline arguments (sds.c, sdssplitargs) ---- */

static int
resp_hex(int c)
{
	return isdigit(c) ? c - '0' : tolower(c) - 'a' + 10;
}

/* One backslash sequence in double quotes; returns its length. */
static size_t
resp_escape(const char *p, size_t len, struct buf *out)
{
	static const char from[] = "nrtba", to[] = "\n\r\t\b\a";
	const char *at;
	char c;

	if (len >= 4 && p[1] == 'x' && isxdigit((unsigned char)p[2]) &&
	    isxdigit((unsigned char)p[3])) {
		c = (char)(resp_hex((unsigned char)p[2]) * 16 +
		    resp_hex((unsigned char)p[3]));
		buf_add(out, &c, 1);
		return 4;
	}
	at = p[1] != '\0' ? strchr(from, p[1]) : NULL;
	c = at != NULL ? to[at - from] : p[1];
	buf_add(out, &c, 1);
	return 2;
}

/* A quoted part, from its quote on; returns its length, 0 if unbalanced. */
static size_t
resp_quoted(const char *p, size_t len, struct buf *out)
{
	char quote = *p;
	size_t i = 1;

	while (i < len && p[i] != quote) {
		if (p[i] == '\\' && quote == '"' && i + 1 < len)
			i += resp_escape(p + i, len - i, out);
		else if (p[i] == '\\' && quote == '\'' && i + 1 < len &&
		    p[i + 1] == '\'') {
			buf_add(out, "'", 1);
			i += 2;
		} else
			buf_add(out, &p[i++], 1);
	}
	if (i >= len || (i + 1 < len && !isspace((unsigned char)p[i + 1])))
		return 0;
	return i + 1;
}

int
resp_inline_args(const char *p, size_t len, struct buf *out)
{
	struct buf body = BUF_INIT, arg = BUF_INIT;
	size_t i = 0, n;
	int argc = 0;

	/* As C strings do in Redis, it ends at a NUL. */
	len = strnlen(p, len);
	for (;;) {
		while (i < len && isspace((unsigned char)p[i]))
			i++;
		if (i == len)
			break;
		/* A quoted part ends the word, whatever blank is behind it. */
		for (n = 1; i < len && n == 1 &&
		    strchr(" \n\r\t", p[i]) == NULL; i += n) {
			if (p[i] != '"' && p[i] != '\'')
				buf_add(&arg, &p[i], 1);
			else if ((n = resp_quoted(p + i, len - i, &arg)) == 0)
				goto unbalanced;
		}
		resp_add_bulk(&body, buf_data(&arg), buf_len(&arg));
		buf_drain(&arg, buf_len(&arg));
		argc++;
	}
	if (argc > 0) {
		resp_add_array(out, (size_t)argc);
		buf_add(out, buf_data(&body), buf_len(&body));
	}
	buf_free(&body);
	buf_free(&arg);
	return argc;

unbalanced:
	buf_free(&body);
	buf_free(&arg);
	return -1;
}

/* ---- replies ---- */

/* A whole header line stands in r->head; false when it is none. */
static bool
resp_header(struct resp_reply *r)
{
	size_t len = r->line < sizeof(r->head) ? r->line :
	    sizeof(r->head) - 1;
	long long n;

	r->head[len] = '\0';
	if (r->first_len == 0) {
		memcpy(r->first, r->head, len + 1);
		r->first_len = len;
	}
	switch (r->head[0]) {
	case '+': case '-': case ':': case '_': case '#': case ',': case '(':
		r->todo--;
		return true;
	case '$': case '=': case '!': case '*': case '%': case '~': case '>':
	case '|':
		break;
	default:
		return false;
	}
	if (r->line >= sizeof(r->head) ||
	    !resp_number(r->head + 1, len - 1, &n) || n < -1 ||
	    n > RESP_MAX_VALUES || r->todo > RESP_MAX_VALUES)
		return false;
	if (n == -1)
		r->todo--;
	else if (strchr("$=!", r->head[0]) != NULL)
		r->bulk = n + 2;
	else if (r->head[0] == '|')
		r->todo += 2 * n;
	else
		r->todo += (r->head[0] == '%' ? 2 * n : n) - 1;
	return true;
}

/* Gathers a header line; returns the bytes used, *whole when it ended. */
static size_t
resp_head(struct resp_reply *r, const char *p, size_t len, bool *whole)
{
	const char *nl = memchr(p, '\n', len);
	size_t n = nl != NULL ? (size_t)(nl - p) : len;
	size_t have = r->line < sizeof(r->head) ? r->line :
	    sizeof(r->head) - 1;
	size_t room = sizeof(r->head) - 1 - have;

	memcpy(r->head + have, p, n < room ? n : room);
	r->line += n;
	*whole = nl != NULL;
	return nl != NULL ? n + 1 : n;
}

long long
resp_reply(struct resp_reply *r, const char *p, size_t len, bool *done)
{
	size_t used = 0, n;
	bool whole;

	*done = false;
	if (len == 0)
		return 0;
	if (r->todo == 0) {
		r->todo = 1;
		r->type = *p;
		r->first_len = 0;
		r->line = 0;
		r->bulk = 0;
	}
	while (used < len && r->todo > 0) {
		if (r->bulk > 0) {
			n = len - used;
			if ((long long)n > r->bulk)
				n = (size_t)r->bulk;
			used += n;
			r->bulk -= (long long)n;
			r->todo -= r->bulk == 0;
			continue;
		}
		used += resp_head(r, p + used, len - used, &whole);
		if (!whole)
			break;
		/* Without the CR; a line that was cut has none in head. */
		if (r->line > 0 && (r->line >= sizeof(r->head) ||
		    r->head[r->line - 1] == '\r'))
			r->line--;
		if (r->line == 0 || !resp_header(r))
			return RESP_BAD;
		r->line = 0;
	}
	*done = r->todo == 0;
	return (long long)used;
}

size_t
resp_reply_plain(const char *p, size_t len)
{
	const char *at, *nl;
	size_t n;

	switch (*p) {
	case '$':
		at = resp_short(p, p + len, '$', &n);
		if (at != NULL && n + 2 <= (size_t)(p + len - at))
			return (size_t)(at - p) + n + 2;
		if (at != NULL || len < 2 || p[1] != '-')
			return 0;
		break;		/* "$-1" is a line */
	case '+':
	case ':':
	case '_':
		break;
	default:
		return 0;
	}
	nl = memchr(p, '\n', len);
	return nl != NULL && nl > p + 1 && nl[-1] == '\r' ?
	    (size_t)(nl - p) + 1 : 0;
}

bool
resp_is_error(const struct resp_reply *r, const char *word)
{
	size_t n = strlen(word);

	return r->type == '-' && strncmp(r->first + 1, word, n) == 0 &&
	    (r->first[1 + n] == ' ' || r->first[1 + n] == '\0');
}

/* ---- writing ---- */

static void
resp_add_header(struct buf *b, char type, long long n)
{
	buf_addf(b, "%c%lld\r\n", type, n);
}

void
resp_add_array(struct buf *b, size_t n)
{
	resp_add_header(b, '*', (long long)n);
}

void
resp_add_bulk(struct buf *b, const void *p, size_t n)
{
	resp_add_header(b, '$', (long long)n);
	buf_add(b, p, n);
	buf_add(b, "\r\n", 2);
}

void
resp_add_str(struct buf *b, const char *s)
{
	resp_add_bulk(b, s, strlen(s));
}

void
resp_add_verbatim(struct buf *b, const void *p, size_t n, int proto)
{
	if (proto == 2) {
		resp_add_bulk(b, p, n);
		return;
	}
	resp_add_header(b, '=', (long long)n + 4);
	buf_add(b, "txt:", 4);
	buf_add(b, p, n);
	buf_add(b, "\r\n", 2);
}

void
resp_add_simple(struct buf *b, const char *s)
{
	buf_addf(b, "+%s\r\n", s);
}

void
resp_add_int(struct buf *b, long long n)
{
	resp_add_header(b, ':', n);
}

void
resp_add_null(struct buf *b, int proto)
{
	buf_addf(b, "%s\r\n", proto == 3 ? "_" : "$-1");
}

void
resp_add_null_array(struct buf *b, int proto)
{
	buf_addf(b, "%s\r\n", proto == 3 ? "_" : "*-1");
}

void
resp_add_map(struct buf *b, size_t pairs, int proto)
{
	if (proto == 3)
		resp_add_header(b, '%', (long long)pairs);
	else
		resp_add_array(b, 2 * pairs);
}

void
resp_add_error(struct buf *b, const char *fmt, ...)
{
	char text[512], *p;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (p = text; *p != '\0'; p++)
		if (*p == '\r' || *p == '\n')
			*p = ' ';
	buf_addf(b, "-%s\r\n", text);
}

void
resp_add_command(struct buf *b, ...)
{
	const char *s;
	size_t n = 0;
	va_list ap;

	va_start(ap, b);
	while (va_arg(ap, const char *) != NULL)
		n++;
	va_end(ap);
	resp_add_array(b, n);
	va_start(ap, b);
	while ((s = va_arg(ap, const char *)) != NULL)
		resp_add_str(b, s);
	va_end(ap);
}
