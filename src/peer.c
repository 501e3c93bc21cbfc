#include "peer.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <hiredis/hiredis.h>
#include <netinet/tcp.h>
#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

#define PEER_NONCE		32
#define PEER_STRANGERS		8	/* connections not yet proven */
#define PEER_INPUT_MAX		(256 * 1024)
#define PEER_OUTPUT_MAX		(1024 * 1024)
#define PEER_GREETING_MS	2000

/* The way of one connection, at either end. */
enum peer_link_state {
	PEER_CONNECTING,	/* out: TCP is not there yet */
	PEER_GREETING,		/* proofs are being exchanged */
	PEER_PROVEN
};

struct peer_link {
	TAILQ_ENTRY(peer_link)	 link;
	struct peer		*peer;
	bool			 out;		/* made by this side */
	enum peer_link_state	 state;
	struct bufferevent	*bev;
	redisReader		*reader;
	char			 nonce[2 * PEER_NONCE + 1];	/* mine */
	struct mono		 since;
};
TAILQ_HEAD(peer_links, peer_link);

struct peer {
	struct event_base	*base;
	struct peer_opts	 opts;
	peer_message_fn		*on_message;
	peer_changed_fn		*on_changed;
	void			*arg;
	struct evconnlistener	*listener;
	struct peer_links	 in;
	size_t			 strangers;
	struct peer_link	*out;
	bool			 refused;	/* the last try to connect */
	struct event		*tick;
	struct mono		 heard;
	int			 protocol;	/* in use; 0: none yet */
	char			 complaint[2][320];	/* of links in and out;
							 * "": none */
};

static void	peer_connect(struct peer *);

/* ---- proofs ---- */

static void
peer_proof(const struct peer *p, const char *way, const char *node,
    const char *nonce, char *hex)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	struct buf text = BUF_INIT;
	unsigned len = 0;

	buf_addf(&text, "holdover %s %s %s %s", way, p->opts.cluster, node,
	    nonce);
	if (HMAC(EVP_sha256(), p->opts.secret, (int)p->opts.secret_len,
	    (unsigned char *)buf_data(&text), buf_len(&text), mac, &len) ==
	    NULL || len != 32)
		fatalx("peer: HMAC-SHA256 is not available");
	util_hex(mac, len, hex);
	buf_free(&text);
}

static bool
peer_proven(const struct peer *p, const char *way, const struct msg *m,
    const char *nonce)
{
	char want[65];

	peer_proof(p, way, m->node, nonce, want);
	return CRYPTO_memcmp(want, m->proof, 64) == 0;
}

static void
peer_nonce(char *hex)
{
	unsigned char raw[PEER_NONCE];

	util_random(raw, sizeof(raw));
	util_hex(raw, sizeof(raw), hex);
}

/* ---- links ---- */

static void
peer_link_free(struct peer_link *l)
{
	struct peer *p = l->peer;

	if (l->out)
		p->out = NULL;
	else {
		TAILQ_REMOVE(&p->in, l, link);
		if (l->state != PEER_PROVEN)
			p->strangers--;
	}
	if (l->bev != NULL)
		bufferevent_free(l->bev);
	redisReaderFree(l->reader);
	free(l);
}

static void
peer_link_end(struct peer_link *l, const char *why)
{
	struct peer *p = l->peer;
	bool proven = l->state == PEER_PROVEN, out = l->out;

	if (proven)
		log_info("peer: link %s node %s is down, %s",
		    out ? "to" : "from", p->opts.name, why);
	else
		log_debug("peer: link %s node %s failed, %s",
		    out ? "to" : "from", p->opts.name, why);
	peer_link_free(l);
	if (!proven)
		return;
	/* What the other way says now decides whether it is there at all. */
	if (!out && p->out != NULL)
		peer_link_free(p->out);
	if (p->out == NULL)
		peer_connect(p);
	p->on_changed(p->arg);
}

static void
peer_link_send(struct peer_link *l, const struct msg *m)
{
	struct buf b = BUF_INIT;

	msg_encode(m, &b);
	bufferevent_write(l->bev, buf_data(&b), buf_len(&b));
	buf_free(&b);
}

