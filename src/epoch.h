/*
 * The record and the promised epoch on this node's disk, and the lock that
 * keeps a second instance away from them.
 *
 * The file is STATE-DIR/record. Durable means: written beside it, fsynced,
 * renamed, directory fsynced, before the call returns.
 */
#ifndef EPOCH_H
#define EPOCH_H

#include "record.h"

struct epoch_store;

/*
 * Opens (and makes, mode 0700) the directory and takes its lock
 * (STATE-DIR/lock, flock). NULL when that fails; why (of whysize bytes) says
 * what, for an operator.
 */
struct epoch_store	*epoch_open(const char *state_dir, char *why,
			    size_t whysize);
void			 epoch_close(struct epoch_store *);

enum epoch_found { EPOCH_NONE, EPOCH_FOUND, EPOCH_DAMAGED };

/*
 * Reads the record. EPOCH_NONE when there is no file. A file that is
 * damaged, or that cannot be read, is never guessed at: why says what is
 * wrong, names the file and what to do about it (the peer's record is good:
 * move this file away and start again, it is learned anew).
 */
enum epoch_found	 epoch_load(struct epoch_store *, struct record *,
			    struct epoch *promised, char *why, size_t whysize);

/* Writes it durably; false (and a log line that says why) on failure. */
bool	epoch_save(struct epoch_store *, const struct record *,
	    struct epoch promised) __attribute__((__warn_unused_result__));

#endif
