/* The rooms' lanes by room, and those of them that have no work, by age.
 *
 * Owns: the lanes, their calls while the bus does not have them, and the events in them, which are abandoned
 * with their lane. Thread: the lanes'.   Knows nothing of time and asks the bus nothing. */
#ifndef ROOMCAST_RELAY_ROOM_LANES_H
#define ROOMCAST_RELAY_ROOM_LANES_H

#include <stdint.h>

#include <roomcast/base/hash.h>
#include <roomcast/core/lane.h>
#include <roomcast/wire/room_key.h>

#include "lane_list.h"
#include "lanes_call.h"

struct room_lane {
    struct lane_links links; /* first: in `idle`, or in the lanes' `waiting` */
    struct lane lane;
    struct room_key room;
    struct lanes_call *call; /* owned; NULL while the bus has it */
    struct lanes_call *lent; /* borrowed; while the bus has it, and until its answer is read */
    uint64_t wait_until_ms;  /* in `waiting` */
    UT_hash_handle hh;
};

struct room_lanes {
    struct room_lane *table; /* by room */
    struct lane_list idle;   /* the one without work for the longest time first */
};

/* Finds the lane of room `key` or makes it, with a call that answers to `port`. NULL when out of memory. */
struct room_lane *room_lanes_find(struct room_lanes *lanes, struct answer_port *port,
                                  const struct room_key *key);
/* The lane, which is in no list, has no work. Beyond LANES_IDLE_MAX the oldest such lane is dropped. */
void room_lanes_rest(struct room_lanes *lanes, struct room_lane *room);
/* Drops all lanes, out of whichever list they are in: their events are abandoned, what is known of their
 * rooms is forgotten. Answers that are still to come have no lane. */
void room_lanes_drop_all(struct room_lanes *lanes);

#endif
