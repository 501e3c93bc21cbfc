#include "control.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control_priv.h"
#include "log.h"
#include "stats.h"

/* A node or a Redis is not heard after that many polls, and a little. */
#define CONTROL_POLLS		3
#define CONTROL_SLACK_MS	50

static int64_t
control_ms(struct mono t)
{
	return t.us / 1000;
}

/* ---- facts ---- */

static int64_t
control_quiet_after(const struct control *c)
{
	return CONTROL_POLLS * c->conf->poll_interval + CONTROL_SLACK_MS;
}

/*
 * Whoever slept (a paused machine, SIGSTOP, a stuck disk) knows nothing of
 * what happened meanwhile: silence counts from the waking, and the gate stays
 * closed until the peer has answered. Where there was nobody to ask, node
 * decides.
 */
static void
control_woke(struct control *c, struct mono now)
{
	enum side s;

	c->awake = now;
	gate_lapse(c->gate);
	for (s = SIDE_A; s <= SIDE_B; s++)
		redis_poll(c->redis[s]);
}

static void
control_note_sleep(struct control *c, struct mono now)
{
	int64_t gap = mono_ms(now, c->seen);

	if (c->seen.us != 0 && gap > control_quiet_after(c)) {
		log_warnx("control: nothing was done for %lld ms, as if this "
		    "process had slept", (long long)gap);
		control_woke(c, now);
	}
	c->seen = now;
}

/* May another have led since, for all that is known? */
static bool
control_in_doubt(const struct control *c)
{
	return c->heard.session != 0 && c->heard.echo_us < c->awake.us &&
	    mono_ms(c->seen, c->awake) <= control_quiet_after(c);
}

static int64_t
control_silent(const struct control *c, struct mono heard, struct mono now)
{
	return mono_ms(now, mono_before(heard, c->awake) ? c->awake : heard);
}

static bool
control_heard(const struct control *c, struct mono heard, struct mono now)
{
	return heard.us != 0 && !mono_before(heard, c->awake) &&
	    mono_ms(now, heard) <= control_quiet_after(c);
}

/* Is what was refused still so, or was that before it slept? */
static bool
control_long_awake(const struct control *c, struct mono now)
{
	return mono_ms(now, c->awake) > control_quiet_after(c);
}

/* A leader reads a new connection's clients first: is another one newer? */
static bool
control_ready(const struct control *c, enum side s)
{
	return redis_is_current(c->redis[s]) && (!node_leads(&c->node) ||
	    (c->clean_epoch == c->node.record.epoch.number &&
	    c->clean[s] == redis_connection(c->redis[s])));
}

static enum node_health
control_redis_health(const struct control *c, enum side s, struct mono now)
{
	const struct redis *r = c->redis[s];
	struct mono heard = redis_heard(r);
	int64_t silent = control_silent(c, heard, now);

	if (redis_link(r) == REDIS_REFUSED && (heard.us == 0 ||
	    control_long_awake(c, now)))
		return NODE_GONE;
	/* It lives; a wrong password or certificate is no death of it. */
	if (redis_link(r) == REDIS_DENIED || redis_link(r) == REDIS_UNTRUSTED)
		return NODE_QUIET;
	if (silent > c->conf->down_after)
		return NODE_GONE;
	if (control_heard(c, heard, now) && control_ready(c, s))
		return NODE_UP;
	return silent > control_quiet_after(c) ? NODE_QUIET : NODE_UNKNOWN;
}

/* Is it a replica of that address, however its name was written? */
static bool
control_attached(const struct info *i, const struct conf_addr *a,
    const struct conn_addr *resolved)
{
	char text[INFO_HOST + 16];

	if (i->primary || i->of_port != a->port)
		return false;
	snprintf(text, sizeof(text), strchr(i->of_host, ':') != NULL ?
	    "[%s]:%d" : "%s:%d", i->of_host, i->of_port);
	return strcmp(i->of_host, a->host) == 0 ||
	    strcmp(text, resolved->text) == 0;
}

static const struct conf_addr *
control_conf_addr(const struct control *c, enum side s)
{
	return s == c->me ? &c->conf->redis : &c->conf->peer_redis;
}

static void
control_see_redis(struct control *c, enum side s, struct mono now)
{
	struct node_redis *r = &c->node.facts.redis[s];
	enum side o = SIDE_OTHER(s);

	r->health = control_redis_health(c, s, now);
	r->info = *redis_info(c->redis[s]);
	r->attached = control_attached(&r->info, control_conf_addr(c, o),
	    &c->addr[o]);
}

