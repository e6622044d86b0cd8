/* Who is in which room: `rooms` rooms of `members` each, spread over `connections` round robin.
 *
 * Membership m (0 .. rooms*members-1) is of room m / members and of connection m % connections. Plain
 * arithmetic, so that a delivery finds its tally without a table. */
#ifndef ROOMCAST_BENCH_LAYOUT_H
#define ROOMCAST_BENCH_LAYOUT_H

#include <stdint.h>
#include <stdio.h>

#include <roomcast/base/uuid.h>

#define LAYOUT_NONE UINT32_MAX

struct layout {
    uint32_t rooms, members, connections; /* members <= connections: nobody is twice in a room */
    uint32_t run;                         /* random; tells the rooms of this run from those of earlier ones */
};

static inline uint32_t layout_memberships(const struct layout *layout)
{
    return layout->rooms * layout->members;
}

/* LAYOUT_NONE: the connection is not in that room. */
static inline uint32_t layout_membership(const struct layout *layout, uint32_t connection, uint32_t room)
{
    uint32_t base = room * layout->members, first = base % layout->connections;
    uint32_t offset = connection >= first ? connection - first : connection + layout->connections - first;
    return room < layout->rooms && offset < layout->members ? base + offset : LAYOUT_NONE;
}

/* A UUID, in lower case: servers that want no UUID take it as any other name. `text` has UUID_TEXT_SIZE
 * bytes. */
static inline void layout_room_name(const struct layout *layout, uint32_t room, char *text)
{
    snprintf(text, UUID_TEXT_SIZE, "%08x-be0c-4000-8000-%012x", layout->run, room);
}

#endif
