/* Users who have just left a chat and are not said to have left until a while later: who comes back in time
 * never left.
 *
 * Adding, cancelling and taking are O(1): when everybody comes back at once, each finds his own.   Owns: the
 * entries. Thread: its owner's.   Pure: no clock. */
#ifndef ROOMCAST_CORE_DEPARTURES_H
#define ROOMCAST_CORE_DEPARTURES_H

#include <stdbool.h>
#include <stdint.h>

#include <roomcast/base/err.h>
#include <roomcast/wire/room_key.h>

/* Embedded; zeroed at the start. */
struct departures {
    struct departure *first, *last; /* by when they are due */
    struct departure *by_user;      /* the first of each user */
};
void departures_clear(struct departures *departures);

/* A user may be added again: each time counts. `due_ms` is not before that of the last one. ERR_NO_MEMORY. */
enum err departures_add(struct departures *departures, const struct room_key *user,
                        uint64_t due_ms) MUST_CHECK;
/* Forgets the user's first departure. False: there is none. */
bool departures_cancel(struct departures *departures, const struct room_key *user);
/* When the first is due; 0: there is none. */
uint64_t departures_due_ms(const struct departures *departures);
/* Takes out the first when it is due. False: it is not, or there is none. */
bool departures_take(struct departures *departures, uint64_t now_ms, struct room_key *ret_user);

#endif
