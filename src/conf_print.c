/*
 * Values as text that is read back the same.
 */
#include <fnmatch.h>
#include <string.h>

#include "conf_priv.h"
#include "resp.h"

/* The largest unit that leaves nothing over. */
static void
conf_print_size(long long n, struct buf *out)
{
	static const char *const units[] = { "", "kb", "mb", "gb" };
	size_t i = 0;

	while (n != 0 && n % 1024 == 0 && i + 1 < NELEM(units)) {
		n /= 1024;
		i++;
	}
	buf_addf(out, "%lld%s", n, units[i]);
}

static void
conf_print_ms(long long ms, struct buf *out)
{
	if (ms != 0 && ms % 1000 == 0)
		buf_addf(out, "%llds", ms / 1000);
	else
		buf_addf(out, "%lldms", ms);
}

void
conf_print_value(const struct conf *c, const struct conf_row *o,
    struct buf *out)
{
	const void *f = conf_field(c, o);
	const struct conf_addr *a = f;
	const char *s, *choice;
	int i;

	switch (o->type) {
	case CONF_STRING:
	case CONF_LIST:
		s = *(char *const *)f;
		buf_addf(out, "%s", s != NULL ? s : "");
		break;
	case CONF_NUMBER:
		buf_addf(out, "%lld", *(const long long *)f);
		break;
	case CONF_SIZE:
		conf_print_size(*(const long long *)f, out);
		break;
	case CONF_MS:
		conf_print_ms(*(const long long *)f, out);
		break;
	case CONF_BOOL:
		buf_addf(out, "%s", *(const bool *)f ? "yes" : "no");
		break;
	case CONF_ADDR:
		if (a->host != NULL)
			buf_addf(out, strchr(a->host, ':') != NULL ?
			    "[%s]:%d" : "%s:%d", a->host, a->port);
		break;
	case CONF_MODE:
		buf_addf(out, "%o", (unsigned)*(const int *)f);
		break;
	case CONF_ENUM:
		choice = o->choices;
		for (i = *(const int *)f; i > 0; i--)
			choice += strcspn(choice, " ") + 1;
		buf_addf(out, "%.*s", (int)strcspn(choice, " "), choice);
		break;
	}
}

/* In quotes, so that it is read back as one word. */
static void
conf_quote(const char *p, size_t len, struct buf *out)
{
	buf_addf(out, "\"");
	for (; len > 0; p++, len--) {
		unsigned char c = (unsigned char)*p;

		if (c == '"' || c == '\\')
			buf_addf(out, "\\%c", c);
		else if (c < ' ' || c == 0x7f)
			buf_addf(out, "\\x%02x", c);
		else
			buf_add(out, p, 1);
	}
	buf_addf(out, "\"");
}

static void
conf_print_word(const char *p, size_t len, struct buf *out)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (p[i] <= ' ' || strchr("\"'\\#\x7f", p[i]) != NULL)
			break;
	if (len > 0 && i == len)
		buf_add(out, p, len);
	else
		conf_quote(p, len, out);
}

/* A list word by word, anything else as one. */
void
conf_print_quoted(const struct conf *c, const struct conf_row *o,
    struct buf *out)
{
	struct buf v = BUF_INIT;
	const char *p, *blank = "";
	size_t n;

	conf_print_value(c, o, &v);
	buf_add(&v, "", 1);
	p = buf_data(&v);
	while (o->type == CONF_LIST && *(p += strspn(p, " ")) != '\0') {
		n = strcspn(p, " ");
		buf_addf(out, "%s", blank);
		conf_print_word(p, n, out);
		blank = " ";
		p += n;
	}
	if (*blank == '\0')
		conf_print_word(p, strlen(p), out);
	buf_free(&v);
}

void
conf_print(const struct conf *c, struct buf *out)
{
	size_t i;

	for (i = 0; i < conf_nrows; i++) {
		buf_addf(out, "%s ", conf_rows[i].name);
		conf_print_quoted(c, &conf_rows[i], out);
		buf_addf(out, "\n");
	}
}

size_t
conf_get(const struct conf *c, const char *glob, struct buf *out)
{
	struct buf v = BUF_INIT;
	size_t i, n = 0;

	for (i = 0; i < conf_nrows; i++) {
		if (fnmatch(glob, conf_rows[i].name, FNM_CASEFOLD) != 0)
			continue;
		conf_print_value(c, &conf_rows[i], &v);
		resp_add_str(out, conf_rows[i].name);
		resp_add_bulk(out, buf_len(&v) > 0 ? buf_data(&v) : "",
		    buf_len(&v));
		buf_free(&v);
		n++;
	}
	return n;
}
