#include "msg.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "resp.h"

static const char *const msg_names[] = {
	[MSG_CHALLENGE] = "CHALLENGE", [MSG_HELLO] = "HELLO",
	[MSG_WELCOME] = "WELCOME", [MSG_BEAT] = "BEAT",
	[MSG_COMMIT] = "COMMIT", [MSG_ACCEPTED] = "ACCEPTED",
	[MSG_REFUSED] = "REFUSED", [MSG_WANT] = "WANT",
	[MSG_WANTED] = "WANTED", [MSG_CLIENTS] = "CLIENTS",
};

const char *
msg_name(enum msg_type t)
{
	return msg_names[t];
}

int
msg_protocol(const struct msg *m, int min, int max)
{
	int theirs = m->protocol_min != 0 ? m->protocol_min : m->protocol;
	int common = m->protocol < max ? m->protocol : max;

	return common >= min && common >= theirs ? common : 0;
}

/* How a field is written, and so how it is read. */
enum msg_kind {
	MSG_K_STRING,	/* char[size] */
	MSG_K_INT,	/* int, an enum too: 0 to max */
	MSG_K_U64,
	MSG_K_I64,
	MSG_K_BOOL,
	MSG_K_UNSIGNED,	/* unsigned, 0 to max */
	MSG_K_RECORD,	/* struct record as text, with has_record */
	MSG_K_BYTES	/* struct msg_bytes of at most size */
};

struct msg_field {
	const char	*name;
	enum msg_kind	 kind;
	size_t		 offset;
	size_t		 size;		/* or the highest value */
	unsigned	 in;		/* bits of the types that have it */
};

#define M(type)		(1u << MSG_##type)
#define FIELD(name, kind, field, size, in) \
	{ name, MSG_K_##kind, offsetof(struct msg, field), size, in }
#define MSG_GREETINGS	(M(CHALLENGE) | M(HELLO) | M(WELCOME))
#define MSG_RECORDS	(M(BEAT) | M(COMMIT) | M(ACCEPTED) | M(REFUSED))

static const struct msg_field msg_fields[] = {
FIELD("protocol", INT, protocol, 1000000, MSG_GREETINGS),
FIELD("protocol-min", INT, protocol_min, 1000000, MSG_GREETINGS),
FIELD("cluster", STRING, cluster, RECORD_NAME + 1, MSG_GREETINGS),
FIELD("node", STRING, node, RECORD_NAME + 1, MSG_GREETINGS),
FIELD("nonce", STRING, nonce, 65, MSG_GREETINGS),
FIELD("proof", STRING, proof, 65, MSG_GREETINGS),
FIELD("session", U64, session, 0, M(BEAT)),
FIELD("sent", I64, sent_us, 0, M(BEAT)),
FIELD("echo", I64, echo_us, 0, M(BEAT)),
FIELD("ask", BOOL, ask, 0, M(BEAT)),
FIELD("leads", BOOL, leads, 0, M(BEAT)),
FIELD("drained", BOOL, drained, 0, M(BEAT)),
FIELD("serving", BOOL, serving, 0, M(BEAT)),
FIELD("fit", BOOL, fit, 0, M(BEAT)),
FIELD("vrrp", INT, vrrp, VRRP_STOP, M(BEAT)),
FIELD("gate", INT, gate.state, GATE_STATE_COUNT - 1, M(BEAT)),
FIELD("near", BOOL, gate.near, 0, M(BEAT)),
FIELD("reads", INT, gate.reads, SIDE_NONE, M(BEAT)),
FIELD("writes", INT, gate.writes, SIDE_NONE, M(BEAT)),
FIELD("alive", UNSIGNED, gate.alive, 3, M(BEAT)),
FIELD("trusted", UNSIGNED, gate.trusted, 3, M(BEAT)),
FIELD("gate-seq", U64, gate_seq, 0, M(BEAT)),
FIELD("applied", U64, applied, 0, M(BEAT)),
FIELD("sees-a", INT, sees[0], MSG_SEES_MAX, M(BEAT)),
FIELD("sees-b", INT, sees[1], MSG_SEES_MAX, M(BEAT)),
FIELD("record", RECORD, record, 0, MSG_RECORDS),
FIELD("base-epoch", U64, base_epoch.number, 0, M(COMMIT)),
FIELD("base-by", INT, base_epoch.by, SIDE_B, M(COMMIT)),
FIELD("base-seq", U64, base_seq, 0, M(COMMIT)),
FIELD("id", U64, id, 0, M(WANT) | M(WANTED)),
FIELD("ok", BOOL, ok, 0, M(WANTED)),
FIELD("text", STRING, text, MSG_TEXT, M(BEAT) | M(WANT) | M(WANTED)),
FIELD("all", BOOL, all, 0, M(CLIENTS)),
FIELD("clients", BYTES, clients, MSG_CLIENTS_MAX, M(CLIENTS)),
};
#undef FIELD
#undef M

/* The value as text: in out, or where it stands. */
static struct msg_bytes
msg_value(const struct msg *m, const struct msg_field *f, char *out,
    size_t size)
{
	const void *p = (const char *)m + f->offset;
	int n = 0;

	switch (f->kind) {
	case MSG_K_BYTES:
		return *(const struct msg_bytes *)p;
	case MSG_K_STRING:
		n = snprintf(out, size, "%s", (const char *)p);
		break;
	case MSG_K_INT:
		n = snprintf(out, size, "%d", *(const int *)p);
		break;
	case MSG_K_UNSIGNED:
		n = snprintf(out, size, "%u", *(const unsigned *)p);
		break;
	case MSG_K_U64:
		n = snprintf(out, size, "%" PRIu64, *(const uint64_t *)p);
		break;
	case MSG_K_I64:
		n = snprintf(out, size, "%" PRId64, *(const int64_t *)p);
		break;
	case MSG_K_BOOL:
		n = snprintf(out, size, "%d", *(const bool *)p);
		break;
	case MSG_K_RECORD:
		if (m->has_record)
			n = (int)record_encode(p, (struct epoch){ 0, SIDE_A },
			    out);
		break;
	}
	return (struct msg_bytes){ out, (size_t)n };
}

void
msg_encode(const struct msg *m, struct buf *out)
{
	char value[RECORD_TEXT];
	const struct msg_field *f;
	struct msg_bytes v;
	size_t n = 1, i;

	for (i = 0; i < NELEM(msg_fields); i++)
		if (msg_fields[i].in & (1u << m->type))
			n += 2;
	resp_add_array(out, n);
	resp_add_str(out, msg_names[m->type]);
	for (i = 0; i < NELEM(msg_fields); i++) {
		f = &msg_fields[i];
		if (!(f->in & (1u << m->type)))
			continue;
		v = msg_value(m, f, value, sizeof(value));
		resp_add_str(out, f->name);
		resp_add_bulk(out, v.p, v.len);
	}
}

static bool
msg_read_record(struct msg *m, const char *p, size_t len)
{
	struct epoch promised;
	char why[128];

	m->has_record = len > 0;
	return len == 0 ||
	    record_decode(p, len, &m->record, &promised, why, sizeof(why));
}

/* util_number() ends at 2^63; ids and sessions are random beyond that. */
static bool
msg_read_u64(const char *p, size_t len, uint64_t *out)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < len; i++) {
		unsigned d = (unsigned char)p[i] - (unsigned)'0';

		if (d > 9 || n > (UINT64_MAX - d) / 10)
			return false;
		n = n * 10 + d;
	}
	*out = n;
	return len > 0;
}

