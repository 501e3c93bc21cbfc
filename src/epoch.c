#include "epoch.h"

#include <sys/file.h>
#include <sys/stat.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

struct epoch_store {
	char	*path;		/* of the record */
	int	 lock;
};

struct epoch_store *
epoch_open(const char *dir, char *why, size_t whysize)
{
	struct epoch_store *s;
	char *lock;
	int fd;

	if (mkdir(dir, 0700) == -1 && errno != EEXIST) {
		snprintf(why, whysize, "state-dir %s cannot be made: %s", dir,
		    strerror(errno));
		return NULL;
	}
	lock = xasprintf("%s/lock", dir);
	fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd == -1) {
		snprintf(why, whysize, "%s cannot be opened: %s", lock,
		    strerror(errno));
	} else if (flock(fd, LOCK_EX | LOCK_NB) == -1) {
		snprintf(why, whysize, errno == EWOULDBLOCK ?
		    "%s is locked: another Holdover runs with this state-dir; "
		    "stop it, or give this one a state-dir of its own" :
		    "%s cannot be locked", lock);
		close(fd);
		fd = -1;
	}
	free(lock);
	if (fd == -1)
		return NULL;
	s = xcalloc(1, sizeof(*s));
	s->path = xasprintf("%s/record", dir);
	s->lock = fd;
	return s;
}

void
epoch_close(struct epoch_store *s)
{
	close(s->lock);
	free(s->path);
	free(s);
}

enum epoch_found
epoch_load(struct epoch_store *s, struct record *r, struct epoch *promised,
    char *why, size_t whysize)
{
	char reason[256];
	size_t len;
	char *text = util_read_file(s->path, RECORD_TEXT, &len);
	bool ok;

	if (text == NULL) {
		if (errno == ENOENT)
			return EPOCH_NONE;
		snprintf(why, whysize, "%s cannot be read: %s; correct that "
		    "and start again", s->path, strerror(errno));
		return EPOCH_DAMAGED;
	}
	ok = record_decode(text, len, r, promised, reason, sizeof(reason));
	free(text);
	if (ok)
		return EPOCH_FOUND;
	snprintf(why, whysize, "%s is damaged: %s. If the other node runs, "
	    "move this file away and start again: the record is then learned "
	    "from there", s->path, reason);
	return EPOCH_DAMAGED;
}

bool
epoch_save(struct epoch_store *s, const struct record *r,
    struct epoch promised)
{
	char text[RECORD_TEXT];
	size_t n = record_encode(r, promised, text);

	if (util_write_file(s->path, text, n, 0600, true))
		return true;
	log_warn("epoch: %s cannot be written; until it can be, this node "
	    "takes part in no decision", s->path);
	return false;
}
