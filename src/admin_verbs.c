/*
 * The verbs of the admin port, and their table. Permission and arity are
 * checked in one place, before a verb's function is called.
 */
#include <ctype.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "admin_priv.h"
#include "log.h"
#include "resp.h"

typedef void admin_fn(struct admin_conn *, const struct admin_args *);

struct admin_row {
	const char		*name;		/* one word or two */
	int			 arity;
	enum admin_permission	 permission;
	admin_fn		*fn;
	const char		*syntax;
	const char		*help;
};

#define ADMIN(name, arity, permission, fn, syntax, help) \
	static admin_fn fn;
#include "admin.def"
#undef ADMIN

static const struct admin_row admin_rows[] = {
#define ADMIN(name, arity, permission, fn, syntax, help) \
	{ name, arity, permission, fn, syntax, help },
#include "admin.def"
#undef ADMIN
};

static void
admin_text(struct admin_conn *c, struct buf *text)
{
	resp_add_bulk(&c->out, buf_len(text) > 0 ? buf_data(text) : "",
	    buf_len(text));
	buf_free(text);
}

/* ---- answers that take their time ---- */

/* At once when the order never left admin_run(), which sends. */
static void
admin_go_on(struct admin_conn *c)
{
	if (c->state != ADMIN_WAITING)
		return;
	c->state = ADMIN_OPEN;
	admin_send(c);
	admin_serve(c);
}

static void
admin_on_done(bool ok, const char *text, void *arg)
{
	struct admin_conn *c = arg;

	if (ok)
		resp_add_simple(&c->out, text);
	else
		resp_add_error(&c->out, "ERR %s", text);
	admin_go_on(c);
}

/*
 * The answer has come already, or is awaited. Until it is there nothing
 * more of this connection is read.
 */
static void
admin_await(struct admin_conn *c)
{
	if (buf_len(&c->out) == 0)
		c->state = ADMIN_WAITING;
}

static struct admin_round *
admin_round_of(struct clients_round *r)
{
	return (struct admin_round *)(void *)r;
}

static void
admin_on_home(struct clients_round *round)
{
	struct admin_round *r = admin_round_of(round);
	struct admin_conn *c = r->conn;

	if (c != NULL) {
		c->round = NULL;
		r->done(c, r);
	}
	buf_free(&r->text);
	free(r->addr);
	free(r);
	if (c != NULL)
		admin_go_on(c);
}

/*
 * Sends it to all workers, which will have done what they were told before
 * when they are visited. done() answers then, if anybody still waits.
 */
static void
admin_send_round(struct admin_conn *c, struct admin_round *r,
    clients_visit_fn *visit,
    void (*done)(struct admin_conn *, struct admin_round *))
{
	r->round.visit = visit;
	r->round.home = admin_on_home;
	r->conn = c;
	r->done = done;
	c->round = r;
	c->state = ADMIN_WAITING;
	workers_round(c->admin->env.workers, &r->round);
}

static void
admin_done_simple(struct admin_conn *c, struct admin_round *r)
{
	resp_add_simple(&c->out, buf_data(&r->text));
}

/* The text, as soon as what it says is so at all workers. */
static void
admin_simple_later(struct admin_conn *c, const char *text)
{
	struct admin_round *r = xcalloc(1, sizeof(*r));

	buf_add(&r->text, text, strlen(text) + 1);
	admin_send_round(c, r, NULL, admin_done_simple);
}

/* ---- the verbs ---- */

static void
admin_ping(struct admin_conn *c, const struct admin_args *a)
{
	(void)a;
	resp_add_simple(&c->out, "PONG");
}

/*
 * That this is answered is the answer, and it is when every thread answers:
 * whether the node is fit to hold the VIP is told by the track_file, which
 * weighs the peer as well.
 */
static void
admin_health(struct admin_conn *c, const struct admin_args *a)
{
	(void)a;
	admin_simple_later(c, "OK");
}

static void
admin_quit(struct admin_conn *c, const struct admin_args *a)
{
	(void)a;
	resp_add_simple(&c->out, "OK");
	c->state = ADMIN_CLOSING;
}

