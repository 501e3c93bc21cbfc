/*
 * TLS for all ports: contexts made of the configuration's certificates, and
 * sessions made of those.
 *
 * The contexts are replaced while running; a session that stands goes on
 * with the one that it was made of. Everything but tls_new(), tls_load(),
 * tls_to() and tls_free() is for any thread.
 */
#ifndef TLS_H
#define TLS_H

#include <openssl/ssl.h>

#include "conf.h"

struct bufferevent;
struct event_base;
struct tls;

/* Who is at the other end of a session that came from there. */
enum tls_from {
	TLS_FROM_CLIENT,	/* shows what tls-auth-clients says */
	TLS_FROM_PEER,		/* must show one of tls-ca-cert-file */
	TLS_FROM_COUNT
};

struct tls	*tls_new(void);
void		 tls_free(struct tls *);

/*
 * Reads the certificates that the conf names, if it wants TLS anywhere. False
 * with why, and nothing has changed. One's own certificate that has expired
 * is refused, but the first time it is taken, with a warning: clients that
 * look at no dates are better served than not.
 */
bool	tls_load(struct tls *, const struct conf *, char *why,
	    size_t whysize) MUST_CHECK;

/* How long one's own certificate is still valid; false: there is none. */
bool	tls_days_left(struct tls *, int *days) MUST_CHECK;

/* A new session, ready for the handshake. Never NULL. */
SSL	*tls_accept(struct tls *, enum tls_from);

/*
 * Where to connect with TLS. The certificate there must be of
 * tls-ca-cert-file, and with tls-verify-names of that host (a name or an
 * address). Lives as long as the tls.
 */
struct tls_to;
const struct tls_to	*tls_to(struct tls *, const char *host);
/* It resumes the last session that was had there, if it can. */
SSL	*tls_connect(const struct tls_to *);

/*
 * A bufferevent over a socket (-1: not yet connected). Takes over both; a
 * session of NULL is none, and the bytes go as they are.
 */
struct bufferevent	*tls_bufferevent(struct event_base *, int fd, SSL *,
			    int options);

/*
 * Why a session failed, in words: what was wrong with whose certificate, or
 * what else. error is what OpenSSL gave, 0 for nothing.
 */
void	tls_why(const SSL *, unsigned long error, char *why, size_t whysize);
/* The same for a tls_bufferevent(); false when it was not TLS that failed. */
bool	tls_bufferevent_why(struct bufferevent *, char *why, size_t whysize)
	    MUST_CHECK;

#endif
