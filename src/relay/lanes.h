/* All rooms' lanes, on one loop thread: takes events in, stores them on the bus in the order of each room.
 *
 * Owns: events from lanes_submit() until their `done`; the lanes, of which idle ones are dropped beyond a
 * bound. Thread: the loop's, except lanes_submit() and lanes_hurry() (any), and new and free (while the loop
 * does not run). The bus's threads only put answers into the inbox. */
#ifndef ROOMCAST_RELAY_LANES_H
#define ROOMCAST_RELAY_LANES_H

#include <stdint.h>

#include <roomcast/base/err.h>
#include <roomcast/io/bus.h>
#include <roomcast/io/loop.h>

#include "event.h"
#include "tenure.h"

/* Rooms whose head is remembered without work for them. A room beyond that costs a question to the stream's
 * leader when it wakes up, and for it a rollback of the store goes unnoticed: the last position that was
 * known to be stored is forgotten with the rest. */
#define LANES_IDLE_MAX 4096

struct lanes;

struct lanes_options {
    struct loop *loop;     /* borrowed */
    struct bus *bus;       /* borrowed; may outlive the lanes with answers still to come */
    const char *prefix;    /* borrowed; of the subjects */
    struct tenure *tenure; /* borrowed: stores are made only while it is valid */
    uint64_t store_timeout_ms;
    void (*on_unavailable)(void *context); /* the bus could not store: loop thread, often */
    void *context;
};

enum err lanes_new(const struct lanes_options *options, struct lanes **ret_lanes) MUST_CHECK;
/* Takes the event over; `event->done` is called for it exactly once, on the loop's thread or in lanes_free().
 */
void lanes_submit(struct lanes *lanes, struct relay_event *event);
/* The bus or the stream's leader is back, or the tenure valid again: backoffs end. */
void lanes_hurry(struct lanes *lanes);
/* Another relay works. All events come back as EVENT_ABANDONED and all heads are forgotten; answers of stores
 * that are under way are dropped, true as they may be: whoever reads the events again finds them stored. Loop
 * thread. */
void lanes_abandon(struct lanes *lanes);
/* No event is in a lane, and the bus has nothing of ours. Loop thread. */
bool lanes_is_idle(const struct lanes *lanes);
/* After the loop has ended and before loop_free(). Events left are EVENT_ABANDONED. Accepts NULL, nulls. */
void lanes_free(struct lanes **lanes);

#endif