/* A VIP that a dead keepalived left behind makes nobody its holder. */
static bool
control_holder(const struct control *c)
{
	const struct vrrp_view *v;

	if (c->vrrp == NULL)
		return false;
	v = vrrp_view(c->vrrp);
	return c->conf->vip != NULL ?
	    v->address && v->keepalived != PIDFILE_GONE :
	    v->said == VRRP_MASTER;
}

/*
 * The peer is up when it is heard and hears us: an echo that is too old
 * says that our words do not arrive.
 */
static void
control_see_peer(struct control *c, struct mono now)
{
	struct node_peer *p = &c->node.facts.peer;
	const struct msg *m = &c->heard;
	struct mono heard = peer_heard(c->peer);
	int64_t quiet = control_quiet_after(c);
	int64_t echo_age = (now.us - m->echo_us) / 1000;

	if (peer_refused(c->peer) && (heard.us == 0 ||
	    control_long_awake(c, now)))
		p->health = NODE_GONE;
	else if (control_heard(c, heard, now) && echo_age <= quiet)
		p->health = NODE_UP;
	else if (control_silent(c, heard, now) <= quiet)
		p->health = NODE_UNKNOWN;
	else
		p->health = NODE_QUIET;
	p->silent_ms = control_silent(c, heard, now);
	p->leads = m->leads;
	p->session = m->session;
	if (m->has_record)
		p->record = m->record;
	else
		p->record.epoch.number = 0;
	p->gate = m->gate;
	p->gate_seq = m->gate_seq;
	p->applied = m->applied;
	p->drained = m->drained;
	p->holder = m->vrrp == VRRP_MASTER;
	p->serving = m->serving;
	p->lease_ms = m->echo_us == 0 ? 0 :
	    m->echo_us / 1000 + c->conf->lease;
	p->sees[SIDE_A] = (enum node_health)m->sees[SIDE_A];
	p->sees[SIDE_B] = (enum node_health)m->sees[SIDE_B];
	memcpy(p->why, m->text, sizeof(p->why));
}

static void
control_see(struct control *c)
{
	struct node_facts *f = &c->node.facts;
	struct mono now = mono_now();
	enum side s;

	control_note_sleep(c, now);
	f->now_ms = control_ms(now);
	f->holder = control_holder(c);
	f->applied = gate_applied(c->gate);
	f->drained = gate_drained(c->gate);
	for (s = SIDE_A; s <= SIDE_B; s++)
		control_see_redis(c, s, now);
	control_see_peer(c, now);
	c->serve_until = control_in_doubt(c) ? (struct mono){ 0 } :
	    mono_add_ms(now, control_quiet_after(c));
}

/* ---- the gate ---- */

/* Its closing ends what the holds report of the last switch. */
static void
control_set_gate_to(struct control *c, const struct gate_order *o)
{
	struct gate_order was = *gate_order(c->gate);

	if (o->state != GATE_OPEN)
		control_count_switch(c);
	gate_set(c->gate, o);
	control_note_gate(c, &was);
}

/* The lease, but no longer than what was seen last can be relied on. */
static void
control_set_gate(struct control *c)
{
	struct mono lease = { c->node.lease_ms * 1000 };
	struct gate_order o = c->node.gate;

	/* The order first: a lease that was over is not for the old one. */
	control_note_state(c);
	o.near = node_hold_near(&c->node);
	control_set_gate_to(c, &o);
	gate_renew(c->gate, mono_before(lease, c->serve_until) ? lease :
	    c->serve_until);
}

static void
control_standalone_look(struct control *c)
{
	enum redis_link link = redis_link(c->redis[SIDE_A]);
	bool up = link == REDIS_DENIED || (link == REDIS_LINKED &&
	    !redis_info(c->redis[SIDE_A])->loading);
	struct gate_order o = { .state = up ? GATE_OPEN : GATE_HOLD_ALL,
	    .reads = SIDE_A, .writes = SIDE_A, .alive = SIDE_BIT(SIDE_A),
	    .trusted = SIDE_BIT(SIDE_A) };

	gate_renew_forever(c->gate);
	control_set_gate_to(c, &o);
}

/* ---- messages ---- */