static bool
msg_read(struct msg *m, const struct msg_field *f, const char *p, size_t len)
{
	void *to = (char *)m + f->offset;
	long long n;

	if (f->kind == MSG_K_STRING) {
		if (len >= f->size || memchr(p, '\0', len) != NULL)
			return false;
		memcpy(to, p, len);
		((char *)to)[len] = '\0';
		return true;
	}
	if (f->kind == MSG_K_RECORD)
		return msg_read_record(m, p, len);
	if (f->kind == MSG_K_BYTES) {
		*(struct msg_bytes *)to = (struct msg_bytes){ p, len };
		return len <= f->size;
	}
	if (f->kind == MSG_K_U64)
		return msg_read_u64(p, len, to);
	if (!util_number(p, len, &n))
		return false;
	switch (f->kind) {
	case MSG_K_I64:
		*(int64_t *)to = n;
		return true;
	case MSG_K_BOOL:
		*(bool *)to = n != 0;
		return n == 0 || n == 1;
	case MSG_K_INT:
		*(int *)to = (int)n;
		break;
	default:
		*(unsigned *)to = (unsigned)n;
		break;
	}
	return n >= 0 && n <= (long long)f->size;
}

static const struct msg_field *
msg_find(enum msg_type type, const char *p, size_t len)
{
	size_t i;

	for (i = 0; i < NELEM(msg_fields); i++)
		if ((msg_fields[i].in & (1u << type)) &&
		    strlen(msg_fields[i].name) == len &&
		    memcmp(msg_fields[i].name, p, len) == 0)
			return &msg_fields[i];
	return NULL;
}

bool
msg_decode(size_t n, const char *const *part, const size_t *len,
    struct msg *m, const char **why)
{
	const struct msg_field *f;
	size_t i;

	memset(m, 0, sizeof(*m));
	m->gate.reads = m->gate.writes = SIDE_NONE;
	m->clients.p = "";
	m->record.primary = m->record.intent = SIDE_NONE;
	*why = "it is no message";
	if (n % 2 != 1 || n > 2 * MSG_FIELDS + 1)
		return false;
	for (i = 0; i < NELEM(msg_names); i++)
		if (strlen(msg_names[i]) == len[0] &&
		    memcmp(msg_names[i], part[0], len[0]) == 0)
			break;
	if (i == NELEM(msg_names))
		return false;
	m->type = (enum msg_type)i;
	for (i = 1; i < n; i += 2) {
		f = msg_find(m->type, part[i], len[i]);
		if (f != NULL && !msg_read(m, f, part[i + 1], len[i + 1])) {
			*why = f->name;
			return false;
		}
	}
	return true;
}
