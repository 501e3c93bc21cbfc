/*
 * INFO of Redis 5, 6 and 7 and of Valkey (the fuzz corpus has one of each),
 * and the lines of keepalived 2.2's FIFO.
 */
#include "info.h"

#include <stdlib.h>

#include "tap.h"
#include "util.h"

static struct info
read_info(const char *dir, const char *name)
{
	char *path = xasprintf("%s/%s", dir, name), *text;
	struct info i = { 0 };
	size_t len = 0;

	text = util_read_file(path, 65536, &len);
	ok(text != NULL && info_parse(text, len, &i), "%s is understood",
	    name);
	free(text);
	free(path);
	return i;
}

static void
test_versions(const char *dir)
{
	struct info i = read_info(dir, "redis-7-primary");

	is_str(i.version, "7.0.15", "version");
	is_str(i.run_id, "a2129284ea455a0ee0c7101b375124e1c5cc13c7", "run id");
	is_str(i.replid, "446da33fefd42342a507e98977f47a771fab8619",
	    "replication id");
	is_str(i.replid2, "", "no second one");
	ok(i.primary && !i.valkey && !i.loading && !i.aof && !i.saving &&
	    !i.save_failed, "a primary");
	is_int(i.offset, 9876, "its offset");
	is_int(i.second_offset, -1, "and no second one");
	is_int(i.replicas, 1, "its replicas");
	is_int(i.keys, 42, "its keys, over all databases");

	i = read_info(dir, "redis-7-replica");
	ok(!i.primary && i.link_up && !i.syncing, "a replica");
	is_int(i.offset, 9870, "its offset");
	is_str(i.of_host, "10.0.0.1", "of this host");
	is_int(i.of_port, 6379, "and port");
	is_int(i.keys, 0, "no Keyspace section, no keys");

	i = read_info(dir, "redis-7-nowhere");
	ok(!i.primary && !i.link_up && i.loading,
	    "a replica of nowhere that is loading");

	i = read_info(dir, "redis-6-primary");
	is_str(i.replid2, "abababababababababababababababababababab",
	    "6: the second replication id");
	is_int(i.second_offset, 501, "and its offset");

	i = read_info(dir, "redis-5-replica");
	ok(!i.primary && i.syncing && !i.link_up, "5: a replica that syncs");

	i = read_info(dir, "valkey-8-primary");
	ok(i.valkey && i.primary && i.aof && i.save_failed, "Valkey");
	is_int(i.keys, 42, "whose databases have a field more");
}

static bool
parse(const char *s, struct info *i)
{
	return info_parse(s, strlen(s), i);
}

#define RUN	"run_id:0123456789abcdef0123456789abcdef01234567\r\n"

static void
test_odd_infos(void)
{
	struct info i;

	ok(parse(RUN "role:master\r\n", &i) && i.primary, "the least");
	ok(parse("role:slave\n" RUN, &i) && !i.primary,
	    "in another order, without CR");
	ok(!parse("", &i), "nothing is no INFO");
	ok(!parse(RUN, &i), "nor is one without a role");
	ok(!parse("role:master\r\n", &i), "nor one without a run id");
	ok(!parse("role:master\r\nrun_id:xyz\r\n", &i),
	    "nor one whose run id the record could not hold");
	ok(parse(RUN "role:master\r\nmaster_port:70000\r\n"
	    "connected_slaves:-1\r\nloading\r\n:x\r\n", &i) &&
	    i.of_port == 65535 && i.replicas == 0 && !i.loading,
	    "numbers out of bounds, lines that are none");
	ok(parse(RUN "role:master\r\ndb0:keys=9223372036854775807\r\n"
	    "db1:keys=9223372036854775807\r\ndb2:expires=1\r\n", &i) &&
	    i.keys > 0, "keys do not overflow");
}

