/* How old events are when they reach a node: from when the relay sealed one until its frame goes to the
 * workers. Two wall clocks, the relay's and ours: what their difference is, is in every age; one that would
 * be negative counts as 0.
 *
 * Thread: any. */
#ifndef ROOMCAST_NODE_EVENT_AGE_H
#define ROOMCAST_NODE_EVENT_AGE_H

#include <stdint.h>

/* Once per event. `relayed_at_ms` 0: it does not say, nothing is noted. */
void event_age_note(uint64_t relayed_at_ms, uint64_t now_wall_ms);

#endif
