/*
 * One stream socket on the loop: how bytes move, and nothing about what
 * they mean. Output is gathered and leaves once a turn. The only file that
 * reads and writes the sockets of clients and of their Redis connections.
 */
#ifndef CONN_H
#define CONN_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "loop.h"
#include "tls.h"

struct conn;

#define CONN_ADDR_TEXT	(INET6_ADDRSTRLEN + 10)

struct conn_addr {
	struct sockaddr_storage	 sa;
	socklen_t		 len;
	char			 text[CONN_ADDR_TEXT];	/* host:port, path:0 */
	const struct tls_to	*tls;	/* how to speak TLS there; or NULL */
};

/*
 * Resolves a host name or address literal (blocking: for start-up). False
 * with the reason in why.
 */
bool	conn_resolve(const char *host, int port, struct conn_addr *,
	    const char **why) MUST_CHECK;
void	conn_addr_from(struct conn_addr *, const struct sockaddr *, socklen_t);
/* Of a unix socket; false: the path is too long for one. */
bool	conn_addr_unix(struct conn_addr *, const char *path) MUST_CHECK;

/* Are they of one host, whatever the port? */
bool	conn_same_host(const struct conn_addr *, const struct conn_addr *);

/* How those who connect to a listening socket begin: bits, 0 for plain. */
#define CONN_TLS	0x1	/* with TLS */
#define CONN_PROXY	0x2	/* before that, with a PROXY header */

/* An address in little memory; of a unix socket only that it is one. */
struct conn_name {
	union {
		struct sockaddr		 sa;
		struct sockaddr_in	 in;
		struct sockaddr_in6	 in6;
	}	 u;
};

/* Somebody who has connected to a listening socket. */
struct conn_caller {
	int			 fd;	/* non-blocking, as listener makes it */
	unsigned		 how;
	struct conn_name	 from;
};

struct conn_ops {
	/* Connected; not called for accepted ones. May be NULL. */
	void	(*on_open)(void *arg);
	/* The bytes are gone when this returns. */
	void	(*on_data)(void *arg, const char *, size_t);
	/* All output has left after conn_pending() was not 0. May be NULL. */
	void	(*on_sent)(void *arg);
	/*
	 * With error 0 the other end has closed its side: nothing more will
	 * come, but what is written still goes out. Else the socket failed
	 * (errno), and nothing is called after this. conn_free() it.
	 */
	void	(*on_end)(void *arg, int error);
};

/*
 * Takes over the caller's socket. If it is to send a header of the PROXY
 * protocol, that says who it is; without one, it ends.
 */
struct conn	*conn_accepted(struct loop *, const struct conn_caller *,
		    const struct conn_ops *, void *arg);

/*
 * Speaks TLS from the first byte on, behind a PROXY header; takes over the
 * session. For one that was accepted in this turn. What fails in the handshake
 * is logged.
 */
void	conn_start_tls(struct conn *, SSL *);

/* Begins to connect; failure comes by on_end, never from here. */
struct conn	*conn_connect(struct loop *, const struct conn_addr *,
		    const struct conn_ops *, void *arg);

/* Closes at once; output that has not left is lost. Never calls back. */
void	conn_free(struct conn *);

/* Sends what the socket takes now, without waiting for the turn's end. */
void	conn_flush(struct conn *);

void	conn_write(struct conn *, const void *, size_t);

/*
 * The same for what need not be gathered: it leaves at once, as far as the
 * socket takes it, and only the rest is copied.
 */
void	conn_write_now(struct conn *, const void *, size_t);
size_t	conn_pending(const struct conn *);	/* bytes not yet sent */
bool	conn_blocked(const struct conn *);	/* the socket takes no more */
uint64_t conn_sent(const struct conn *);	/* bytes sent since the start */

/*
 * A paused connection is not read, so that TCP slows the other end down;
 * that the other end closes is noticed all the same.
 */
void	conn_pause(struct conn *);
void	conn_resume(struct conn *);
bool	conn_paused(const struct conn *);

/* Has the other end closed its side, and all before that been read? */
bool	conn_at_end(const struct conn *);

int	conn_fd(const struct conn *);
/*
 * Who it is; and where its packets come from, which may be a proxy. Each is
 * valid until the same thread asks for it the next time.
 */
const struct conn_addr	*conn_peer(const struct conn *);
const struct conn_addr	*conn_from(const struct conn *);
const struct conn_addr	*conn_local(const struct conn *);
/* Is its own end at that host? */
bool	conn_is_at(const struct conn *, const struct conn_addr *);

#endif
