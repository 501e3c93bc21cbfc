/*
 * Facts: what node is shown of both Redis, the peer and the time.
 */
#include <stdio.h>
#include <string.h>

#include "control_priv.h"
#include "log.h"

/* A node or a Redis is not heard after that many polls, and a little. */
#define CONTROL_POLLS		3
#define CONTROL_SLACK_MS	50

int64_t
control_ms(struct mono t)
{
	return t.us / 1000;
}

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
void
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

bool
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
bool
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

void
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
