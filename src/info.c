#include "info.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "util.h"

/* No database has more, and no sum of them overflows. */
#define INFO_KEYS	(1LL << 40)

/* ---- INFO ---- */

static void
info_text(char *out, size_t size, const char *p, size_t len)
{
	if (len >= size)
		len = size - 1;
	memcpy(out, p, len);
	out[len] = '\0';
}

static long long
info_number(const char *p, size_t len, long long otherwise)
{
	long long n;

	return util_number(p, len, &n) ? n : otherwise;
}

/* A number of things: at least 0, at most max. */
static long long
info_count(const char *p, size_t len, long long max)
{
	long long n = info_number(p, len, 0);

	return n < 0 ? 0 : n > max ? max : n;
}

/* 40 hex digits, for the record holds nothing else; or none. */
static void
info_id(char out[INFO_ID + 1], const char *p, size_t len)
{
	info_text(out, INFO_ID + 1, p, len);
	if (len != INFO_ID ||
	    strspn(out, "0123456789abcdefABCDEF") != INFO_ID)
		out[0] = '\0';
}

static bool
info_is(const char *p, size_t len, const char *word)
{
	return len == strlen(word) && memcmp(p, word, len) == 0;
}

/* "db0:keys=12,expires=0,...": the 12. */
static long long
info_keys(const char *p, size_t len)
{
	static const char prefix[] = "keys=";
	const char *comma;

	if (len < sizeof(prefix) - 1 ||
	    memcmp(p, prefix, sizeof(prefix) - 1) != 0)
		return 0;
	p += sizeof(prefix) - 1;
	len -= sizeof(prefix) - 1;
	if ((comma = memchr(p, ',', len)) != NULL)
		len = (size_t)(comma - p);
	return info_count(p, len, INFO_KEYS);
}

/* FNV-1a, from where the lines before have brought it. */
static uint32_t
info_hash(uint32_t hash, const char *p, size_t len)
{
	for (; len > 0; len--)
		hash = (hash ^ (unsigned char)*p++) * 16777619u;
	return hash ^ 2166136261u;
}

/* What the offsets are, known when the role is. */
struct info_offsets {
	long long	primary;
	long long	replica;
};

static void
info_field(struct info *i, struct info_offsets *o, const char *name,
    size_t nlen, const char *p, size_t len)
{
#define IS(word) info_is(name, nlen, word)
#define TEXT(field) info_text(i->field, sizeof(i->field), p, len)
#define ID(field) info_id(i->field, p, len)
	if (IS("run_id"))
		ID(run_id);
	else if (IS("redis_version"))
		TEXT(version);
	else if (IS("server_name"))
		i->valkey = info_is(p, len, "valkey");
	else if (IS("role"))
		i->primary = info_is(p, len, "master");
	else if (IS("master_replid"))
		ID(replid);
	else if (IS("master_replid2")) {
		ID(replid2);
		if (i->replid2[strspn(i->replid2, "0")] == '\0')
			i->replid2[0] = '\0';
	} else if (IS("master_repl_offset"))
		o->primary = info_number(p, len, 0);
	else if (IS("slave_repl_offset"))
		o->replica = info_number(p, len, 0);
	else if (IS("second_repl_offset"))
		i->second_offset = info_number(p, len, -1);
	else if (IS("master_host"))
		TEXT(of_host);
	else if (IS("master_port"))
		i->of_port = (int)info_count(p, len, 65535);
	else if (IS("master_link_status"))
		i->link_up = info_is(p, len, "up");
	else if (IS("master_sync_in_progress"))
		i->syncing = info_number(p, len, 0) != 0;
	else if (IS("loading"))
		i->loading = info_number(p, len, 0) != 0;
	else if (IS("connected_slaves"))
		i->replicas = (int)info_count(p, len, INT_MAX);
	else if (IS("aof_enabled"))
		i->aof = info_number(p, len, 0) != 0;
	else if (IS("rdb_bgsave_in_progress"))
		i->saving = info_number(p, len, 0) != 0;
	else if (IS("rdb_last_bgsave_status"))
		i->save_failed = info_is(p, len, "err");
	else if (IS("module"))
		i->modules = info_hash(i->modules, p, len);
	else if (nlen > 2 && memcmp(name, "db", 2) == 0 &&
	    name[2] >= '0' && name[2] <= '9')
		i->keys += info_keys(p, len);
#undef ID
#undef TEXT
#undef IS
}

