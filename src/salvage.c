#include "salvage.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "log.h"
#include "util.h"

#define SALVAGE_REPLY_MS	60000	/* one large key may take long */
#define SALVAGE_CONNECT_MS	5000
#define SALVAGE_DBS		1024

/*
 * Written and synced in pieces, so that the loop waits for the disk often
 * and briefly instead of once and long.
 */
#define SALVAGE_PIECE		(1024 * 1024)

/* Of DUMP's reply: two bytes of version and eight of checksum at its end. */
#define SALVAGE_FOOTER		10

/* From this version of RDB on the format is Valkey's own. */
#define SALVAGE_RDB_VALKEY	80

/* Opcodes of an RDB file. */
enum { SALVAGE_RDB_MS = 0xfc, SALVAGE_RDB_DB = 0xfe, SALVAGE_RDB_END = 0xff };

struct salvage_key {
	TAILQ_ENTRY(salvage_key) link;
	struct salvage	*salvage;
	size_t		 len;
	char		*dump;		/* NULL: it has expired */
	size_t		 dump_len;
	char		 name[];
};
TAILQ_HEAD(salvage_keys, salvage_key);

struct salvage {
	struct redis		*redis;
	char			*path;
	char			*temporary;
	int			 fd;
	salvage_done_fn		*done;
	void			*arg;
	struct event		*end;		/* made active: call done */
	bool			 begun;
	bool			 ok;
	char			 text[320];

	int			 db[SALVAGE_DBS];
	size_t			 dbs, at;	/* db[at] is being read */
	char			 cursor[32];
	struct salvage_keys	 keys;		/* those of this SCAN */
	long long		 in_db, in_all;	/* keys written */
	bool			 headed;
	struct buf		 out;
	off_t			 size;
};

/* ---- the end ---- */

static void PRINTF(3, 4)
salvage_end(struct salvage *s, bool ok, const char *fmt, ...)
{
	va_list ap;

	if (s->text[0] != '\0')
		return;
	va_start(ap, fmt);
	vsnprintf(s->text, sizeof(s->text), fmt, ap);
	va_end(ap);
	s->ok = ok;
	/* Not from inside the link's own callback, which done may free. */
	event_active(s->end, EV_TIMEOUT, 0);
}

static void
salvage_on_end(evutil_socket_t fd, short what, void *arg)
{
	struct salvage *s = arg;

	(void)fd;
	(void)what;
	if (s->text[0] == '\0' && s->begun)
		return;
	if (s->text[0] == '\0')
		snprintf(s->text, sizeof(s->text), "no connection in time");
	s->done(s->ok, s->text, s->arg);
}

/* Is it over, or is this answer the end of it? */
static bool
salvage_failed(struct salvage *s, const redisReply *reply, int type)
{
	if (s->text[0] != '\0')
		return true;
	if (reply != NULL && reply->type == type)
		return false;
	salvage_end(s, false, "%s", reply == NULL ?
	    "the connection was lost or an answer did not come in time" :
	    reply->type == REDIS_REPLY_ERROR ? reply->str :
	    "an answer that was not expected");
	return true;
}

/* ---- the file ---- */

static void
salvage_write(struct salvage *s)
{
	size_t len = buf_len(&s->out);
	ssize_t n;

	while (len > 0 && s->text[0] == '\0') {
		n = write(s->fd, buf_data(&s->out), len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 || fdatasync(s->fd) == -1) {
			salvage_end(s, false, "%s cannot be written: %s",
			    s->temporary, strerror(errno));
			return;
		}
		buf_drain(&s->out, (size_t)n);
		s->size += n;
		len -= (size_t)n;
	}
}

static void
salvage_byte(struct salvage *s, unsigned char c)
{
	buf_add(&s->out, &c, 1);
}

/* Two bits say how a length is written. */
static void
salvage_length(struct salvage *s, uint32_t n)
{
	if (n < 1 << 6)
		salvage_byte(s, (unsigned char)n);
	else if (n < 1 << 14) {
		salvage_byte(s, (unsigned char)(0x40 | n >> 8));
		salvage_byte(s, n & 0xff);
	} else {
		salvage_byte(s, 0x80);
		salvage_byte(s, n >> 24 & 0xff);
		salvage_byte(s, n >> 16 & 0xff);
		salvage_byte(s, n >> 8 & 0xff);
		salvage_byte(s, n & 0xff);
	}
}

/* The version of the format is in each DUMP. */
static void
salvage_header(struct salvage *s, const char *dump, size_t len)
{
	const unsigned char *v =
	    (const unsigned char *)dump + len - SALVAGE_FOOTER;
	int version = v[0] | v[1] << 8;

	if (!s->headed)
		buf_addf(&s->out, version < SALVAGE_RDB_VALKEY ?
		    "REDIS%04d" : "VALKEY%03d", version);
	s->headed = true;
}

