/*
 * What the admin port shows: INFO for programs, STATUS for people, SHOW for
 * one thing in detail. Lines are an interface: names stay.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "admin_priv.h"
#include "stats.h"

/* A certificate that expires sooner is a note of STATUS. */
#define ADMIN_TLS_DAYS	14

static const char *
admin_yes(bool b)
{
	return b ? "yes" : "no";
}

/* ---- words for what control knows ---- */

static const char *
admin_node(const struct control_view *v, enum side s)
{
	return s == SIDE_NONE ? "" : v->standalone ?
	    (v->conf->node != NULL ? v->conf->node : "") :
	    v->node->conf.name[s];
}

static enum side
admin_leader(const struct control_view *v)
{
	const struct node_peer *p = &v->node->facts.peer;

	if (node_leads(v->node))
		return v->node->conf.me;
	return p->health == NODE_UP && p->leads ?
	    SIDE_OTHER(v->node->conf.me) : SIDE_NONE;
}

static const char *
admin_peer_word(const struct control_view *v)
{
	switch (v->node->facts.peer.health) {
	case NODE_UP:
		return "up";
	case NODE_GONE:
		return "gone";
	case NODE_QUIET:
		return "silent";
	default:
		return "unknown";
	}
}

static const char *
admin_keepalived_word(const struct vrrp_view *v)
{
	static const char *const words[] = { [PIDFILE_UNKNOWN] = "unknown",
	    [PIDFILE_RUNS] = "running", [PIDFILE_GONE] = "gone" };

	return words[v->keepalived];
}

static const char *
admin_link_word(const struct redis *r)
{
	switch (redis_link(r)) {
	case REDIS_LINKED:
		return "up";
	case REDIS_REFUSED:
		return "refused";
	case REDIS_UNTRUSTED:
		return "untrusted";
	case REDIS_DENIED:
		return "denied";
	default:
		return "down";
	}
}

static const char *
admin_role_word(const struct info *i)
{
	return i->run_id[0] == '\0' ? "unknown" : i->loading ? "loading" :
	    i->primary ? "primary" : i->syncing ? "syncing" : i->link_up ?
	    "replica" : "replica, link down";
}

static long long
admin_silent_ms(const struct redis *r)
{
	struct mono heard = redis_heard(r);

	return heard.us == 0 ? -1 : (long long)mono_ms(mono_now(), heard);
}

/* ---- INFO ---- */

static void
admin_info_holdover(const struct admin_env *e, const struct control_view *v,
    struct buf *out)
{
	const struct conf *f = v->conf;
	int days;

	buf_addf(out, "version:%s\r\nprocess_id:%ld\r\ncluster:%s\r\n"
	    "node:%s\r\nstandalone:%s\r\n", HOLDOVER_VERSION, (long)getpid(),
	    f->cluster != NULL ? f->cluster : "",
	    f->node != NULL ? f->node : "", admin_yes(v->standalone));
	buf_addf(out, "tls_certificate_days:");
	if (tls_days_left(e->tls, &days))
		buf_addf(out, "%d", days);
	buf_addf(out, "\r\n");
}

static void
admin_info_redis(const struct control_view *v, enum side s, struct buf *out)
{
	const struct redis *r = v->redis[s];
	const struct info *i;

	if (r == NULL)
		return;
	i = redis_info(r);
	buf_addf(out, "redis_%s:address=%s,link=%s,role=%s,offset=%lld,"
	    "keys=%lld,fresh=%s\r\n", admin_node(v, s), redis_addr(r)->text,
	    admin_link_word(r), i->run_id[0] == '\0' ? "unknown" :
	    i->primary ? "primary" : "replica", i->offset, i->keys,
	    admin_yes(!v->standalone && node_is_fresh(v->node, s)));
}

static void
admin_info_pair(const struct admin_env *e, const struct control_view *v,
    struct buf *out)
{
	const struct gate_order *o = gate_order(e->gate);
	const struct record *r;

