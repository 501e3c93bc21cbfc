/*
 * The framing of requests and replies does not depend on where the bytes
 * are cut, never reads past their end (they end at a page that cannot be
 * read), and refuses what Redis 7.0 refuses, in its words.
 */
#include "resp.h"

#include <sys/mman.h>
#include <unistd.h>

#include "tap.h"

#define GUARD_SIZE	(4 * 1024 * 1024)

static char *guard_end;		/* what is here cannot be read */

static void
guard_init(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *p = mmap(NULL, GUARD_SIZE + page, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p + GUARD_SIZE, page, PROT_NONE) != 0) {
		perror("guard page");
		_exit(1);
	}
	guard_end = p + GUARD_SIZE;
}

/* The same bytes, with nothing behind them. */
static char *
guarded(const char *p, size_t len)
{
	return memmove(guard_end - len, p, len);
}

/* The buf as a string. */
static const char *
text(struct buf *b)
{
	buf_add(b, "", 1);
	return buf_data(b);
}

/* ---- requests ---- */

static void
log_request(const struct resp_request *f, const char *p, long long n,
    struct buf *out)
{
	if (f->is_inline)
		buf_addf(out, "[inline %lld, %lld]", f->argc, n);
	else if (f->argc == 0)
		buf_addf(out, "[none, %lld]", n);
	else if (f->argc == 1)
		buf_addf(out, "[1 %.*s, %lld]", (int)f->name_len,
		    p + f->name_off, n);
	else
		buf_addf(out, "[%lld %.*s %.*s, %lld]", f->argc,
		    (int)f->name_len, p + f->name_off, (int)f->sub_len,
		    p + f->sub_off, n);
}

/* All requests in the text, which comes as first bytes, then step a time. */
static void
read_requests(const char *p, size_t len, size_t first, size_t step,
    struct buf *out)
{
	struct resp_request f = { 0 };
	size_t at = 0, have = first;
	long long n;

	for (;;) {
		n = resp_request(&f, guarded(p + at, have - at), have - at);
		if (n > 0) {
			log_request(&f, p + at, n, out);
			at += (size_t)n;
		} else if (n == RESP_BAD) {
			buf_addf(out, "%s", f.error);
			return;
		} else if (have < len) {
			have += len - have < step ? len - have : step;
		} else
			break;
	}
	buf_addf(out, at < len ? "more" : "");
}

static bool
same_requests(const char *p, size_t len, size_t first, size_t step,
    const char *want)
{
	struct buf b = BUF_INIT;
	bool same;

	read_requests(p, len, first, step, &b);
	same = strcmp(text(&b), want) == 0;
	if (!same)
		printf("# cut at %zu, then by %zu: %s\n", first, step,
		    buf_data(&b));
	buf_free(&b);
	return same;
}

static void
requests_bytes(const char *p, size_t len, const char *want, const char *what)
{
	struct buf b = BUF_INIT;
	size_t i;
	bool same = true;

	read_requests(p, len, len, 1, &b);
	is_str(text(&b), want, "%s", what);
	buf_free(&b);
	for (i = 0; i <= len && same; i++)
		same = same_requests(p, len, i, len, want);
	ok(same, "%s: the same when cut anywhere", what);
	ok(same_requests(p, len, 0, 1, want), "%s: the same byte by byte",
	    what);
}

static void
requests(const char *s, const char *want, const char *what)
{
	requests_bytes(s, strlen(s), want, what);
}

