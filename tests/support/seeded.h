/* Numbers for randomised tests: the same seed gives the same run on every machine (splitmix64). */
#ifndef ROOMCAST_TESTS_SEEDED_H
#define ROOMCAST_TESTS_SEEDED_H

#include <stdint.h>

static inline uint64_t seeded_next(uint64_t *seed)
{
    uint64_t z = (*seed += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* In [0, bound); bound > 0. */
static inline uint64_t seeded_below(uint64_t *seed, uint64_t bound)
{
    return seeded_next(seed) % bound;
}

#endif