static void
admin_auth(struct admin_conn *c, const struct admin_args *a)
{
	const char *given = a->argv[a->argc - 1];
	const char *password = c->admin->password;
	char x[ADMIN_PASSWORD] = "", y[ADMIN_PASSWORD] = "";

	if (password == NULL) {
		resp_add_error(&c->out, "ERR no password is set "
		    "(admin-requirepass-file): AUTH is not needed");
		return;
	}
	/* Takes as long for a nearly right one as for any other. */
	snprintf(x, sizeof(x), "%s", password);
	snprintf(y, sizeof(y), "%s", given);
	if (strlen(given) < sizeof(y) && CRYPTO_memcmp(x, y, sizeof(x)) == 0) {
		c->role = OPERATOR;
		resp_add_simple(&c->out, "OK");
	} else {
		log_warnx("admin: AUTH with a wrong password");
		resp_add_error(&c->out, "WRONGPASS the password is wrong");
	}
	explicit_bzero(x, sizeof(x));
	explicit_bzero(y, sizeof(y));
}

static void
admin_help(struct admin_conn *c, const struct admin_args *a)
{
	struct buf text = BUF_INIT;
	size_t i;

	(void)a;
	for (i = 0; i < NELEM(admin_rows); i++)
		buf_addf(&text, "%s%s\n    %s\n", admin_rows[i].syntax,
		    admin_rows[i].permission == OPERATOR ? "  (operator)" : "",
		    admin_rows[i].help);
	admin_text(c, &text);
}

/* The words of a verb, joined by '|' and in lower case, as Redis does. */
static void
admin_add_name(struct buf *out, const struct admin_row *r)
{
	char name[64];
	size_t i;

	for (i = 0; r->name[i] != '\0' && i + 1 < sizeof(name); i++)
		name[i] = r->name[i] == ' ' ? '|' :
		    (char)tolower((unsigned char)r->name[i]);
	name[i] = '\0';
	resp_add_str(out, name);
}

/* What COMMAND says of one: permission is in the flags. */
static void
admin_add_command(struct buf *out, const struct admin_row *r)
{
	resp_add_array(out, 6);
	admin_add_name(out, r);
	resp_add_int(out, r->arity);
	resp_add_array(out, 1);
	resp_add_simple(out, r->permission == OPERATOR ? "admin" :
	    "readonly");
	resp_add_int(out, 0);		/* no keys */
	resp_add_int(out, 0);
	resp_add_int(out, 0);
}

/* How many rows from this one on are of the same first word. */
static size_t
admin_siblings(size_t i)
{
	size_t word = strcspn(admin_rows[i].name, " "), n = 1;

	while (i + n < NELEM(admin_rows) &&
	    admin_rows[i].name[word] == ' ' &&
	    strncmp(admin_rows[i].name, admin_rows[i + n].name, word + 1)
	    == 0)
		n++;
	return n;
}

/* In redis-cli's HELP the arguments come behind the name. */
static void
admin_add_doc(struct buf *out, const struct admin_row *r)
{
	const char *rest = r->syntax + strlen(r->name);

	admin_add_name(out, r);
	resp_add_map(out, *rest != '\0' ? 3 : 2, 2);
	resp_add_str(out, "summary");
	resp_add_str(out, r->help);
	resp_add_str(out, "group");
	resp_add_str(out, "holdover");
	if (*rest == '\0')
		return;
	resp_add_str(out, "arguments");
	resp_add_array(out, 1);
	resp_add_map(out, 2, 2);
	resp_add_str(out, "name");
	resp_add_str(out, rest + 1);
	resp_add_str(out, "type");
	resp_add_str(out, "string");
}