static void
test_requests(void)
{
	requests("*1\r\n$4\r\nPING\r\n", "[1 PING, 14]", "one argument");
	requests("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", "[2 GET k, 20]",
	    "two arguments");
	requests("*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$0\r\n\r\n",
	    "[3 CLIENT SETNAME, 35]", "three, the last of them empty");
	requests("*2\r\n$0\r\n\r\n$0\r\n\r\n", "[2  , 16]",
	    "an empty name and an empty argument");
	requests("*2\r\n$4\r\nECHO\r\n$6\r\n\r\n*1\r\n\r\n",
	    "[2 ECHO \r\n*1\r\n, 26]", "an argument with line ends");
	requests("*1\r\n$4\r\nPINGxy", "[1 PING, 14]",
	    "the two bytes behind an argument are not looked at");
	requests("*0\r\n", "[none, 4]", "an array of none");
	requests("*-1\r\n", "[none, 5]", "a null array");
	requests("*-9223372036854775808\r\n", "[none, 23]",
	    "any negative array");
	requests("PING\r\n", "[inline 1, 6]", "inline");
	requests("SET a b\n", "[inline 1, 8]", "inline without CR");
	requests("\r\n", "[inline 0, 2]", "an empty line");
	requests("\n", "[inline 0, 1]", "an empty line without CR");
	requests("\r\n\r\nPING\r\n", "[inline 0, 2][inline 0, 2][inline 1, 6]",
	    "empty lines before a request");
	requests("*1\r\n$4\r\nPING\r\nPING\r\n*0\r\n*2\r\n$3\r\nGET\r\n"
	    "$1\r\nk\r\n*1\r\n$4\r\nQUIT\r\n",
	    "[1 PING, 14][inline 1, 6][none, 4][2 GET k, 20][1 QUIT, 14]",
	    "a pipeline of all kinds");
	requests("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*1\r\n$4\r\nPI",
	    "[2 GET k, 20]more", "one and a half");
	requests_bytes("*1\r\n$3\r\na\0b\r\n", 13, "[1 a, 13]",
	    "a NUL in an argument");
}

static void
test_request_errors(void)
{
	requests("*x\r\n", "Protocol error: invalid multibulk length",
	    "a count that is no number");
	requests("*\r\n", "Protocol error: invalid multibulk length",
	    "no count");
	requests("*01\r\n", "Protocol error: invalid multibulk length",
	    "a count with a leading zero");
	requests("*+1\r\n", "Protocol error: invalid multibulk length",
	    "a count with a plus");
	requests("*-0\r\n", "Protocol error: invalid multibulk length",
	    "a count of minus nothing");
	requests("* 1\r\n", "Protocol error: invalid multibulk length",
	    "a count with a blank");
	requests("*2147483648\r\n", "Protocol error: invalid multibulk length",
	    "a count over INT_MAX");
	requests("*18446744073709551617\r\n",
	    "Protocol error: invalid multibulk length",
	    "a count that would overflow");
	requests("*2147483647\r\n", "more", "a count of INT_MAX is waited for");
	requests("*1\r\nxGET\r\n", "Protocol error: expected '$', got 'x'",
	    "an argument without a length");
	requests("*2\r\n$3\r\nGET\r\n:1\r\n",
	    "Protocol error: expected '$', got ':'",
	    "a second argument without a length");
	requests("*1\r\n$x\r\n", "Protocol error: invalid bulk length",
	    "a length that is no number");
	requests("*1\r\n$\r\n", "Protocol error: invalid bulk length",
	    "no length");
	requests("*1\r\n$-1\r\n", "Protocol error: invalid bulk length",
	    "a negative length");
	requests("*1\r\n$04\r\nPING\r\n", "Protocol error: invalid bulk length",
	    "a length with a leading zero");
	requests("*1\r\n$536870913\r\n", "Protocol error: invalid bulk length",
	    "a length over 512 MB");
	requests("*1\r\n$536870912\r\n", "more",
	    "a length of 512 MB is waited for");
	requests("*1\r\n$9223372036854775807\r\n",
	    "Protocol error: invalid bulk length",
	    "a length that would overflow");
	requests("PING\r\n*1\r\n$-5\r\n",
	    "[inline 1, 6]Protocol error: invalid bulk length",
	    "what comes before an error is found");
}

/* prefix, and then n times the byte. */
static void
long_line(const char *prefix, char c, size_t n, const char *end,
    const char *want, const char *what)
{
	struct buf b = BUF_INIT;

	buf_add(&b, prefix, strlen(prefix));
	memset(buf_reserve(&b, n), c, n);
	buf_added(&b, n);
	buf_add(&b, end, strlen(end));
	ok(same_requests(buf_data(&b), buf_len(&b), buf_len(&b), 1, want) &&
	    same_requests(buf_data(&b), buf_len(&b), 0, 997, want),
	    "%s", what);
	buf_free(&b);
}