bool
info_parse(const char *p, size_t len, struct info *i)
{
	const char *end = p + len, *nl, *colon;
	struct info_offsets o = { 0, 0 };
	bool role = false;
	size_t n;

	memset(i, 0, sizeof(*i));
	i->second_offset = -1;
	for (; p < end; p = nl + 1) {
		if ((nl = memchr(p, '\n', (size_t)(end - p))) == NULL)
			nl = end;
		n = (size_t)(nl - p);
		if (n > 0 && p[n - 1] == '\r')
			n--;
		if (n == 0 || *p == '#' ||
		    (colon = memchr(p, ':', n)) == NULL)
			continue;
		role = role || info_is(p, (size_t)(colon - p), "role");
		info_field(i, &o, p, (size_t)(colon - p), colon + 1,
		    n - (size_t)(colon + 1 - p));
	}
	i->offset = i->primary ? o.primary : o.replica;
	return role && i->run_id[0] != '\0';
}

/* ---- keepalived ---- */

struct info_vrrp_word {
	const char	*word;
	enum vrrp_state	 state;
	bool		 lower_prio;
};

static const struct info_vrrp_word info_vrrp_words[] = {
	{ "MASTER", VRRP_MASTER, false },
	{ "BACKUP", VRRP_BACKUP, false },
	{ "FAULT", VRRP_FAULT, false },
	{ "STOP", VRRP_STOP, false },
	{ "DELETED", VRRP_UNKNOWN, false },
	{ "MASTER_RX_LOWER_PRI", VRRP_MASTER, true },
};

/* The next word, in quotes or not; false at the end of the line. */
static bool
info_word(const char **p, const char *end, const char **word, size_t *len)
{
	const char *s = *p, *close;

	while (s < end && (*s == ' ' || *s == '\t'))
		s++;
	if (s == end)
		return false;
	if (*s == '"') {
		close = memchr(s + 1, '"', (size_t)(end - s - 1));
		if (close == NULL)
			return false;
		*word = s + 1;
		*len = (size_t)(close - s - 1);
		*p = close + 1;
		return true;
	}
	*word = s;
	while (s < end && *s != ' ' && *s != '\t')
		s++;
	*len = (size_t)(s - *word);
	*p = s;
	return true;
}

static bool
info_vrrp_state(const char *word, size_t len, struct vrrp_line *out)
{
	size_t i;

	for (i = 0; i < NELEM(info_vrrp_words); i++)
		if (info_is(word, len, info_vrrp_words[i].word)) {
			out->state = info_vrrp_words[i].state;
			out->lower_prio = info_vrrp_words[i].lower_prio;
			return true;
		}
	return false;
}

bool
info_vrrp_line(const char *p, size_t len, struct vrrp_line *out,
    const char **why)
{
	const char *end = p + len, *word;
	long long n = 0;
	size_t wlen;

	memset(out, 0, sizeof(*out));
	*why = "it does not begin with INSTANCE or GROUP";
	if (!info_word(&p, end, &word, &wlen))
		return false;
	out->group = info_is(word, wlen, "GROUP");
	if (!out->group && !info_is(word, wlen, "INSTANCE"))
		return false;
	*why = "it has no name, or one that is too long";
	if (!info_word(&p, end, &word, &wlen) || wlen == 0 ||
	    wlen >= sizeof(out->name) || memchr(word, '\0', wlen) != NULL)
		return false;
	info_text(out->name, sizeof(out->name), word, wlen);
	*why = "its state is not one of MASTER, BACKUP, FAULT, STOP, DELETED "
	    "and MASTER_RX_LOWER_PRI";
	if (!info_word(&p, end, &word, &wlen) ||
	    !info_vrrp_state(word, wlen, out))
		return false;
	*why = "its priority is not a number from 0 to 255";
	if (info_word(&p, end, &word, &wlen) &&
	    (!util_number(word, wlen, &n) || n < 0 || n > 255))
		return false;
	*why = "there is more behind its priority";
	out->priority = (int)n;
	return !info_word(&p, end, &word, &wlen);
}

const char *
vrrp_state_name(enum vrrp_state s)
{
	static const char *const names[] = {
		[VRRP_UNKNOWN] = "UNKNOWN", [VRRP_MASTER] = "MASTER",
		[VRRP_BACKUP] = "BACKUP", [VRRP_FAULT] = "FAULT",
		[VRRP_STOP] = "STOP",
	};

	return names[s];
}