static void
salvage_add_key(struct salvage *s, const struct salvage_key *k,
    long long ttl_ms)
{
	struct timespec ts;
	uint64_t at;
	int i;

	salvage_header(s, k->dump, k->dump_len);
	if (s->in_db++ == 0) {
		salvage_byte(s, SALVAGE_RDB_DB);
		salvage_length(s, (uint32_t)s->db[s->at]);
	}
	if (ttl_ms >= 0) {
		clock_gettime(CLOCK_REALTIME, &ts);
		at = (uint64_t)ts.tv_sec * 1000 +
		    (uint64_t)ts.tv_nsec / 1000000 + (uint64_t)ttl_ms;
		salvage_byte(s, SALVAGE_RDB_MS);
		for (i = 0; i < 64; i += 8)
			salvage_byte(s, at >> i & 0xff);
	}
	buf_add(&s->out, k->dump, 1);
	salvage_length(s, (uint32_t)k->len);
	buf_add(&s->out, k->name, k->len);
	buf_add(&s->out, k->dump + 1, k->dump_len - SALVAGE_FOOTER - 1);
	if (buf_len(&s->out) >= SALVAGE_PIECE)
		salvage_write(s);
}

/* The checksum is left zero, which Redis takes as none. */
static void
salvage_finish(struct salvage *s)
{
	if (!s->headed) {
		salvage_end(s, true, "nothing: it has no key");
		return;
	}
	salvage_byte(s, SALVAGE_RDB_END);
	buf_add(&s->out, "\0\0\0\0\0\0\0\0", 8);
	salvage_write(s);
	if (s->text[0] != '\0')
		return;
	if (rename(s->temporary, s->path) == -1 ||
	    !util_sync_directory_of(s->path))
		salvage_end(s, false, "%s cannot be made: %s", s->path,
		    strerror(errno));
	else
		salvage_end(s, true, "%lld keys as %s, %lld bytes", s->in_all,
		    s->path, (long long)s->size);
}

/* ---- what is read ---- */

static void	salvage_scan(struct salvage *);
static void	salvage_next_db(struct salvage *);

static void
salvage_free_key(struct salvage *s, struct salvage_key *k)
{
	TAILQ_REMOVE(&s->keys, k, link);
	free(k->dump);
	free(k);
}

static void
salvage_on_dump(struct redis *r, redisReply *reply, void *arg)
{
	struct salvage_key *k = arg;

	(void)r;
	if (reply != NULL && reply->type == REDIS_REPLY_NIL)
		return;
	if (salvage_failed(k->salvage, reply, REDIS_REPLY_STRING))
		return;
	if (reply->len <= SALVAGE_FOOTER) {
		salvage_end(k->salvage, false, "a DUMP that is too short");
		return;
	}
	k->dump_len = (size_t)reply->len;
	k->dump = xmalloc(k->dump_len);
	memcpy(k->dump, reply->str, k->dump_len);
}

/* Once all keys of this page are here: the next page, or the next database. */
static void
salvage_go_on(struct salvage *s)
{
	if (!TAILQ_EMPTY(&s->keys) || s->text[0] != '\0')
		return;
	if (strcmp(s->cursor, "0") != 0)
		salvage_scan(s);
	else
		salvage_next_db(s);
}

static void
salvage_on_pttl(struct redis *r, redisReply *reply, void *arg)
{
	struct salvage_key *k = arg;
	struct salvage *s = k->salvage;

	(void)r;
	if (salvage_failed(s, reply, REDIS_REPLY_INTEGER))
		return;
	if (k->dump != NULL)
		salvage_add_key(s, k, reply->integer);
	salvage_free_key(s, k);
	salvage_go_on(s);
}

static void
salvage_ask_key(struct salvage *s, const redisReply *name)
{
	struct salvage_key *k = xcalloc(1, sizeof(*k) + (size_t)name->len);
	const char *argv[2] = { "DUMP", k->name };
	size_t len[2] = { 4, (size_t)name->len };

	k->salvage = s;
	k->len = (size_t)name->len;
	memcpy(k->name, name->str, k->len);
	TAILQ_INSERT_TAIL(&s->keys, k, link);
	redis_command_argv(s->redis, salvage_on_dump, k, SALVAGE_REPLY_MS, 2,
	    argv, len);
	argv[0] = "PTTL";
	redis_command_argv(s->redis, salvage_on_pttl, k, SALVAGE_REPLY_MS, 2,
	    argv, len);
}

static void
salvage_on_scan(struct redis *r, redisReply *reply, void *arg)
{
	struct salvage *s = arg;
	redisReply *keys;
	size_t i;

	(void)r;
	if (salvage_failed(s, reply, REDIS_REPLY_ARRAY))
		return;
	if (reply->elements != 2 ||
	    reply->element[0]->type != REDIS_REPLY_STRING ||
	    reply->element[1]->type != REDIS_REPLY_ARRAY) {
		salvage_end(s, false, "a SCAN that was not expected");
		return;
	}
	snprintf(s->cursor, sizeof(s->cursor), "%s", reply->element[0]->str);
	keys = reply->element[1];
	for (i = 0; i < keys->elements; i++)
		if (keys->element[i]->type == REDIS_REPLY_STRING)
			salvage_ask_key(s, keys->element[i]);
	salvage_go_on(s);
}