static void
peer_link_greet(struct peer_link *l, enum msg_type type, const char *way,
    const char *their_nonce)
{
	const struct peer_opts *o = &l->peer->opts;
	struct msg m = { .type = type, .protocol = o->protocol_max,
	    .protocol_min = o->protocol_min };

	strcpy(m.cluster, o->cluster);
	strcpy(m.node, o->node);
	strcpy(m.nonce, l->nonce);
	if (their_nonce != NULL)
		peer_proof(l->peer, way, o->node, their_nonce, m.proof);
	peer_link_send(l, &m);
}

/* Why the other one is not accepted; said once, not at each try. */
static void PRINTF(2, 3)
peer_complain(struct peer_link *l, const char *fmt, ...)
{
	char *last = l->peer->complaint[l->out];
	char text[sizeof(l->peer->complaint[0])];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (strcmp(text, last) == 0)
		return;
	memcpy(last, text, sizeof(text));
	log_warnx("peer: %s", text);
}

/* Is the greeting from whom it should be, in a version spoken here? */
static bool
peer_link_check(struct peer_link *l, const struct msg *m, const char *way)
{
	struct peer *p = l->peer;
	const struct peer_opts *o = &p->opts;
	int protocol = msg_protocol(m, o->protocol_min, o->protocol_max);

	if (protocol == 0)
		peer_complain(l, "the other Holdover speaks protocol %d and "
		    "this one %d: upgrade the older one", m->protocol,
		    o->protocol_max);
	else if (strcmp(m->cluster, o->cluster) != 0)
		peer_complain(l, "the other Holdover belongs to cluster '%s' "
		    "and this one to '%s': check peer and cluster",
		    m->cluster, o->cluster);
	else if (strcmp(m->node, o->node) == 0)
		peer_complain(l, "the other Holdover calls itself node %s, as "
		    "this one does: were both started from the same "
		    "configuration? Give each node a name of its own (node), "
		    "and the other's as peer", m->node);
	else if (strcmp(m->node, o->name) != 0)
		peer_complain(l, "the other Holdover is node '%s', expected "
		    "'%s': check node and peer", m->node, o->name);
	else if (!peer_proven(p, way, m, l->nonce))
		peer_complain(l, "node %s does not know the secret: "
		    "peer-secret-file must be the same on both nodes",
		    m->node);
	else {
		p->protocol = protocol;
		return true;
	}
	return false;
}

static void
peer_link_up(struct peer_link *l)
{
	struct peer *p = l->peer;
	struct peer_link *old, *next;

	if (!l->out) {
		p->strangers--;
		/* An older one is of a process or a network that is gone. */
		TAILQ_FOREACH_SAFE(old, &p->in, link, next)
			if (old != l && old->state == PEER_PROVEN)
				peer_link_free(old);
		/* It is there now: no need to wait for the next try. */
		if (p->out == NULL)
			peer_connect(p);
	}
	l->state = PEER_PROVEN;
	p->complaint[l->out][0] = '\0';
	log_info("peer: link %s node %s is up", l->out ? "to" : "from",
	    p->opts.name);
	p->on_changed(p->arg);
}

/* False: the link must end. */
static bool
peer_link_message(struct peer_link *l, const struct msg *m)
{
	struct peer *p = l->peer;

	if (l->out && l->state == PEER_GREETING) {
		if (m->type == MSG_CHALLENGE) {
			peer_nonce(l->nonce);
			peer_link_greet(l, MSG_HELLO, "hello", m->nonce);
			return true;
		}
		if (m->type != MSG_WELCOME || *l->nonce == '\0' ||
		    !peer_link_check(l, m, "welcome"))
			return false;
		peer_link_up(l);
		return true;
	}
	if (!l->out && l->state == PEER_GREETING) {
		if (m->type != MSG_HELLO || !peer_link_check(l, m, "hello"))
			return false;
		peer_link_greet(l, MSG_WELCOME, "welcome", m->nonce);
		peer_link_up(l);
		return true;
	}
	if (l->out || l->state != PEER_PROVEN || m->type < MSG_BEAT)
		return false;
	p->heard = mono_now();
	p->on_message(m, p->arg);
	return true;
}

/* ---- bytes ---- */

