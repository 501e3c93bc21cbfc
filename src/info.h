/*
 * What Redis and keepalived say about themselves, from text to structs.
 * Pure. Text that lacks a field leaves it at its zero; text that is no
 * such answer at all is refused.
 */
#ifndef INFO_H
#define INFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INFO_ID		40	/* run ids and replication ids are this long */
#define INFO_HOST	255

/*
 * One Redis' answer to INFO. Works for Redis 5 to the newest and Valkey,
 * with or without the Keyspace section.
 */
struct info {
	char		 run_id[INFO_ID + 1];
	char		 version[32];		/* redis_version */
	bool		 valkey;		/* server_name:valkey */
	bool		 primary;		/* role:master */
	char		 replid[INFO_ID + 1];	/* master_replid */
	char		 replid2[INFO_ID + 1];	/* master_replid2, or "" for
						 * the all-zero one */
	long long	 offset;	/* a primary's master_repl_offset,
						 * a replica's
						 * slave_repl_offset */
	long long	 second_offset;	/* second_repl_offset, -1: none */
	char		 of_host[INFO_HOST + 1]; /* master_host of a replica */
	int		 of_port;
	bool		 link_up;		/* master_link_status:up */
	bool		 syncing;		/* master_sync_in_progress:1 */
	bool		 loading;		/* loading:1 */
	int		 replicas;		/* connected_slaves */
	long long	 keys;			/* summed over all databases */
	bool		 aof;			/* aof_enabled:1 */
	bool		 saving;		/* rdb_bgsave_in_progress:1 */
	bool		 save_failed;		/* rdb_last_bgsave_status:err */
	uint32_t	 modules;	/* differs if other ones are loaded */
};

/* False when there is no run_id and no role in it. */
bool	info_parse(const char *, size_t len, struct info *)
	    __attribute__((__warn_unused_result__));

/* ---- keepalived ---- */

enum vrrp_state { VRRP_UNKNOWN, VRRP_MASTER, VRRP_BACKUP, VRRP_FAULT,
	VRRP_STOP };

struct vrrp_line {
	bool		 group;			/* GROUP, else INSTANCE */
	char		 name[64];
	enum vrrp_state	 state;			/* UNKNOWN for DELETED */
	bool		 lower_prio;		/* MASTER_RX_LOWER_PRI */
	int		 priority;
	uint64_t	 order;	/* grows from one to the next; 0: unknown. Not
				 * in the line */
};

/*
 * One line of keepalived's FIFO, without its line end:
 * INSTANCE "VI_1" MASTER 253 (keepalived 2.x, vrrp_notify_fifo). Name
 * quoted or not, so that a notify script's arguments joined by blanks are
 * read as well. False when it is nothing of the kind; *why then says what
 * is wrong with it in a few words.
 */
bool	info_vrrp_line(const char *, size_t len, struct vrrp_line *,
	    const char **why) __attribute__((__warn_unused_result__));

const char	*vrrp_state_name(enum vrrp_state);	/* "MASTER", ... */

#endif