static void
admin_docs(struct buf *out)
{
	size_t i, j, n, groups = 0;

	for (i = 0; i < NELEM(admin_rows); i += admin_siblings(i))
		groups++;
	resp_add_map(out, groups, 2);
	for (i = 0; i < NELEM(admin_rows); i += n) {
		n = admin_siblings(i);
		if (strchr(admin_rows[i].name, ' ') == NULL) {
			admin_add_doc(out, &admin_rows[i]);
			continue;
		}
		resp_add_bulk(out, admin_rows[i].name,
		    strcspn(admin_rows[i].name, " "));
		resp_add_map(out, 3, 2);
		resp_add_str(out, "summary");
		resp_add_str(out, "see its subcommands");
		resp_add_str(out, "group");
		resp_add_str(out, "holdover");
		resp_add_str(out, "subcommands");
		resp_add_map(out, n, 2);
		for (j = i; j < i + n; j++)
			admin_add_doc(out, &admin_rows[j]);
	}
}

static void
admin_command(struct admin_conn *c, const struct admin_args *a)
{
	size_t i;

	if (a->argc > 1 && strcasecmp(a->argv[1], "DOCS") == 0) {
		admin_docs(&c->out);
		return;
	}
	resp_add_array(&c->out, NELEM(admin_rows));
	for (i = 0; i < NELEM(admin_rows); i++)
		admin_add_command(&c->out, &admin_rows[i]);
}

static void
admin_config_get(struct admin_conn *c, const struct admin_args *a)
{
	struct buf pairs = BUF_INIT;
	size_t n;

	n = conf_get(settings_conf(c->admin->env.settings), a->argv[2],
	    &pairs);
	resp_add_map(&c->out, n, 2);
	buf_add(&c->out, n > 0 ? buf_data(&pairs) : "", buf_len(&pairs));
	buf_free(&pairs);
}

static void
admin_settled(struct admin_conn *c, bool ok, const char *text)
{
	if (ok)
		admin_simple_later(c, text);
	else
		resp_add_error(&c->out, "ERR %s; nothing was changed", text);
}

static void
admin_config_set(struct admin_conn *c, const struct admin_args *a)
{
	char text[512];
	bool ok;

	if (a->argc % 2 != 0) {
		resp_add_error(&c->out, "ERR the syntax is CONFIG SET OPTION "
		    "VALUE [OPTION VALUE ...]");
		return;
	}
	ok = settings_set(c->admin->env.settings, a->argc - 2, a->argv + 2,
	    text, sizeof(text));
	admin_settled(c, ok, text);
}

static void
admin_config_rewrite(struct admin_conn *c, const struct admin_args *a)
{
	char text[512];
	bool ok;

	(void)a;
	ok = settings_rewrite(c->admin->env.settings, text, sizeof(text));
	admin_settled(c, ok, text);
}

static void
admin_reload(struct admin_conn *c, const struct admin_args *a)
{
	char text[512];
	bool ok;

	(void)a;
	ok = settings_reload(c->admin->env.settings, text, sizeof(text));
	admin_settled(c, ok, text);
}

static void
admin_status(struct admin_conn *c, const struct admin_args *a)
{
	struct buf text = BUF_INIT;

	(void)a;
	admin_text_status(&c->admin->env, &text);
	admin_text(c, &text);
}

static void
admin_info(struct admin_conn *c, const struct admin_args *a)
{
	struct buf text = BUF_INIT;

	if (admin_text_info(&c->admin->env, a->argc > 1 ? a->argv[1] : NULL,
	    &text))
		admin_text(c, &text);
	else
		resp_add_error(&c->out, "ERR there is no section '%s'",
		    a->argv[1]);
}

static void
admin_visit_list(struct clients *cs, struct clients_round *r)
{
	clients_list(cs, &admin_round_of(r)->text);
}

static void
admin_done_list(struct admin_conn *c, struct admin_round *r)
{
	admin_text(c, &r->text);
}

static void
admin_client_list(struct admin_conn *c, const struct admin_args *a)
{
	(void)a;
	admin_send_round(c, xcalloc(1, sizeof(struct admin_round)),
	    admin_visit_list, admin_done_list);
}

static void
admin_visit_links(struct clients *cs, struct clients_round *r)
{
	clients_list_links(cs, &admin_round_of(r)->text);
}