static void
test_long_lines(void)
{
	long_line("", 'a', RESP_MAX_INLINE, "", "more",
	    "an inline request of 64 kB may still end");
	long_line("", 'a', RESP_MAX_INLINE + 1, "",
	    "Protocol error: too big inline request",
	    "an inline request of more than 64 kB that does not end");
	long_line("", 'a', RESP_MAX_INLINE - 2, "\r\n", "[inline 1, 65536]",
	    "a long inline request that ends");
	long_line("*", '1', RESP_MAX_INLINE, "",
	    "Protocol error: too big mbulk count string",
	    "a count that does not end");
	long_line("*1\r\n$", '1', RESP_MAX_INLINE, "",
	    "Protocol error: too big bulk count string",
	    "a length that does not end");
	long_line("*1\r\n$", '1', RESP_MAX_INLINE - 1, "", "more",
	    "a length of 64 kB may still end");
}

/* Only the headers of such a request are ever touched. */
static void
test_huge_request(void)
{
	static const char one[] = "*2\r\n$536870912\r\n";
	static const char two[] = "\r\n$536870912\r\n";
	size_t half = 512UL * 1024 * 1024, size = half + 4096;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct resp_request f = { 0 };

	if (p == MAP_FAILED) {
		ok(true, "SKIPPED: no room for half a gigabyte");
		return;
	}
	memcpy(p, one, sizeof(one) - 1);
	memcpy(p + sizeof(one) - 1 + half, two, sizeof(two) - 1);
	is_int(resp_request(&f, p, size), RESP_BAD,
	    "two arguments of 512 MB are refused");
	is_str(f.error, "Protocol error: too big request",
	    "because they are more than 1 GB");
	munmap(p, size);
}

static void
test_request_arg(void)
{
	static const char s[] =
	    "*4\r\n$3\r\nSET\r\n$0\r\n\r\n$5\r\na\r\n*b\r\n$1\r\nx\r\n";
	static const char *const want[] = { "SET", "", "a\r\n*b", "x" };
	struct resp_request f = { 0 };
	struct resp_arg a;
	const char *p = guarded(s, sizeof(s) - 1);
	int i;

	is_int(resp_request(&f, p, sizeof(s) - 1), (long long)sizeof(s) - 1,
	    "the request is whole");
	for (i = 0; i < 4; i++) {
		a = resp_request_arg(p, sizeof(s) - 1, i);
		ok(a.len == strlen(want[i]) &&
		    memcmp(a.p, want[i], a.len) == 0, "argument %d", i);
	}
	a = resp_request_arg(p, sizeof(s) - 1, 0);
	ok(a.p == p + f.name_off && a.len == f.name_len,
	    "the name is argument 0");
	a = resp_request_arg(p, sizeof(s) - 1, 1);
	ok(a.p == p + f.sub_off && a.len == f.sub_len,
	    "the subcommand is argument 1");
}

/* ---- inline arguments ---- */

/* The arguments, each in < >. */
static void
inline_bytes(const char *p, size_t len, int argc, const char *want,
    const char *what)
{
	struct buf out = BUF_INIT, shown = BUF_INIT;
	struct resp_arg a;
	int n = resp_inline_args(guarded(p, len), len, &out), i;

	is_int(n, argc, "%s: their number", what);
	for (i = 0; i < n; i++) {
		a = resp_request_arg(buf_data(&out), buf_len(&out), i);
		buf_addf(&shown, "<");
		buf_add(&shown, a.p, a.len);
		buf_addf(&shown, ">");
	}
	is_str(text(&shown), want, "%s", what);
	if (n <= 0)
		ok(buf_len(&out) == 0, "%s: nothing is written", what);
	buf_free(&out);
	buf_free(&shown);
}

static void
inline_args(const char *s, int argc, const char *want, const char *what)
{
	inline_bytes(s, strlen(s), argc, want, what);
}

