#include "garp.h"

#include <sys/socket.h>
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if_arp.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <netpacket/packet.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One may be lost. */
#define GARP_COPIES	2

/* Routers and hosts drop neighbour discovery that may have been forwarded. */
#define GARP_HOPS	255

struct garp {
	int	family;
	int	fd;
};

struct garp *
garp_new(int family)
{
	struct garp *g;
	struct icmp6_filter nothing;
	int hops = GARP_HOPS;
	/* With protocol 0 nothing is received. */
	int fd = family == AF_INET ?
	    socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) :
	    socket(AF_INET6, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    IPPROTO_ICMPV6);

	if (fd == -1)
		return NULL;
	if (family == AF_INET6) {
		ICMP6_FILTER_SETBLOCKALL(&nothing);
		setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &nothing,
		    sizeof(nothing));
		setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops,
		    sizeof(hops));
	}
	g = xcalloc(1, sizeof(*g));
	g->family = family;
	g->fd = fd;
	return g;
}

void
garp_free(struct garp *g)
{
	close(g->fd);
	free(g);
}

/* The interface's number and Ethernet address. */
static bool
garp_find(const char *interface, struct sockaddr_ll *out)
{
	struct ifaddrs *all, *i;
	bool found = false;

	if (getifaddrs(&all) == -1)
		return false;
	for (i = all; i != NULL && !found; i = i->ifa_next) {
		if (i->ifa_addr == NULL ||
		    i->ifa_addr->sa_family != AF_PACKET ||
		    strcmp(i->ifa_name, interface) != 0)
			continue;
		memcpy(out, i->ifa_addr, sizeof(*out));
		found = out->sll_hatype == ARPHRD_ETHER &&
		    out->sll_halen == ETH_ALEN;
	}
	freeifaddrs(all);
	return found;
}

static void
garp_send4(struct garp *g, const struct sockaddr_ll *me, const void *vip)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
	    .sll_protocol = htons(ETH_P_ARP), .sll_ifindex = me->sll_ifindex,
	    .sll_halen = ETH_ALEN };
	struct ether_arp arp = { .ea_hdr = { .ar_hrd = htons(ARPHRD_ETHER),
	    .ar_pro = htons(ETH_P_IP), .ar_hln = ETH_ALEN,
	    .ar_pln = sizeof(struct in_addr), .ar_op = htons(ARPOP_REQUEST) } };

	memset(to.sll_addr, 0xff, ETH_ALEN);
	memcpy(arp.arp_sha, me->sll_addr, ETH_ALEN);
	memcpy(arp.arp_spa, vip, sizeof(arp.arp_spa));
	memcpy(arp.arp_tpa, vip, sizeof(arp.arp_tpa));
	(void)!sendto(g->fd, &arp, sizeof(arp), 0,
	    (const struct sockaddr *)&to, sizeof(to));
}

/* RFC 4861, 7.2.6. The kernel fills in the checksum. */
static void
garp_send6(struct garp *g, const struct sockaddr_ll *me, const void *vip)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6,
	    .sin6_scope_id = (uint32_t)me->sll_ifindex };
	struct {
		struct nd_neighbor_advert	advert;
		struct nd_opt_hdr		option;
		uint8_t				mac[ETH_ALEN];
	} p = {
		.advert = { .nd_na_type = ND_NEIGHBOR_ADVERT,
		    .nd_na_flags_reserved = ND_NA_FLAG_OVERRIDE },
		.option = { .nd_opt_type = ND_OPT_TARGET_LINKADDR,
		    .nd_opt_len = 1 },
	};

	inet_pton(AF_INET6, "ff02::1", &to.sin6_addr);
	memcpy(&p.advert.nd_na_target, vip, sizeof(struct in6_addr));
	memcpy(p.mac, me->sll_addr, ETH_ALEN);
	(void)!sendto(g->fd, &p, sizeof(p), 0, (const struct sockaddr *)&to,
	    sizeof(to));
}

void
garp_send(struct garp *g, const char *interface, const void *vip)
{
	struct sockaddr_ll me;
	int i;

	if (!garp_find(interface, &me))
		return;
	for (i = 0; i < GARP_COPIES; i++)
		if (g->family == AF_INET)
			garp_send4(g, &me, vip);
		else
			garp_send6(g, &me, vip);
}
