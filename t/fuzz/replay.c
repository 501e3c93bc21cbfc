/*
 * Gives a fuzz target a main() where libFuzzer is not linked: runs the files
 * that are named, and those of the directories that are. Arguments that
 * begin with "-" are libFuzzer's, and passed over.
 */
#include <dirent.h>

#include "fuzz.h"

#define REPLAY_MAX	(1024 * 1024)

static unsigned replay_count;

/* The input lies alone in its memory, so that ASan sees one byte more. */
static void
replay_file(const char *path)
{
	size_t len;
	char *p = util_read_file(path, REPLAY_MAX, &len);
	uint8_t *alone;

	if (p == NULL) {
		perror(path);
		exit(1);
	}
	alone = xmalloc(len);
	memcpy(alone, p, len);
	free(p);
	LLVMFuzzerTestOneInput(alone, len);
	free(alone);
	replay_count++;
}

static void
replay(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	char *name;

	if (d == NULL) {
		replay_file(path);
		return;
	}
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		name = xasprintf("%s/%s", path, e->d_name);
		replay_file(name);
		free(name);
	}
	closedir(d);
}

int
main(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		if (argv[i][0] != '-')
			replay(argv[i]);
	if (replay_count == 0) {
		fprintf(stderr, "%s: no input\n", argv[0]);
		return 1;
	}
	printf("%s: %u inputs\n", argv[0], replay_count);
	return 0;
}
