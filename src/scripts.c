#include "scripts.h"

#include <sys/queue.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

#define SCRIPTS_MAX		1024
#define SCRIPTS_BYTES		(8 * 1024 * 1024)
#define SCRIPTS_LONGEST		(1024 * 1024)
#define SCRIPTS_BUCKETS		256
#define SCRIPTS_SHA1		20

struct script {
	TAILQ_ENTRY(script)	 by_age;
	LIST_ENTRY(script)	 of_bucket;
	unsigned char		 sha1[SCRIPTS_SHA1];
	uint64_t		 number;	/* 0: it was not loaded */
	size_t			 len;
	char			 body[];
};

static pthread_mutex_t scripts_lock = PTHREAD_MUTEX_INITIALIZER;
static TAILQ_HEAD(, script) scripts = TAILQ_HEAD_INITIALIZER(scripts);
static LIST_HEAD(, script) scripts_buckets[SCRIPTS_BUCKETS];
static size_t scripts_n, scripts_bytes;
/* Read without the lock: is there anything to do? */
static _Atomic uint64_t scripts_number, scripts_flushes;

static struct script *
scripts_get(const unsigned char *sha1)
{
	struct script *s;

	LIST_FOREACH(s, &scripts_buckets[sha1[0]], of_bucket)
		if (memcmp(s->sha1, sha1, SCRIPTS_SHA1) == 0)
			break;
	return s;
}

static void
scripts_drop(struct script *s)
{
	TAILQ_REMOVE(&scripts, s, by_age);
	LIST_REMOVE(s, of_bucket);
	scripts_n--;
	scripts_bytes -= s->len;
	free(s);
}

static struct script *
scripts_put(const unsigned char *sha1, const char *body, size_t len)
{
	struct script *s = xmalloc(sizeof(*s) + len);

	memcpy(s->sha1, sha1, SCRIPTS_SHA1);
	memcpy(s->body, body, len);
	s->len = len;
	s->number = 0;
	TAILQ_INSERT_TAIL(&scripts, s, by_age);
	LIST_INSERT_HEAD(&scripts_buckets[sha1[0]], s, of_bucket);
	scripts_bytes += len;
	scripts_n++;
	while (scripts_n > SCRIPTS_MAX || scripts_bytes > SCRIPTS_BYTES)
		scripts_drop(TAILQ_FIRST(&scripts));
	return s;
}

void
scripts_learn(const char *body, size_t len, bool loaded)
{
	unsigned char sha1[EVP_MAX_MD_SIZE];
	struct script *s;

	if (len > SCRIPTS_LONGEST ||
	    EVP_Digest(body, len, sha1, NULL, EVP_sha1(), NULL) != 1)
		return;
	pthread_mutex_lock(&scripts_lock);
	if ((s = scripts_get(sha1)) == NULL)
		s = scripts_put(sha1, body, len);
	if (loaded && s->number == 0)
		s->number = atomic_fetch_add(&scripts_number, 1) + 1;
	pthread_mutex_unlock(&scripts_lock);
}

bool
scripts_next(uint64_t *number, struct buf *out)
{
	const struct script *s, *next = NULL;

	if (atomic_load(&scripts_number) == *number)
		return false;
	pthread_mutex_lock(&scripts_lock);
	TAILQ_FOREACH(s, &scripts, by_age)
		if (s->number > *number &&
		    (next == NULL || s->number < next->number))
			next = s;
	*number = next != NULL ? next->number : atomic_load(&scripts_number);
	if (next != NULL)
		buf_add(out, next->body, next->len);
	pthread_mutex_unlock(&scripts_lock);
	return next != NULL;
}

uint64_t
scripts_forgotten(void)
{
	return atomic_load(&scripts_flushes);
}

void
scripts_forget(void)
{
	pthread_mutex_lock(&scripts_lock);
	atomic_fetch_add(&scripts_flushes, 1);
	while (!TAILQ_EMPTY(&scripts))
		scripts_drop(TAILQ_FIRST(&scripts));
	pthread_mutex_unlock(&scripts_lock);
}

static int
scripts_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' :
	    c >= 'a' && c <= 'f' ? c - 'a' + 10 :
	    c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool
scripts_find(const char *hex, size_t len, struct buf *out)
{
	unsigned char sha1[SCRIPTS_SHA1];
	const struct script *s;
	int high, low;
	size_t i;

	if (len != sizeof(sha1) * 2)
		return false;
	for (i = 0; i < sizeof(sha1); i++) {
		high = scripts_digit(hex[2 * i]);
		low = scripts_digit(hex[2 * i + 1]);
		if (high == -1 || low == -1)
			return false;
		sha1[i] = (unsigned char)(high << 4 | low);
	}
	pthread_mutex_lock(&scripts_lock);
	s = scripts_get(sha1);
	if (s != NULL)
		buf_add(out, s->body, s->len);
	pthread_mutex_unlock(&scripts_lock);
	return s != NULL;
}
