/*
 * The configuration. One that is accepted is printed so that it is read the
 * same. Includes are left out: they would read files of this machine.
 */
#include "conf.h"

#include <sys/mman.h>
#include <strings.h>
#include <unistd.h>

#include "fuzz.h"

static struct conf *
load(const void *p, size_t size, char *why, size_t whysize)
{
	int fd = memfd_create("conf", MFD_CLOEXEC);
	char path[64];
	struct conf *c;

	must(fd >= 0 && write(fd, p, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	c = conf_load(path, 0, NULL, why, whysize);
	close(fd);
	return c;
}

/* By name, or with a letter of it written as "\x69". */
static bool
includes(const char *p, size_t size)
{
	for (; size >= 3; p++, size--)
		if (strncasecmp(p, "include", size < 7 ? size : 7) == 0 ||
		    (memcmp(p, "\\x", 2) == 0 && strchr("4567", p[2])))
			return true;
	return false;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf text = BUF_INIT, again = BUF_INIT;
	char why[512] = "";
	struct conf *c;

	if (includes((const char *)data, size))
		return 0;
	if ((c = load(data, size, why, sizeof(why))) == NULL) {
		must(why[0] != '\0' && memchr(why, '\0', sizeof(why)) != NULL);
		return 0;
	}
	conf_print(c, &text);
	conf_free(c);
	c = load(buf_data(&text), buf_len(&text), why, sizeof(why));
	must(c != NULL);
	conf_print(c, &again);
	must_be_same(&text, &again);
	buf_free(&text);
	buf_free(&again);
	conf_free(c);
	return 0;
}