static void
test_modules(void)
{
	struct info none, one, two, newer;

	ok(parse(RUN "role:master\r\n# Modules\r\n", &none) &&
	    parse(RUN "role:master\r\nmodule:name=ft,ver=1\r\n", &one) &&
	    parse(RUN "role:master\r\nmodule:name=ft,ver=2\r\n", &newer) &&
	    parse(RUN "role:master\r\nmodule:name=ft,ver=1\r\n"
	    "module:name=ts,ver=1\r\n", &two), "modules");
	ok(none.modules != one.modules && one.modules != newer.modules &&
	    one.modules != two.modules, "are told apart");
}

/* ---- keepalived ---- */

static void
line(const char *s, const char *name, enum vrrp_state state, int priority,
    const char *what)
{
	struct vrrp_line l;
	const char *why;

	ok(info_vrrp_line(s, strlen(s), &l, &why) &&
	    strcmp(l.name, name) == 0 && l.state == state &&
	    l.priority == priority &&
	    l.group == (strncmp(s, "GROUP", 5) == 0) &&
	    l.lower_prio == (strstr(s, "LOWER_PRI") != NULL), "%s", what);
}

static void
bad_line(const char *s, const char *want)
{
	struct vrrp_line l;
	const char *why = "";

	ok(!info_vrrp_line(s, strlen(s), &l, &why), "refused: %s", s);
	ok(strstr(why, want) != NULL, "because %s", why);
}

static void
test_vrrp_lines(void)
{
	char name[100];

	line("INSTANCE \"VI_1\" MASTER 253", "VI_1", VRRP_MASTER, 253,
	    "MASTER");
	line("INSTANCE \"VI_1\" BACKUP 250", "VI_1", VRRP_BACKUP, 250,
	    "BACKUP");
	line("INSTANCE \"VI_1\" FAULT 0", "VI_1", VRRP_FAULT, 0, "FAULT");
	line("INSTANCE \"VI_1\" STOP 250", "VI_1", VRRP_STOP, 250, "STOP");
	line("INSTANCE \"VI_1\" DELETED 0", "VI_1", VRRP_UNKNOWN, 0,
	    "DELETED");
	line("INSTANCE \"VI_1\" MASTER_RX_LOWER_PRI 253", "VI_1",
	    VRRP_MASTER, 253, "MASTER_RX_LOWER_PRI");
	line("GROUP \"VG_1\" MASTER 0", "VG_1", VRRP_MASTER, 0, "a group");
	line("INSTANCE VI_1 MASTER 100", "VI_1", VRRP_MASTER, 100,
	    "a script's arguments");
	line("INSTANCE VI_1 MASTER", "VI_1", VRRP_MASTER, 0,
	    "without priority");
	line("INSTANCE \"my VI\" MASTER 1", "my VI", VRRP_MASTER, 1,
	    "a name with a blank");
	bad_line("", "INSTANCE or GROUP");
	bad_line("VRRP \"VI_1\" MASTER 1", "INSTANCE or GROUP");
	bad_line("INSTANCE", "no name");
	bad_line("INSTANCE \"\" MASTER 1", "no name");
	bad_line("INSTANCE \"VI_1 MASTER 1", "no name");
	bad_line("INSTANCE \"VI_1\"", "state");
	bad_line("INSTANCE \"VI_1\" master 1", "state");
	bad_line("INSTANCE \"VI_1\" MASTER x", "priority");
	bad_line("INSTANCE \"VI_1\" MASTER 256", "priority");
	bad_line("INSTANCE \"VI_1\" MASTER -1", "priority");
	bad_line("INSTANCE \"VI_1\" MASTER 1 2", "more behind");
	snprintf(name, sizeof(name), "INSTANCE %064d MASTER 1", 0);
	bad_line(name, "too long");
}

int
main(void)
{
	const char *dir = getenv("CORPUS");
	char *info = xasprintf("%s/info", dir != NULL ? dir :
	    "t/fuzz/corpus");

	test_versions(info);
	free(info);
	test_odd_infos();
	test_modules();
	test_vrrp_lines();
	return tap_done();
}
