/* How old events are when they reach a node and go to its workers. Wall clocks of several hosts: what their
 * difference is, is in every age; one that would be negative counts as 0.
 *
 * Thread: any. */
#ifndef ROOMCAST_NODE_EVENT_AGE_H
#define ROOMCAST_NODE_EVENT_AGE_H

#include <stdint.h>

/* When something happened to an event, Unix ms; 0: it does not say. */
struct event_times {
    uint64_t occurred_ms; /* in the service that published it */
    uint64_t relayed_ms;  /* when the relay sealed it */
};

/* Once per event. */
void event_age_note(const struct event_times *times, uint64_t now_wall_ms);

#endif
