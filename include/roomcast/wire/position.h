/* A place in a room's history: PROTOCOL 1.3 and 1.4. `seq` grows by one per event within an epoch. */
#ifndef ROOMCAST_WIRE_POSITION_H
#define ROOMCAST_WIRE_POSITION_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define EPOCH_LEN_MAX 15
#define EPOCH_EMPTY   "0" /* with seq 0: the position of a room that holds no event */

struct position {
    char epoch[EPOCH_LEN_MAX + 1]; /* [0-9a-z]; "" when not known */
    uint64_t seq;                  /* at most 2^53 - 1, so that JavaScript keeps it exact */
};

#define SEQ_MAX ((UINT64_C(1) << 53) - 1)

static inline bool position_equal(const struct position *a, const struct position *b)
{
    return a->seq == b->seq && strcmp(a->epoch, b->epoch) == 0;
}

#endif
