/*
 * Framing: requests and replies that come whole and those that come byte by
 * byte must be found alike, and what is found must lie within the bytes.
 */
#include "resp.h"

#include "fuzz.h"

/* Redis' limits for lines do depend on how the bytes come: stay below. */
#define FUZZ_MAX	16384

/* The bytes that have come, with nothing readable behind them. */
static char *
come(const uint8_t *p, size_t len)
{
	return memcpy(xmalloc(len), p, len);
}

static void
check_multibulk(const struct resp_request *f, const char *p, size_t len)
{
	struct resp_arg a;

	if (f->argc == 0)
		return;
	a = resp_request_arg(p, len, 0);
	must(a.p == p + f->name_off && a.len == f->name_len);
	a = resp_request_arg(p, len, f->argc - 1);
	must(a.p + a.len + 2 == p + len);
	if (f->argc < 2)
		return;
	a = resp_request_arg(p, len, 1);
	must(a.p == p + f->sub_off && a.len == f->sub_len);
}

/* What an inline request is made into must be that request. */
static void
check_inline(const char *p, size_t len)
{
	struct resp_request f = { 0 };
	struct buf b = BUF_INIT;
	int n = resp_inline_args(p, len, &b);

	if (n <= 0)
		must(buf_len(&b) == 0);
	else {
		must(resp_request(&f, buf_data(&b), buf_len(&b)) ==
		    (long long)buf_len(&b));
		must(!f.is_inline && f.argc == n);
		check_multibulk(&f, buf_data(&b), buf_len(&b));
	}
	buf_free(&b);
}

/* Writes down what is found; step bytes come at a time. */
static void
read_requests(const uint8_t *data, size_t size, size_t step, struct buf *out)
{
	struct resp_request f = { 0 };
	size_t at = 0, have = 0;
	long long n = RESP_MORE;
	char *p;

	while (n != RESP_BAD && (n > 0 || have < size)) {
		if (n == RESP_MORE)
			have += size - have < step ? size - have : step;
		p = come(data + at, have - at);
		n = resp_request(&f, p, have - at);
		must(n >= RESP_BAD && n <= (long long)(have - at));
		if (n > 0 && f.is_inline)
			check_inline(p, (size_t)n);
		else if (n > 0)
			check_multibulk(&f, p, (size_t)n);
		free(p);
		if (n > 0) {
			buf_addf(out, "%lld %lld %d;", n, f.argc, f.is_inline);
			at += (size_t)n;
		}
	}
	if (n == RESP_BAD)
		buf_addf(out, "%s", f.error);
}

static void
read_replies(const uint8_t *data, size_t size, size_t step, struct buf *out)
{
	struct resp_reply r = { 0 };
	size_t at = 0, piece, total = 0;
	long long n = 0;
	bool done;
	char *p;

	while (at < size && n != RESP_BAD) {
		piece = size - at < step ? size - at : step;
		p = come(data + at, piece);
		n = resp_reply(&r, p, piece, &done);
		free(p);
		must(n == RESP_BAD || (n >= 0 && n <= (long long)piece));
		must(n == RESP_BAD || done || n == (long long)piece);
		if (n == RESP_BAD)
			break;
		at += (size_t)n;
		total += (size_t)n;
		if (!done)
			continue;
		must(r.first[r.first_len] == '\0');
		buf_addf(out, "%c %zu %zu ", r.type, total, r.first_len);
		buf_add(out, r.first, r.first_len);
		total = 0;
	}
	buf_addf(out, n == RESP_BAD ? "bad" : "end");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = BUF_INIT, bytes = BUF_INIT;

	if (size > FUZZ_MAX)
		return 0;
	read_requests(data, size, size, &whole);
	read_requests(data, size, 1, &bytes);
	must_be_same(&whole, &bytes);
	buf_free(&whole);
	buf_free(&bytes);
	read_replies(data, size, size, &whole);
	read_replies(data, size, 1, &bytes);
	must_be_same(&whole, &bytes);
	buf_free(&whole);
	buf_free(&bytes);
	return 0;
}
