/*
 * A set of addresses: each is there once, and never too many.
 */
#include "roster.h"

#include <stdlib.h>

#include "tap.h"

static size_t seen;

static void
see(const char *addr, void *arg)
{
	bool *want = arg;
	int i = atoi(strchr(addr, ':') + 1);

	seen += want[i];
	want[i] = false;
}

int
main(void)
{
	struct roster *r = roster_new(100);
	bool want[200] = { false };
	char addr[32];
	int i;

	roster_add(r, "10.0.0.9:1");
	roster_add(r, "10.0.0.9:1");
	is_int((long long)roster_count(r), 1, "once, however often added");
	roster_remove(r, "10.0.0.9:2");
	is_int((long long)roster_count(r), 1, "who is not there cannot go");
	roster_remove(r, "10.0.0.9:1");
	is_int((long long)roster_count(r), 0, "who is there can");
	for (i = 0; i < 200; i++) {
		snprintf(addr, sizeof(addr), "10.0.0.9:%d", i);
		roster_add(r, addr);
		want[i] = i < 100;
	}
	is_int((long long)roster_count(r), 100, "no more than the limit");
	roster_each(r, see, want);
	is_int((long long)seen, 100, "each of them is shown once");
	roster_clear(r);
	is_int((long long)roster_count(r), 0, "all are forgotten");
	roster_add(r, "10.0.0.9:1");
	is_int((long long)roster_count(r), 1, "and there is room again");
	roster_free(r);
	return tap_done();
}
