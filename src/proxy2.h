/*
 * The header of the PROXY protocol, version 2: who connects, told by a proxy
 * in front of us before anything else (proxy-protocol.txt of HAProxy, 2.2).
 * Pure.
 */
#ifndef PROXY2_H
#define PROXY2_H

#include <sys/socket.h>
#include <stdbool.h>
#include <stddef.h>

/* The largest that is taken, with all of its extensions. */
#define PROXY2_MAX	2048

/*
 * How many bytes are still to be read of a header that begins with these: so
 * many and no more, for what comes behind it is not ours. 0: it is whole. -1:
 * this is no header, or not of this version, or too large.
 */
int	proxy2_more(const void *, size_t have);

/*
 * Where the connection comes from by a whole header; false: from who sent the
 * header, or from what is no address of the internet.
 */
bool	proxy2_source(const void *, struct sockaddr_storage *, socklen_t *);

#endif