static void
test_inline_args(void)
{
	struct buf out = BUF_INIT;

	inline_args("SET a b\r\n", 3, "<SET><a><b>", "three words");
	inline_args("  \tSET\t a   b  \n", 3, "<SET><a><b>", "any blanks");
	inline_args("   \r\n", 0, "", "only blanks");
	inline_args("", 0, "", "nothing");
	inline_args("\"a b\" 'c d'", 2, "<a b><c d>", "blanks in quotes");
	inline_args("\"\" ''", 2, "<><>", "empty ones");
	inline_args("\"\\x41\\x7a\\xZZ\\x4\"", 1, "<AzxZZx4>", "hex");
	inline_args("\"\\n\\r\\t\\b\\a\\\\\\\"\\q\"", 1, "<\n\r\t\b\a\\\"q>",
	    "escapes");
	inline_args("'\\n\\x41\\'\"'", 1, "<\\n\\x41'\">",
	    "single quotes know only the quote's escape");
	inline_args("a\\n\\x41", 1, "<a\\n\\x41>",
	    "without quotes a backslash is one");
	inline_args("ab\"c d\" e", 2, "<abc d><e>",
	    "quotes may begin within a word");
	inline_args("\"a\"\vb", 2, "<a><b>",
	    "any white space may follow a quote, and ends the word");
	inline_args("a\vb", 1, "<a\vb>",
	    "within a word a vertical tab is a byte like others");
	inline_args("\"a", -1, "", "no end of double quotes");
	inline_args("'a", -1, "", "no end of single quotes");
	inline_args("x \"a\\\"\r\n", -1, "", "the end is escaped");
	inline_args("\"a\\", -1, "", "a backslash ends it");
	inline_args("\"a\"b", -1, "", "more behind double quotes");
	inline_args("'a'b", -1, "", "more behind single quotes");
	inline_args("ok \"a\"\"b\"", -1, "", "quotes behind quotes");
	inline_bytes("\"\\x00\\xff\"\r\n", 12, 1, "<", "a NUL by its number");
	inline_bytes("GET a\0b\r\n", 9, 2, "<GET><a>", "a NUL ends it");
	resp_inline_args("GET \"\\x00\"\r\n", 12, &out);
	ok(buf_len(&out) == 20 && memcmp(buf_data(&out),
	    "*2\r\n$3\r\nGET\r\n$1\r\n\0\r\n", 20) == 0,
	    "what is written is the same request as multibulk");
	buf_free(&out);
}

/* ---- replies ---- */

/* All replies: type, first line, bytes; in pieces of step bytes. */
static void
read_replies(const char *p, size_t len, size_t first, size_t step,
    struct buf *out)
{
	struct resp_reply r = { 0 };
	size_t at = 0, n = first, total = 0, piece;
	long long used = 0;
	bool done = true;

	for (; at < len; n = step) {
		for (piece = n < len - at ? n : len - at; piece > 0;
		    piece -= (size_t)used) {
			used = resp_reply(&r, guarded(p + at, piece), piece,
			    &done);
			if (used == RESP_BAD) {
				buf_addf(out, "bad");
				return;
			}
			at += (size_t)used;
			total += (size_t)used;
			if (!done)
				continue;
			buf_addf(out, "[%c %s, %zu]", r.type, r.first, total);
			total = 0;
		}
	}
	buf_addf(out, done ? "" : "more");
}

static bool
same_replies(const char *p, size_t len, size_t first, size_t step,
    const char *want)
{
	struct buf b = BUF_INIT;
	bool same;

	read_replies(p, len, first, step, &b);
	same = strcmp(text(&b), want) == 0;
	if (!same)
		printf("# cut at %zu, then by %zu: %s\n", first, step,
		    buf_data(&b));
	buf_free(&b);
	return same;
}

static void
replies(const char *p, const char *want, const char *what)
{
	struct buf b = BUF_INIT;
	size_t len = strlen(p), i;
	bool same = true;

	read_replies(p, len, len, len, &b);
	is_str(text(&b), want, "%s", what);
	buf_free(&b);
	for (i = 1; i < len && same; i++)
		same = same_replies(p, len, i, len, want);
	ok(same && same_replies(p, len, 1, 1, want),
	    "%s: the same when cut anywhere, and byte by byte", what);
}

