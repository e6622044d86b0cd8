#include "room_lanes.h"

#include <stdlib.h>

#include <roomcast/base/metrics.h>

#include "event.h"
#include "lanes.h"

static void drop(struct room_lanes *lanes, struct room_lane *room)
{
    struct lane_event *event = lane_fini(&room->lane);

    while (event) {
        struct lane_event *next = event->next;
        relay_event_finish(relay_event_of_lane(event), EVENT_ABANDONED);
        event = next;
    }
    lane_list_remove(&room->links);
    HASH_DEL(lanes->table, room);
    if (room->lent)
        room->lent->lane = NULL;
    lanes_call_free(&room->call);
    free(room);
    metrics_change(METRIC_RELAY_LANES, -1);
}

static struct room_lane *add(struct room_lanes *lanes, struct answer_port *port, const struct room_key *key)
{
    struct room_lane *room = calloc(1, sizeof *room);

    if (!room)
        return NULL;
    room->room = *key;
    lane_init(&room->lane);
    room->call = lanes_call_new(port, key, room);
    if (room->call)
        HASH_ADD_KEYPTR(hh, lanes->table, &room->room, ROOM_KEY_BYTES(&room->room), room);
    if (!room->hh.tbl) {
        lanes_call_free(&room->call);
        free(room);
        return NULL;
    }
    metrics_change(METRIC_RELAY_LANES, 1);
    return room;
}

struct room_lane *room_lanes_find(struct room_lanes *lanes, struct answer_port *port,
                                  const struct room_key *key)
{
    struct room_lane *room;

    HASH_FIND(hh, lanes->table, key, ROOM_KEY_BYTES(key), room);
    return room ? room : add(lanes, port, key);
}

void room_lanes_rest(struct room_lanes *lanes, struct room_lane *room)
{
    lane_list_append(&lanes->idle, &room->links);
    if (lanes->idle.count > LANES_IDLE_MAX)
        drop(lanes, (struct room_lane *)(void *)lanes->idle.first);
}

void room_lanes_drop_all(struct room_lanes *lanes)
{
    struct room_lane *room, *next;

    HASH_ITER(hh, lanes->table, room, next)
    drop(lanes, room);
}