/* Has the peer answered what it was told since the VIP came or left here? */
bool
control_vip_told(const struct control *c)
{
	return c->vrrp == NULL ||
	    c->heard.echo_us >= vrrp_view(c->vrrp)->address_since.us;
}

static void
control_fill_beat(const struct control *c, struct msg *m)
{
	const struct node *n = &c->node;

	memset(m, 0, sizeof(*m));
	m->type = MSG_BEAT;
	m->session = c->session;
	m->echo_us = c->heard.sent_us;
	m->ask = n->facts.peer.health == NODE_UNKNOWN ||
	    !control_vip_told(c);
	m->leads = node_leads(n);
	m->gate = n->gate;
	m->gate_seq = n->gate_seq;
	m->applied = gate_applied(c->gate) ? n->gate_seq : 0;
	m->drained = gate_drained(c->gate);
	m->serving = gate_order(c->gate)->state >= GATE_HOLD_WRITES;
	m->fit = c->vip.state != VIP_UNFIT;
	m->vrrp = c->vrrp == NULL ? VRRP_UNKNOWN : control_holder(c) ?
	    VRRP_MASTER : vrrp_view(c->vrrp)->said == VRRP_MASTER ?
	    VRRP_UNKNOWN : vrrp_view(c->vrrp)->said;
	m->sees[SIDE_A] = (int)n->facts.redis[SIDE_A].health;
	m->sees[SIDE_B] = (int)n->facts.redis[SIDE_B].health;
	m->has_record = n->record.epoch.number > 0;
	if (m->has_record)
		m->record = n->record;
	if (node_leads(n))
		memcpy(m->text, n->why, sizeof(m->text));
}

/* Would the peer learn something new by it? */
static bool
control_beat_differs(const struct msg *a, const struct msg *b)
{
	return a->ask != b->ask || a->leads != b->leads ||
	    a->gate_seq != b->gate_seq || a->applied != b->applied ||
	    a->serving != b->serving || a->vrrp != b->vrrp ||
	    a->fit != b->fit || strcmp(a->text, b->text) != 0 ||
	    memcmp(a->sees, b->sees, sizeof(a->sees)) != 0 ||
	    a->has_record != b->has_record ||
	    (a->gate.state < GATE_OPEN && a->drained != b->drained) ||
	    (a->has_record && record_cmp(&a->record, &b->record) != 0);
}

static void
control_beat(struct control *c, bool due)
{
	struct mono now = mono_now();
	struct msg m;

	control_fill_beat(c, &m);
	if (!due && !control_beat_differs(&m, &c->said))
		return;
	m.sent_us = now.us;
	c->said = m;
	c->said_at = now;
	peer_send(c->peer, &m);
}

static void
control_send_record(struct control *c, enum msg_type type,
    const struct record *r)
{
	struct msg m = { .type = type, .has_record = true, .record = *r };

	if (type == MSG_COMMIT) {
		m.base_epoch = c->node.record.epoch;
		m.base_seq = c->node.record.seq;
	}
	peer_send(c->peer, &m);
}

/* ---- orders ---- */

static bool
control_store(struct control *c)
{
	bool ok = epoch_save(c->store, &c->node.storing, c->node.promised);

	/* Before what came up earlier, which does not know of it yet. */
	control_push(c, NODE_EV_LOOK, SIDE_NONE);
	memmove(c->event + 1, c->event, (c->events - 1) * sizeof(*c->event));
	c->event[0] = (struct control_event){ ok ? NODE_EV_STORED :
	    NODE_EV_STORE_FAILED, SIDE_NONE };
	return ok;
}

static void
control_carry_out(struct control *c)
{
	struct node_order order[NODE_ORDERS];
	unsigned i, n = c->node.orders;
	bool stored = true;

	memcpy(order, c->node.order, sizeof(order));
	c->node.orders = 0;
	for (i = 0; i < n; i++)
		switch (order[i].kind) {
		case NODE_DO_STORE:
			stored = control_store(c);
			break;
		case NODE_DO_SEND_COMMIT:
			control_send_record(c, MSG_COMMIT, &c->node.next);
			break;
		case NODE_DO_SEND_ACCEPT:
			control_send_record(c, stored ? MSG_ACCEPTED :
			    MSG_REFUSED, stored ? &c->node.storing :
			    &c->node.record);
			break;
		case NODE_DO_SEND_REFUSE:
			control_send_record(c, MSG_REFUSED, &c->node.record);
			break;
		case NODE_DO_OPERATOR_DONE:
			control_wish_settled(c, true, "OK");
			break;
		case NODE_DO_OPERATOR_FAILED:
			control_wish_settled(c, false, c->node.wish_why);
			break;
		default:
			control_order_redis(c, order[i].kind, order[i].side);
			break;
		}
}

