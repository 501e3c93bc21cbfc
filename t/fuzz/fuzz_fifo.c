/*
 * Lines of keepalived's FIFO. A line that is understood is understood the
 * same way when it is written as keepalived 2.2 writes it.
 */
#include "info.h"

#include "fuzz.h"

static void
check_again(const struct vrrp_line *l)
{
	struct vrrp_line again;
	const char *why;
	char *s;

	if (strchr(l->name, '"') != NULL)
		return;
	s = xasprintf("%s \"%s\" %s %d", l->group ? "GROUP" : "INSTANCE",
	    l->name, l->lower_prio ? "MASTER_RX_LOWER_PRI" :
	    l->state == VRRP_UNKNOWN ? "DELETED" : vrrp_state_name(l->state),
	    l->priority);
	must(info_vrrp_line(s, strlen(s), &again, &why));
	must(strcmp(again.name, l->name) == 0 && again.group == l->group &&
	    again.state == l->state && again.lower_prio == l->lower_prio &&
	    again.priority == l->priority);
	free(s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data, *end = p + size, *nl;
	struct vrrp_line l;
	const char *why;

	for (; p < end; p = nl + 1) {
		if ((nl = memchr(p, '\n', (size_t)(end - p))) == NULL)
			nl = end;
		if (info_vrrp_line(p, (size_t)(nl - p), &l, &why))
			check_again(&l);
		else
			must(*why != '\0');
	}
	return 0;
}
