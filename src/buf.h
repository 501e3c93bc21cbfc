/*
 * A growing run of bytes that is filled at its end and eaten from its
 * front. It has no limit of its own: whoever fills it looks at buf_len().
 */
#ifndef BUF_H
#define BUF_H

#include <stddef.h>

#include "util.h"

struct buf {
	char	*mem;
	size_t	 start;
	size_t	 end;
	size_t	 size;
};

#define BUF_INIT	{ NULL, 0, 0, 0 }

static inline size_t
buf_len(const struct buf *b)
{
	return b->end - b->start;
}

/*
 * The first byte, NULL where nothing was ever added. Stays valid until the
 * next call that changes the buf.
 */
static inline char *
buf_data(const struct buf *b)
{
	return b->start > 0 ? b->mem + b->start : b->mem;
}

/* Gives the memory back; the buf is empty and usable afterwards. */
void	 buf_free(struct buf *);

void	 buf_add(struct buf *, const void *, size_t);
void	 buf_addf(struct buf *, const char *, ...) PRINTF(2, 3);

/* Room for n more bytes; fill it, then buf_added() says how many came. */
char	*buf_reserve(struct buf *, size_t n);
void	 buf_added(struct buf *, size_t);

/* Drops n bytes, at most buf_len(), from the front. */
void	 buf_drain(struct buf *, size_t n);

#endif