void
control_push(struct control *c, enum node_event e, enum side side)
{
	assert(c->events < CONTROL_EVENTS);
	c->event[c->events++] = (struct control_event){ e, side };
}

void
control_run(struct control *c)
{
	struct control_event e;
	enum node_state was;

	if (c->stepping)
		return;
	c->stepping = true;
	control_carry_out(c);
	control_set_gate(c);
	control_see(c);
	/* Whoever may have been deposed in its sleep decides nothing. */
	while (c->events > 0 && !control_in_doubt(c)) {
		e = c->event[0];
		memmove(c->event, c->event + 1,
		    --c->events * sizeof(*c->event));
		was = c->node.state;
		node_step(&c->node, e.event, e.side);
		control_set_gate(c);
		/* What the new state waits for may be there already. */
		if (c->node.state != was)
			control_push(c, NODE_EV_LOOK, SIDE_NONE);
		control_carry_out(c);
		control_see(c);
	}
	control_beat(c, false);
	c->stepping = false;
}

void
control_poke(struct control *c)
{
	event_active(c->look, EV_TIMEOUT, 0);
}

/* ---- keepalived ---- */

/*
 * A MASTER that meets a lower one may have been asleep, and this machine with
 * it, though its clock has not noticed. Once the peer was asked in vain there
 * is no use in asking again.
 */
static void
control_heed_lower_prio(struct control *c)
{
	if (c->vrrp == NULL || !vrrp_view(c->vrrp)->lower_prio)
		return;
	vrrp_forget_lower_prio(c->vrrp);
	if (!mono_before(peer_heard(c->peer), c->awake))
		control_woke(c, mono_now());
}

static void
control_look_vip(struct control *c)
{
	struct vip_facts f;
	enum vip_event e;
	enum vip_state was = c->vip.state;
	enum vip_callers callers = c->vip.callers;

	control_vip_facts(c, &f);
	e = vip_look(&c->vip, &f);
	if (c->vip.state != was)
		log_info("vip: %s, was %s", vip_state_name(c->vip.state),
		    vip_state_name(was));
	if (c->vip.state != was && c->vip.state == VIP_DRAIN)
		control_wish_drain(c);
	if (c->vrrp != NULL)
		vrrp_track(c->vrrp, c->vip.value);
	if (vip_lets_go(&c->vip, &f))
		c->ops.let_go(c->ops.arg);
	if (callers == VIP_CALLERS_NONE && c->vip.callers ==
	    VIP_CALLERS_HERE && c->clients != NULL)
		control_clients_tickle(c);
	if (e != VIP_NOTHING)
		control_wish_vip(c, e);
}

static void
control_on_look(evutil_socket_t fd, short what, void *arg)
{
	struct control *c = arg;

	(void)fd;
	(void)what;
	if (c->standalone) {
		control_standalone_look(c);
		return;
	}
	control_heed_lower_prio(c);
	if (c->events == 0)
		control_push(c, NODE_EV_LOOK, SIDE_NONE);
	control_run(c);
	control_look_vip(c);
}

static void
control_on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct control *c = arg;
	struct mono now = mono_now();

	gate_tick(c->gate, now);
	if (!c->standalone) {
		control_count_switch(c);
		control_beat(c, true);
		control_wish_expire(c, now);
	}
	control_on_look(fd, what, arg);
}

/* ---- what comes in ---- */

static void
control_on_redis(struct redis *r, void *arg)
{
	struct control *c = arg;
	enum side s = r == c->redis[SIDE_A] ? SIDE_A : SIDE_B;

	control_sample(c, s);
	if (!c->standalone && node_leads(&c->node))
		control_list_redis(c, s);
	control_poke(c);
}

/* Clients noticed something: ask that Redis now instead of at the poll. */
static void
control_on_report(enum side side, enum gate_evidence what, void *arg)
{
	struct control *c = arg;

	(void)what;
	if (c->redis[side] != NULL)
		redis_poll(c->redis[side]);
}

static void
control_on_poke(void *arg)
{
	control_poke(arg);
}

