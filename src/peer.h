/*
 * The link to the other Holdover.
 *
 * Each side connects to the other and sends on the connection that it made
 * itself; so what is heard proves the way in, and what is refused proves
 * that no process listens. Both ends of each connection prove that they
 * know the secret (HMAC-SHA256 over the other's nonce); it is never sent.
 */
#ifndef PEER_H
#define PEER_H

#include "conn.h"
#include "msg.h"

struct peer;

struct peer_opts {
	const char	*cluster;
	const char	*node;		/* who I am */
	const char	*name;		/* who the peer is */
	struct conn_addr to;		/* where it listens */
	struct conn_addr bind;		/* where I listen */
	struct tls	*tls;		/* NULL: none; else to has one too */
	const char	*secret;
	size_t		 secret_len;
	int		 retry_ms;	/* between two tries to connect */
	int		 silence_ms;	/* without a message: connect anew */
	int		 protocol_min;	/* versions spoken; 0, 0: all that */
	int		 protocol_max;	/* this build knows */
};

/* A message from the peer; never one of the greetings. */
typedef void peer_message_fn(const struct msg *, void *arg);

/* Whether it can be reached changed. */
typedef void peer_changed_fn(void *arg);

/*
 * NULL when it cannot listen; errno says why. Everything in opts is
 * copied.
 */
struct peer	*peer_new(struct event_base *, const struct peer_opts *,
		    peer_message_fn *, peer_changed_fn *, void *arg);
void		 peer_free(struct peer *);

/* Dropped when there is no connection: what matters is said again. */
void		 peer_send(struct peer *, const struct msg *);

/* Why the other one is not accepted, in words for an operator; "": it is. */
const char	*peer_complaint(const struct peer *);

struct mono	 peer_heard(const struct peer *);	/* 0: never */
/* Nothing listens at its address, and nothing of it is connected here. */
bool		 peer_refused(const struct peer *);
/* Does what is sent now leave? */
bool		 peer_sends(const struct peer *);
/* Both ways stand. */
bool		 peer_linked(const struct peer *);
/* The version in use; 0 before the first link stands. */
int		 peer_protocol(const struct peer *);

#endif
