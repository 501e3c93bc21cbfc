/*
 * A directory of the test's own, under TMPDIR or /tmp, that goes away with
 * all its files when the test ends.
 */
#ifndef TMP_H
#define TMP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char tmp_dir[200];

/* DIR/name; good until the fourth call after this one. */
static inline char *
tmp_path(const char *name)
{
	static char path[4][512];
	static unsigned i;

	snprintf(path[++i % 4], sizeof(path[0]), "%s/%s", tmp_dir, name);
	return path[i % 4];
}

static inline void
tmp_empty(const char *dir)
{
	char path[512];
	struct dirent *e;
	DIR *d = opendir(dir);

	while (d != NULL && (e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir,
		    e->d_name) >= sizeof(path))
			continue;
		if (unlink(path) == -1) {
			tmp_empty(path);
			rmdir(path);
		}
	}
	if (d != NULL)
		closedir(d);
}

static inline void
tmp_end(void)
{
	tmp_empty(tmp_dir);
	rmdir(tmp_dir);
}

static inline void
tmp_begin(void)
{
	const char *base = getenv("TMPDIR");

	if ((size_t)snprintf(tmp_dir, sizeof(tmp_dir), "%s/unit-XXXXXX",
	    base != NULL && *base != '\0' ? base : "/tmp") >= sizeof(tmp_dir) ||
	    mkdtemp(tmp_dir) == NULL) {
		perror("mkdtemp");
		exit(1);
	}
	atexit(tmp_end);
}

#endif
