/* One question to the bus and its answer. A room's lane has one, lent to the bus while a question is open: an
 * answer that comes after the lanes have gone frees it.
 *
 * Thread: the lanes' while they have it; a bus thread fills it in and hands it back through the inbox. */
#ifndef ROOMCAST_RELAY_LANES_CALL_H
#define ROOMCAST_RELAY_LANES_CALL_H

#include <roomcast/core/lane.h>
#include <roomcast/io/bus.h>
#include <roomcast/wire/envelope.h>
#include <roomcast/wire/room_key.h>

#include "answer_port.h"
#include "event.h"

struct lanes_call {
    struct lanes_item item;
    struct answer_port *port; /* holds a reference */
    void *lane;               /* borrowed; the lanes' alone; NULL: nobody waits for the answer any more */
    struct room_key room;
    struct lane_head head; /* LANES_ITEM_HEAD; event_id points to event_id below */
    char event_id[EVENT_ID_MAX + 1];
    enum lane_store_status status; /* LANES_ITEM_STORED */
    uint64_t stream_seq;
    char problem[EVENT_PROBLEM_SIZE];
};

struct lanes_call *lanes_call_new(struct answer_port *port, const struct room_key *room, void *lane);
/* Accepts NULL, nulls. */
void lanes_call_free(struct lanes_call **call);

/* For bus_last() and bus_store(), with the call as context. */
void lanes_call_on_last(void *context, const struct bus_last_result *result);
void lanes_call_on_store(void *context, const struct bus_store_result *result);

#endif