static void
control_on_peer(void *arg)
{
	struct control *c = arg;

	if (c->clients != NULL)
		control_clients_on_peer(c);
	if (peer_sends(c->peer))
		control_beat(c, true);
	control_poke(c);
}

static void
control_on_beat(struct control *c, const struct msg *m)
{
	if (c->heard.session != 0 && m->session != c->heard.session)
		log_info("control: node %s's Holdover has restarted",
		    c->conf->peer);
	/* What the last of two holders told the network may be the other's. */
	if (c->vrrp != NULL && c->heard.vrrp == VRRP_MASTER &&
	    m->vrrp != VRRP_MASTER)
		vrrp_announce(c->vrrp);
	c->heard = *m;
	if (m->ask)
		control_beat(c, true);
	control_poke(c);
}

static void
control_on_message(const struct msg *m, void *arg)
{
	struct control *c = arg;
	struct record base;

	switch (m->type) {
	case MSG_BEAT:
		control_on_beat(c, m);
		return;
	case MSG_COMMIT:
		if (!m->has_record)
			return;
		control_see(c);
		base = c->node.record;
		base.epoch = m->base_epoch;
		base.seq = m->base_seq;
		node_commit_asked(&c->node, &m->record, &base);
		control_run(c);
		return;
	case MSG_ACCEPTED:
	case MSG_REFUSED:
		if (!m->has_record)
			return;
		control_see(c);
		node_commit_answered(&c->node, m->type == MSG_ACCEPTED,
		    &m->record);
		control_run(c);
		return;
	case MSG_CLIENTS:
		if (c->clients != NULL)
			control_clients_message(c, m);
		return;
	default:
		control_wish_message(c, m);
		return;
	}
}

bool
control_notify(struct control *c, const struct vrrp_line *line)
{
	return c->vrrp != NULL && vrrp_notify(c->vrrp, line);
}

/* ---- start and end ---- */

static void
control_log_state(const struct node *n, enum node_state was,
    enum node_event e)
{
	log_info("node: %s -> %s on %s, epoch %llu", node_state_name(was),
	    node_state_name(n->state), node_event_name(e),
	    (unsigned long long)n->record.epoch.number);
	if (*n->why != '\0')
		log_info("node: %s", n->why);
}

static char *
control_secret(const char *path, size_t *len, char *why, size_t whysize)
{
	char *s = util_read_file(path, 4096, len);

	if (s == NULL) {
		snprintf(why, whysize, "%s cannot be read: %s", path,
		    strerror(errno));
		return NULL;
	}
	while (*len > 0 && (s[*len - 1] == '\n' || s[*len - 1] == '\r'))
		s[--*len] = '\0';
	if (*len == 0) {
		snprintf(why, whysize, "%s is empty", path);
		free(s);
		return NULL;
	}
	return s;
}

static bool
control_resolve(const struct conf_addr *a, const char *option,
    struct conn_addr *out, char *why, size_t whysize)
{
	const char *reason;

	if (conn_resolve(a->host, a->port, out, &reason))
		return true;
	snprintf(why, whysize, "%s: '%s' cannot be resolved: %s", option,
	    a->host, reason);
	return false;
}

static bool
control_resolve_redis(struct control *c, const struct conf_addr *a,
    const char *option, enum side s, char *why, size_t whysize)
{
	if (!control_resolve(a, option, &c->addr[s], why, whysize))
		return false;
	if (c->conf->redis_tls)
		c->addr[s].tls = tls_to(c->tls, a->host);
	return true;
}

static struct node_conf
control_node_conf(const struct control *c)
{
	const struct conf *f = c->conf;
	struct node_conf nc = {
		.cluster = f->cluster, .me = c->me, .lease_ms = f->lease,
		.drain_timeout_ms = f->drain_timeout,
		.follow_delay_ms = f->follow_delay,
		.switch_min_gap_ms = f->switch_min_gap,
		.fresh_lag_ms = f->fresh_lag,
		.fresh_lag_bytes = f->fresh_lag_bytes,
		.primary_follows_vip = f->primary_follows_vip,
		.alone_serve = f->alone == CONF_ALONE_SERVE,
	};

	nc.name[c->me] = f->node;
	nc.name[SIDE_OTHER(c->me)] = f->peer;
	return nc;
}

void
control_set_conf(struct control *c, const struct conf *conf)
{
	c->conf = conf;
	c->node.conf = control_node_conf(c);
	control_poke(c);
}

