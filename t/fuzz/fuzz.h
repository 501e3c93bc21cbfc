/*
 * A fuzz target is one function, named as libFuzzer wants it. What must
 * hold is checked by abort(), so that it is checked in every build.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define must(cond) do {							\
	if (!(cond)) {							\
		fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__,	\
		    __LINE__, #cond);					\
		abort();						\
	}								\
} while (0)

static inline void
must_be_same(struct buf *a, struct buf *b)
{
	must(buf_len(a) == buf_len(b));
	must(buf_len(a) == 0 ||
	    memcmp(buf_data(a), buf_data(b), buf_len(a)) == 0);
}

#endif
