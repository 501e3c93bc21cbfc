#include "tls.h"

#include <arpa/inet.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "log.h"

/* Contexts: one for each enum tls_from, and one to connect with. */
#define TLS_OUT		TLS_FROM_COUNT
#define TLS_CONTEXTS	(TLS_OUT + 1)

struct tls_to {
	SLIST_ENTRY(tls_to)	 link;
	struct tls		*tls;
	char			*host;
	bool			 is_address;	/* which no SNI may have */
	SSL_SESSION		*last;		/* under tls' lock; or NULL */
};

struct tls {
	pthread_mutex_t		 lock;
	SSL_CTX			*ctx[TLS_CONTEXTS];	/* NULL: not wanted */
	bool			 verify_names;
	bool			 loaded;
	SLIST_HEAD(, tls_to)	 to;
};

/* Places in an SSL: what was wrong with a certificate, and its tls_to. */
static int tls_note_index = -1;
static int tls_to_index = -1;

/* ---- errors in words ---- */

static void
tls_reason(unsigned long error, char *why, size_t whysize)
{
	const char *reason = ERR_SYSTEM_ERROR(error) ?
	    strerror(ERR_GET_REASON(error)) : ERR_reason_error_string(error);

	snprintf(why, whysize, "%s", reason != NULL ? reason :
	    "OpenSSL does not say why");
}

/* Puts the words and OpenSSL's first reason into why; always false. */
static bool
tls_error(char *why, size_t whysize, const char *option, const char *value)
{
	char reason[256];

	tls_reason(ERR_peek_error(), reason, sizeof(reason));
	ERR_clear_error();
	snprintf(why, whysize, "%s %s cannot be used: %s", option, value,
	    reason);
	return false;
}

static void
tls_note_free(void *parent, void *note, CRYPTO_EX_DATA *ad, int idx,
    long argl, void *argp)
{
	(void)parent;
	(void)ad;
	(void)idx;
	(void)argl;
	(void)argp;
	free(note);
}

/* The subject, with what is not printable escaped. */
static void
tls_subject(X509 *cert, char *text, size_t size)
{
	BIO *b = BIO_new(BIO_s_mem());
	int n = 0;

	if (b != NULL && cert != NULL && X509_NAME_print_ex(b,
	    X509_get_subject_name(cert), 0, XN_FLAG_ONELINE) > 0)
		n = BIO_read(b, text, (int)size - 1);
	text[n > 0 ? n : 0] = '\0';
	BIO_free(b);
}

/* Notes what is wrong: after the handshake the certificate is gone. */
static int
tls_on_verify(int ok, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store,
	    SSL_get_ex_data_X509_STORE_CTX_idx());
	char subject[256];

	if (ok)
		return ok;
	free(SSL_get_ex_data(ssl, tls_note_index));
	tls_subject(X509_STORE_CTX_get_current_cert(store), subject,
	    sizeof(subject));
	SSL_set_ex_data(ssl, tls_note_index, xasprintf("%s (%s)",
	    X509_verify_cert_error_string(X509_STORE_CTX_get_error(store)),
	    subject));
	return ok;
}

void
tls_why(const SSL *ssl, unsigned long error, char *why, size_t whysize)
{
	const char *note = SSL_get_ex_data(ssl, tls_note_index);
	char reason[256];

	tls_reason(error, reason, sizeof(reason));
	if (note != NULL)
		snprintf(why, whysize, "its certificate is refused: %s", note);
	else if (error == 0)
		snprintf(why, whysize, "it hung up");
	else if (ERR_GET_REASON(error) >= SSL_AD_REASON_OFFSET)
		snprintf(why, whysize, "it says: %s", reason);
	else if (ERR_GET_REASON(error) == SSL_R_WRONG_VERSION_NUMBER ||
	    ERR_GET_REASON(error) == SSL_R_HTTP_REQUEST)
		snprintf(why, whysize, "it does not speak TLS (%s)", reason);
	else
		snprintf(why, whysize, "%s", reason);
}

/* ---- bufferevents ---- */

struct bufferevent *
tls_bufferevent(struct event_base *base, int fd, SSL *ssl, int options)
{
	struct bufferevent *bev;

	options |= BEV_OPT_CLOSE_ON_FREE;
	if (ssl == NULL)
		bev = bufferevent_socket_new(base, fd, options);
	else
		bev = bufferevent_openssl_socket_new(base, fd, ssl,
		    SSL_is_server(ssl) ? BUFFEREVENT_SSL_ACCEPTING :
		    BUFFEREVENT_SSL_CONNECTING, options);
	if (bev == NULL)
		fatalx("tls: out of memory");
	return bev;
}

