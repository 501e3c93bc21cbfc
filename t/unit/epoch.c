/*
 * The record on disk: there after it was saved, locked against a second
 * process, and never guessed at when it is damaged.
 */
#include "epoch.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <errno.h>
#include <fcntl.h>

#include "log.h"
#include "tap.h"
#include "tmp.h"
#include "util.h"

static char why[512];

static struct record
sample(void)
{
	return (struct record){ .cluster = "shop", .node = { "a", "b" },
	    .epoch = { 7, SIDE_A }, .seq = 3, .primary = SIDE_B, .fresh = 1,
	    .intent = SIDE_NONE };
}

static void
test_save(const char *dir)
{
	struct epoch_store *s = epoch_open(dir, why, sizeof(why));
	struct record r = sample(), got;
	struct epoch promised = { 9, SIDE_B };
	struct stat st;

	ok(s != NULL, "the directory is made");
	ok(stat(dir, &st) == 0 && (st.st_mode & 0777) == 0700,
	    "for its owner only");
	is_int(epoch_load(s, &got, &promised, why, sizeof(why)), EPOCH_NONE,
	    "no record yet");
	ok(epoch_save(s, &r, (struct epoch){ 9, SIDE_B }), "it is saved");
	r.seq++;
	ok(epoch_save(s, &r, (struct epoch){ 9, SIDE_B }), "and again");
	epoch_close(s);
	s = epoch_open(dir, why, sizeof(why));
	ok(s != NULL, "opened once more");
	is_int(epoch_load(s, &got, &promised, why, sizeof(why)), EPOCH_FOUND,
	    "it is found");
	ok(memcmp(&got, &r, sizeof(r)) == 0 && promised.number == 9 &&
	    promised.by == SIDE_B, "as it was saved last");
	epoch_close(s);
}

/* Another process, for a process may lock its own file twice. */
static bool
second_is_refused(const char *dir)
{
	int status;
	pid_t pid;

	fflush(stdout);
	if ((pid = fork()) == 0)
		_exit(epoch_open(dir, why, sizeof(why)) == NULL &&
		    strstr(why, "another Holdover runs with this state-dir") ?
		    0 : 1);
	return waitpid(pid, &status, 0) == pid && status == 0;
}

static void
test_lock(const char *dir)
{
	struct epoch_store *s = epoch_open(dir, why, sizeof(why));

	ok(second_is_refused(dir), "a second instance is refused, and told");
	epoch_close(s);
	ok(!second_is_refused(dir), "once the first is gone it is not");
}

static void
damaged(const char *dir, const char *text, const char *want,
    const char *what)
{
	struct epoch_store *s = epoch_open(dir, why, sizeof(why));
	char *path = xasprintf("%s/record", dir);
	struct record r;
	struct epoch promised;

	if (!util_write_file(path, text, strlen(text), 0600, false))
		ok(false, "writing: %s", what);
	why[0] = '\0';
	is_int(epoch_load(s, &r, &promised, why, sizeof(why)), EPOCH_DAMAGED,
	    "damaged: %s", what);
	ok(strstr(why, path) != NULL && strstr(why, want) != NULL &&
	    strstr(why, "move this file away") != NULL,
	    "it says which file, what is wrong and what to do: %s", why);
	epoch_close(s);
	free(path);
}

static void
test_unreadable(const char *dir)
{
	struct epoch_store *s = epoch_open(dir, why, sizeof(why));
	char *path = xasprintf("%s/record", dir);
	struct record r = sample();
	struct epoch promised;

	ok(unlink(path) == 0 && mkdir(path, 0700) == 0, "a directory for it");
	is_int(epoch_load(s, &r, &promised, why, sizeof(why)), EPOCH_DAMAGED,
	    "what cannot be read is no missing record");
	ok(strstr(why, "cannot be read: Is a directory") != NULL,
	    "and why: %s", why);
	ok(!epoch_save(s, &r, r.epoch), "nor can it be replaced");
	epoch_close(s);
	free(path);
}

static void
test_no_directory(void)
{
	ok(epoch_open(tmp_path("none/state"), why, sizeof(why)) == NULL &&
	    strstr(why, "cannot be made: No such file") != NULL,
	    "no place for the directory: %s", why);
	close(open(tmp_path("file"), O_CREAT | O_WRONLY, 0600));
	ok(epoch_open(tmp_path("file"), why, sizeof(why)) == NULL &&
	    strstr(why, "lock cannot be opened: Not a directory") != NULL,
	    "a file in its place: %s", why);
}

int
main(void)
{
	char *dir;

	tmp_begin();
	if (!log_open(LOG_LEVEL_WARN, tmp_path("log")))
		return 1;
	dir = xstrdup(tmp_path("state"));
	test_save(dir);
	test_lock(dir);
	damaged(dir, "", "line 1", "an empty file");
	damaged(dir, "holdover-record 1\nseq 3\n", "checksum", "half a file");
	test_unreadable(dir);
	test_no_directory();
	free(dir);
	return tap_done();
}
