/*
 * What a Redis answers to INFO. Whatever it is, the ids that are taken from
 * it are such as the record can hold.
 */
#include "info.h"

#include "fuzz.h"

static void
check_id(const char *id)
{
	must(*id == '\0' || (strlen(id) == INFO_ID &&
	    strspn(id, "0123456789abcdefABCDEF") == INFO_ID));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct info i;

	if (info_parse((const char *)data, size, &i))
		must(i.run_id[0] != '\0');
	check_id(i.run_id);
	check_id(i.replid);
	check_id(i.replid2);
	must(memchr(i.version, '\0', sizeof(i.version)) != NULL);
	must(memchr(i.of_host, '\0', sizeof(i.of_host)) != NULL);
	must(i.keys >= 0 && i.replicas >= 0);
	must(i.of_port >= 0 && i.of_port <= 65535);
	return 0;
}
