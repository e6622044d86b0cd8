#include <roomcast/core/rooms.h>

#include <assert.h>
#include <stdlib.h>

#include <roomcast/core/room_table.h>

#include "seat_index.h"

/* Seats that are looked through one by one: they lie in a few lines of the processor's cache. */
#define SEATS_WITHOUT_INDEX 16

struct room {
    struct room_entry entry;     /* first */
    struct room_member *members; /* owned */
    uint32_t count, capacity;
    char key[]; /* room_key_load() */
};

struct rooms {
    struct room_table table; /* of struct room */
};

enum err rooms_new(struct rooms **ret_rooms)
{
    struct rooms *rooms = calloc(1, sizeof *rooms);
    if (!rooms)
        return ERR_NO_MEMORY;
    if (room_table_init(&rooms->table) != ERR_OK) {
        free(rooms);
        return ERR_NO_MEMORY;
    }
    *ret_rooms = rooms;
    return ERR_OK;
}

void rooms_free(struct rooms **rooms)
{
    if (!*rooms)
        return;
    room_table_fini(&(*rooms)->table, NULL);
    free(*rooms);
    *rooms = NULL;
}

static struct room *find(struct rooms *rooms, const struct room_key *key)
{
    return (struct room *)room_table_find(&rooms->table, key);
}

static struct room *find_or_add(struct rooms *rooms, const struct room_key *key)
{
    struct room *room = find(rooms, key);
    if (room)
        return room;
    room = calloc(1, sizeof *room + ROOM_KEY_STORED(key));
    if (!room)
        return NULL;
    memcpy(room->key, key, ROOM_KEY_STORED(key));
    room->entry.key = room->key;
    room_table_add(&rooms->table, &room->entry);
    return room;
}

static void free_if_empty(struct rooms *rooms, struct room *room)
{
    if (room->count > 0)
        return;
    room_table_remove(&rooms->table, &room->entry);
    free(room->members);
    free(room);
}

/* Makes place for one more member. */
static bool grow_room(struct room *room)
{
    uint32_t capacity = room->capacity ? room->capacity * 2 : 1;

    if (room->count < room->capacity)
        return true;
    struct room_member *grown = realloc(room->members, capacity * sizeof *grown);
    if (!grown)
        return false;
    room->members = grown;
    room->capacity = capacity;
    return true;
}

/* Makes place for one more seat. */
static bool grow_list(struct room_list *list)
{
    if (list->count < list->capacity)
        return true;
    if (list->capacity == 0) {
        list->seats = &list->only;
        list->capacity = 1;
        return true;
    }
    uint32_t capacity = list->capacity * 2;
    bool is_first = list->seats == &list->only;
    struct room_seat *grown = realloc(is_first ? NULL : list->seats, capacity * sizeof *grown);
    if (!grown)
        return false;
    if (is_first)
        grown[0] = list->only;
    list->seats = grown;
    if (capacity > SEATS_WITHOUT_INDEX && seat_index_rebuild(list, capacity))
        return false;
    list->capacity = capacity;
    return true;
}

static bool seat_of(const struct room *room, const struct room_list *list, uint32_t *ret_seat)
{
    if (list->index)
        return seat_index_find(list, room, ret_seat);
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->seats[i].room == room) {
            *ret_seat = i;
            return true;
        }
    }
    return false;
}

enum err rooms_join(struct rooms *rooms, const struct room_key *key, struct room_list *list)
{
    struct room *room = find_or_add(rooms, key);
    if (!room)
        return ERR_NO_MEMORY;
    uint32_t seat;
    if (seat_of(room, list, &seat))
        return ERR_CONFLICT;
    if (!grow_room(room) || !grow_list(list)) {
        free_if_empty(rooms, room);
        return ERR_NO_MEMORY;
    }
    list->seats[list->count] = (struct room_seat){.room = room, .index = room->count};
    if (list->index)
        seat_index_add(list, list->count);
    room->members[room->count] = (struct room_member){.list = list, .seat = list->count};
    list->count++;
    room->count++;
    return ERR_OK;
}

static void leave_seat(struct rooms *rooms, struct room_list *list, uint32_t seat)
{
    struct room *room = list->seats[seat].room;
    uint32_t index = list->seats[seat].index;

    /* The last entry of each array moves into the hole, and its counterpart is told. */
    struct room_member *moved = &room->members[--room->count];
    if (index != room->count) {
        room->members[index] = *moved;
        moved->list->seats[moved->seat].index = index;
    }
    if (list->index)
        seat_index_remove(list, seat);
    struct room_seat *shifted = &list->seats[--list->count];
    if (seat != list->count) {
        list->seats[seat] = *shifted;
        shifted->room->members[shifted->index].seat = seat;
        if (list->index)
            seat_index_move(list, list->count, seat);
    }
    free_if_empty(rooms, room);
}

bool rooms_leave(struct rooms *rooms, const struct room_key *key, struct room_list *list)
{
    struct room *room = find(rooms, key);
    uint32_t seat;
    if (!room || !seat_of(room, list, &seat))
        return false;
    leave_seat(rooms, list, seat);
    return true;
}

bool rooms_leave_last(struct rooms *rooms, struct room_list *list, struct room_key *ret_key)
{
    if (list->count == 0)
        return false;
    room_key_load(list->seats[list->count - 1].room->key, ret_key);
    leave_seat(rooms, list, list->count - 1);
    return true;
}

bool rooms_has(struct rooms *rooms, const struct room_key *key, const struct room_list *list)
{
    struct room *room = find(rooms, key);
    uint32_t seat;
    return room && seat_of(room, list, &seat);
}

static struct room_member *find_member(struct rooms *rooms, const struct room_key *key,
                                       const struct room_list *list)
{
    struct room *room = find(rooms, key);
    uint32_t seat;
    return room && seat_of(room, list, &seat) ? &room->members[list->seats[seat].index] : NULL;
}

void rooms_set_lag(struct rooms *rooms, const struct room_key *key, const struct room_list *list, void *lag)
{
    struct room_member *member = find_member(rooms, key, list);
    assert(member);
    member->lag = lag;
}

void *rooms_lag(struct rooms *rooms, const struct room_key *key, const struct room_list *list)
{
    const struct room_member *member = find_member(rooms, key, list);
    return member ? member->lag : NULL;
}

void room_list_key(const struct room_list *list, uint32_t index, struct room_key *ret_key)
{
    assert(index < list->count);
    room_key_load(list->seats[index].room->key, ret_key);
}

void room_list_fini(struct room_list *list)
{
    assert(list->count == 0);
    if (list->seats != &list->only)
        free(list->seats);
    free(list->index);
    *list = (struct room_list){0};
}

const struct room_member *rooms_members(struct rooms *rooms, const struct room_key *key, uint32_t *ret_count)
{
    struct room *room = find(rooms, key);
    *ret_count = room ? room->count : 0;
    return room ? room->members : NULL;
}
