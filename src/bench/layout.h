/* Who is in which room: `rooms` rooms of `members` each, spread over `connections` round robin.
 *
 * Membership m (0 .. rooms*members-1) is of room m / members and of connection m % connections. Plain
 * arithmetic, so that a delivery finds its tally without a table. */
#ifndef ROOMCAST_BENCH_LAYOUT_H
#define ROOMCAST_BENCH_LAYOUT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <roomcast/base/uuid.h>

/* Where a member is in its room's history, as the server has told it. */
struct place {
    char epoch[16]; /* "": it knows none */
    uint64_t seq;
};

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

/* The room of a name that layout_room_name made; `name` has UUID_TEXT_LEN bytes. */
static inline uint32_t layout_room_of(const char *name)
{
    char digits[13];
    memcpy(digits, name + UUID_TEXT_LEN - 12, 12);
    digits[12] = '\0';
    return (uint32_t)strtoul(digits, NULL, 16);
}

/* A UUID, in lower case: servers that want no UUID take it as any other name. `text` has UUID_TEXT_SIZE
 * bytes. */
static inline void layout_room_name(const struct layout *layout, uint32_t room, char *text)
{
    snprintf(text, UUID_TEXT_SIZE, "%08x-be0c-4000-8000-%012x", layout->run, room);
}

#endif
