/*
 * The one record that both nodes agree on, as a struct and as text. Pure.
 *
 * It names the primary, the copies that hold every acknowledged write, and
 * the switch under way, if any. It changes only by compare-and-set on
 * (epoch, seq), on a majority of its acceptors.
 */
#ifndef RECORD_H
#define RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "info.h"

#define RECORD_NAME	63	/* cluster and node names: [A-Za-z0-9._-]+ */
#define RECORD_HISTORY	16
#define RECORD_TEXT	8192	/* no record's text is longer */

/* The two nodes in the order of their names (strcmp), so that both agree. */
enum side { SIDE_A = 0, SIDE_B = 1, SIDE_NONE = 2 };
#define SIDE_BIT(s)	(1u << (s))
#define SIDE_OTHER(s)	((s) == SIDE_A ? SIDE_B : SIDE_A)

/* Grows with every claim of the lead; equal numbers rank by side. */
struct epoch {
	uint64_t	number;		/* 0: never claimed */
	enum side	by;
};

struct record_past {
	struct epoch	epoch;
	char		replid[INFO_ID + 1];
	long long	end;		/* offset at which that reign ended */
};

struct record {
	char		 cluster[RECORD_NAME + 1];
	char		 node[2][RECORD_NAME + 1];	/* in order */
	struct epoch	 epoch;
	uint64_t	 seq;		/* commits within the epoch */
	enum side	 primary;	/* NONE: not chosen yet */
	unsigned	 fresh;		/* SIDE_BITs */
	char		 run[2][INFO_ID + 1]; /* of each Redis when it was last
					 * known good; "" unknown */
	enum side	 intent;	/* switching to this one, or NONE */
	unsigned	 npast;
	struct record_past past[RECORD_HISTORY];	/* newest first */
};

int	epoch_cmp(struct epoch, struct epoch);		/* <0, 0, >0 */
/* By epoch, then seq. */
int	record_cmp(const struct record *, const struct record *);

/* Puts one more reign in front and forgets the oldest. */
void	record_add_past(struct record *, struct epoch, const char *replid,
	    long long end);

/* Is it a name that a record can hold? */
bool	record_name_ok(const char *);

/*
 * Text, one "name value" per line, begun by "holdover-record 1" and ended by
 * "sum <sha256 of all lines before>". promised is the highest epoch that
 * this node has promised to; it is the node's own, not agreed. out has
 * RECORD_TEXT bytes; returns the length, NUL not counted.
 */
size_t	record_encode(const struct record *, struct epoch promised, char *out);

/*
 * False when the text is not a whole and undamaged record; why (of whysize
 * bytes) then says what is wrong, in words for an operator, with the line.
 * Unknown names are an error: a newer Holdover wrote it.
 */
bool	record_decode(const char *, size_t len, struct record *,
	    struct epoch *promised, char *why, size_t whysize)
	    __attribute__((__warn_unused_result__));

#endif