	buf_addf(out, "gate:%s\r\npaused:%s\r\n",
	    gate_state_name(gate_state(e->gate, mono_now())),
	    admin_yes(gate_paused(e->gate)));
	if (!v->standalone) {
		r = &v->node->record;
		buf_addf(out, "state:%s\r\nleader:%s\r\nepoch:%" PRIu64
		    "\r\nseq:%" PRIu64 "\r\nprimary:%s\r\nfresh:%s%s%s\r\n"
		    "serving:%s\r\npeer:%s\r\npeer_linked:%s\r\n"
		    "vip_clients:%zu\r\npeer_vip_clients:%zu\r\nwhy:%s\r\n",
		    node_state_name(v->node->state),
		    admin_node(v, admin_leader(v)), r->epoch.number, r->seq,
		    r->epoch.number > 0 ? admin_node(v, r->primary) : "",
		    r->fresh & SIDE_BIT(SIDE_A) ? admin_node(v, SIDE_A) : "",
		    r->fresh == 3 ? "," : "",
		    r->fresh & SIDE_BIT(SIDE_B) ? admin_node(v, SIDE_B) : "",
		    admin_node(v, o->writes), admin_peer_word(v),
		    admin_yes(v->peer_linked), v->vip_clients,
		    v->peer_vip_clients, v->node->why);
	}
	admin_info_redis(v, SIDE_A, out);
	admin_info_redis(v, SIDE_B, out);
}

static void
admin_info_keepalived(const struct admin_env *e,
    const struct control_view *v, struct buf *out)
{
	(void)e;
	if (v->vrrp == NULL)
		return;
	buf_addf(out, "keepalived:%s\r\n", admin_keepalived_word(v->vrrp));
	buf_addf(out, "vrrp:%s\r\npriority:%d\r\nvip:%s\r\nvip_state:%s\r\n"
	    "track:%d\r\n", vrrp_state_name(v->vrrp->said),
	    v->vrrp->priority, admin_yes(v->vrrp->address),
	    vip_state_name(v->vip->state), v->vip->value);
}

static void
admin_add_stats(bool gauges, struct buf *out)
{
	struct stats_sum sum = stats_sum();
	const struct stats_row *row;
	size_t i;

	for (i = 0; (row = stats_row(i)) != NULL; i++)
		if (row->gauge == gauges)
			buf_addf(out, "%s:%" PRIu64 "\r\n", row->name,
			    stats_value(&sum, row));
}

static void
admin_info_clients(const struct admin_env *e, const struct control_view *v,
    struct buf *out)
{
	(void)v;
	buf_addf(out, "workers:%zu\r\n", workers_count(e->workers));
	admin_add_stats(true, out);
}

static void
admin_info_switches(const struct admin_env *e, const struct control_view *v,
    struct buf *out)
{
	const struct control_sum *s = &v->sum;

	(void)e;
	buf_addf(out, "switches:%" PRIu64 "\r\nswitchovers:%" PRIu64 "\r\n"
	    "failovers:%" PRIu64 "\r\nswitches_held:%" PRIu64 "\r\n"
	    "switches_longest_us:%" PRId64 "\r\nswitches_in_doubt:%" PRIu64
	    "\r\nlost_writes_at_most:%" PRIu64 "\r\nlost_bytes:%lld\r\n",
	    s->switchovers + s->failovers, s->switchovers, s->failovers,
	    s->held, s->longest_us, s->in_doubt, s->lost_writes,
	    s->lost_bytes);
}

static void
admin_info_stats(const struct admin_env *e, const struct control_view *v,
    struct buf *out)
{
	(void)e;
	(void)v;
	admin_add_stats(false, out);
}

static const struct {
	const char	*name;
	void		(*fn)(const struct admin_env *,
			    const struct control_view *, struct buf *);
} admin_sections[] = {
	{ "Holdover", admin_info_holdover },
	{ "Pair", admin_info_pair },
	{ "Keepalived", admin_info_keepalived },
	{ "Clients", admin_info_clients },
	{ "Switches", admin_info_switches },
	{ "Stats", admin_info_stats },
};

bool
admin_text_info(const struct admin_env *e, const char *section,
    struct buf *out)
{
	struct control_view v = control_view(e->control);
	bool all = section == NULL || strcasecmp(section, "all") == 0;
	bool found = false;
	size_t i;

	for (i = 0; i < NELEM(admin_sections); i++) {
		if (!all && strcasecmp(section, admin_sections[i].name) != 0)
			continue;
		buf_addf(out, "%s# %s\r\n", found ? "\r\n" : "",
		    admin_sections[i].name);
		admin_sections[i].fn(e, &v, out);
		found = true;
	}
	return found;
}

