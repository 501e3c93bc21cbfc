/*
 * Messages between two Holdovers come back as they were sent, a newer one's
 * unknown fields are passed over, and values that cannot be are refused.
 */
#include "msg.h"

#include "resp.h"
#include "tap.h"

#define PARTS	(2 * MSG_FIELDS + 1)

/* What the wire has, read anew. */
static bool
decode(const struct buf *b, struct msg *m, const char **why)
{
	struct resp_request f = { 0 };
	struct resp_arg a;
	const char *part[PARTS];
	size_t len[PARTS], i;

	if (resp_request(&f, buf_data(b), buf_len(b)) !=
	    (long long)buf_len(b) || f.argc > PARTS)
		return false;
	for (i = 0; i < (size_t)f.argc; i++) {
		a = resp_request_arg(buf_data(b), buf_len(b), (long long)i);
		part[i] = a.p;
		len[i] = a.len;
	}
	return msg_decode((size_t)f.argc, part, len, m, why);
}

static void
there_and_back(const struct msg *m, struct msg *got)
{
	struct buf b = BUF_INIT, again = BUF_INIT;
	const char *why = "";

	msg_encode(m, &b);
	ok(decode(&b, got, &why), "%s is understood", msg_name(m->type));
	is_int(got->type, m->type, "as what it is");
	msg_encode(got, &again);
	ok(buf_len(&b) == buf_len(&again) && memcmp(buf_data(&b),
	    buf_data(&again), buf_len(&b)) == 0, "and would be sent alike");
	buf_free(&b);
	buf_free(&again);
}

static void
test_greetings(void)
{
	struct msg m = { .type = MSG_HELLO, .protocol = MSG_PROTOCOL,
	    .cluster = "shop", .node = "a", .nonce = "abcd",
	    .proof = "0123" }, got;

	there_and_back(&m, &got);
	ok(got.protocol == MSG_PROTOCOL && strcmp(got.cluster, "shop") == 0 &&
	    strcmp(got.node, "a") == 0 && strcmp(got.nonce, "abcd") == 0 &&
	    strcmp(got.proof, "0123") == 0, "with all its fields");
	m.type = MSG_CHALLENGE;
	there_and_back(&m, &got);
	m.type = MSG_WELCOME;
	there_and_back(&m, &got);
}

static void
test_beat(void)
{
	struct msg m = { .type = MSG_BEAT, .session = UINT64_MAX,
	    .sent_us = INT64_MAX, .echo_us = INT64_MIN, .leads = true,
	    .fit = true, .vrrp = VRRP_BACKUP, .gate = { .state = GATE_OPEN,
	    .near = true, .reads = SIDE_A, .writes = SIDE_B, .alive = 3,
	    .trusted = 1 }, .gate_seq = 7, .applied = 6, .has_record = true,
	    .record = { .cluster = "shop", .node = { "a", "b" },
	    .epoch = { 4, SIDE_B }, .seq = 2, .primary = SIDE_B, .fresh = 2,
	    .intent = SIDE_NONE } }, got;

	there_and_back(&m, &got);
	ok(got.session == UINT64_MAX && got.sent_us == INT64_MAX &&
	    got.echo_us == INT64_MIN, "with the widest numbers");
	ok(got.leads && got.fit && !got.drained && !got.serving, "yes and no");
	ok(got.vrrp == VRRP_BACKUP && got.gate.state == GATE_OPEN &&
	    got.gate.near && got.gate.reads == SIDE_A &&
	    got.gate.writes == SIDE_B && got.gate.alive == 3 &&
	    got.gate.trusted == 1 && got.gate_seq == 7 && got.applied == 6,
	    "the gate");
	ok(got.has_record && memcmp(&got.record, &m.record,
	    sizeof(m.record)) == 0, "and the record");
	m.has_record = false;
	there_and_back(&m, &got);
	ok(!got.has_record, "or none");
}

