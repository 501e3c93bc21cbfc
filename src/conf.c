#include "conf.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cmd.h"
#include "conf_priv.h"
#include "record.h"
#include "resp.h"

#define CONF_DEPTH	8		/* files that include one another */
#define CONF_WORDS	256		/* on one line */

const struct conf_row conf_rows[] = {
#define OPTION(name, type, field, def, min, max, choices, when, help)	\
	{ name, CONF_##type, offsetof(struct conf, field), def, min, max, \
	    choices, when, help },
#include "conf.def"
#undef OPTION
};
const size_t conf_nrows = NELEM(conf_rows);

static bool conf_read_file(struct conf_reader *, const char *path);

bool
conf_error(struct conf_reader *r, const char *fmt, ...)
{
	va_list ap;
	int n = 0;

	if (r->file != NULL)
		n = snprintf(r->why, r->whysize, "%s:%u: ", r->file, r->line);
	if (n < 0 || (size_t)n >= r->whysize)
		return false;
	va_start(ap, fmt);
	vsnprintf(r->why + n, r->whysize - (size_t)n, fmt, ap);
	va_end(ap);
	return false;
}

/* ---- values ---- */

void *
conf_field(const struct conf *c, const struct conf_row *o)
{
	return (char *)(uintptr_t)c + o->offset;
}

static void
conf_set_text(char **field, const char *value)
{
	free(*field);
	*field = value != NULL ? xstrdup(value) : NULL;
}

/* HOST:PORT, [V6]:PORT; "" is none. */
static bool
conf_set_addr(struct conf_addr *a, const char *text)
{
	const char *colon = strrchr(text, ':'), *end = colon;
	long long port;

	if (*text == '\0') {
		conf_set_text(&a->host, NULL);
		return true;
	}
	if (colon == NULL || colon == text ||
	    !util_number(colon + 1, strlen(colon + 1), &port) ||
	    port < 1 || port > 65535)
		return false;
	if (*text == '[') {
		text++;
		end--;
		if (*end != ']' || end <= text)
			return false;
	} else if (memchr(text, ':', (size_t)(colon - text)) != NULL)
		return false;
	free(a->host);
	a->host = xstrndup(text, (size_t)(end - text));
	a->port = (int)port;
	return true;
}

static bool
conf_set_mode(int *mode, const char *text)
{
	size_t n = strlen(text);
	long value = strtol(text, NULL, 8);

	if (n == 0 || strspn(text, "01234567") != n || value > 0777)
		return false;
	*mode = (int)value;
	return true;
}

/* The place of the word among the choices, -1 for none of them. */
static int
conf_choice(const char *choices, const char *word)
{
	size_t n;
	int i;

	for (i = 0; *choices != '\0'; i++) {
		n = strcspn(choices, " ");
		if (strlen(word) == n && strncasecmp(choices, word, n) == 0)
			return i;
		choices += n;
		choices += strspn(choices, " ");
	}
	return -1;
}

static bool
conf_in_bounds(struct conf_reader *r, const struct conf_row *o, long long n,
    const char *text)
{
	bool bounded = o->min != 0 || o->max != 0;

	if (n < o->min || (o->max != 0 && n > o->max))
		return bounded && o->max != 0 ?
		    conf_error(r, "%s: %s is not between %lld and %lld",
		    o->name, text, o->min, o->max) :
		    conf_error(r, "%s: %s is less than %lld", o->name, text,
		    o->min);
	return true;
}

bool
conf_set_value(struct conf_reader *r, const struct conf_row *o,
    const char *text)
{
	void *field = conf_field(r->conf, o);
	long long n;
	int choice;

	switch (o->type) {
	case CONF_STRING:
		conf_set_text(field, *text != '\0' ? text : NULL);
		return true;
	case CONF_LIST:
		conf_set_text(field, text);
		return true;
	case CONF_NUMBER:
		if (!util_number(text, strlen(text), &n))
			return conf_error(r, "%s: '%s' is not a number",
			    o->name, text);
		break;
	case CONF_SIZE:
		if (!util_size(text, &n))
			return conf_error(r, "%s: '%s' is not a size such as "
			    "64mb", o->name, text);
		break;
	case CONF_MS:
		if (!util_duration(text, &n))
			return conf_error(r, "%s: '%s' is not a time such as "
			    "500ms, 10s or 5m", o->name, text);
		break;
	case CONF_BOOL:
		if (strcasecmp(text, "yes") != 0 && strcasecmp(text, "no") != 0)
			return conf_error(r, "%s: '%s' is neither yes nor no",
			    o->name, text);
		*(bool *)field = strcasecmp(text, "yes") == 0;
		return true;
	case CONF_ADDR:
		return conf_set_addr(field, text) || conf_error(r,
		    "%s: '%s' is not HOST:PORT (or [IPV6]:PORT)", o->name,
		    text);
	case CONF_MODE:
		return conf_set_mode(field, text) || conf_error(r,
		    "%s: '%s' is no octal number from 0 to 777", o->name,
		    text);
	case CONF_ENUM:
		if ((choice = conf_choice(o->choices, text)) == -1)
			return conf_error(r, "%s: '%s' is none of: %s",
			    o->name, text, o->choices);
		*(int *)field = choice;
		return true;
	}
	if (!conf_in_bounds(r, o, n, text))
		return false;
	*(long long *)field = n;
	return true;
}

