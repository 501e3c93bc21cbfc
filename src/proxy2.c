#include "proxy2.h"

#include <netinet/in.h>
#include <string.h>

#define PROXY2_FIXED	16	/* bytes before the addresses */

static const unsigned char proxy2_signature[12] = "\r\n\r\n\0\r\nQUIT\n";

/* The upper half of byte 12 is the version. */
enum { PROXY2_LOCAL = 0x20, PROXY2_PROXY = 0x21 };

/* Byte 13: family and transport; their addresses follow. */
enum { PROXY2_TCP4 = 0x11, PROXY2_TCP6 = 0x21 };

static size_t
proxy2_length(const unsigned char *p)
{
	return (size_t)p[14] << 8 | p[15];
}

int
proxy2_more(const void *header, size_t have)
{
	const unsigned char *p = header;
	size_t n = have < sizeof(proxy2_signature) ? have :
	    sizeof(proxy2_signature);

	if (have == 0)
		return PROXY2_FIXED;
	if (memcmp(p, proxy2_signature, n) != 0 || (have > 12 &&
	    p[12] != PROXY2_LOCAL && p[12] != PROXY2_PROXY))
		return -1;
	if (have < PROXY2_FIXED)
		return (int)(PROXY2_FIXED - have);
	n = PROXY2_FIXED + proxy2_length(p);
	return n > PROXY2_MAX || have > n ? -1 : (int)(n - have);
}

bool
proxy2_source(const void *header, struct sockaddr_storage *sa, socklen_t *len)
{
	const unsigned char *p = header, *from = p + PROXY2_FIXED;
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

	/* Both addresses, then both ports. */
	if (p[12] == PROXY2_PROXY && p[13] == PROXY2_TCP4 &&
	    proxy2_length(p) >= 2 * 4 + 2 * 2) {
		memcpy(&in.sin_addr, from, 4);
		memcpy(&in.sin_port, from + 2 * 4, 2);
		memcpy(sa, &in, *len = sizeof(in));
		return true;
	}
	if (p[12] == PROXY2_PROXY && p[13] == PROXY2_TCP6 &&
	    proxy2_length(p) >= 2 * 16 + 2 * 2) {
		memcpy(&in6.sin6_addr, from, 16);
		memcpy(&in6.sin6_port, from + 2 * 16, 2);
		memcpy(sa, &in6, *len = sizeof(in6));
		return true;
	}
	return false;
}