/*
 * libevent keeps what OpenSSL said, and what SSL_get_error() made of it, which
 * is of no library. Where a write failed first, the last word of who hung up
 * (TLS 1.3: that our certificate will not do) has not been read.
 */
bool
tls_bufferevent_why(struct bufferevent *bev, char *why, size_t whysize)
{
	SSL *ssl = bufferevent_openssl_get_ssl(bev);
	unsigned long error = 0, next;
	char byte;

	if (ssl == NULL)
		return false;
	while ((next = bufferevent_get_openssl_error(bev)) != 0)
		if (ERR_GET_LIB(next) != 0)
			error = next;
	if (error == 0 && SSL_is_init_finished(ssl) &&
	    SSL_peek(ssl, &byte, 1) <= 0)
		error = ERR_peek_error();
	ERR_clear_error();
	if (error == 0 || ERR_GET_LIB(error) != ERR_LIB_SSL)
		return false;
	tls_why(ssl, error, why, whysize);
	return true;
}

/* ---- sessions ---- */

static SSL *
tls_session(struct tls *t, int which)
{
	SSL_CTX *ctx;
	SSL *ssl;

	pthread_mutex_lock(&t->lock);
	ctx = t->ctx[which];
	if (ctx != NULL)
		SSL_CTX_up_ref(ctx);
	pthread_mutex_unlock(&t->lock);
	if (ctx == NULL || (ssl = SSL_new(ctx)) == NULL)
		fatalx("tls: no session can be made");
	SSL_CTX_free(ctx);
	return ssl;
}

SSL *
tls_accept(struct tls *t, enum tls_from from)
{
	SSL *ssl = tls_session(t, from);

	SSL_set_accept_state(ssl);
	return ssl;
}

SSL *
tls_connect(const struct tls_to *to)
{
	SSL *ssl = tls_session(to->tls, TLS_OUT);
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	bool names;

	SSL_set_ex_data(ssl, tls_to_index, (void *)(uintptr_t)to);
	pthread_mutex_lock(&to->tls->lock);
	names = to->tls->verify_names;
	if (to->last != NULL)
		SSL_set_session(ssl, to->last);
	pthread_mutex_unlock(&to->tls->lock);
	if (names && to->is_address)
		X509_VERIFY_PARAM_set1_ip_asc(param, to->host);
	else if (names)
		X509_VERIFY_PARAM_set1_host(param, to->host, 0);
	if (!to->is_address)
		SSL_set_tlsext_host_name(ssl, to->host);
	SSL_set_connect_state(ssl);
	return ssl;
}

/* Keeps the newest; the reference is ours. */
static int
tls_on_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls_to *to = SSL_get_ex_data(ssl, tls_to_index);
	SSL_SESSION *old;

	pthread_mutex_lock(&to->tls->lock);
	/* One of a context that was replaced is not wanted any more. */
	if (SSL_get_SSL_CTX(ssl) != to->tls->ctx[TLS_OUT]) {
		pthread_mutex_unlock(&to->tls->lock);
		return 0;
	}
	old = to->last;
	to->last = session;
	pthread_mutex_unlock(&to->tls->lock);
	SSL_SESSION_free(old);
	return 1;
}

const struct tls_to *
tls_to(struct tls *t, const char *host)
{
	struct tls_to *to = xcalloc(1, sizeof(*to));
	struct in6_addr addr;

	to->tls = t;
	to->host = xstrdup(host);
	to->is_address = inet_pton(AF_INET, host, &addr) == 1 ||
	    inet_pton(AF_INET6, host, &addr) == 1;
	SLIST_INSERT_HEAD(&t->to, to, link);
	return to;
}

/* ---- contexts ---- */

static bool
tls_set_protocols(SSL_CTX *ctx, const struct conf *f)
{
	bool v12 = conf_has_word(f->tls_protocols, "TLSv1.2");
	bool v13 = conf_has_word(f->tls_protocols, "TLSv1.3");

	return SSL_CTX_set_min_proto_version(ctx, v12 || !v13 ?
	    TLS1_2_VERSION : TLS1_3_VERSION) == 1 &&
	    SSL_CTX_set_max_proto_version(ctx, v13 || !v12 ?
	    TLS1_3_VERSION : TLS1_2_VERSION) == 1;
}

