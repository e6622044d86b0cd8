/* One question to the bus and its answer. A room's lane has one, lent to the bus while a question is open: an
 * answer that comes after the lanes have gone frees it.
 *
 * Thread: the lanes' while they have it; a bus thread fills it in and hands it back through the inbox. */
#ifndef ROOMCAST_RELAY_LANES_CALL_H
#define ROOMCAST_RELAY_LANES_CALL_H

#include <pthread.h>
#include <stdatomic.h>

#include <roomcast/base/inbox.h>
#include <roomcast/core/lane.h>
#include <roomcast/io/bus.h>
#include <roomcast/io/loop.h>
#include <roomcast/wire/envelope.h>
#include <roomcast/wire/room_key.h>

#include "event.h"

/* Where answers go: shared by the lanes and the calls that the bus still holds. */
struct lanes_port {
    struct inbox inbox;
    pthread_mutex_t lock;
    struct loop_wake *wake; /* under lock; NULL once the lanes have gone */
    atomic_uint refs;
};

struct lanes_port *lanes_port_new(struct loop_wake *wake);
void lanes_port_unref(struct lanes_port *port);
void lanes_port_wake(struct lanes_port *port);
/* No wake-ups and no answers from here on. What was in the inbox can still be taken. */
void lanes_port_close(struct lanes_port *port);

struct lanes_call {
    struct lanes_item item;
    struct lanes_port *port; /* holds a reference */
    void *lane;              /* borrowed; only followed by the lanes */
    struct room_key room;
    struct lane_head head; /* LANES_ITEM_HEAD; event_id points to event_id below */
    char event_id[EVENT_ID_MAX + 1];
    enum lane_store_status status; /* LANES_ITEM_STORED */
    uint64_t stream_seq;
    char problem[EVENT_PROBLEM_SIZE];
};

struct lanes_call *lanes_call_new(struct lanes_port *port, const struct room_key *room, void *lane);
/* Accepts NULL, nulls. */
void lanes_call_free(struct lanes_call **call);

/* For bus_last() and bus_store(), with the call as context. */
void lanes_call_on_last(void *context, const struct bus_last_result *result);
void lanes_call_on_store(void *context, const struct bus_store_result *result);

#endif
