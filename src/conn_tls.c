/*
 * TLS over the plain socket of a conn, by OpenSSL over our own buffers: a
 * turn's bytes come in with one read, however many records they are, and go
 * out with one write.
 *
 *	socket -> loop_buffer() -> SSL_read -> loop_scratch() -> on_data
 *	conn_write() -> output -> SSL_write -> wire -> socket
 */
#include <errno.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "conn_priv.h"
#include "log.h"
#include "stats.h"
#include "tls.h"

/* The most that a record holds (RFC 8446, 5.1). */
#define CONN_TLS_RECORD	(16 * 1024)

/* What is encrypted before the socket must take it. */
#define CONN_TLS_AHEAD	(8 * CONN_TLS_RECORD)

/* What short replies need; the handshake's were large. */
#define CONN_TLS_KEEP	1024

struct conn_tls {
	SSL			*ssl;
	struct buf		 wire;		/* encrypted, not yet sent */
	const char		*in;		/* encrypted, read, not taken */
	size_t			 in_len;
	struct buf		 kept;		/* the same, while paused */
	struct loop_task	 again;
	struct event		*limit;		/* of the handshake; or NULL */
};

/* ---- between OpenSSL and the buffers ---- */

static int
conn_tls_bio_read(BIO *b, char *p, size_t size, size_t *n)
{
	struct conn_tls *t = BIO_get_data(b);

	BIO_clear_retry_flags(b);
	if (t->in_len == 0) {
		BIO_set_retry_read(b);
		return 0;
	}
	*n = size < t->in_len ? size : t->in_len;
	memcpy(p, t->in, *n);
	t->in += *n;
	t->in_len -= *n;
	return 1;
}

static int
conn_tls_bio_write(BIO *b, const char *p, size_t size, size_t *n)
{
	struct conn_tls *t = BIO_get_data(b);

	buf_add(&t->wire, p, size);
	*n = size;
	return 1;
}

static long
conn_tls_bio_ctrl(BIO *b, int cmd, long number, void *p)
{
	(void)b;
	(void)number;
	(void)p;
	return cmd == BIO_CTRL_FLUSH;
}

static BIO_METHOD *conn_tls_method;

static void
conn_tls_make_method(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() |
	    BIO_TYPE_SOURCE_SINK, "conn");

	if (m == NULL || !BIO_meth_set_read_ex(m, conn_tls_bio_read) ||
	    !BIO_meth_set_write_ex(m, conn_tls_bio_write) ||
	    !BIO_meth_set_ctrl(m, conn_tls_bio_ctrl))
		fatalx("conn: out of memory");
	conn_tls_method = m;
}

static BIO *
conn_tls_bio(struct conn_tls *t)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	BIO *b;

	pthread_once(&once, conn_tls_make_method);
	b = BIO_new(conn_tls_method);
	if (b == NULL)
		fatalx("conn: out of memory");
	BIO_set_data(b, t);
	BIO_set_init(b, 1);
	return b;
}

/* ---- in ---- */

/* Who made the connection hears of it by on_end(); who came is logged. */
static void
conn_tls_refuse(struct conn *c, const char *why)
{
	static struct log_limit limit;

	STATS_ADD(tls_refused, 1);
	if (log_may(&limit))
		log_info("tls: %s is refused: %s", conn_peer(c)->text, why);
}

static void
conn_tls_fail(struct conn *c)
{
	struct conn_tls *t = c->tls;
	char why[512];

	tls_why(t->ssl, ERR_get_error(), why, sizeof(why));
	ERR_clear_error();
	if (SSL_is_server(t->ssl) && !SSL_is_init_finished(t->ssl))
		conn_tls_refuse(c, why);
	else
		log_debug("tls: connection with %s failed: %s",
		    conn_peer(c)->text, why);
	/* OpenSSL's last word, which tells the other end why. */
	if (conn_put(c, &t->wire) != 0)
		log_debug("tls: %s could not be told why", conn_peer(c)->text);
	conn_end(c, EPROTO);
}

void
conn_tls_late(struct conn *c)
{
	char why[64];

	snprintf(why, sizeof(why), "the handshake was not done in %d s",
	    CONN_LIMIT_SECONDS);
	if (SSL_is_server(c->tls->ssl))
		conn_tls_refuse(c, why);
	conn_end(c, ETIMEDOUT);
}

static void
conn_tls_unlimit(struct conn_tls *t)
{
	if (t->limit != NULL)
		event_free(t->limit);
	t->limit = NULL;
}

static void
conn_tls_count(const SSL *ssl)
{
	if (!SSL_is_server(ssl))
		return;
	STATS_ADD(tls_accepted, 1);
	if (SSL_session_reused(ssl))
		STATS_ADD(tls_resumed, 1);
}

/* False: it is not done, or has failed. */
static bool
conn_tls_shake(struct conn *c)
{
	SSL *ssl = c->tls->ssl;
	int rc = SSL_do_handshake(ssl);

	if (rc == 1) {
		conn_tls_count(ssl);
		conn_tls_unlimit(c->tls);
		conn_opened(c);
	} else if (SSL_get_error(ssl, rc) != SSL_ERROR_WANT_READ)
		conn_tls_fail(c);
	return rc == 1;
}

