/* Whether one member of one room got every event exactly once and in order.
 *
 * Numbers of a room count from 1. The last 64 are remembered one by one, so that one that comes late is told
 * from one that comes twice. */
#ifndef ROOMCAST_BENCH_TALLY_H
#define ROOMCAST_BENCH_TALLY_H

#include <stdint.h>

struct tally {
    uint64_t seen;    /* bit i: `newest` - i has come */
    uint32_t newest;  /* 0: none yet */
    uint32_t missing; /* numbers below `newest` that have not come */
};

enum tally_verdict { TALLY_IN_ORDER, TALLY_LATE, TALLY_DUPLICATE };

static inline enum tally_verdict tally_take(struct tally *tally, uint32_t number)
{
    if (number > tally->newest) {
        uint32_t step = number - tally->newest;
        tally->seen = step < 64 ? tally->seen << step | 1 : 1;
        tally->missing += step - 1;
        tally->newest = number;
        return TALLY_IN_ORDER;
    }
    uint32_t age = tally->newest - number;
    if (age >= 64 || (tally->seen & UINT64_C(1) << age))
        return TALLY_DUPLICATE;
    tally->seen |= UINT64_C(1) << age;
    tally->missing--;
    return TALLY_LATE;
}

#endif