static void
test_replies(void)
{
	replies("+OK\r\n", "[+ +OK, 5]", "simple");
	replies("-ERR no\r\n", "[- -ERR no, 9]", "error");
	replies(":-12\r\n", "[: :-12, 6]", "integer");
	replies("$5\r\nhe\r\nx\r\n", "[$ $5, 11]", "bulk with a line end");
	replies("$0\r\n\r\n", "[$ $0, 6]", "empty bulk");
	replies("$-1\r\n", "[$ $-1, 5]", "null bulk");
	replies("*0\r\n", "[* *0, 4]", "empty array");
	replies("*-1\r\n", "[* *-1, 5]", "null array");
	replies("*2\r\n:1\r\n$1\r\na\r\n", "[* *2, 15]", "array");
	replies("_\r\n", "[_ _, 3]", "null");
	replies("#t\r\n#f\r\n", "[# #t, 4][# #f, 4]", "booleans");
	replies(",1.5\r\n,inf\r\n,nan\r\n",
	    "[, ,1.5, 6][, ,inf, 6][, ,nan, 6]", "doubles");
	replies("(3492890328409238509324850943850943825024385\r\n",
	    "[( (3492890328409238509324850943850943825024385, 46]",
	    "big number");
	replies("!8\r\nERR a\r\nb\r\n", "[! !8, 14]", "bulk error");
	replies("=7\r\ntxt:abc\r\n", "[= =7, 13]", "verbatim");
	replies("%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n:2\r\n", "[% %2, 24]", "map");
	replies("%0\r\n", "[% %0, 4]", "empty map");
	replies("~2\r\n+a\r\n+b\r\n", "[~ ~2, 12]", "set");
	replies(">2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n+OK\r\n",
	    "[> >2, 28][+ +OK, 5]", "a push is a message of its own");
	replies("|1\r\n+ttl\r\n:9\r\n$1\r\na\r\n+OK\r\n",
	    "[| |1, 21][+ +OK, 5]", "an attribute goes with its value");
	replies("*2\r\n|1\r\n+ttl\r\n:9\r\n:1\r\n:2\r\n", "[* *2, 26]",
	    "an attribute within an array counts for nothing");
	replies("*2\r\n*2\r\n:1\r\n*1\r\n_\r\n%1\r\n+k\r\n~1\r\n$-1\r\n:7\r\n",
	    "[* *2, 36][: :7, 4]", "nested ones");
	replies("*3\r\n:1\r\n", "more", "an array that goes on");
	replies("+a", "more", "a line that goes on");
	replies("+OK\r\n+QUEUED\r\n*1\r\n*1\r\n*0\r\n:1\r\n",
	    "[+ +OK, 5][+ +QUEUED, 9][* *1, 12][: :1, 4]", "a pipeline");
}

static void
test_bad_replies(void)
{
	replies("hello\r\n", "bad", "garbage");
	replies("\r\n", "bad", "an empty line");
	replies("\n", "bad", "an empty line without CR");
	replies("+OK\r\nGET /\r\n", "[+ +OK, 5]bad", "garbage behind a reply");
	replies("*1\r\nx\r\n", "bad", "garbage within an array");
	replies("$x\r\n", "bad", "a length that is no number");
	replies("$\r\n", "bad", "no length");
	replies("$-2\r\n", "bad", "a negative length");
	replies("$03\r\nabc\r\n", "bad", "a length with a leading zero");
	replies("$1099511627777\r\n", "bad", "a length of over a terabyte");
	replies("*9223372036854775807\r\n", "bad", "an absurd array");
	replies("%9223372036854775807\r\n", "bad", "an absurd map");
	replies("*99999999999999999999\r\n", "bad",
	    "a number that would overflow");
	replies("*1099511627776\r\n*1099511627776\r\n*1099511627776\r\n",
	    "bad", "arrays that are absurd together");
	replies("$0000000000000000000000000000000000000000000000000000000000"
	    "000000000001\r\n", "bad", "a length that does not end");
}

