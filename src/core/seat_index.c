#include "seat_index.h"

#include <stdlib.h>

#define EMPTY 0u /* else a slot holds the seat + 1 */

static uint32_t mask_of(uint32_t capacity)
{
    return 2 * capacity - 1;
}

/* Nobody outside chooses addresses: a multiplication spreads them well enough (Knuth 6.4). */
static uint32_t home_of(const struct room *room, uint32_t mask)
{
    return (uint32_t)(((uintptr_t)room >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 32) & mask;
}

static uint32_t slot_of(const struct room_list *list, uint32_t seat)
{
    uint32_t mask = mask_of(list->capacity), slot = home_of(list->seats[seat].room, mask);
    while (list->index[slot] != seat + 1)
        slot = (slot + 1) & mask;
    return slot;
}

static void put(const struct room_list *list, uint32_t *slots, uint32_t mask, uint32_t seat)
{
    uint32_t slot = home_of(list->seats[seat].room, mask);
    while (slots[slot] != EMPTY)
        slot = (slot + 1) & mask;
    slots[slot] = seat + 1;
}

enum err seat_index_rebuild(struct room_list *list, uint32_t capacity)
{
    uint32_t *slots = calloc(2 * (size_t)capacity, sizeof *slots);
    if (!slots)
        return ERR_NO_MEMORY;
    for (uint32_t seat = 0; seat < list->count; seat++)
        put(list, slots, mask_of(capacity), seat);
    free(list->index);
    list->index = slots;
    return ERR_OK;
}

void seat_index_add(struct room_list *list, uint32_t seat)
{
    put(list, list->index, mask_of(list->capacity), seat);
}

void seat_index_move(struct room_list *list, uint32_t old, uint32_t seat)
{
    uint32_t mask = mask_of(list->capacity), slot = home_of(list->seats[seat].room, mask);
    while (list->index[slot] != old + 1)
        slot = (slot + 1) & mask;
    list->index[slot] = seat + 1;
}

/* Closes the hole: whatever stands behind it and would no longer be reached moves up (Knuth 6.4, R). */
void seat_index_remove(struct room_list *list, uint32_t seat)
{
    uint32_t mask = mask_of(list->capacity), hole = slot_of(list, seat);

    for (uint32_t slot = (hole + 1) & mask; list->index[slot] != EMPTY; slot = (slot + 1) & mask) {
        uint32_t home = home_of(list->seats[list->index[slot] - 1].room, mask);
        if (((slot - home) & mask) < ((slot - hole) & mask))
            continue;
        list->index[hole] = list->index[slot];
        hole = slot;
    }
    list->index[hole] = EMPTY;
}

bool seat_index_find(const struct room_list *list, const struct room *room, uint32_t *ret_seat)
{
    uint32_t mask = mask_of(list->capacity);

    for (uint32_t slot = home_of(room, mask); list->index[slot] != EMPTY; slot = (slot + 1) & mask) {
        if (list->seats[list->index[slot] - 1].room == room) {
            *ret_seat = list->index[slot] - 1;
            return true;
        }
    }
    return false;
}