static void
admin_visit_kill(struct clients *cs, struct clients_round *round)
{
	struct admin_round *r = admin_round_of(round);

	r->killed += clients_kill(cs, r->id, r->addr);
}

static void
admin_done_kill(struct admin_conn *c, struct admin_round *r)
{
	if (r->killed > 0)
		resp_add_simple(&c->out, "OK");
	else
		resp_add_error(&c->out, "ERR no client is connected with this "
		    "%s; see CLIENT LIST", r->addr == NULL ? "id" :
		    "address");
}

static void
admin_client_kill(struct admin_conn *c, const struct admin_args *a)
{
	const char *what = a->argv[3];
	bool by_id = strcasecmp(a->argv[2], "ID") == 0;
	struct admin_round *r;
	long long id = 0;

	if ((!by_id && strcasecmp(a->argv[2], "ADDR") != 0) || (by_id &&
	    (!util_number(what, strlen(what), &id) || id <= 0))) {
		resp_add_error(&c->out, "ERR the syntax is CLIENT KILL ID "
		    "NUMBER | ADDR HOST:PORT");
		return;
	}
	log_info("admin: CLIENT KILL %s %s", by_id ? "ID" : "ADDR", what);
	r = xcalloc(1, sizeof(*r));
	r->id = (uint64_t)id;
	r->addr = by_id ? NULL : xstrdup(what);
	admin_send_round(c, r, admin_visit_kill, admin_done_kill);
}

static void
admin_show(struct admin_conn *c, const struct admin_args *a)
{
	struct buf text = BUF_INIT;

	if (strcasecmp(a->argv[1], "CLIENTS") == 0)
		admin_client_list(c, a);
	else if (strcasecmp(a->argv[1], "SWITCHES") == 0)
		admin_add_switches(&c->admin->env, &c->out);
	else if (strcasecmp(a->argv[1], "LINKS") == 0)
		admin_send_round(c, xcalloc(1, sizeof(struct admin_round)),
		    admin_visit_links, admin_done_list);
	else if (admin_text_show(&c->admin->env, a->argv[1], &text))
		admin_text(c, &text);
	else
		resp_add_error(&c->out, "ERR SHOW knows CLIENTS, LINKS, "
		    "WORKERS, BACKENDS, HOLD, SWITCHES, CONFIG and PEER");
}

static void
admin_pause(struct admin_conn *c, const struct admin_args *a)
{
	const struct admin_env *e = &c->admin->env;
	enum gate_state state = GATE_HOLD_ALL;
	long long ms = settings_conf(e->settings)->hold_timeout;
	int i = 1;

	if (i < a->argc && (strcasecmp(a->argv[i], "WRITE") == 0 ||
	    strcasecmp(a->argv[i], "ALL") == 0))
		state = strcasecmp(a->argv[i++], "ALL") == 0 ?
		    GATE_HOLD_ALL : GATE_HOLD_WRITES;
	if (i < a->argc && (!util_duration(a->argv[i++], &ms) || ms == 0)) {
		resp_add_error(&c->out, "ERR the time is not one such as "
		    "500ms or 5s");
		return;
	}
	if (i < a->argc) {
		resp_add_error(&c->out,
		    "ERR the syntax is PAUSE [WRITE|ALL] [TIME]");
		return;
	}
	gate_pause(e->gate, state, mono_add_ms(mono_now(), ms));
	log_info("admin: PAUSE %s for %lld ms",
	    state == GATE_HOLD_ALL ? "ALL" : "WRITE", ms);
	admin_simple_later(c, "OK");
}

static void
admin_resume(struct admin_conn *c, const struct admin_args *a)
{
	(void)a;
	gate_pause(c->admin->env.gate, GATE_OPEN, mono_now());
	log_info("admin: RESUME");
	admin_simple_later(c, "OK");
}

