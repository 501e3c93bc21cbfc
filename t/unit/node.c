/*
 * The role state machine has a row for every pair of state and event.
 */
#include "node.h"
#include "tap.h"

int
main(void)
{
	int s, e;

	for (s = 0; s < NODE_STATE_COUNT; s++)
		for (e = 0; e < NODE_EVENT_COUNT; e++)
			ok(node_has_row((enum node_state)s,
			    (enum node_event)e), "%s has a row for %s",
			    node_state_name((enum node_state)s),
			    node_event_name((enum node_event)e));
	return tap_done();
}
