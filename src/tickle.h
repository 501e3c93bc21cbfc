/*
 * Tickle ACKs: how clients of a node that is gone learn that their
 * connections are.
 *
 * The VIP's new holder knows nothing of the connections that the old one
 * had. A client that waits for an answer would learn of it at TCP's next
 * retransmission, and an idle one never. One segment that is out of its
 * window makes a client's kernel answer with its sequence numbers, and that
 * answer makes this machine's kernel send the exact reset (RFC 9293, 3.10.7).
 */
#ifndef TICKLE_H
#define TICKLE_H

#include "conn.h"

struct tickle;

/*
 * For clients of that address and port. NULL with errno when the process may
 * not send raw packets (CAP_NET_RAW).
 */
struct tickle	*tickle_new(const struct conn_addr *vip);
void		 tickle_free(struct tickle *);

/*
 * One segment from the VIP, which must be on this machine, to the client at
 * "host:port". What cannot be sent is left out: it is a hint.
 */
void		 tickle_send(struct tickle *, const char *client);

#endif
