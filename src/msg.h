/*
 * What two Holdovers say to each other, as structs and as text. Pure.
 *
 * A message is a RESP array of bulk strings: its name, then pairs of a
 * field's name and value. Fields that are not known are passed over and
 * those that are missing are at their zero, so that nodes of different
 * versions understand each other. What changes the meaning of a message
 * gets a new MSG_PROTOCOL; both nodes then say which versions they speak,
 * and use the highest that is common.
 */
#ifndef MSG_H
#define MSG_H

#include "buf.h"
#include "gate.h"
#include "info.h"
#include "record.h"

#define MSG_PROTOCOL_MIN 1		/* spoken here: these and */
#define MSG_PROTOCOL	1		/* all up to this */
#define MSG_FIELDS	64		/* no message has more */
#define MSG_TEXT	256
#define MSG_SEES_MAX	15		/* room for what is to come */
#define MSG_CLIENTS_MAX	32768		/* bytes of a list of clients */

enum msg_type {
	MSG_CHALLENGE,	/* to whoever connected: nonce */
	MSG_HELLO,	/* who I am; proof for that nonce, and my own nonce */
	MSG_WELCOME,	/* proof for yours */
	MSG_BEAT,	/* how I am; several a second */
	MSG_COMMIT,	/* accept this record, made from that one */
	MSG_ACCEPTED,	/* it is durable here */
	MSG_REFUSED,	/* it is not accepted; mine is this */
	MSG_WANT,	/* an operator's order that was given to me */
	MSG_WANTED,	/* what became of it */
	MSG_CLIENTS	/* who came by the VIP, and who has left */
};

/* Bytes that are somebody else's: of a decoded one, the parts'. */
struct msg_bytes {
	const char	*p;
	size_t		 len;
};

struct msg {
	enum msg_type		 type;

	/* CHALLENGE, HELLO, WELCOME */
	int			 protocol;	/* the highest one spoken */
	int			 protocol_min;	/* and the lowest */
	char			 cluster[RECORD_NAME + 1];
	char			 node[RECORD_NAME + 1];
	char			 nonce[65];	/* hex */
	char			 proof[65];	/* hex of HMAC-SHA256 */

	/* BEAT; the record is in all of BEAT, COMMIT, ACCEPTED, REFUSED */
	uint64_t		 session;	/* of the sender's process */
	int64_t			 sent_us;	/* on the sender's clock */
	int64_t			 echo_us; /* last sent_us heard from you */
	bool			 ask;		/* answer at once */
	bool			 leads;
	bool			 drained;
	bool			 serving;
	bool			 fit;
	enum vrrp_state		 vrrp;
	struct gate_order	 gate;
	uint64_t		 gate_seq;
	uint64_t		 applied;
	int			 sees[2];	/* enum node_health, by side */
	bool			 has_record;
	struct record		 record;

	struct epoch		 base_epoch;	/* COMMIT: made from this */
	uint64_t		 base_seq;

	/* WANT, WANTED; text is in BEAT too: what it waits for */
	uint64_t		 id;
	bool			 ok;
	char			 text[MSG_TEXT];

	/* CLIENTS: "+host:port " who came, "-host:port " who left, in order */
	bool			 all;	/* these are all; forget the others */
	struct msg_bytes	 clients;
};

/* Appends the message. */
void	msg_encode(const struct msg *, struct buf *);

/*
 * From the parts of an array. False when it is none of ours, or when a
 * field's value cannot be; *why says what.
 */
bool	msg_decode(size_t n, const char *const *part, const size_t *len,
	    struct msg *, const char **why) MUST_CHECK;

const char	*msg_name(enum msg_type);

/*
 * The version to use with who sent that greeting, when min to max are
 * spoken here; 0 when none is common. Without protocol_min the sender
 * speaks the one only.
 */
int	msg_protocol(const struct msg *, int min, int max);

#endif