/* What stands behind NOTIFY; false with the reason. */
static bool
admin_notify_line(const struct admin_args *a, struct vrrp_line *line,
    const char **why)
{
	struct buf text = BUF_INIT;
	long long order = 0;
	bool ok;
	int i;

	*why = "the order must be a number, and nothing behind it";
	if (a->argc > 6 || (a->argc == 6 && (!util_number(a->argv[5],
	    strlen(a->argv[5]), &order) || order < 0)))
		return false;
	for (i = 1; i < a->argc && i < 5; i++)
		buf_addf(&text, i == 2 ? "\"%s\" " : "%s ", a->argv[i]);
	ok = info_vrrp_line(buf_data(&text), buf_len(&text), line, why);
	line->order = (uint64_t)order;
	buf_free(&text);
	return ok;
}

static void
admin_notify(struct admin_conn *c, const struct admin_args *a)
{
	struct vrrp_line line;
	const char *why;

	if (!admin_notify_line(a, &line, &why))
		resp_add_error(&c->out, "ERR this cannot be understood: %s",
		    why);
	else if (!control_notify(c->admin->env.control, &line))
		resp_add_error(&c->out, "ERR '%s' is not the instance that "
		    "is watched (vrrp-instance)", line.name);
	else
		resp_add_simple(&c->out, "OK");
}

static void
admin_shutdown(struct admin_conn *c, const struct admin_args *a)
{
	(void)a;
	log_info("admin: SHUTDOWN");
	resp_add_simple(&c->out, "OK");
	c->state = ADMIN_CLOSING;
	c->admin->env.shutdown(c->admin->env.arg);
}

static void
admin_events(struct admin_conn *c, const struct admin_args *a)
{
	(void)a;
	resp_add_simple(&c->out, "OK");
	c->state = ADMIN_EVENTS;
	atomic_fetch_add(&c->admin->events, 1);
}

/* ---- orders that take their time ---- */

static void
admin_switchover(struct admin_conn *c, const struct admin_args *a)
{
	(void)a;
	control_switchover(c->admin->env.control, admin_on_done, c);
	admin_await(c);
}

static void
admin_handover(struct admin_conn *c, const struct admin_args *a)
{
	(void)a;
	control_handover(c->admin->env.control, admin_on_done, c);
	admin_await(c);
}

static void
admin_promote(struct admin_conn *c, const struct admin_args *a)
{
	if (strcasecmp(a->argv[2], "ACCEPT-LOSS") != 0) {
		resp_add_error(&c->out, "ERR what the other Redis has more is "
		    "lost by this; say PROMOTE %s ACCEPT-LOSS if that is "
		    "meant", a->argv[1]);
		return;
	}
	control_promote(c->admin->env.control, a->argv[1], admin_on_done, c);
	admin_await(c);
}

/* ---- the table ---- */

/* The row whose words the request begins with; the longer name wins. */
static const struct admin_row *
admin_find(const struct admin_args *a)
{
	const struct admin_row *r, *best = NULL;
	size_t i, first;

	for (i = 0; i < NELEM(admin_rows); i++) {
		r = &admin_rows[i];
		first = strcspn(r->name, " ");
		if (strlen(a->argv[0]) != first ||
		    strncasecmp(a->argv[0], r->name, first) != 0)
			continue;
		if (r->name[first] == '\0' && best == NULL)
			best = r;
		else if (r->name[first] != '\0' && a->argc > 1 &&
		    strcasecmp(a->argv[1], r->name + first + 1) == 0)
			best = r;
	}
	return best;
}

void
admin_run(struct admin_conn *c, const struct admin_args *a)
{
	const struct admin_row *r = admin_find(a);

	if (r == NULL)
		resp_add_error(&c->out, "ERR unknown command '%.64s%s%.64s' "
		    "on the admin port; HELP lists what there is", a->argv[0],
		    a->argc > 1 ? " " : "", a->argc > 1 ? a->argv[1] : "");
	else if (r->permission > c->role)
		resp_add_error(&c->out, "NOAUTH %s needs an operator: AUTH "
		    "first", r->name);
	else if (r->arity < 0 ? a->argc < -r->arity : a->argc != r->arity)
		resp_add_error(&c->out, "ERR the syntax is %s", r->syntax);
	else
		r->fn(c, a);
	admin_send(c);
}
