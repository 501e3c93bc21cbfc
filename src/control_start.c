/*
 * The start: what is resolved, read from the disk and connected to.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control_priv.h"
#include "log.h"

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
control_log_state(const struct node *n, enum node_state was,
    enum node_event e)
{
	log_info("node: %s -> %s on %s, epoch %llu", node_state_name(was),
	    node_state_name(n->state), node_event_name(e),
	    (unsigned long long)n->record.epoch.number);
	if (*n->why != '\0')
		log_info("node: %s", n->why);
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

/*
 * Alone, nothing depends on what Redis says of itself but that it loads, and
 * clients notice first. Who looks at MONITOR or SLOWLOG is rather spared.
 */
#define CONTROL_ALONE_RESTS	9

static bool
control_start_redis(struct control *c, char *why, size_t whysize)
{
	struct redis_opts o;
	char label[RECORD_NAME + 16];
	enum side s;

	if (!control_redis_opts(c, &o, why, whysize))
		return false;
	o.rests = c->standalone ? CONTROL_ALONE_RESTS : 0;
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

bool
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
