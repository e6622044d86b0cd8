/* Which seat of a session belongs to which room, for sessions in many rooms: a hash table with linear probing
 * over the addresses of the rooms, at most half full.
 *
 * Thread: the worker's.   Owns the slots; never grows by itself. */
#ifndef ROOMCAST_CORE_SEAT_INDEX_H
#define ROOMCAST_CORE_SEAT_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include <roomcast/base/err.h>
#include <roomcast/core/rooms.h>

/* Makes the table anew, for `capacity` seats (a power of two), and puts in those that there are.
 * ERR_NO_MEMORY: it is as before. */
enum err seat_index_rebuild(struct room_list *list, uint32_t capacity) MUST_CHECK;
/* The seat was just written to list->seats, or has moved there from `old`. The table has place for it. */
void seat_index_add(struct room_list *list, uint32_t seat);
void seat_index_move(struct room_list *list, uint32_t old, uint32_t seat);
/* The seat is still in list->seats. */
void seat_index_remove(struct room_list *list, uint32_t seat);
/* False: the session is not in the room. */
bool seat_index_find(const struct room_list *list, const struct room *room, uint32_t *ret_seat);

#endif
