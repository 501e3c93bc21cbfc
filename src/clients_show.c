#include "clients_show.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- a line ---- */

/* Redis' letters (networking.c, catClientInfoString), as far as known. */
static void
clients_flags(const struct client_facts *f, char out[16])
{
	const struct session *s = f->session;
	char *p = out;

	if (f->replica)
		*p++ = 'S';
	if (s->monitors)
		*p++ = 'O';
	if (!pubsub_empty(&s->subs))
		*p++ = 'P';
	if (s->in_tx)
		*p++ = 'x';
	if (f->blocked)
		*p++ = 'b';
	if (s->tracking != NULL)
		*p++ = 't';
	if (session_tracks_all(s))
		*p++ = 'B';
	if (s->exec == SESSION_EXEC_NIL)
		*p++ = 'd';
	if (f->leaving)
		*p++ = 'c';
	if (conn_local(f->conn)->sa.ss_family == AF_UNIX)
		*p++ = 'U';
	if (p == out)
		*p++ = 'N';
	*p = '\0';
}

static const char *
clients_user(const struct session *s)
{
	return s->user != NULL ? s->user : "default";
}

static const char *
clients_text(const char *s)
{
	return s != NULL ? s : "";
}

void
clients_line(const struct client *c, struct mono now, struct buf *out)
{
	struct client_facts f = client_facts(c);
	const struct session *s = f.session;
	size_t unread = conn_pending(f.conn);
	char flags[16];

	clients_flags(&f, flags);
	buf_addf(out, "id=%llu addr=%s laddr=%s fd=%d name=%s age=%lld "
	    "idle=%lld flags=%s db=%d sub=%zu psub=%zu ssub=%zu multi=%d ",
	    (unsigned long long)f.id, conn_peer(f.conn)->text,
	    conn_local(f.conn)->text, conn_fd(f.conn), clients_text(s->name),
	    (long long)mono_ms(now, f.since) / 1000,
	    (long long)mono_ms(now, f.active) / 1000, flags, s->db,
	    pubsub_count(&s->subs, PUBSUB_CHANNEL),
	    pubsub_count(&s->subs, PUBSUB_PATTERN),
	    pubsub_count(&s->subs, PUBSUB_SHARD), session_queued(s));
	buf_addf(out, "qbuf=%zu qbuf-free=0 argv-mem=%zu multi-mem=%zu "
	    "rbs=0 rbp=0 obl=0 oll=%d omem=%zu tot-mem=%zu events=%s cmd=%s "
	    "user=%s redir=%lld resp=%d lib-name=%s lib-ver=%s\n",
	    f.query, f.query, f.queued, unread > 0, unread,
	    f.cost + f.queued + unread, unread > 0 ? "rw" : "r", f.command,
	    clients_user(s), session_redirect(s), s->proto,
	    clients_text(s->lib_name), clients_text(s->lib_ver));
}

/* ---- who is meant ---- */

void
clients_filter_clear(struct clients_filter *f)
{
	free(f->addr);
	free(f->laddr);
	free(f->user);
	free(f->type);
	free(f->ids);
	memset(f, 0, sizeof(*f));
}

static bool
clients_number(const struct req *r, long long i, long long *n)
{
	struct resp_arg a = resp_request_arg(r->bytes, r->len, i);

	return util_number(a.p, a.len, n);
}

/* ID and all numbers behind it; what follows the last of them. */
static long long
clients_filter_ids(struct clients_filter *f, const struct req *r,
    long long i)
{
	long long n;

	for (f->nids = 0; i < r->argc && clients_number(r, i, &n); i++) {
		f->ids = xrealloc(f->ids, (f->nids + 1) * sizeof(*f->ids));
		f->ids[f->nids++] = n;
	}
	return i;
}

/* One "NAME value"; what follows it, or i when it is none that is known. */
static long long
clients_filter_add(struct clients_filter *f, const struct req *r, long long i,
    uint64_t me)
{
	char **field = session_arg_is(r, i, "ADDR") ? &f->addr :
	    session_arg_is(r, i, "LADDR") ? &f->laddr :
	    session_arg_is(r, i, "USER") ? &f->user :
	    session_arg_is(r, i, "TYPE") ? &f->type : NULL;

	if (i + 1 >= r->argc)
		return i;
	if (session_arg_is(r, i, "ID")) {
		long long next = clients_filter_ids(f, r, i + 1);

		return next > i + 1 ? next : i;
	}
	if (field != NULL) {
		free(*field);
		*field = session_arg(r, i + 1);
	} else if (session_arg_is(r, i, "SKIPME"))
		f->not_me = session_arg_is(r, i + 1, "yes") ? me : 0;
	else if (!session_arg_is(r, i, "MAXAGE") ||
	    !clients_number(r, i + 1, &f->age))
		return i;
	return i + 2;
}

char *
clients_filter_parse(struct clients_filter *f, const struct req *r,
    uint64_t me)
{
	long long i = 2, next;

	while (i < r->argc) {
		next = clients_filter_add(f, r, i, me);
		if (next == i)
			return session_arg(r, i);
		i = next;
	}
	return NULL;
}

/* Redis has two names for one of them. */
static bool
clients_is_type(const struct client_facts *f, const char *type)
{
	if (f->replica)
		return strcasecmp(type, "replica") == 0 ||
		    strcasecmp(type, "slave") == 0;
	return strcasecmp(type, pubsub_empty(&f->session->subs) ? "normal" :
	    "pubsub") == 0;
}

static bool
clients_has_id(const struct clients_filter *f, uint64_t id)
{
	size_t i;

	for (i = 0; i < f->nids; i++)
		if ((uint64_t)f->ids[i] == id)
			return true;
	return f->nids == 0;
}

bool
clients_matches(const struct clients_filter *f, const struct client *c,
    struct mono now)
{
	struct client_facts x = client_facts(c);

	return (f->not_me == 0 || x.id != f->not_me) &&
	    clients_has_id(f, x.id) &&
	    (f->addr == NULL || strcmp(f->addr, conn_peer(x.conn)->text) == 0)
	    && (f->laddr == NULL ||
	    strcmp(f->laddr, conn_local(x.conn)->text) == 0) &&
	    (f->user == NULL ||
	    strcmp(f->user, clients_user(x.session)) == 0) &&
	    (f->type == NULL || clients_is_type(&x, f->type)) &&
	    mono_ms(now, x.since) / 1000 >= f->age;
}
