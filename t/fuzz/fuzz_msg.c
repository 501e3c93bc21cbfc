/*
 * Messages of the other Holdover. In an input each line is one part of the
 * message, and "|" stands for a line end within it. A message that is read
 * is written so that it is read the same.
 */
#include "msg.h"

#include "fuzz.h"
#include "resp.h"

#define FUZZ_PARTS	(2 * MSG_FIELDS + 8)

struct parts {
	size_t		 n;
	const char	*p[FUZZ_PARTS];
	size_t		 len[FUZZ_PARTS];
};

static void
cut(char *p, size_t size, struct parts *out)
{
	char *end = p + size, *nl, *bar;

	for (out->n = 0; p < end && out->n < FUZZ_PARTS; p = nl + 1) {
		if ((nl = memchr(p, '\n', (size_t)(end - p))) == NULL)
			nl = end;
		out->p[out->n] = p;
		out->len[out->n++] = (size_t)(nl - p);
		while ((bar = memchr(p, '|', (size_t)(nl - p))) != NULL)
			*bar = '\n';
	}
}

static void
frame(const struct buf *b, struct parts *out)
{
	struct resp_request f = { 0 };
	struct resp_arg a;

	must(resp_request(&f, buf_data(b), buf_len(b)) ==
	    (long long)buf_len(b));
	must(f.argc <= FUZZ_PARTS);
	for (out->n = 0; out->n < (size_t)f.argc; out->n++) {
		a = resp_request_arg(buf_data(b), buf_len(b),
		    (long long)out->n);
		out->p[out->n] = a.p;
		out->len[out->n] = a.len;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf text = BUF_INIT, again = BUF_INIT;
	char *p = memcpy(xmalloc(size), data, size);
	struct parts parts;
	struct msg m;
	const char *why = "";

	cut(p, size, &parts);
	if (parts.n == 0 || !msg_decode(parts.n, parts.p, parts.len, &m, &why))
		must(parts.n == 0 || *why != '\0');
	else {
		must(*msg_name(m.type) != '\0');
		msg_encode(&m, &text);
		frame(&text, &parts);
		must(msg_decode(parts.n, parts.p, parts.len, &m, &why));
		msg_encode(&m, &again);
		must_be_same(&text, &again);
	}
	buf_free(&text);
	buf_free(&again);
	free(p);
	return 0;
}