/* Hands on all that is in, unless the callee pauses it. */
static void
conn_tls_decrypt(struct conn *c)
{
	SSL *ssl = c->tls->ssl;
	char *plain = loop_scratch(c->loop);
	int error = SSL_ERROR_NONE;
	size_t n, got = 0;

	while (c->state == CONN_UP && error == SSL_ERROR_NONE) {
		if (SSL_read_ex(ssl, plain + got, LOOP_READ_SIZE - got, &n))
			got += n;
		else
			error = SSL_get_error(ssl, 0);
		if (got == 0 || (error == SSL_ERROR_NONE &&
		    LOOP_READ_SIZE - got >= CONN_TLS_RECORD))
			continue;
		c->ops->on_data(c->arg, plain, got);
		got = 0;
	}
	if (error == SSL_ERROR_ZERO_RETURN)
		conn_end(c, 0);
	else if (error != SSL_ERROR_NONE && error != SSL_ERROR_WANT_READ &&
	    c->state != CONN_ENDED)
		conn_tls_fail(c);
}

static void
conn_tls_feed(struct conn *c, const char *p, size_t n)
{
	struct conn_tls *t = c->tls;

	t->in = p;
	t->in_len = n;
	if (c->state != CONN_HANDSHAKE || conn_tls_shake(c))
		conn_tls_decrypt(c);
	buf_add(&t->kept, t->in, t->in_len);
	t->in_len = 0;
	if (buf_len(&t->wire) > 0 && c->state != CONN_ENDED)
		loop_defer(c->loop, &c->flush);
}

static void
conn_tls_again_cb(void *arg)
{
	struct conn *c = arg;
	struct buf kept = c->tls->kept;

	if (c->state != CONN_UP)
		return;
	c->tls->kept = (struct buf)BUF_INIT;
	conn_tls_feed(c, buf_data(&kept), buf_len(&kept));
	buf_free(&kept);
}

static void
conn_tls_read(struct conn *c)
{
	char *p = loop_buffer(c->loop);
	ssize_t n = read(c->fd, p, LOOP_READ_SIZE);

	if (n > 0 && buf_len(&c->tls->kept) > 0) {
		buf_add(&c->tls->kept, p, (size_t)n);
		conn_tls_again_cb(c);
	} else if (n > 0)
		conn_tls_feed(c, p, (size_t)n);
	else if (n == 0)
		conn_end(c, 0);
	else if (errno != EAGAIN && errno != EINTR)
		conn_end(c, errno);
}

static void
conn_tls_on_in(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	loop_now(c->loop);
	/* What is left unread is told again in the next turn. */
	if (c->state == CONN_HANDSHAKE && SSL_is_server(c->tls->ssl) &&
	    !loop_heavy(c->loop))
		return;
	if (what & EV_READ)
		conn_tls_read(c);
	else if (what & EV_CLOSED) {
		c->unread = true;
		conn_end(c, 0);
	}
}

void
conn_tls_resume(struct conn *c)
{
	if (buf_len(&c->tls->kept) > 0 || SSL_has_pending(c->tls->ssl))
		loop_defer(c->loop, &c->tls->again);
}

/* ---- out ---- */

int
conn_tls_send(struct conn *c)
{
	struct conn_tls *t = c->tls;
	size_t n;
	int error;

	for (;;) {
		error = conn_put(c, &t->wire);
		n = buf_len(&c->output);
		if (buf_len(&t->wire) == 0 && t->wire.size > CONN_TLS_KEEP)
			buf_free(&t->wire);
		if (error != 0 || n == 0 || buf_len(&t->wire) > 0 ||
		    c->state == CONN_HANDSHAKE)
			return error;
		if (n > CONN_TLS_AHEAD)
			n = CONN_TLS_AHEAD;
		if (!SSL_write_ex(t->ssl, buf_data(&c->output), n, &n)) {
			ERR_clear_error();
			return EPROTO;
		}
		buf_drain(&c->output, n);
		conn_slim(&c->output);
	}
}

size_t
conn_tls_pending(const struct conn_tls *t)
{
	return buf_len(&t->wire);
}

/* ---- begin and end ---- */

void
conn_tls_begin(struct conn *c)
{
	c->state = CONN_HANDSHAKE;
	c->tls->limit = conn_limit(c);
	conn_arm(c, EV_READ, conn_tls_on_in);
	if (!SSL_is_server(c->tls->ssl))
		conn_tls_feed(c, NULL, 0);
}

struct conn_tls *
conn_tls_new(struct conn *c, SSL *ssl)
{
	struct conn_tls *t = xcalloc(1, sizeof(*t));
	BIO *b = conn_tls_bio(t);

	t->ssl = ssl;
	SSL_set_bio(ssl, b, b);
	loop_task_init(&t->again, conn_tls_again_cb, c);
	return t;
}

void
conn_tls_free(struct conn *c)
{
	struct conn_tls *t = c->tls;

	if (SSL_is_init_finished(t->ssl) && c->state != CONN_ENDED &&
	    buf_len(&t->wire) == 0) {
		SSL_shutdown(t->ssl);
		if (conn_put(c, &t->wire) != 0)
			log_debug("tls: %s was gone already",
			    conn_peer(c)->text);
		ERR_clear_error();
	}
	conn_tls_unlimit(t);
	loop_cancel(&t->again);
	SSL_free(t->ssl);
	buf_free(&t->wire);
	buf_free(&t->kept);
	free(t);
}