const struct conf_row *
conf_find(const char *name)
{
	size_t i;

	for (i = 0; i < conf_nrows; i++)
		if (strcasecmp(conf_rows[i].name, name) == 0)
			return &conf_rows[i];
	return NULL;
}

bool
conf_has_word(const char *list, const char *word)
{
	return conf_choice(list, word) != -1;
}

/* ---- lines ---- */

static char *
conf_join(char *const *word, int n)
{
	struct buf b = BUF_INIT;
	char *s;
	int i;

	for (i = 0; i < n; i++)
		buf_addf(&b, "%s%s", i > 0 && *word[i] != '\0' ? " " : "",
		    word[i]);
	s = xstrndup(buf_len(&b) > 0 ? buf_data(&b) : "", buf_len(&b));
	buf_free(&b);
	return s;
}

static bool
conf_set(struct conf_reader *r, int n, char *const *word)
{
	const struct conf_row *o = conf_find(word[0]);
	char *list;
	bool ok;

	if (o == NULL)
		return conf_error(r, "there is no option '%s'", word[0]);
	if (n == 3 && strcmp(o->name, "peer") == 0)
		return conf_set_value(r, o, word[1]) &&
		    conf_set_value(r, conf_find("peer-address"), word[2]);
	if (o->type == CONF_LIST) {
		list = conf_join(word + 1, n - 1);
		ok = conf_set_value(r, o, list);
		free(list);
		return ok;
	}
	if (n != 2)
		return conf_error(r, "%s takes %s, %d words are given",
		    o->name, strcmp(o->name, "peer") == 0 ?
		    "NAME HOST:PORT" : "one word", n - 1);
	return conf_set_value(r, o, word[1]);
}

/* A relative name is beside the file that includes it. */
static bool
conf_include(struct conf_reader *r, const char *name)
{
	const char *slash = r->file != NULL ? strrchr(r->file, '/') : NULL;
	struct conf_reader sub = *r;
	char *path;
	bool ok;

	if (r->depth == CONF_DEPTH)
		return conf_error(r, "include: more than %d files include "
		    "one another", CONF_DEPTH);
	path = *name == '/' || slash == NULL ? xstrdup(name) :
	    xasprintf("%.*s%s", (int)(slash + 1 - r->file), r->file, name);
	sub.depth++;
	ok = conf_read_file(&sub, path);
	free(path);
	return ok;
}

static bool
conf_words(struct conf_reader *r, int n, char *const *word)
{
	if (strcasecmp(word[0], "include") != 0)
		return conf_set(r, n, word);
	return n == 2 ? conf_include(r, word[1]) :
	    conf_error(r, "include takes one file");
}

size_t
conf_line_end(const char *p, size_t len)
{
	char quote = '\0';
	size_t i;

	for (i = 0; i < len; i++) {
		if (quote != '\0') {
			if (p[i] == '\\' && (quote == '"' ||
			    (i + 1 < len && p[i + 1] == quote)))
				i++;
			else if (p[i] == quote)
				quote = '\0';
		} else if (p[i] == '"' || p[i] == '\'')
			quote = p[i];
		else if (p[i] == '#' && (i == 0 ||
		    isspace((unsigned char)p[i - 1])))
			return i;
	}
	return len;
}

static bool
conf_line(struct conf_reader *r, const char *p, size_t len)
{
	struct buf b = BUF_INIT;
	const char *bad = NULL;
	char *word[CONF_WORDS];
	struct resp_arg a;
	int n, i;
	bool ok;

	len = conf_line_end(p, len);
	/* redis.conf and inline commands are quoted by the same rules. */
	n = resp_inline_args(p, len, &b);
	if (n < 0)
		bad = "the quotes are not balanced";
	else if (n > CONF_WORDS)
		bad = "there are too many words in the line";
	else if (memchr(p, '\0', len) != NULL || (n > 0 &&
	    memchr(buf_data(&b), '\0', buf_len(&b)) != NULL))
		bad = "there is a NUL in the line";
	for (i = 0; bad == NULL && i < n; i++) {
		a = resp_request_arg(buf_data(&b), buf_len(&b), i);
		word[i] = xstrndup(a.p, a.len);
	}
	ok = bad != NULL ? conf_error(r, "%s", bad) :
	    n == 0 || conf_words(r, n, word);
	for (i = 0; bad == NULL && i < n; i++)
		free(word[i]);
	buf_free(&b);
	return ok;
}

