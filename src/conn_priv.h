/*
 * Shared by conn.c (plain sockets) and conn_tls.c (TLS over them), and by
 * nobody else.
 */
#ifndef CONN_PRIV_H
#define CONN_PRIV_H

#include "buf.h"
#include "conn.h"
#include "tls.h"

enum conn_state {
	CONN_CONNECTING,
	CONN_PROXIED,		/* a PROXY header must come first */
	CONN_HANDSHAKE,		/* of TLS */
	CONN_UP,
	CONN_PAUSED,
	CONN_HALF,		/* the other end has closed its side */
	CONN_ENDED
};

struct conn {
	struct loop		*loop;
	const struct conn_ops	*ops;
	void			*arg;
	int			 fd;
	enum conn_state		 state : 8;
	bool			 unread;	/* it ended while paused */
	bool			 blocked;	/* out is added: the socket
						 * takes no more */
	struct event		 in;
	struct event		*out;		/* made when it is needed */
	struct loop_task	 flush;
	struct buf		 output;	/* not yet encrypted */
	uint64_t		 sent;
	int			 error;		/* of a connect that failed */
	struct conn_name	 peer;
	struct conn_tls		*tls;		/* NULL: none */
	struct conn_proxy	*proxy;		/* NULL: none */
};

void	conn_name_from(struct conn_name *, const struct sockaddr *, socklen_t);

/* Tells on_end(), once; see there. */
void	conn_end(struct conn *, int error);

/* Calls fn when there is something to read, or is closed: EV_READ, EV_CLOSED */
void	conn_arm(struct conn *, short what, event_callback_fn);

/*
 * Sends what the socket takes of the buf, and waits for more room where
 * that is not all. The errno of the failure, or 0.
 */
int	conn_put(struct conn *, struct buf *) MUST_CHECK;
/* Gives back the memory of one that is empty and was large. */
void	conn_slim(struct buf *);

/*
 * A timer that ends the connection, unless it is freed in time: when the PROXY
 * header is there, or the handshake is done.
 */
#define CONN_LIMIT_SECONDS	10
struct event	*conn_limit(struct conn *);

/* The socket is there, and nothing but TLS comes before the bytes. */
void	conn_begin(struct conn *);
/* Bytes can be exchanged now: tells on_open(). */
void	conn_opened(struct conn *);

/* A PROXY header must come first; and: it has not come in time. */
void	conn_expect_proxy(struct conn *);
void	conn_proxy_late(struct conn *);
const struct conn_addr	*conn_proxy_from(const struct conn_proxy *);
void	conn_proxy_free(struct conn_proxy *);

/* Takes over the session. */
struct conn_tls	*conn_tls_new(struct conn *, SSL *);
/* Says goodbye first, if it can. */
void	conn_tls_free(struct conn *);
/* The socket is there: begins the handshake. */
void	conn_tls_begin(struct conn *);
/* Encrypts and sends what the socket takes; as conn_put(). */
int	conn_tls_send(struct conn *) MUST_CHECK;
/* Encrypted bytes that have not left. */
size_t	conn_tls_pending(const struct conn_tls *);
/* It may be read again. */
void	conn_tls_resume(struct conn *);
/* The handshake is not done in time. */
void	conn_tls_late(struct conn *);

#endif
