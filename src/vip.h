/*
 * Whether this node should hold the VIP, as keepalived's track_file says
 * it, and the handover of a VIP that it holds. Pure.
 *
 *   FIT <--> UNFIT        what the track_file says
 *   FIT --> WARN --> DRAIN --> YIELD --> UNFIT or, in vain, FIT
 *
 * When the VIP leaves, those who came by it are stranded: they are let go once
 * the peer has it, so that they find somebody at once, or when it does not
 * come back. If it returns before anybody had it, they just go on.
 *
 * keepalived adds the value to the priority; -254 is FAULT (track_file,
 * weight 1, base priorities of at most 250).
 */
#ifndef VIP_H
#define VIP_H

#include <stdbool.h>
#include <stdint.h>

#define VIP_VALUE_FAULT		(-254)
#define VIP_VALUE_FIT		0
/* A new holder's: one that was frozen and wakes is below it. */
#define VIP_VALUE_HOLDER	3

enum vip_state {
	VIP_UNFIT,	/* the other node is the better holder */
	VIP_FIT,
	VIP_WARN,	/* handing over: clients that can be told are */
	VIP_DRAIN,	/* handing over: all is held, answers are awaited */
	VIP_YIELD	/* handing over: keepalived has been told */
};

/* Those who came by the VIP. */
enum vip_callers {
	VIP_CALLERS_NONE,	/* the VIP is not here */
	VIP_CALLERS_HERE,
	VIP_CALLERS_STRANDED	/* it has left, and they do not know */
};

struct vip_facts {
	int64_t	now_ms;
	bool	address;	/* the VIP is here */
	bool	holder;		/* and keepalived sees to it */
	bool	serving;	/* clients could be served here */
	bool	fresh;		/* this node's copy is fresh */
	bool	idle;		/* no request is in flight */
	bool	peer_known;	/* it is, or that it is silent */
	bool	peer_ready;	/* heard, serving, its keepalived is MASTER or
				 * BACKUP */
	bool	peer_holder;
	bool	peer_told;	/* it knows whether the VIP is here */
};

struct vip {
	enum vip_state	state;
	int64_t		since_ms;	/* in this state */
	int64_t		unserved_ms;	/* since when not serving, 0: serving */
	enum vip_callers callers;
	int64_t		stranded_ms;	/* since when, if STRANDED */
	int		value;		/* for the track_file */
};

enum vip_event { VIP_NOTHING, VIP_DONE, VIP_FAILED };

void	vip_init(struct vip *, int64_t now_ms);

/* Begins a handover; false when there is no VIP here or nobody to take it. */
bool	vip_hand_over(struct vip *, const struct vip_facts *);

/*
 * Looks again. DONE and FAILED end a handover. While the state is DRAIN or
 * YIELD the gate is to hold everything.
 */
enum vip_event	vip_look(struct vip *, const struct vip_facts *);

/* Are the stranded to be let go now? True once; call it after vip_look(). */
bool	vip_lets_go(struct vip *, const struct vip_facts *);

const char	*vip_state_name(enum vip_state);

#endif