static void
test_commits_and_wishes(void)
{
	struct msg m = { .type = MSG_COMMIT, .base_epoch = { 3, SIDE_B },
	    .base_seq = 9 }, got;

	there_and_back(&m, &got);
	ok(got.base_epoch.number == 3 && got.base_epoch.by == SIDE_B &&
	    got.base_seq == 9, "what a commit was made from");
	m.type = MSG_ACCEPTED;
	there_and_back(&m, &got);
	m.type = MSG_REFUSED;
	there_and_back(&m, &got);
	m = (struct msg){ .type = MSG_WANT, .id = 12, .text = "a\r\n\"b\"" };
	there_and_back(&m, &got);
	ok(got.id == 12 && strcmp(got.text, m.text) == 0, "an order");
	m.type = MSG_WANTED;
	m.ok = true;
	there_and_back(&m, &got);
	ok(got.ok, "and its outcome");
}

/* The parts, ended by NULL; NULL as want: it is understood. */
static void
parts(const char *want, const char *what, const char *const *part)
{
	size_t len[PARTS + 2], n;
	const char *why = "";
	struct msg m;
	bool good;

	for (n = 0; part[n] != NULL; n++)
		len[n] = strlen(part[n]);
	good = msg_decode(n, part, len, &m, &why);
	ok(good == (want == NULL), "%s", what);
	if (!good && want != NULL)
		is_str(why, want, "because of it");
}

#define PARTS_OF(...)	((const char *const []){ __VA_ARGS__, NULL })

static void
test_clients(void)
{
	static const char list[] = "+10.0.0.9:4711 -10.0.0.9:4712 ";
	struct msg m = { .type = MSG_CLIENTS, .all = true,
	    .clients = { list, sizeof(list) - 1 } }, got;
	struct buf b = BUF_INIT;
	const char *why = "";

	msg_encode(&m, &b);
	ok(decode(&b, &got, &why) && got.all &&
	    got.clients.len == sizeof(list) - 1 &&
	    memcmp(got.clients.p, list, got.clients.len) == 0,
	    "a list of clients");
	parts(NULL, "no list of clients", PARTS_OF("CLIENTS"));
	buf_free(&b);
}

static void
test_refusals(void)
{
	const char *many[PARTS + 3] = { "BEAT" };
	size_t i;

	parts("it is no message", "an unknown name", PARTS_OF("HALLO"));
	parts("it is no message", "a part of a name", PARTS_OF("BEA"));
	parts("it is no message", "a field without a value",
	    PARTS_OF("BEAT", "session"));
	for (i = 1; i < PARTS + 2; i++)
		many[i] = "x";
	parts("it is no message", "too many fields", many);
	many[PARTS] = NULL;
	parts(NULL, "as many as may be", many);
	parts(NULL, "a field of a newer version",
	    PARTS_OF("BEAT", "colour", "blue", "session", "5"));
	parts(NULL, "a field of another message is passed over",
	    PARTS_OF("WANT", "session", "x"));
	parts(NULL, "no fields", PARTS_OF("BEAT"));
	parts("gate", "a state that there is none of",
	    PARTS_OF("BEAT", "gate", "4"));
	parts("reads", "a negative side", PARTS_OF("BEAT", "reads", "-1"));
	parts("alive", "more than two sides", PARTS_OF("BEAT", "alive", "4"));
	parts("leads", "neither yes nor no", PARTS_OF("BEAT", "leads", "2"));
	parts("session", "a negative session",
	    PARTS_OF("BEAT", "session", "-1"));
	parts("session", "a session over 64 bits",
	    PARTS_OF("BEAT", "session", "18446744073709551616"));
	parts("session", "an empty number", PARTS_OF("BEAT", "session", ""));
	parts("sent", "a time that is no number",
	    PARTS_OF("BEAT", "sent", "now"));
	parts("record", "a record that is none",
	    PARTS_OF("BEAT", "record", "holdover-record 1\n"));
	parts("nonce", "a nonce that is too long", PARTS_OF("HELLO", "nonce",
	    "00000000000000000000000000000000"
	    "000000000000000000000000000000000"));
	parts("base-by", "an epoch of nobody",
	    PARTS_OF("COMMIT", "base-by", "2"));
}

int
main(void)
{
	test_greetings();
	test_beat();
	test_commits_and_wishes();
	test_clients();
	test_refusals();
	return tap_done();
}
