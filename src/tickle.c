#include "tickle.h"

#include <event2/util.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TICKLE_TTL	64

/*
 * Some data goes along: Linux answers segments without any, when they are
 * out of the window, only twice a second (tcp_oow_rate_limited).
 */
#define TICKLE_DATA	4

struct tickle_segment {
	struct tcphdr	tcp;
	uint8_t		data[TICKLE_DATA];
};

struct tickle {
	struct conn_addr	vip;
	int			fd;
};

struct tickle *
tickle_new(const struct conn_addr *vip)
{
	struct tickle *t;
	/* With IPPROTO_RAW nothing is received, and headers are ours. */
	int fd = socket(vip->sa.ss_family, SOCK_RAW | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, IPPROTO_RAW);

	if (fd == -1)
		return NULL;
	t = xcalloc(1, sizeof(*t));
	t->vip = *vip;
	t->fd = fd;
	return t;
}

void
tickle_free(struct tickle *t)
{
	close(t->fd);
	free(t);
}

static uint32_t
tickle_sum(uint32_t sum, const void *p, size_t n)
{
	const uint8_t *b = p;
	size_t i;

	for (i = 0; i < n; i++)
		sum += i % 2 == 0 ? (uint32_t)b[i] << 8 : b[i];
	return sum;
}

/* RFC 9293, 3.1: over both addresses, the protocol, the length and all. */
static void
tickle_checksum(struct tickle_segment *s, const void *src, const void *dst,
    size_t addrlen)
{
	uint32_t sum = IPPROTO_TCP + sizeof(*s);

	sum = tickle_sum(sum, src, addrlen);
	sum = tickle_sum(sum, dst, addrlen);
	sum = tickle_sum(sum, s, sizeof(*s));
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	s->tcp.th_sum = htons((uint16_t)~sum);
}

static struct tickle_segment
tickle_segment(in_port_t from, in_port_t to)
{
	struct tickle_segment s = { .tcp = { .th_sport = from,
	    .th_dport = to, .th_off = sizeof(struct tcphdr) / 4,
	    .th_flags = TH_ACK } };

	util_random(&s.tcp.th_seq, sizeof(s.tcp.th_seq));
	return s;
}

static void
tickle_send4(struct tickle *t, const struct sockaddr_in *to)
{
	const struct sockaddr_in *from = (const void *)&t->vip.sa;
	struct {
		struct ip		ip;
		struct tickle_segment	segment;
	} p = {
		/* The kernel fills in length, id and checksum (raw(7)). */
		.ip = { .ip_v = 4, .ip_hl = sizeof(struct ip) / 4,
		    .ip_ttl = TICKLE_TTL, .ip_p = IPPROTO_TCP,
		    .ip_src = from->sin_addr, .ip_dst = to->sin_addr },
		.segment = tickle_segment(from->sin_port, to->sin_port),
	};

	tickle_checksum(&p.segment, &from->sin_addr, &to->sin_addr,
	    sizeof(struct in_addr));
	(void)!sendto(t->fd, &p, sizeof(p), 0, (const struct sockaddr *)to,
	    sizeof(*to));
}

static void
tickle_send6(struct tickle *t, const struct sockaddr_in6 *to)
{
	const struct sockaddr_in6 *from = (const void *)&t->vip.sa;
	struct {
		struct ip6_hdr		ip;
		struct tickle_segment	segment;
	} p = {
		.ip = { .ip6_src = from->sin6_addr, .ip6_dst = to->sin6_addr },
		.segment = tickle_segment(from->sin6_port, to->sin6_port),
	};
	/* A raw socket takes a protocol for the port, or zero. */
	struct sockaddr_in6 dst = *to;

	dst.sin6_port = 0;
	p.ip.ip6_vfc = 6 << 4;
	p.ip.ip6_plen = htons(sizeof(p.segment));
	p.ip.ip6_nxt = IPPROTO_TCP;
	p.ip.ip6_hlim = TICKLE_TTL;
	tickle_checksum(&p.segment, &from->sin6_addr, &to->sin6_addr,
	    sizeof(struct in6_addr));
	(void)!sendto(t->fd, &p, sizeof(p), 0,
	    (const struct sockaddr *)&dst, sizeof(dst));
}

void
tickle_send(struct tickle *t, const char *client)
{
	struct sockaddr_storage to;
	int len = sizeof(to);

	if (evutil_parse_sockaddr_port(client, (struct sockaddr *)&to,
	    &len) != 0 || to.ss_family != t->vip.sa.ss_family)
		return;
	if (to.ss_family == AF_INET)
		tickle_send4(t, (const void *)&to);
	else
		tickle_send6(t, (const void *)&to);
}
