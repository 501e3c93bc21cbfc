/*
 * tlspipe [-C ca] [-c cert -k key] [-n server-name] [-2] [-3] host port
 *
 * Connects with TLS and relays its standard input and output. At the end of
 * the input it says goodbye in TLS (close_notify) and goes on reading, which
 * openssl s_client does not. -2 and -3 speak that version only. Standard
 * error gets one line: the version and the cipher, or what failed.
 */
#include <sys/socket.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROOM	(64 * 1024)

/* Bytes on their way. */
struct way {
	char	 data[ROOM];
	size_t	 at;
	size_t	 len;
	bool	 ended;		/* nothing more comes in */
};

static void __attribute__((__noreturn__))
fail(const char *what)
{
	unsigned long e = ERR_peek_error();

	fprintf(stderr, "tlspipe: %s: %s\n", what, e != 0 ?
	    ERR_reason_error_string(e) : strerror(errno));
	exit(1);
}

static int
dial(const char *host, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *res;
	int fd;

	if (getaddrinfo(host, port, &hints, &res) != 0 ||
	    (fd = socket(res->ai_family, SOCK_STREAM, 0)) == -1 ||
	    connect(fd, res->ai_addr, res->ai_addrlen) == -1)
		fail("connect");
	freeaddrinfo(res);
	return fd;
}

/* What a TLS call waits for, or the end of everything. */
static short
wants(SSL *ssl, int rc)
{
	switch (SSL_get_error(ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		return POLLIN;
	case SSL_ERROR_WANT_WRITE:
		return POLLOUT;
	default:
		return 0;
	}
}

static void
relay(SSL *ssl, int fd)
{
	static struct way out, in;
	struct pollfd p[3];
	bool goodbye = false;
	short more;
	ssize_t n;
	int rc;

	for (;;) {
		more = 0;
		if (in.len == 0 && !in.ended) {
			rc = SSL_read(ssl, in.data, ROOM);
			if (rc > 0) {
				in.at = 0;
				in.len = (size_t)rc;
			} else if ((more = wants(ssl, rc)) == 0)
				in.ended = true;
		}
		while (out.len > 0) {
			rc = SSL_write(ssl, out.data + out.at, (int)out.len);
			if (rc <= 0) {
				more |= wants(ssl, rc);
				break;
			}
			out.at += (size_t)rc;
			out.len -= (size_t)rc;
		}
		if (in.ended && in.len == 0)
			return;
		if (out.ended && out.len == 0 && !goodbye) {
			SSL_shutdown(ssl);
			goodbye = true;
		}
		p[0] = (struct pollfd){ fd, more, 0 };
		p[1] = (struct pollfd){ out.ended || out.len > 0 ? -1 : 0,
		    POLLIN, 0 };
		p[2] = (struct pollfd){ in.len > 0 ? 1 : -1, POLLOUT, 0 };
		if (poll(p, 3, -1) == -1)
			fail("poll");
		if (p[1].revents != 0) {
			n = read(0, out.data, ROOM);
			out.ended = n <= 0;
			out.at = 0;
			out.len = n > 0 ? (size_t)n : 0;
		}
		if (p[2].revents != 0) {
			n = write(1, in.data + in.at, in.len);
			if (n <= 0)
				return;
			in.at += (size_t)n;
			in.len -= (size_t)n;
		}
	}
}

int
main(int argc, char **argv)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	const char *name = NULL;
	SSL *ssl;
	int fd, o;

	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	while ((o = getopt(argc, argv, "C:c:k:n:23")) != -1) {
		if ((o == 'C' && SSL_CTX_load_verify_locations(ctx, optarg,
		    NULL) != 1) ||
		    (o == 'c' && SSL_CTX_use_certificate_chain_file(ctx,
		    optarg) != 1) ||
		    (o == 'k' && SSL_CTX_use_PrivateKey_file(ctx, optarg,
		    SSL_FILETYPE_PEM) != 1))
			fail(optarg);
		if (o == 'C')
			SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
		if (o == 'n')
			name = optarg;
		if (o == '2')
			SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
		if (o == '3')
			SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
		if (o == '?')
			return 2;
	}
	if (argc - optind != 2)
		return 2;
	fd = dial(argv[optind], argv[optind + 1]);
	ssl = SSL_new(ctx);
	SSL_set_fd(ssl, fd);
	if (name != NULL)
		SSL_set_tlsext_host_name(ssl, name);
	if (SSL_connect(ssl) != 1)
		fail("handshake");
	fprintf(stderr, "tlspipe: %s %s\n", SSL_get_version(ssl),
	    SSL_get_cipher(ssl));
	fcntl(fd, F_SETFL, O_NONBLOCK);
	relay(ssl, fd);
	return 0;
}