static void
salvage_scan(struct salvage *s)
{
	redis_command(s->redis, salvage_on_scan, s, SALVAGE_REPLY_MS, "SCAN",
	    s->cursor, "COUNT", "100", NULL);
}

/* A table that shrinks while it is scanned gives a key twice. */
static void
salvage_on_dbsize(struct redis *r, redisReply *reply, void *arg)
{
	struct salvage *s = arg;

	(void)r;
	if (salvage_failed(s, reply, REDIS_REPLY_INTEGER))
		return;
	if (s->in_db > reply->integer) {
		salvage_end(s, false, "it changed while it was read");
		return;
	}
	s->in_all += s->in_db;
	s->at++;
	salvage_next_db(s);
}

static void
salvage_on_select(struct redis *r, redisReply *reply, void *arg)
{
	struct salvage *s = arg;

	(void)r;
	if (!salvage_failed(s, reply, REDIS_REPLY_STATUS))
		salvage_scan(s);
}

/* The one at hand is checked first, if there is one. */
static void
salvage_next_db(struct salvage *s)
{
	char number[16];

	if (strcmp(s->cursor, "0") == 0) {
		s->cursor[0] = '\0';
		redis_command(s->redis, salvage_on_dbsize, s,
		    SALVAGE_REPLY_MS, "DBSIZE", NULL);
		return;
	}
	if (s->at == s->dbs) {
		salvage_finish(s);
		return;
	}
	s->in_db = 0;
	snprintf(s->cursor, sizeof(s->cursor), "%s", "0");
	snprintf(number, sizeof(number), "%d", s->db[s->at]);
	redis_command(s->redis, salvage_on_select, s, SALVAGE_REPLY_MS,
	    "SELECT", number, NULL);
}

/* Functions, of Redis 7 and newer, are in the form of the file already. */
static void
salvage_on_functions(struct redis *r, redisReply *reply, void *arg)
{
	struct salvage *s = arg;

	(void)r;
	if (reply != NULL && reply->type == REDIS_REPLY_STRING &&
	    reply->len > SALVAGE_FOOTER) {
		salvage_header(s, reply->str, (size_t)reply->len);
		buf_add(&s->out, reply->str,
		    (size_t)reply->len - SALVAGE_FOOTER);
	} else if (reply != NULL && reply->type == REDIS_REPLY_ERROR &&
	    strncmp(reply->str, "NOPERM", 6) != 0) {
		/* An older one knows no functions. */
	} else if (salvage_failed(s, reply, REDIS_REPLY_STRING))
		return;
	salvage_next_db(s);
}

/* "db0:keys=12,...": which databases there are. */
static void
salvage_on_keyspace(struct redis *r, redisReply *reply, void *arg)
{
	struct salvage *s = arg;
	const char *p;
	int db;

	if (salvage_failed(s, reply, REDIS_REPLY_STRING))
		return;
	for (p = reply->str; p != NULL; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (sscanf(p, "db%d:", &db) != 1)
			continue;
		if (s->dbs == NELEM(s->db)) {
			salvage_end(s, false, "it has more than %d databases",
			    SALVAGE_DBS);
			return;
		}
		s->db[s->dbs++] = db;
	}
	redis_command(r, salvage_on_functions, s, SALVAGE_REPLY_MS,
	    "FUNCTION", "DUMP", NULL);
}

static void
salvage_on_changed(struct redis *r, void *arg)
{
	struct salvage *s = arg;

	if (redis_link(r) == REDIS_DENIED || redis_link(r) == REDIS_REFUSED) {
		salvage_end(s, false, "its Redis does not let us in");
		return;
	}
	if (s->begun || redis_link(r) != REDIS_LINKED)
		return;
	s->begun = true;
	redis_command(r, salvage_on_keyspace, s, SALVAGE_REPLY_MS, "INFO",
	    "keyspace", NULL);
}

struct salvage *
salvage_new(struct event_base *base, const struct redis_opts *opts,
    const char *path, salvage_done_fn *done, void *arg)
{
	struct salvage *s = xcalloc(1, sizeof(*s));
	struct timeval tv = { SALVAGE_CONNECT_MS / 1000, 0 };

	s->path = xstrdup(path);
	s->temporary = xasprintf("%s.part", path);
	s->done = done;
	s->arg = arg;
	TAILQ_INIT(&s->keys);
	s->end = event_new(base, -1, 0, salvage_on_end, s);
	if (s->end == NULL || event_add(s->end, &tv) == -1)
		fatalx("salvage: out of memory");
	s->redis = redis_new(base, opts, salvage_on_changed, s);
	s->fd = open(s->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
	    0600);
	if (s->fd == -1)
		salvage_end(s, false, "%s cannot be made: %s", s->temporary,
		    strerror(errno));
	return s;
}

void
salvage_free(struct salvage *s)
{
	struct salvage_key *k;

	redis_free(s->redis);
	while ((k = TAILQ_FIRST(&s->keys)) != NULL)
		salvage_free_key(s, k);
	if (s->fd != -1) {
		close(s->fd);
		unlink(s->temporary);
	}
	event_free(s->end);
	buf_free(&s->out);
	free(s->temporary);
	free(s->path);
	free(s);
}