/* ---- STATUS ---- */

static void
admin_status_redis(const struct control_view *v, enum side s,
    struct buf *out)
{
	const struct redis *r = v->redis[s];
	const struct info *i;

	if (r == NULL)
		return;
	i = redis_info(r);
	buf_addf(out, "redis %-8s %s at %s, link %s", admin_node(v, s),
	    admin_role_word(i), redis_addr(r)->text, admin_link_word(r));
	if (i->run_id[0] != '\0')
		buf_addf(out, ", offset %lld, %lld keys, heard %lld ms ago",
		    i->offset, i->keys, admin_silent_ms(r));
	buf_addf(out, "\n");
}

static void
admin_status_pair(const struct control_view *v, struct buf *out)
{
	const struct record *r = &v->node->record;
	enum side leader = admin_leader(v);

	buf_addf(out, "pair           %s, node %s is %s, epoch %" PRIu64
	    ", %s%s leads\n", v->conf->cluster, v->conf->node,
	    node_state_name(v->node->state), r->epoch.number,
	    leader == SIDE_NONE ? "nobody" : "node ",
	    admin_node(v, leader));
	buf_addf(out, "primary        %s; fresh copies: %s %s\n",
	    r->epoch.number == 0 || r->primary == SIDE_NONE ? "not chosen" :
	    admin_node(v, r->primary),
	    r->fresh & SIDE_BIT(SIDE_A) ? admin_node(v, SIDE_A) : "-",
	    r->fresh & SIDE_BIT(SIDE_B) ? admin_node(v, SIDE_B) : "-");
	buf_addf(out, "peer           %s is %s\n", v->conf->peer,
	    admin_peer_word(v));
}

/* What an operator should know or do, if anything. */
static void
admin_status_needs(const struct control_view *v, struct buf *out)
{
	const struct node_peer *p = &v->node->facts.peer;

	if (v->node->why[0] != '\0')
		buf_addf(out, "note           %s\n", v->node->why);
	if (*v->peer_complaint != '\0')
		buf_addf(out, "note           %s\n", v->peer_complaint);
	if (v->vrrp != NULL && v->vrrp->address && p->health == NODE_UP &&
	    p->holder)
		buf_addf(out, "note           both nodes hold the VIP: see "
		    "that VRRP adverts pass between them, and that no "
		    "keepalived was killed\n");
	if (v->vrrp == NULL)
		return;
	if (v->vrrp->keepalived == PIDFILE_GONE)
		buf_addf(out, "note           keepalived is not running%s: "
		    "start it\n", v->vrrp->address ? ", and has left its VIP "
		    "behind, which is served all the same" : "");
	else if (v->vrrp->address && v->vrrp->said != VRRP_MASTER &&
	    v->vrrp->said != VRRP_UNKNOWN)
		buf_addf(out, "note           the VIP is here, though "
		    "keepalived says %s: see its log\n",
		    vrrp_state_name(v->vrrp->said));
}

static void
admin_status_tls(const struct admin_env *e, const struct control_view *v,
    struct buf *out)
{
	enum side s;
	int days;

	for (s = SIDE_A; s <= SIDE_B; s++)
		if (v->redis[s] != NULL && *redis_distrust(v->redis[s]) != '\0')
			buf_addf(out, "note           TLS with %s failed: %s\n",
			    redis_addr(v->redis[s])->text,
			    redis_distrust(v->redis[s]));
	if (tls_days_left(e->tls, &days) && days < ADMIN_TLS_DAYS)
		buf_addf(out, "note           the certificate in "
		    "tls-cert-file %s: replace the file and RELOAD\n",
		    days < 0 ? "has expired" : "expires within two weeks");
}

