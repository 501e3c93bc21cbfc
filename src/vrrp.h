/*
 * What keepalived does here, and what it is told.
 *
 * In: whether the kernel has the VIP (a netlink message is a hint, the
 * list of addresses is looked up anew each time), whether keepalived lives,
 * by its pid file, and what it says by FIFO or by NOTIFY. Out: the
 * track_file.
 *
 * Facts about keepalived 2.2.7 that decide the details:
 *  - A FIFO that keepalived made itself is removed and remade at each
 *    reload, and an old reader never hears again; so ours is made first,
 *    and held open for reading and writing. One that somebody removes is
 *    made again, and both are read.
 *  - A late reader gets stale history: what stands in the FIFO when it is
 *    opened is dropped.
 *  - A track_file that is truncated before it is written reads as 0
 *    meanwhile: a new one is renamed into place. keepalived's start
 *    overwrites it (init_file ... overwrite), so it is watched by inotify
 *    and written again whenever what is there is not what should be.
 */
#ifndef VRRP_H
#define VRRP_H

#include <event2/event.h>

#include "info.h"
#include "pidfile.h"
#include "util.h"

struct vrrp;

struct vrrp_opts {
	const char	*vip;		/* address to watch; NULL: none */
	const char	*instance; /* name of the VRRP instance; NULL: any */
	const char	*fifo;		/* path, or NULL */
	const char	*track_file;	/* path, or NULL */
	const char	*pid_file;	/* keepalived's, or NULL */
};

struct vrrp_view {
	bool		 address;	/* the kernel has the VIP now */
	struct mono	 address_since;	/* last change of that */
	enum vrrp_state	 said;		/* last heard from keepalived; STOP when
					 * it is gone */
	enum pidfile_state keepalived;	/* GONE: its VIP is left behind */
	int		 priority;	/* last heard, 0: unknown */
	bool		 lower_prio;	/* MASTER_RX_LOWER_PRI came; cleared by
					 * vrrp_forget_lower_prio() */
};

/* Something in the view changed: look now. */
typedef void vrrp_changed_fn(void *arg);

/*
 * NULL when the FIFO or the netlink socket cannot be made; why says so. The
 * strings of opts are copied.
 */
struct vrrp	*vrrp_new(struct event_base *, const struct vrrp_opts *,
		    vrrp_changed_fn *, void *arg, char *why, size_t whysize);
void		 vrrp_free(struct vrrp *);	/* leaves the FIFO in place */

const struct vrrp_view	*vrrp_view(const struct vrrp *);
void		 vrrp_forget_lower_prio(struct vrrp *);

/*
 * Tells the network that the VIP is here, if it is. Done by itself when it
 * comes; to be done when another one that had it has let it go.
 */
void		 vrrp_announce(struct vrrp *);

/*
 * As if the line had come by FIFO. One that is older than the last is passed
 * over: notify scripts overtake one another. False for another instance.
 */
bool		 vrrp_notify(struct vrrp *, const struct vrrp_line *);

/*
 * What the track_file should hold from now on. Writes only when it holds
 * something else. No track_file: does nothing. Failure is logged, once per
 * reason, and tried again at the next call or change of the file.
 */
void		 vrrp_track(struct vrrp *, int value);

#endif
