/*
 * What clients' commands may do now: the one seam between the planes.
 *
 * The control plane sets the gate, the data plane asks it, and neither
 * names the other. Three things narrow it, and the strictest counts: what
 * control says, an operator's PAUSE, and the lease: a gate whose lease ran
 * out is closed, so that a process that was frozen answers nothing stale.
 *
 * Control has the master, and each thread that serves clients a replica of
 * its own, which learns by messages of what the master was told:
 *
 *	master:   set, pause, renew ------> watchers: post gate_news()
 *	replica:  gate_apply(news) -------> watchers: let clients go on
 *	          applied, drained, seen -> on_progress, on_report
 *
 * Each change has a number, not 0. A replica that has not applied the newest
 * one releases no reply, so it need not be waited for before others go on. The
 * lease is one atomic that all read.
 */
#ifndef GATE_H
#define GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cmd.h"
#include "record.h"
#include "util.h"

/* From the narrowest to the widest. */
#define GATE_STATES(X)							\
	X(CLOSED, "closed")						\
	X(HOLD_ALL, "hold-all")						\
	X(HOLD_WRITES, "hold-writes")					\
	X(OPEN, "open")

enum gate_state {
#define X(name, text) GATE_##name,
	GATE_STATES(X)
#undef X
	GATE_STATE_COUNT
};

enum gate_verdict { GATE_HOLD, GATE_TO_READS, GATE_TO_WRITES, GATE_TO_ANY,
	GATE_HERE, GATE_REFUSE };

/* What control decides. Sides are Redis servers. */
struct gate_order {
	enum gate_state	 state;
	bool		 near;		/* open, but a planned hold is near */
	enum side	 reads;		/* the one that reads go to */
	enum side	 writes;	/* the one that writes go to, or while
					 * they are held, will go to */
	unsigned	 alive;		/* SIDE_BITs: may serve class ANY */
	unsigned	 trusted;	/* SIDE_BITs: replies may be released; a
					 * connection to any other is cut */
};

/* What a replica is told. */
struct gate_news {
	uint64_t		 number;
	struct gate_order	 order;
	enum gate_state		 pause;
};

struct gate;

/*
 * A replica of that master, or with NULL a master. Both are made, and
 * freed, on the master's thread while no other uses them; the master last.
 */
struct gate	*gate_new(struct gate *master);
void		 gate_free(struct gate *);

/* ---- for the master's thread ---- */

/* Sets the order and tells the watchers, if it differs from the last. */
void	gate_set(struct gate *, const struct gate_order *);

/*
 * Replies may be released until then. A renewal that comes after the last
 * lease ran out tells the watchers, and counts where the order of now is
 * known: so set the order first.
 */
void	gate_renew(struct gate *, struct mono until);
/* The lease is over now: closed until it is renewed. */
void	gate_lapse(struct gate *);
void	gate_renew_forever(struct gate *);

/*
 * An operator's hold, until the given time at the latest. GATE_OPEN ends
 * it. The watchers are told; see gate_tick().
 */
void	gate_pause(struct gate *, enum gate_state, struct mono until);

/* Ends a pause whose time is over. Call it a few times a second. */
void	gate_tick(struct gate *, struct mono now);

struct gate_news	gate_news(const struct gate *);

/*
 * Have all replicas applied the newest change, and moved their listeners?
 * And are they drained: it
 * holds writes, and no write is in flight at any of them?
 */
bool		gate_applied(const struct gate *);
bool		gate_drained(const struct gate *);

/* ---- for a replica's thread ---- */

/* Tells on_progress and the watchers. */
void	gate_apply(struct gate *, const struct gate_news *);

/*
 * Has the primary been the same for a while, so that the other Redis had the
 * time to become its replica?
 */
bool	gate_settled(const struct gate *, struct mono now);

/* ---- for both ---- */

/* What holds now, everything considered. */
enum gate_state	gate_state(const struct gate *, struct mono now);
const struct gate_order *gate_order(const struct gate *);
/* Of the newest change that was applied here. */
uint64_t	gate_number(const struct gate *);
bool		gate_paused(const struct gate *);

const char	*gate_state_name(enum gate_state);
const char	*gate_verdict_name(enum gate_verdict);

/* The constant table, [state][class]. */
enum gate_verdict	gate_table(enum gate_state, enum cmd_class);

/*
 * Where a command of this class goes now: TO_* have a side that is set,
 * else it is HOLD. *to is that side.
 */
enum gate_verdict	gate_ask(const struct gate *, enum cmd_class,
			    struct mono now, enum side *to);

/*
 * The same for one that was blocked at a Redis which became a replica. It is
 * asked again at the new primary while writes are still held, so that none
 * overtakes it: gate_flips_to() is that primary then, else SIDE_NONE.
 */
enum gate_verdict	gate_ask_again(const struct gate *, enum cmd_class,
			    struct mono now, enum side *to);
enum side	gate_flips_to(const struct gate *, struct mono now);

/*
 * May a reply from that Redis be handed to a client now? For replies that
 * tell something about keys; those to class ANY always may.
 */
bool	gate_may_release(const struct gate *, enum side, struct mono now);

/*
 * What is in flight here: requests about keys that were sent to a Redis and
 * not answered, and the writes among them.
 */
void	gate_sent(struct gate *, bool write);
void	gate_done(struct gate *, bool write);

/*
 * A client that listens or is blocked moves to another Redis, or gets ready
 * to, and has: what is published, or pushed, must wait for it. Each
 * gate_moves() needs its gate_moved().
 */
void	gate_moves(struct gate *);
void	gate_moved(struct gate *);

/*
 * A replica has applied a change or has drained, or nothing is in flight
 * there any more while it is paused, or control should look for another
 * reason: called on its thread, so that the
 * master's can be told, and there handed on by gate_progress().
 */
typedef void gate_progress_fn(void *arg);
void	gate_on_progress(struct gate *, gate_progress_fn *, void *arg);
void	gate_progress(struct gate *);

/*
 * What the data plane noticed about a Redis, told to control at once: by a
 * replica on its thread, by the master on control's.
 */
enum gate_evidence { GATE_REFUSED, GATE_LOST, GATE_BOUNCED,
	GATE_EVIDENCES };
typedef void gate_report_fn(enum side, enum gate_evidence, void *arg);
void	gate_on_report(struct gate *, gate_report_fn *, void *arg);
void	gate_report(struct gate *, enum side, enum gate_evidence);

/* Called after each change, in the order of registration; at most 4. */
typedef void gate_changed_fn(void *arg);
void	gate_watch(struct gate *, gate_changed_fn *, void *arg);

#endif
