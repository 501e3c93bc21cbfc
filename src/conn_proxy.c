/*
 * An accepted connection whose first bytes are a PROXY header: it is read to
 * its last byte and not beyond, and then all goes on as without it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "conn_priv.h"
#include "log.h"
#include "proxy2.h"
#include "stats.h"

struct conn_proxy {
	struct conn_addr	 from;		/* who sent the header */
	struct buf		 header;
	struct event		*limit;		/* NULL: it is there */
};

static void
conn_proxy_unlimit(struct conn_proxy *p)
{
	if (p->limit != NULL)
		event_free(p->limit);
	p->limit = NULL;
}

static void
conn_proxy_done(struct conn *c)
{
	struct buf *header = &c->proxy->header;
	struct sockaddr_storage sa;
	socklen_t len;

	if (proxy2_source(buf_data(header), &sa, &len))
		conn_name_from(&c->peer, (struct sockaddr *)&sa, len);
	buf_free(header);
	conn_proxy_unlimit(c->proxy);
	conn_begin(c);
}

static void
conn_proxy_refuse(struct conn *c, const char *why, int error)
{
	static struct log_limit limit;

	STATS_ADD(clients_unproxied, 1);
	if (log_may(&limit))
		log_info("conn: %s is refused: it sends no header of the "
		    "PROXY protocol, version 2%s (proxy-protocol)",
		    conn_peer(c)->text, why);
	conn_end(c, error);
}

void
conn_proxy_late(struct conn *c)
{
	char why[32];

	snprintf(why, sizeof(why), ", in %d s", CONN_LIMIT_SECONDS);
	conn_proxy_refuse(c, why, ETIMEDOUT);
}

static void
conn_proxy_read(struct conn *c)
{
	struct buf *header = &c->proxy->header;
	int more = proxy2_more(buf_data(header), buf_len(header));
	ssize_t n;

	while (more > 0) {
		n = read(c->fd, buf_reserve(header, (size_t)more),
		    (size_t)more);
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			conn_end(c, n == 0 ? 0 : errno);
			return;
		}
		buf_added(header, (size_t)n);
		more = proxy2_more(buf_data(header), buf_len(header));
	}
	if (more == 0)
		conn_proxy_done(c);
	else
		conn_proxy_refuse(c, "", EPROTO);
}

static void
conn_proxy_on_in(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	loop_now(((struct conn *)arg)->loop);
	conn_proxy_read(arg);
}

const struct conn_addr *
conn_proxy_from(const struct conn_proxy *p)
{
	return &p->from;
}

void
conn_expect_proxy(struct conn *c)
{
	c->proxy = xcalloc(1, sizeof(*c->proxy));
	c->proxy->from = *conn_peer(c);
	c->proxy->limit = conn_limit(c);
	c->state = CONN_PROXIED;
	conn_arm(c, EV_READ, conn_proxy_on_in);
}

void
conn_proxy_free(struct conn_proxy *p)
{
	conn_proxy_unlimit(p);
	buf_free(&p->header);
	free(p);
}