void
admin_text_status(const struct admin_env *e, struct buf *out)
{
	struct control_view v = control_view(e->control);
	struct stats_sum sum = stats_sum();

	if (v.standalone)
		buf_addf(out, "pair           none: no peer is configured\n");
	else
		admin_status_pair(&v, out);
	buf_addf(out, "gate           %s%s\n",
	    gate_state_name(gate_state(e->gate, mono_now())),
	    gate_paused(e->gate) ? " (PAUSE)" : "");
	admin_status_redis(&v, SIDE_A, out);
	admin_status_redis(&v, SIDE_B, out);
	if (v.vrrp != NULL)
		buf_addf(out, "vip            %s, keepalived says %s, this "
		    "node is %s (track_file %d)\n",
		    v.conf->vip == NULL ? "none watched" :
		    v.vrrp->address ? "here" : "not here",
		    vrrp_state_name(v.vrrp->said),
		    vip_state_name(v.vip->state), v.vip->value);
	buf_addf(out, "clients        %" PRIu64 ", %" PRIu64 " of them "
	    "waiting\n", sum.clients, sum.waiting);
	if (*settings_waiting(e->settings) != '\0')
		buf_addf(out, "note           changed in the file, needs a "
		    "restart: %s\n", settings_waiting(e->settings));
	admin_status_tls(e, &v, out);
	if (!v.standalone)
		admin_status_needs(&v, out);
}

void
admin_text_summary(const struct admin_env *e, struct buf *out)
{
	struct control_view v = control_view(e->control);
	const struct record *r;

	buf_addf(out, "gate %s%s", gate_state_name(gate_state(e->gate,
	    mono_now())), gate_paused(e->gate) ? " (PAUSE)" : "");
	if (v.standalone)
		return;
	r = &v.node->record;
	buf_addf(out, ", primary %s, fresh %s %s",
	    r->epoch.number == 0 || r->primary == SIDE_NONE ? "not chosen" :
	    admin_node(&v, r->primary),
	    r->fresh & SIDE_BIT(SIDE_A) ? admin_node(&v, SIDE_A) : "-",
	    r->fresh & SIDE_BIT(SIDE_B) ? admin_node(&v, SIDE_B) : "-");
	if (v.vrrp != NULL && v.conf->vip != NULL)
		buf_addf(out, ", VIP %s", v.vrrp->address ? "here" :
		    "not here");
	if (v.node->why[0] != '\0')
		buf_addf(out, ": %s", v.node->why);
}

/* ---- SHOW ---- */

static void
admin_show_workers(const struct admin_env *e, const struct control_view *v,
    struct buf *out)
{
	size_t i;

	(void)v;
	for (i = 0; i < workers_count(e->workers); i++)
		buf_addf(out, "worker=%zu clients=%zu\n", i,
		    workers_load(e->workers, i));
}

static void
admin_show_backends(const struct admin_env *e, const struct control_view *v,
    struct buf *out)
{
	enum side s;
	const struct info *i;

	(void)e;
	for (s = SIDE_A; s <= SIDE_B; s++) {
		if (v->redis[s] == NULL)
			continue;
		i = redis_info(v->redis[s]);
		buf_addf(out, "node=%s address=%s link=%s role=%s heard_ms="
		    "%lld version=%s run_id=%s replid=%s offset=%lld "
		    "link_up=%d syncing=%d loading=%d keys=%lld aof=%d\n",
		    admin_node(v, s), redis_addr(v->redis[s])->text,
		    admin_link_word(v->redis[s]),
		    i->run_id[0] == '\0' ? "unknown" :
		    i->primary ? "primary" : "replica",
		    admin_silent_ms(v->redis[s]), i->version, i->run_id,
		    i->replid, i->offset, i->link_up, i->syncing, i->loading,
		    i->keys, i->aof);
	}
}

static void
admin_show_hold(const struct admin_env *e, const struct control_view *v,
    struct buf *out)
{
	struct hold_report r = workers_hold_report(e->workers);
	struct stats_sum sum = stats_sum();

	buf_addf(out, "gate=%s waiting=%" PRIu64 " bytes=%" PRIu64
	    " limit=%lld timeout_ms=%lld since_closing_held=%" PRIu64
	    " since_closing_longest_us=%" PRId64 "\n",
	    gate_state_name(gate_state(e->gate, mono_now())),
	    sum.waiting, sum.waiting_bytes, v->conf->hold_memory,
	    v->conf->hold_timeout, r.requests, r.longest_us);
}

static void
admin_show_config(const struct admin_env *e, const struct control_view *v,
    struct buf *out)
{
	(void)e;
	conf_print(v->conf, out);
}