static void
control_init_node(struct control *c, const struct record *r,
    struct epoch promised)
{
	struct node_conf nc = control_node_conf(c);

	node_watch = control_log_state;
	node_init(&c->node, &nc, r, promised, control_ms(mono_now()));
}

/* The record must be of this pair. */
static bool
control_load(struct control *c, char *why, size_t whysize)
{
	struct record r;
	struct epoch promised = { 0, SIDE_A };
	enum epoch_found found = epoch_load(c->store, &r, &promised, why,
	    whysize);

	if (found == EPOCH_DAMAGED)
		return false;
	control_init_node(c, found == EPOCH_FOUND ? &r : NULL, promised);
	if (found == EPOCH_FOUND && (strcmp(r.cluster, c->conf->cluster) ||
	    strcmp(r.node[SIDE_A], c->node.conf.name[SIDE_A]) ||
	    strcmp(r.node[SIDE_B], c->node.conf.name[SIDE_B]))) {
		snprintf(why, whysize, "the record in state-dir is of cluster "
		    "'%s' with nodes %s and %s, the configuration of '%s' with "
		    "%s and %s: correct it, or move the record away if the "
		    "pair is a new one", r.cluster, r.node[SIDE_A],
		    r.node[SIDE_B], c->conf->cluster,
		    c->node.conf.name[SIDE_A], c->node.conf.name[SIDE_B]);
		return false;
	}
	return true;
}

bool
control_redis_opts(const struct control *c, struct redis_opts *o, char *why,
    size_t whysize)
{
	const struct conf *f = c->conf;
	size_t len;

	*o = (struct redis_opts){ .user = f->redis_user,
	    .poll_ms = (int)f->poll_interval };
	return f->redis_password_file == NULL || (o->password =
	    control_secret(f->redis_password_file, &len, why, whysize)) !=
	    NULL;
}

void
control_redis_opts_free(struct redis_opts *o)
{
	char *password = (char *)(uintptr_t)o->password;

	if (password != NULL)
		explicit_bzero(password, strlen(password));
	free(password);
}

static bool
control_start_redis(struct control *c, char *why, size_t whysize)
{
	struct redis_opts o;
	char label[RECORD_NAME + 16];
	enum side s;

	if (!control_redis_opts(c, &o, why, whysize))
		return false;
	for (s = SIDE_A; s <= SIDE_B; s++) {
		if (s != c->me && c->standalone)
			continue;
		snprintf(label, sizeof(label), "redis %s", c->standalone ?
		    "" : c->node.conf.name[s]);
		if (c->standalone)
			label[5] = '\0';
		o.label = label;
		o.addr = c->addr[s];
		c->redis[s] = redis_new(loop_base(c->loop), &o,
		    control_on_redis, c);
	}
	control_redis_opts_free(&o);
	return true;
}

static bool
control_start_peer(struct control *c, char *why, size_t whysize)
{
	const struct conf *f = c->conf;
	struct conf_addr bind = { f->peer_bind != NULL ? f->peer_bind :
	    f->redis.host, (int)f->peer_port };
	struct peer_opts o = { .cluster = f->cluster, .node = f->node,
	    .name = f->peer, .retry_ms = (int)f->poll_interval,
	    .silence_ms = (int)f->lease * 2 };
	char *secret;

	if (!control_resolve(&f->peer_address, "peer", &o.to, why, whysize) ||
	    !control_resolve(&bind, "peer-bind", &o.bind, why, whysize) ||
	    (secret = control_secret(f->peer_secret_file, &o.secret_len, why,
	    whysize)) == NULL)
		return false;
	o.secret = secret;
	if (f->peer_tls) {
		o.tls = c->tls;
		o.to.tls = tls_to(c->tls, f->peer_address.host);
	}
	c->peer = peer_new(loop_base(c->loop), &o, control_on_message,
	    control_on_peer, c);
	if (c->peer == NULL)
		snprintf(why, whysize, "cannot listen on %s for the peer: %s",
		    o.bind.text, strerror(errno));
	explicit_bzero(secret, o.secret_len);
	free(secret);
	return c->peer != NULL;
}

