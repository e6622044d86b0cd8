/* The rooms of one worker and who is in them.
 *
 * A room holds a dense array of its members, a session a dense array of its rooms; each entry knows its
 * counterpart's index, and a session in many rooms has a table of them: joining, leaving and looking up are
 * O(1), and fan-out walks one array. Owns: the rooms.   Thread: the worker's.   A session is known by its
 * list of rooms, which is borrowed. */
#ifndef ROOMCAST_CORE_ROOMS_H
#define ROOMCAST_CORE_ROOMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <roomcast/base/err.h>
#include <roomcast/wire/room_key.h>

struct rooms;
struct room;

/* A session's side; embedded in the session, zeroed at the start, and not moved while it is in a room. */
struct room_seat {
    struct room *room;
    uint32_t index; /* of the member in the room's array */
};
struct room_list {
    struct room_seat *seats; /* owned, or `only` */
    uint32_t *index;         /* owned: seats by room (core/seat_index.h); NULL while they are few */
    uint32_t count, capacity;
    struct room_seat only; /* most sessions of an idle node are in one room */
};

/* A room's side. */
struct room_member {
    struct room_list *list; /* the session's */
    uint32_t seat;          /* index in list->seats */
    void *lag;              /* rooms_set_lag(); NULL: the session is live in the room */
};

enum err rooms_new(struct rooms **ret_rooms) MUST_CHECK;
/* No room may have members any more. */
void rooms_free(struct rooms **rooms);

/* ERR_CONFLICT: the session is in the room already. ERR_NO_MEMORY. */
enum err rooms_join(struct rooms *rooms, const struct room_key *key, struct room_list *list) MUST_CHECK;
/* False when the session is not in the room. A room without members is freed. */
bool rooms_leave(struct rooms *rooms, const struct room_key *key, struct room_list *list);
/* Leaves the room joined last; false when there is none. `ret_key` names the room left. */
bool rooms_leave_last(struct rooms *rooms, struct room_list *list, struct room_key *ret_key);
bool rooms_has(struct rooms *rooms, const struct room_key *key, const struct room_list *list);
/* Notes that the session is catching up in the room, by whatever `lag` means to the caller (borrowed), or
 * with NULL that it is live. The session is in the room. */
void rooms_set_lag(struct rooms *rooms, const struct room_key *key, const struct room_list *list, void *lag);
/* What was noted; NULL also when the session is not in the room. */
void *rooms_lag(struct rooms *rooms, const struct room_key *key, const struct room_list *list);
/* The key of the room at `index` of the list. */
void room_list_key(const struct room_list *list, uint32_t index, struct room_key *ret_key);
/* Frees the session's arrays; the list must be empty. */
void room_list_fini(struct room_list *list);

/* The members of a room, for fan-out; count 0 when there is no such room. Borrowed until the next join or
 * leave. */
const struct room_member *rooms_members(struct rooms *rooms, const struct room_key *key, uint32_t *ret_count);

#endif
