/*
 * One client as CLIENT LIST shows it, and which are meant: the filters of
 * CLIENT LIST and CLIENT KILL. No I/O.
 */
#ifndef CLIENTS_SHOW_H
#define CLIENTS_SHOW_H

#include "client.h"

/* Appends the line: the fields of Redis 7.2, for go-redis takes no others. */
void	clients_line(const struct client *, struct mono now, struct buf *);

/* Zero it to begin: everybody matches. */
struct clients_filter {
	char		*addr;
	char		*laddr;
	char		*user;
	char		*type;
	long long	*ids;
	size_t		 nids;
	long long	 age;		/* seconds at least */
	uint64_t	 not_me;	/* the id of who is spared, or 0 */
};

/*
 * Fills an empty filter from the arguments of CLIENT LIST or, in its newer
 * form, KILL. The argument at which it is not understood, else NULL; free
 * that.
 */
char	*clients_filter_parse(struct clients_filter *, const struct req *,
	    uint64_t me);
void	 clients_filter_clear(struct clients_filter *);

bool	clients_matches(const struct clients_filter *, const struct client *,
	    struct mono now);

#endif
