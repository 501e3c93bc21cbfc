/*
 * Shared by node.c (the table and its steps), node_commit.c (changes of the
 * record), node_learn.c (who leads), node_choose.c (which copy is the
 * primary), node_lead.c (keeping the pair well) and node_switch.c (the
 * planned switch), and by nobody else.
 */
#ifndef NODE_PRIV_H
#define NODE_PRIV_H

#include "node.h"

/* A row: what to do on this event in this state; says the next state. */
typedef enum node_state node_fn(struct node *, enum side);

void	node_order(struct node *, enum node_order_kind, enum side);
void	node_why(struct node *, const char *, ...) PRINTF(2, 3);

/* Sets what the gate should be; a change gets a new number. */
void	node_gate(struct node *, enum gate_state, enum side reads,
	    enum side writes);
/* It stays as it is, but a planned hold is near. */
void	node_gate_near(struct node *);

/*
 * Begins to commit n->next, which the caller has filled in from n->record.
 * needs_peer: not even a node that may act alone may do it alone.
 */
void	node_commit(struct node *, bool needs_peer);
bool	node_commit_pending(const struct node *);
void	node_commit_drop(struct node *);
/* The same where a new primary may have served already: that is kept. */
void	node_commit_give_up(struct node *);
/* The same, with the present epoch and the next seq. */
struct record	*node_commit_next(struct node *);
/* Is it durable where it must be? */
bool	node_commit_ready(const struct node *);
/* Then it is the record, and true is returned. */
bool	node_commit_holds(struct node *);

/* Writes a record of the peer's, or the same once more, to this disk. */
void	node_store(struct node *, const struct record *);
/* Tries the disk again, once it has refused. */
void	node_store_again(struct node *);
/* What the disk said counts whatever else has come up meanwhile. */
void	node_note_store(struct node *, enum node_event);
void	node_disk_why(struct node *);
/* That record of the peer's, as this node takes it over. */
struct record	node_adopted(const struct node *, const struct record *);

/* May this node act without the peer's vote now? */
bool	node_alone_ok(const struct node *);
/* The peer's whole node is silent while VRRP made this one MASTER. */
bool	node_peer_dead(const struct node *);

/* The state lasts no longer: TIMER comes after that many ms. */
void	node_deadline(struct node *, int64_t ms);

/* Rows of any state, and of those that do not lead. */
node_fn	node_lost;					/* node.c */
node_fn	node_disk_failed;				/* node_commit.c */
node_fn	node_learn_look, node_lost_look,		/* node_learn.c */
	node_learn_operator, node_not_leading, node_follow_look,
	node_claim_look, node_claim_committed, node_claim_refused;

/* Rows of leaders' states. */
node_fn	node_clean_enter, node_clean_done,		/* node_choose.c */
	node_choose, node_failover_committed, node_failover_done,
	node_failover_failed, node_wait_operator;
node_fn	node_lead_look, node_lead_committed,		/* node_lead.c */
	node_lead_order_done, node_lead_order_failed, node_lead_operator;
node_fn	node_intent_look, node_intent_committed,	/* node_switch.c */
	node_intent_late, node_drain_look, node_fence_done, node_switch_failed,
	node_promote_done, node_flip_look, node_undo_done,
	node_switch_abandon;

/* What the record says, or will say when the commit under way holds. */
const struct record	*node_view(const struct node *);

/* Is it heard, and still the process that the record knows? */
bool	node_runs(const struct node *, enum side);
/* Is it gone, also for the peer where that can be asked? */
bool	node_dead(const struct node *, enum side);
/* The peer has reached the primary for a while, and this node has not. */
bool	node_should_yield(struct node *);
enum node_state	node_yield(struct node *);
/* Does the primary serve as one, as far as is known? */
bool	node_primary_ok(const struct node *);

/* Opens the gate to the primary of the record. */
enum node_state	node_open(struct node *);
/* Makes that one the primary, whatever becomes of the other. */
enum node_state	node_failover(struct node *, enum side to);
/* Holds everything, and says why. */
enum node_state	node_wait(struct node *, const char *, ...) PRINTF(2, 3);
/* Reads both Redis again, then chooses. */
enum node_state	node_recheck(struct node *);
/* The switch to the intent's side: goes back to the old primary. */
enum node_state	node_switch_undo(struct node *);
enum node_state	node_switch_begin(struct node *, enum side to);

void	node_wish_done(struct node *);
void	node_wish_failed(struct node *);

#endif