/* Nobody is there to be asked: an encrypted key is an error. */
static int
tls_on_passphrase(char *buf, int size, int writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

static bool
tls_set_files(SSL_CTX *ctx, const struct conf *f, char *why, size_t whysize)
{
	SSL_CTX_set_default_passwd_cb(ctx, tls_on_passphrase);
	if (f->tls_ca_cert_file != NULL && SSL_CTX_load_verify_locations(ctx,
	    f->tls_ca_cert_file, NULL) != 1)
		return tls_error(why, whysize, "tls-ca-cert-file",
		    f->tls_ca_cert_file);
	if (f->tls_cert_file == NULL)
		return true;
	if (SSL_CTX_use_certificate_chain_file(ctx, f->tls_cert_file) != 1)
		return tls_error(why, whysize, "tls-cert-file",
		    f->tls_cert_file);
	if (SSL_CTX_use_PrivateKey_file(ctx, f->tls_key_file,
	    SSL_FILETYPE_PEM) != 1)
		return tls_error(why, whysize, "tls-key-file",
		    f->tls_key_file);
	return true;
}

static bool
tls_set_ciphers(SSL_CTX *ctx, const struct conf *f, char *why, size_t whysize)
{
	if (f->tls_ciphers != NULL &&
	    SSL_CTX_set_cipher_list(ctx, f->tls_ciphers) != 1)
		return tls_error(why, whysize, "tls-ciphers", f->tls_ciphers);
	if (f->tls_ciphersuites != NULL &&
	    SSL_CTX_set_ciphersuites(ctx, f->tls_ciphersuites) != 1)
		return tls_error(why, whysize, "tls-ciphersuites",
		    f->tls_ciphersuites);
	return true;
}

static void
tls_set_verify(SSL_CTX *ctx, const struct conf *f, int which)
{
	static const unsigned char id[] = "holdover";
	int mode = SSL_VERIFY_PEER;

	if (which == TLS_FROM_PEER || (which == TLS_FROM_CLIENT &&
	    f->tls_auth_clients == CONF_AUTH_YES))
		mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	else if (which == TLS_FROM_CLIENT &&
	    f->tls_auth_clients == CONF_AUTH_NO)
		mode = SSL_VERIFY_NONE;
	SSL_CTX_set_verify(ctx, mode, tls_on_verify);
	if (which != TLS_OUT && mode != SSL_VERIFY_NONE &&
	    f->tls_ca_cert_file != NULL)
		SSL_CTX_set_client_CA_list(ctx,
		    SSL_load_client_CA_file(f->tls_ca_cert_file));
	SSL_CTX_set_session_id_context(ctx, id, sizeof(id) - 1);
}

/*
 * Sessions are resumed by tickets alone, whose keys are of this context: none
 * survives a reload, or it would pass by what the new one verifies.
 */
static SSL_CTX *
tls_context(const struct conf *f, int which, char *why, size_t whysize)
{
	SSL_CTX *ctx = SSL_CTX_new(which == TLS_OUT ? TLS_client_method() :
	    TLS_server_method());

	if (ctx == NULL)
		fatalx("tls: out of memory");
	/* A closed connection is no failure of TLS: RESP knows its ends. */
	SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION |
	    SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	/* What is idle keeps no buffers of 16 KiB. */
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS |
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(ctx, which == TLS_OUT ?
	    SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL :
	    SSL_SESS_CACHE_OFF);
	if (which == TLS_OUT)
		SSL_CTX_sess_set_new_cb(ctx, tls_on_session);
	tls_set_verify(ctx, f, which);
	if (tls_set_protocols(ctx, f) &&
	    tls_set_files(ctx, f, why, whysize) &&
	    tls_set_ciphers(ctx, f, why, whysize))
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

/* ---- one's own certificate ---- */

static void
tls_time(const ASN1_TIME *at, char *text, size_t size)
{
	BIO *b = BIO_new(BIO_s_mem());
	int n = 0;

	if (b != NULL && ASN1_TIME_print(b, at) == 1)
		n = BIO_read(b, text, (int)size - 1);
	text[n > 0 ? n : 0] = '\0';
	BIO_free(b);
}

/* Is it valid today? */
static bool
tls_check_dates(SSL_CTX *ctx, const struct conf *f, char *why,
    size_t whysize)
{
	const X509 *cert = SSL_CTX_get0_certificate(ctx);
	const ASN1_TIME *from, *until;
	bool expired, early;
	char at[64];

	if (cert == NULL)
		return true;
	from = X509_get0_notBefore(cert);
	until = X509_get0_notAfter(cert);
	expired = X509_cmp_current_time(until) < 0;
	early = X509_cmp_current_time(from) > 0;
	if (!expired && !early)
		return true;
	tls_time(expired ? until : from, at, sizeof(at));
	snprintf(why, whysize, "the certificate in tls-cert-file %s %s %s",
	    f->tls_cert_file, expired ? "has expired on" :
	    "is not valid before", at);
	return false;
}

bool
tls_days_left(struct tls *t, int *days)
{
	const X509 *cert = NULL;
	int i, seconds;
	bool ok;

	pthread_mutex_lock(&t->lock);
	for (i = 0; i < TLS_CONTEXTS && cert == NULL; i++)
		if (t->ctx[i] != NULL)
			cert = SSL_CTX_get0_certificate(t->ctx[i]);
	ok = cert != NULL && ASN1_TIME_diff(days, &seconds, NULL,
	    X509_get0_notAfter(cert)) == 1;
	pthread_mutex_unlock(&t->lock);
	return ok;
}

static void
tls_drop(SSL_CTX **ctx)
{
	int i;

	for (i = 0; i < TLS_CONTEXTS; i++) {
		SSL_CTX_free(ctx[i]);
		ctx[i] = NULL;
	}
}

/* Puts the contexts into place; what was resumed so far ends with the old. */
static void
tls_swap(struct tls *t, SSL_CTX **ctx, const struct conf *f)
{
	SSL_CTX *old[TLS_CONTEXTS];
	struct tls_to *to;

	pthread_mutex_lock(&t->lock);
	memcpy(old, t->ctx, sizeof(old));
	memcpy(t->ctx, ctx, sizeof(old));
	SLIST_FOREACH(to, &t->to, link) {
		SSL_SESSION_free(to->last);
		to->last = NULL;
	}
	t->verify_names = f->tls_verify_names;
	t->loaded = true;
	pthread_mutex_unlock(&t->lock);
	tls_drop(old);
}

bool
tls_load(struct tls *t, const struct conf *f, char *why, size_t whysize)
{
	bool wanted[TLS_CONTEXTS] = {
	    [TLS_FROM_CLIENT] = f->tls_port != 0 || f->admin_tls,
	    [TLS_FROM_PEER] = f->peer_tls,
	    [TLS_OUT] = f->redis_tls || f->peer_tls };
	SSL_CTX *ctx[TLS_CONTEXTS] = { NULL };
	bool ok = true, valid;
	int i;

	ERR_clear_error();
	for (i = 0; ok && i < TLS_CONTEXTS; i++)
		ok = !wanted[i] ||
		    (ctx[i] = tls_context(f, i, why, whysize)) != NULL;
	for (i = 0; ok && i < TLS_CONTEXTS; i++) {
		valid = ctx[i] == NULL ||
		    tls_check_dates(ctx[i], f, why, whysize);
		if (valid)
			continue;
		ok = !t->loaded;
		if (ok)
			log_warnx("tls: %s: who looks at it will not connect",
			    why);
		break;
	}
	if (ok)
		tls_swap(t, ctx, f);
	else
		tls_drop(ctx);
	return ok;
}

struct tls *
tls_new(void)
{
	struct tls *t = xcalloc(1, sizeof(*t));

	pthread_mutex_init(&t->lock, NULL);
	SLIST_INIT(&t->to);
	if (tls_note_index == -1)
		tls_note_index = SSL_get_ex_new_index(0, NULL, NULL, NULL,
		    tls_note_free);
	if (tls_to_index == -1)
		tls_to_index = SSL_get_ex_new_index(0, NULL, NULL, NULL,
		    NULL);
	return t;
}

void
tls_free(struct tls *t)
{
	struct tls_to *to;

	while ((to = SLIST_FIRST(&t->to)) != NULL) {
		SLIST_REMOVE_HEAD(&t->to, link);
		SSL_SESSION_free(to->last);
		free(to->host);
		free(to);
	}
	tls_drop(t->ctx);
	pthread_mutex_destroy(&t->lock);
	free(t);
}