bool
conf_read_text(struct conf_reader *r, const char *path, const char *text,
    size_t len)
{
	const char *p, *nl, *end = text + len;
	bool ok = true;

	r->file = path;
	r->line = 0;
	for (p = text; ok && p < end; p = nl + 1) {
		if ((nl = memchr(p, '\n', (size_t)(end - p))) == NULL)
			nl = end;
		r->line++;
		ok = conf_line(r, p, (size_t)(nl - p));
	}
	return ok;
}

static bool
conf_read_file(struct conf_reader *r, const char *path)
{
	size_t len;
	char *text = util_read_file(path, CONF_FILE_MAX, &len);
	bool ok;

	if (text == NULL)
		return conf_error(r, "%s cannot be read: %s", path,
		    strerror(errno));
	ok = conf_read_text(r, path, text, len);
	free(text);
	return ok;
}

/* "--name", "word", ... */
static bool
conf_arguments(struct conf_reader *r, int argc, char *const *argv)
{
	char *word[CONF_WORDS];
	int n, i;

	for (i = 0; i < argc; i += n) {
		if (strncmp(argv[i], "--", 2) != 0 || argv[i][2] == '\0')
			return conf_error(r, "'%s' is not an option: they "
			    "begin with --", argv[i]);
		word[0] = argv[i] + 2;
		for (n = 1; i + n < argc && n < CONF_WORDS &&
		    strncmp(argv[i + n], "--", 2) != 0; n++)
			word[n] = argv[i + n];
		if (!conf_words(r, n, word))
			return false;
	}
	return true;
}

/* ---- the whole ---- */

static bool
conf_check_pair(struct conf_reader *r)
{
	const struct conf *c = r->conf;
	const char *missing =
	    c->cluster == NULL ? "cluster" : c->node == NULL ? "node" :
	    c->peer_address.host == NULL ? "the peer's HOST:PORT" :
	    c->peer_redis.host == NULL ? "peer-redis" :
	    c->peer_secret_file == NULL ? "peer-secret-file" : NULL;

	if (missing != NULL)
		return conf_error(r, "%s is missing: with a peer, cluster, "
		    "node, peer NAME HOST:PORT, peer-redis and "
		    "peer-secret-file are needed", missing);
	if (!record_name_ok(c->cluster) || !record_name_ok(c->node) ||
	    !record_name_ok(c->peer))
		return conf_error(r, "the names of cluster, node and peer "
		    "may have letters, digits and ._- (at most %d)",
		    RECORD_NAME);
	if (strcmp(c->node, c->peer) == 0)
		return conf_error(r, "node and peer are both '%s': is this "
		    "the other node's file? node is this one, peer the other",
		    c->node);
	return true;
}

static bool
conf_check_deny(struct conf_reader *r)
{
	const char *p, *bar;
	size_t n;

	for (p = r->conf->client_deny; *p != '\0'; p += n) {
		p += strspn(p, " ");
		n = strcspn(p, " ");
		bar = memchr(p, '|', n);
		if (n > 0 && cmd_find(p, bar != NULL ? (size_t)(bar - p) : n,
		    bar != NULL ? bar + 1 : NULL,
		    bar != NULL ? n - (size_t)(bar + 1 - p) : 0) == NULL)
			return conf_error(r, "client-deny: there is no "
			    "command '%.*s'", (int)n, p);
	}
	return true;
}

/* yes, no, or some of the ports by their options. */
static bool
conf_check_proxy(struct conf_reader *r)
{
	static const char words[] = "yes no port tls-port unixsocket";
	const char *list = r->conf->proxy_protocol, *p;
	char word[16];
	size_t n;

	for (p = list; *p != '\0'; p += n, p += strspn(p, " ")) {
		n = strcspn(p, " ");
		snprintf(word, sizeof(word), "%.*s", (int)n, p);
		if (n >= sizeof(word) || !conf_has_word(words, word))
			return conf_error(r, "proxy-protocol: '%.*s' is none "
			    "of: %s", (int)n, p, words);
		if (n < strlen(list) && (strcasecmp(word, "yes") == 0 ||
		    strcasecmp(word, "no") == 0))
			return conf_error(r, "proxy-protocol: '%s' goes with "
			    "no other word", word);
	}
	return true;
}

