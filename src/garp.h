/*
 * Gratuitous ARP, and for IPv6 unsolicited neighbour advertisements: tells
 * the network where the VIP is.
 *
 * keepalived does this when it becomes MASTER. But the kernel has the address
 * some moments earlier, when clients may already be sent here; and of two
 * MASTERs the one that goes may have spoken last, unheard by the one that
 * stays.
 */
#ifndef GARP_H
#define GARP_H

#include "util.h"

struct garp;

/* NULL with errno when the process may not send such (CAP_NET_RAW). */
struct garp	*garp_new(int family);
void		 garp_free(struct garp *);

/*
 * vip is an in_addr or in6_addr that this interface has. What cannot be sent
 * is left out: keepalived repeats it after some seconds.
 */
void		 garp_send(struct garp *, const char *interface,
		    const void *vip);

#endif