static bool
control_start_vrrp(struct control *c, char *why, size_t whysize)
{
	struct vrrp_opts o = { .vip = c->conf->vip,
	    .instance = c->conf->vrrp_instance, .fifo = c->conf->vrrp_fifo,
	    .track_file = c->conf->vrrp_track_file,
	    .pid_file = c->conf->vrrp_pid_file };

	if (c->conf->vip != NULL)
		control_clients_start(c);
	c->vrrp = vrrp_new(loop_base(c->loop), &o, control_on_poke, c, why,
	    whysize);
	return c->vrrp != NULL;
}

static bool
control_start(struct control *c, char *why, size_t whysize)
{
	const struct conf *f = c->conf;

	if (!control_resolve_redis(c, &f->redis, "redis", c->me, why,
	    whysize))
		return false;
	if (c->standalone)
		return control_start_redis(c, why, whysize);
	return control_resolve_redis(c, &f->peer_redis, "peer-redis",
	    SIDE_OTHER(c->me), why, whysize) &&
	    control_load(c, why, whysize) &&
	    control_start_redis(c, why, whysize) &&
	    control_start_vrrp(c, why, whysize) &&
	    control_start_peer(c, why, whysize);
}

struct control *
control_new(struct loop *l, const struct conf *conf, struct gate *g,
    struct epoch_store *store, struct tls *tls,
    const struct control_ops *ops, char *why, size_t whysize)
{
	struct control *c = xcalloc(1, sizeof(*c));
	int64_t beat = conf->lease / 4 < conf->poll_interval ?
	    conf->lease / 4 : conf->poll_interval;
	struct timeval tv = { beat / 1000, beat % 1000 * 1000 };

	c->loop = l;
	c->conf = conf;
	c->gate = g;
	c->store = store;
	c->tls = tls;
	c->ops = *ops;
	c->standalone = conf->peer == NULL;
	c->me = c->standalone || strcmp(conf->node, conf->peer) < 0 ?
	    SIDE_A : SIDE_B;
	c->primary = SIDE_NONE;
	c->step_state = NODE_LEARN;
	c->awake = mono_now();
	c->heard.gate.reads = c->heard.gate.writes = SIDE_NONE;
	util_random(&c->session, sizeof(c->session));
	TAILQ_INIT(&c->wishes);
	LIST_INIT(&c->orders);
	vip_init(&c->vip, control_ms(c->awake));
	c->look = event_new(loop_base(l), -1, 0, control_on_look, c);
	c->tick = event_new(loop_base(l), -1, EV_PERSIST, control_on_tick, c);
	if (c->look == NULL || c->tick == NULL ||
	    event_add(c->tick, &tv) == -1)
		fatalx("control: out of memory");
	if (!control_start(c, why, whysize)) {
		control_free(c);
		return NULL;
	}
	gate_on_report(g, control_on_report, c);
	gate_on_progress(g, control_on_poke, c);
	control_poke(c);
	return c;
}

void
control_free(struct control *c)
{
	struct control_wish *w;
	enum side s;

	gate_on_report(c->gate, NULL, NULL);
	gate_on_progress(c->gate, NULL, NULL);
	control_salvage_end(c);
	for (s = SIDE_A; s <= SIDE_B; s++)
		if (c->redis[s] != NULL)
			redis_free(c->redis[s]);
	control_orders_free(c);
	control_clients_free(c);
	if (c->peer != NULL)
		peer_free(c->peer);
	if (c->vrrp != NULL)
		vrrp_free(c->vrrp);
	while ((w = TAILQ_FIRST(&c->wishes)) != NULL) {
		TAILQ_REMOVE(&c->wishes, w, link);
		free(w);
	}
	event_free(c->look);
	event_free(c->tick);
	free(c);
}

const struct conn_addr *
control_redis_addrs(const struct control *c)
{
	return c->addr;
}

struct control_view
control_view(const struct control *c)
{
	return (struct control_view){
		.conf = c->conf, .standalone = c->standalone,
		.node = &c->node, .vip = &c->vip,
		.vrrp = c->vrrp != NULL ? vrrp_view(c->vrrp) : NULL,
		.redis = { c->redis[SIDE_A], c->redis[SIDE_B] },
		.vip_clients = control_clients_here(c),
		.peer_vip_clients = control_clients_there(c),
		.peer_linked = c->peer != NULL && peer_linked(c->peer),
		.peer_protocol = c->peer != NULL ? peer_protocol(c->peer) : 0,
		.peer_complaint = c->peer != NULL ? peer_complaint(c->peer) :
		    "",
		.switches = c->sw, .nswitches = c->nsw, .sum = c->sum,
	};
}