static bool
peer_link_reply(struct peer_link *l, const redisReply *reply)
{
	const char *part[2 * MSG_FIELDS + 1], *why = "it is no array";
	size_t len[2 * MSG_FIELDS + 1], i;
	struct msg m;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0 ||
	    reply->elements > NELEM(part))
		goto bad;
	for (i = 0; i < reply->elements; i++) {
		if (reply->element[i]->type != REDIS_REPLY_STRING)
			goto bad;
		part[i] = reply->element[i]->str;
		len[i] = (size_t)reply->element[i]->len;
	}
	if (!msg_decode(reply->elements, part, len, &m, &why))
		goto bad;
	return peer_link_message(l, &m);
bad:
	log_warnx("peer: a message cannot be understood (%s)", why);
	return false;
}

static void
peer_on_read(struct bufferevent *bev, void *arg)
{
	struct peer_link *l = arg;
	struct evbuffer *in = bufferevent_get_input(bev);
	size_t n = evbuffer_get_length(in);
	void *reply;
	bool ok;

	if (n > PEER_INPUT_MAX) {
		peer_link_end(l, "it sent too much at once");
		return;
	}
	redisReaderFeed(l->reader,
	    (const char *)evbuffer_pullup(in, -1), n);
	evbuffer_drain(in, n);
	for (;;) {
		if (redisReaderGetReply(l->reader, &reply) != REDIS_OK) {
			peer_link_end(l, "it sent what is no message");
			return;
		}
		if (reply == NULL)
			return;
		ok = peer_link_reply(l, reply);
		freeReplyObject(reply);
		if (!ok) {
			peer_link_end(l, "it was not accepted");
			return;
		}
	}
}

static void
peer_on_event(struct bufferevent *bev, short what, void *arg)
{
	struct peer_link *l = arg;
	struct peer *p = l->peer;
	int error = errno, one = 1;
	char why[256];

	if (what & BEV_EVENT_CONNECTED) {
		if (!l->out)
			return;
		l->state = PEER_GREETING;
		p->refused = false;
		setsockopt(bufferevent_getfd(bev), IPPROTO_TCP, TCP_NODELAY,
		    &one, sizeof(one));
		return;
	}
	if (tls_bufferevent_why(bev, why, sizeof(why))) {
		peer_complain(l, "TLS %s node %s failed: %s", l->out ?
		    "with" : "from", p->opts.name, why);
		if (l->out)
			p->refused = false;
		peer_link_end(l, why);
		p->on_changed(p->arg);
		return;
	}
	if (what & BEV_EVENT_EOF) {
		peer_link_end(l, "it was closed");
		return;
	}
	if (l->out && l->state == PEER_CONNECTING) {
		p->refused = error == ECONNREFUSED;
		peer_link_end(l, strerror(error));
		p->on_changed(p->arg);
		return;
	}
	peer_link_end(l, strerror(error));
}

static struct peer_link *
peer_link_new(struct peer *p, int fd, bool out)
{
	struct peer_link *l = xcalloc(1, sizeof(*l));
	SSL *ssl = NULL;

	l->peer = p;
	l->out = out;
	l->since = mono_now();
	l->reader = redisReaderCreate();
	if (p->opts.tls != NULL)
		ssl = out ? tls_connect(p->opts.to.tls) :
		    tls_accept(p->opts.tls, TLS_FROM_PEER);
	l->bev = tls_bufferevent(p->base, fd, ssl, BEV_OPT_DEFER_CALLBACKS);
	if (l->reader == NULL)
		fatalx("peer: out of memory");
	bufferevent_setcb(l->bev, peer_on_read, NULL, peer_on_event, l);
	bufferevent_enable(l->bev, EV_READ | EV_WRITE);
	return l;
}

static void
peer_connect(struct peer *p)
{
	struct sockaddr_storage sa = p->opts.to.sa;
	struct peer_link *l = peer_link_new(p, -1, true);

	p->out = l;
	l->state = PEER_CONNECTING;
	if (bufferevent_socket_connect(l->bev, (struct sockaddr *)&sa,
	    (int)p->opts.to.len) == -1)
		peer_link_free(l);
}