static bool
conf_check_tls(struct conf_reader *r)
{
	const struct conf *c = r->conf;
	/* Who needs what. */
	const char *clients = c->tls_port != 0 ? "tls-port" :
	    c->admin_tls ? "admin-tls" : NULL;
	const char *servers = c->redis_tls ? "redis-tls" :
	    c->peer_tls ? "peer-tls" : NULL;
	const char *cert = clients != NULL ? clients :
	    c->peer_tls ? "peer-tls" : NULL;
	const char *p;
	size_t n;

	for (p = c->tls_protocols; *p != '\0'; p += n, p += strspn(p, " ")) {
		n = strcspn(p, " ");
		if (n != 7 || (strncasecmp(p, "TLSv1.2", n) != 0 &&
		    strncasecmp(p, "TLSv1.3", n) != 0))
			return conf_error(r, "tls-protocols: '%.*s' is "
			    "neither TLSv1.2 nor TLSv1.3", (int)n, p);
	}
	if (*c->tls_protocols == '\0')
		return conf_error(r, "tls-protocols: TLSv1.2, TLSv1.3 or both "
		    "are needed");
	if ((c->tls_cert_file == NULL) != (c->tls_key_file == NULL))
		return conf_error(r, "tls-cert-file and tls-key-file need "
		    "each other");
	if (cert != NULL && c->tls_cert_file == NULL)
		return conf_error(r, "%s needs tls-cert-file and "
		    "tls-key-file", cert);
	if (c->tls_ca_cert_file != NULL)
		return true;
	if (servers != NULL)
		return conf_error(r, "%s needs tls-ca-cert-file", servers);
	if (clients != NULL && c->tls_auth_clients != CONF_AUTH_NO)
		return conf_error(r, "%s needs tls-ca-cert-file, or "
		    "tls-auth-clients no", clients);
	return true;
}

bool
conf_check(struct conf_reader *r)
{
	const struct conf *c = r->conf;
	struct in6_addr ip;

	r->file = NULL;
	if (c->redis.host == NULL)
		return conf_error(r, "redis is missing: redis HOST:PORT is "
		    "this node's Redis");
	if (c->vip == NULL && *c->bind == '\0' && c->unixsocket == NULL)
		return conf_error(r, "neither vip nor bind nor unixsocket is "
		    "given: clients need an address to connect to");
	if (c->port == 0 && c->tls_port == 0 &&
	    (c->unixsocket == NULL || c->vip != NULL))
		return conf_error(r, "port and tls-port are both 0: clients "
		    "need one of them%s", c->vip != NULL ?
		    " at the vip" : ", or a unixsocket");
	if (c->port != 0 && c->port == c->tls_port)
		return conf_error(r, "port and tls-port are both %lld",
		    c->port);
	if (c->vip != NULL && inet_pton(AF_INET, c->vip, &ip) != 1 &&
	    inet_pton(AF_INET6, c->vip, &ip) != 1)
		return conf_error(r, "vip: '%s' is not an IP address", c->vip);
	if (c->redis_user != NULL && c->redis_password_file == NULL)
		return conf_error(r, "redis-user needs redis-password-file");
	return conf_check_deny(r) && conf_check_tls(r) && conf_check_proxy(r) &&
	    (c->peer == NULL || conf_check_pair(r));
}

struct conf *
conf_defaults(struct conf_reader *r)
{
	size_t i;

	r->conf = xcalloc(1, sizeof(struct conf));
	for (i = 0; i < conf_nrows; i++)
		if (!conf_set_value(r, &conf_rows[i], conf_rows[i].def))
			abort();
	return r->conf;
}

struct conf *
conf_load(const char *file, int argc, char *const *argv, char *why,
    size_t whysize)
{
	struct conf_reader r = { .why = why, .whysize = whysize };
	bool ok;

	conf_defaults(&r);
	ok = file == NULL || conf_read_file(&r, file);
	r.file = NULL;
	if (ok && conf_arguments(&r, argc, argv) && conf_check(&r))
		return r.conf;
	conf_free(r.conf);
	return NULL;
}

struct conf *
conf_keep(struct conf *c)
{
	atomic_fetch_add(&c->kept, 1);
	return c;
}

void
conf_free(struct conf *c)
{
	size_t i;

	if (atomic_fetch_sub(&c->kept, 1) > 0)
		return;
	for (i = 0; i < conf_nrows; i++)
		switch (conf_rows[i].type) {
		case CONF_STRING:
		case CONF_LIST:
			free(*(char **)conf_field(c, &conf_rows[i]));
			break;
		case CONF_ADDR:
			free(((struct conf_addr *)conf_field(c,
			    &conf_rows[i]))->host);
			break;
		default:
			break;
		}
	free(c);
}