static void
test_long_replies(void)
{
	struct buf b = BUF_INIT, want = BUF_INIT;
	size_t n = 1024 * 1024, i;
	char line[200];

	buf_addf(&b, "*2\r\n$%zu\r\n", n);
	memset(buf_reserve(&b, n), '\r', n);
	buf_added(&b, n);
	buf_addf(&b, "\r\n:1\r\n+OK\r\n");
	buf_addf(&want, "[* *2, %zu][+ +OK, 5]", buf_len(&b) - 5);
	text(&want);
	ok(same_replies(buf_data(&b), buf_len(&b), buf_len(&b), 1,
	    buf_data(&want)), "a big bulk whole");
	ok(same_replies(buf_data(&b), buf_len(&b), 3, 4099, buf_data(&want)),
	    "a big bulk in pieces");
	buf_free(&b);
	buf_free(&want);
	for (i = 60; i < 70; i++) {
		memset(line, 'e', i);
		line[0] = '-';
		snprintf(line + i, sizeof(line) - i, "\r\n");
		buf_addf(&want, "[- %.*s, %zu]", (int)(i < 63 ? i : 63), line,
		    i + 2);
		ok(same_replies(line, i + 2, i + 2, 1, text(&want)) &&
		    same_replies(line, i + 2, 1, 1, buf_data(&want)),
		    "of a line of %zu bytes the first 63 are kept", i);
		buf_free(&want);
	}
}

static bool
is_error(const char *s, const char *word)
{
	struct resp_reply r = { 0 };
	bool done;

	return resp_reply(&r, s, strlen(s), &done) > 0 && done &&
	    resp_is_error(&r, word);
}

static void
test_is_error(void)
{
	ok(is_error("-READONLY You can't\r\n", "READONLY"), "READONLY");
	ok(is_error("-LOADING\r\n", "LOADING"), "an error of one word");
	ok(!is_error("-READONLYX no\r\n", "READONLY"), "not a longer word");
	ok(!is_error("-READ no\r\n", "READONLY"), "not a shorter word");
	ok(!is_error("-ERR READONLY\r\n", "READONLY"), "only the first word");
	ok(!is_error("+READONLY no\r\n", "READONLY"), "not what is no error");
}

/* ---- writing ---- */

static void
test_writing(void)
{
	struct buf b = BUF_INIT;

	resp_add_array(&b, 2);
	resp_add_bulk(&b, "a\r", 2);
	resp_add_str(&b, "");
	is_str(text(&b), "*2\r\n$2\r\na\r\r\n$0\r\n\r\n", "array and bulks");
	buf_free(&b);
	resp_add_simple(&b, "OK");
	resp_add_int(&b, -9223372036854775807LL - 1);
	is_str(text(&b), "+OK\r\n:-9223372036854775808\r\n",
	    "simple and integer");
	buf_free(&b);
	resp_add_null(&b, 2);
	resp_add_null(&b, 3);
	resp_add_null_array(&b, 2);
	resp_add_null_array(&b, 3);
	is_str(text(&b), "$-1\r\n_\r\n*-1\r\n_\r\n", "nulls by protocol");
	buf_free(&b);
	resp_add_map(&b, 3, 2);
	resp_add_map(&b, 3, 3);
	is_str(text(&b), "*6\r\n%3\r\n", "maps by protocol");
	buf_free(&b);
	resp_add_error(&b, "ERR %s %d", "a\r\nb\n", 7);
	is_str(text(&b), "-ERR a  b  7\r\n", "line ends in errors are blanks");
	buf_free(&b);
	resp_add_command(&b, "SET", "k", "", (char *)NULL);
	is_str(text(&b), "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n",
	    "a command");
	buf_free(&b);
}

int
main(void)
{
	guard_init();
	test_requests();
	test_request_errors();
	test_long_lines();
	test_huge_request();
	test_request_arg();
	test_inline_args();
	test_replies();
	test_bad_replies();
	test_long_replies();
	test_is_error();
	test_writing();
	return tap_done();
}