static void
admin_show_peer(const struct admin_env *e, const struct control_view *v,
    struct buf *out)
{
	const struct node_peer *p = &v->node->facts.peer;

	(void)e;
	if (v->standalone)
		return;
	buf_addf(out, "node=%s health=%s linked=%s protocol=%d leads=%s "
	    "holder=%s serving=%s epoch=%" PRIu64 " seq=%" PRIu64 " gate=%s "
	    "gate_seq=%" PRIu64 " applied=%" PRIu64 "\n", v->conf->peer,
	    admin_peer_word(v), admin_yes(v->peer_linked), v->peer_protocol,
	    admin_yes(p->leads), admin_yes(p->holder),
	    admin_yes(p->serving), p->record.epoch.number, p->record.seq,
	    gate_state_name(p->gate.state), p->gate_seq, p->applied);
}

static const struct {
	const char	*name;
	void		(*fn)(const struct admin_env *,
			    const struct control_view *, struct buf *);
} admin_shows[] = {
	{ "WORKERS", admin_show_workers },
	{ "BACKENDS", admin_show_backends },
	{ "HOLD", admin_show_hold },
	{ "CONFIG", admin_show_config },
	{ "PEER", admin_show_peer },
};

bool
admin_text_show(const struct admin_env *e, const char *what, struct buf *out)
{
	struct control_view v = control_view(e->control);
	size_t i;

	for (i = 0; i < NELEM(admin_shows); i++)
		if (strcasecmp(what, admin_shows[i].name) == 0) {
			admin_shows[i].fn(e, &v, out);
			return true;
		}
	return false;
}

/* ---- SHOW SWITCHES ---- */

/* Names and values in turns; how many of them is known in the end. */
struct admin_pairs {
	struct buf	buf;
	size_t		n;
};

static void
admin_pair_text(struct admin_pairs *p, const char *name, const char *value)
{
	resp_add_str(&p->buf, name);
	resp_add_str(&p->buf, value);
	p->n++;
}

static void
admin_pair_int(struct admin_pairs *p, const char *name, long long value)
{
	resp_add_str(&p->buf, name);
	resp_add_int(&p->buf, value);
	p->n++;
}

static void
admin_switch_steps(struct admin_pairs *p, const struct control_switch *s)
{
	char name[32];
	enum control_step i;

	for (i = 0; i < CONTROL_STEP_COUNT; i++) {
		if (s->step_us[i] == CONTROL_NO_STEP)
			continue;
		snprintf(name, sizeof(name), "%s_us", control_step_name(i));
		admin_pair_int(p, name, s->step_us[i]);
	}
}

static void
admin_add_switch(const struct control_view *v, const struct control_switch *s,
    struct buf *out)
{
	struct admin_pairs p = { BUF_INIT, 0 };
	char when[40];
	struct tm tm;
	size_t n;

	localtime_r(&s->at.tv_sec, &tm);
	n = strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(when + n, sizeof(when) - n, ".%03ld", s->at.tv_nsec / 1000000);
	admin_pair_text(&p, "at", when);
	admin_pair_text(&p, "kind", s->planned ? "switchover" : "failover");
	admin_pair_text(&p, "reason", s->reason);
	admin_pair_text(&p, "from", admin_node(v, s->from));
	admin_pair_text(&p, "to", admin_node(v, s->to));
	admin_pair_int(&p, "epoch", (long long)s->epoch.number);
	admin_switch_steps(&p, s);
	admin_pair_int(&p, "hold_us", s->hold_us);
	admin_pair_int(&p, "held", (long long)s->held);
	admin_pair_int(&p, "longest_us", s->longest_us);
	admin_pair_int(&p, "in_doubt", (long long)s->in_doubt);
	admin_pair_int(&p, "lost_writes_at_most", (long long)s->lost_writes);
	admin_pair_int(&p, "lost_bytes", s->lost_bytes);
	resp_add_map(out, p.n, 2);
	buf_add(out, buf_data(&p.buf), buf_len(&p.buf));
	buf_free(&p.buf);
}

void
admin_add_switches(const struct admin_env *e, struct buf *out)
{
	struct control_view v = control_view(e->control);
	unsigned i;

	resp_add_array(out, v.nswitches);
	for (i = 0; i < v.nswitches; i++)
		admin_add_switch(&v, &v.switches[i], out);
}
