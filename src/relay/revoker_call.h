/* One question of the revoker to the bus, and its answer: an answer that comes after the revoker has gone
 * frees it.
 *
 * Thread: the loop's while it has it; a bus thread fills it in and hands it back through the port. */
#ifndef ROOMCAST_RELAY_REVOKER_CALL_H
#define ROOMCAST_RELAY_REVOKER_CALL_H

#include <roomcast/io/bus.h>

#include "answer_port.h"
#include "event.h"

struct revoker_call {
    struct lanes_item item;   /* first: LANES_ITEM_HEAD or LANES_ITEM_STORED */
    struct answer_port *port; /* holds a reference */
    unsigned shard;
    uint64_t generation; /* the revoker's, when it was asked */
    enum bus_last_status last;
    enum bus_store_status stored;
    uint64_t stream_seq;
    char *data; /* owned: what the shard holds; NULL when there was no memory for it */
    size_t len;
    char problem[EVENT_PROBLEM_SIZE];
};

struct revoker_call *revoker_call_new(struct answer_port *port, unsigned shard, uint64_t generation);
/* Accepts NULL, nulls. */
void revoker_call_free(struct revoker_call **call);

/* For bus_last() and bus_store(), with the call as context. */
void revoker_call_on_last(void *context, const struct bus_last_result *result);
void revoker_call_on_store(void *context, const struct bus_store_result *result);

#endif