static void
peer_on_accept(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *sa, int len, void *arg)
{
	struct peer *p = arg;
	struct peer_link *l;
	int one = 1;

	(void)listener;
	(void)sa;
	(void)len;
	if (p->strangers >= PEER_STRANGERS) {
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	l = peer_link_new(p, fd, false);
	l->state = PEER_GREETING;
	p->strangers++;
	TAILQ_INSERT_TAIL(&p->in, l, link);
	peer_nonce(l->nonce);
	peer_link_greet(l, MSG_CHALLENGE, NULL, NULL);
}

static void
peer_on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct peer *p = arg;
	struct peer_link *l, *next;
	struct mono now = mono_now();

	(void)fd;
	(void)what;
	TAILQ_FOREACH_SAFE(l, &p->in, link, next)
		if (l->state != PEER_PROVEN &&
		    mono_ms(now, l->since) > PEER_GREETING_MS)
			peer_link_end(l, "it did not prove itself in time");
	l = p->out;
	if (l == NULL)
		peer_connect(p);
	else if (l->state != PEER_PROVEN ?
	    mono_ms(now, l->since) > PEER_GREETING_MS :
	    mono_ms(now, p->heard) > p->opts.silence_ms &&
	    mono_ms(now, l->since) > p->opts.silence_ms)
		peer_link_end(l, "nothing is heard");
}

/* ---- the outside ---- */

struct peer *
peer_new(struct event_base *base, const struct peer_opts *opts,
    peer_message_fn *on_message, peer_changed_fn *on_changed, void *arg)
{
	struct peer *p = xcalloc(1, sizeof(*p));
	struct timeval tv = { opts->retry_ms / 1000,
	    opts->retry_ms % 1000 * 1000 };
	char *secret = xmalloc(opts->secret_len);

	p->base = base;
	p->opts = *opts;
	if (opts->protocol_max == 0) {
		p->opts.protocol_min = MSG_PROTOCOL_MIN;
		p->opts.protocol_max = MSG_PROTOCOL;
	}
	p->opts.cluster = xstrdup(opts->cluster);
	p->opts.node = xstrdup(opts->node);
	p->opts.name = xstrdup(opts->name);
	memcpy(secret, opts->secret, opts->secret_len);
	p->opts.secret = secret;
	p->on_message = on_message;
	p->on_changed = on_changed;
	p->arg = arg;
	TAILQ_INIT(&p->in);
	p->listener = evconnlistener_new_bind(base, peer_on_accept, p,
	    LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC |
	    LEV_OPT_REUSEABLE, 16, (const struct sockaddr *)&opts->bind.sa,
	    (int)opts->bind.len);
	p->tick = event_new(base, -1, EV_PERSIST, peer_on_tick, p);
	if (p->listener == NULL || p->tick == NULL ||
	    event_add(p->tick, &tv) == -1) {
		peer_free(p);
		return NULL;
	}
	peer_connect(p);
	return p;
}

void
peer_free(struct peer *p)
{
	int saved = errno;

	if (p->out != NULL)
		peer_link_free(p->out);
	while (!TAILQ_EMPTY(&p->in))
		peer_link_free(TAILQ_FIRST(&p->in));
	if (p->listener != NULL)
		evconnlistener_free(p->listener);
	if (p->tick != NULL)
		event_free(p->tick);
	explicit_bzero((char *)(uintptr_t)p->opts.secret, p->opts.secret_len);
	free((void *)(uintptr_t)p->opts.secret);
	free((void *)(uintptr_t)p->opts.cluster);
	free((void *)(uintptr_t)p->opts.node);
	free((void *)(uintptr_t)p->opts.name);
	free(p);
	errno = saved;
}

bool
peer_sends(const struct peer *p)
{
	return p->out != NULL && p->out->state == PEER_PROVEN;
}

void
peer_send(struct peer *p, const struct msg *m)
{
	struct evbuffer *out;

	if (!peer_sends(p))
		return;
	out = bufferevent_get_output(p->out->bev);
	if (evbuffer_get_length(out) > PEER_OUTPUT_MAX) {
		peer_link_end(p->out, "it takes nothing any more");
		return;
	}
	peer_link_send(p->out, m);
}

struct mono
peer_heard(const struct peer *p)
{
	return p->heard;
}

const char *
peer_complaint(const struct peer *p)
{
	return p->complaint[*p->complaint[true] != '\0'];
}

static bool
peer_hears(const struct peer *p)
{
	const struct peer_link *l;

	TAILQ_FOREACH(l, &p->in, link)
		if (l->state == PEER_PROVEN)
			return true;
	return false;
}

bool
peer_refused(const struct peer *p)
{
	return p->refused && !peer_hears(p);
}

bool
peer_linked(const struct peer *p)
{
	return peer_sends(p) && peer_hears(p);
}

int
peer_protocol(const struct peer *p)
{
	return p->protocol;
}
