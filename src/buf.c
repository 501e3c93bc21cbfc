#include "buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_MIN		64

void
buf_free(struct buf *b)
{
	free(b->mem);
	*b = (struct buf)BUF_INIT;
}

/* Makes room for n more behind the end. */
static void
buf_grow(struct buf *b, size_t n)
{
	size_t len = buf_len(b), size;

	assert(n < SIZE_MAX / 4 && len < SIZE_MAX / 4);
	/* Moving costs nothing per byte when half of it is eaten already. */
	if (b->start > 0 && b->start >= len && b->size >= len + n) {
		memmove(b->mem, b->mem + b->start, len);
	} else {
		for (size = b->size < BUF_MIN ? BUF_MIN : b->size;
		    size < len + n; size *= 2)
			continue;
		if (b->start > 0 && len > 0)
			memmove(b->mem, b->mem + b->start, len);
		b->mem = xrealloc(b->mem, size);
		b->size = size;
	}
	b->start = 0;
	b->end = len;
}

char *
buf_reserve(struct buf *b, size_t n)
{
	if (b->size - b->end < n)
		buf_grow(b, n);
	return b->mem + b->end;
}

void
buf_added(struct buf *b, size_t n)
{
	assert(n <= b->size - b->end);
	b->end += n;
}

void
buf_add(struct buf *b, const void *p, size_t n)
{
	if (n == 0)
		return;
	memcpy(buf_reserve(b, n), p, n);
	b->end += n;
}

void
buf_addf(struct buf *b, const char *fmt, ...)
{
	char small[256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(small, sizeof(small), fmt, ap);
	va_end(ap);
	assert(n >= 0);
	if ((size_t)n < sizeof(small)) {
		buf_add(b, small, (size_t)n);
		return;
	}
	va_start(ap, fmt);
	vsnprintf(buf_reserve(b, (size_t)n + 1), (size_t)n + 1, fmt, ap);
	va_end(ap);
	buf_added(b, (size_t)n);
}

void
buf_drain(struct buf *b, size_t n)
{
	assert(n <= buf_len(b));
	b->start += n;
	if (b->start == b->end)
		b->start = b->end = 0;
}
