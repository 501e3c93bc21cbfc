/*
 * The clients of a VIP that moves. Each Holdover tells the other who came by
 * the VIP; when a node is gone, the VIP's new holder tickles them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control_priv.h"
#include "log.h"
#include "roster.h"
#include "tickle.h"

/* More than that at a node are not told of. */
#define CONTROL_CLIENTS_MAX	100000

/* Who came and left is told after this long, all at once. */
#define CONTROL_TELL_US		1000

/*
 * When they are tickled, in ms after the VIP came. Until they have heard the
 * new holder's ARP, their answers go to the old one.
 */
static const int control_tickle_ms[] = { 0, 5, 20, 100, 500 };

enum control_clients_state {
	CONTROL_CLIENTS_UNTOLD,	/* the peer cannot be told: it gets all later */
	CONTROL_CLIENTS_TOLD	/* but for the news */
};

struct control_clients {
	struct control	*control;
	enum control_clients_state state;
	struct roster	*here;
	struct roster	*there;		/* the peer's, as it told us */
	struct buf	 news;		/* "+host:port -host:port ", untold */
	struct event	*tell;
	struct event	*again;
	size_t		 round;		/* into control_tickle_ms */
	struct tickle	*tickle[2];	/* one a port, or NULL */
};

/* ---- telling the peer ---- */

static void
control_clients_tell(struct control_clients *cc, bool all)
{
	struct msg m = { .type = MSG_CLIENTS, .all = all };
	struct buf news = cc->news;

	/* Sending may end the link, and so forget the news. */
	cc->news = (struct buf)BUF_INIT;
	do {
		m.clients.p = buf_data(&news);
		m.clients.len = buf_len(&news) < MSG_CLIENTS_MAX ?
		    buf_len(&news) : MSG_CLIENTS_MAX;
		/* Whole words. */
		while (m.clients.len > 0 &&
		    m.clients.p[m.clients.len - 1] != ' ')
			m.clients.len--;
		peer_send(cc->control->peer, &m);
		buf_drain(&news, m.clients.len);
		m.all = false;
	} while (buf_len(&news) > 0);
	buf_free(&news);
}

static void
control_clients_on_tell(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	control_clients_tell(arg, false);
}

static void
control_clients_news(struct control_clients *cc, char sign, const char *addr)
{
	static const struct timeval soon = { 0, CONTROL_TELL_US };

	if (cc->state == CONTROL_CLIENTS_UNTOLD)
		return;
	if (buf_len(&cc->news) == 0)
		event_add(cc->tell, &soon);
	buf_addf(&cc->news, "%c%s ", sign, addr);
}

void
control_client_came(struct control *c, const char *addr)
{
	if (c->clients == NULL)
		return;
	roster_add(c->clients->here, addr);
	control_clients_news(c->clients, '+', addr);
}

void
control_client_left(struct control *c, const char *addr)
{
	if (c->clients == NULL)
		return;
	roster_remove(c->clients->here, addr);
	control_clients_news(c->clients, '-', addr);
}

static void
control_clients_add(const char *addr, void *arg)
{
	buf_addf(arg, "+%s ", addr);
}

/* A new link: the peer may have missed some, or have started anew. */
void
control_clients_on_peer(struct control *c)
{
	struct control_clients *cc = c->clients;

	if (cc->state == CONTROL_CLIENTS_TOLD && !peer_sends(c->peer)) {
		cc->state = CONTROL_CLIENTS_UNTOLD;
		event_del(cc->tell);
		buf_free(&cc->news);
	} else if (cc->state == CONTROL_CLIENTS_UNTOLD &&
	    peer_sends(c->peer)) {
		cc->state = CONTROL_CLIENTS_TOLD;
		roster_each(cc->here, control_clients_add, &cc->news);
		control_clients_tell(cc, true);
	}
}

/* ---- hearing from the peer ---- */

void
control_clients_message(struct control *c, const struct msg *m)
{
	struct roster *r = c->clients->there;
	char *text = xstrndup(m->clients.p, m->clients.len), *word, *next;

	if (m->all)
		roster_clear(r);
	for (word = strtok_r(text, " ", &next); word != NULL;
	    word = strtok_r(NULL, " ", &next))
		if (*word == '+')
			roster_add(r, word + 1);
		else
			roster_remove(r, word + 1);
	free(text);
}

size_t
control_clients_here(const struct control *c)
{
	return c->clients != NULL ? roster_count(c->clients->here) : 0;
}

size_t
control_clients_there(const struct control *c)
{
	return c->clients != NULL ? roster_count(c->clients->there) : 0;
}

/* ---- the VIP is here ---- */

static void
control_clients_tickle_one(const char *addr, void *arg)
{
	tickle_send(arg, addr);
}

static void
control_clients_on_again(evutil_socket_t fd, short what, void *arg)
{
	struct control_clients *cc = arg;
	struct timeval tv = { 0, 0 };
	size_t i;

	(void)fd;
	(void)what;
	for (i = 0; i < NELEM(cc->tickle); i++)
		if (cc->tickle[i] != NULL)
			roster_each(cc->there, control_clients_tickle_one,
			    cc->tickle[i]);
	if (++cc->round == NELEM(control_tickle_ms))
		return;
	tv.tv_usec = 1000 * (control_tickle_ms[cc->round] -
	    control_tickle_ms[cc->round - 1]);
	evtimer_add(cc->again, &tv);
}

void
control_clients_tickle(struct control *c)
{
	struct control_clients *cc = c->clients;

	if ((cc->tickle[0] == NULL && cc->tickle[1] == NULL) ||
	    roster_count(cc->there) == 0)
		return;
	log_info("clients: the VIP is here, %zu of the other node are tickled",
	    roster_count(cc->there));
	cc->round = 0;
	control_clients_on_again(-1, 0, cc);
}

/* ---- start and end ---- */

static struct tickle *
control_clients_open(const struct conf *f, long long port)
{
	struct conn_addr vip;
	const char *why;
	struct tickle *t;

	if (port == 0 || !conn_resolve(f->vip, (int)port, &vip, &why))
		return NULL;
	if ((t = tickle_new(&vip)) == NULL)
		log_warn("clients: those of a node that crashed will notice "
		    "late, idle ones never, for want of CAP_NET_RAW");
	return t;
}

void
control_clients_start(struct control *c)
{
	struct control_clients *cc = xcalloc(1, sizeof(*cc));

	c->clients = cc;
	cc->control = c;
	cc->here = roster_new(CONTROL_CLIENTS_MAX);
	cc->there = roster_new(CONTROL_CLIENTS_MAX);
	cc->tell = evtimer_new(loop_base(c->loop), control_clients_on_tell,
	    cc);
	cc->again = evtimer_new(loop_base(c->loop), control_clients_on_again,
	    cc);
	if (cc->tell == NULL || cc->again == NULL)
		fatalx("control: out of memory");
	cc->tickle[0] = control_clients_open(c->conf, c->conf->port);
	cc->tickle[1] = control_clients_open(c->conf, c->conf->tls_port);
}

void
control_clients_free(struct control *c)
{
	struct control_clients *cc = c->clients;
	size_t i;

	if (cc == NULL)
		return;
	for (i = 0; i < NELEM(cc->tickle); i++)
		if (cc->tickle[i] != NULL)
			tickle_free(cc->tickle[i]);
	event_free(cc->tell);
	event_free(cc->again);
	roster_free(cc->here);
	roster_free(cc->there);
	buf_free(&cc->news);
	free(cc);
}
