/* Numbers for randomised tests: the same seed gives the same run on every machine (splitmix64). */
#ifndef ROOMCAST_TESTS_SEEDED_H
#define ROOMCAST_TESTS_SEEDED_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

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

static uint64_t seeded_running; /* 0: no run is under way */

/* At the end of the program: a failed assertion leaves its seed behind. */
static inline void seeded_name_failure(void)
{
    if (seeded_running)
        fprintf(stderr, "failed with ROOMCAST_SEED=%llu\n", (unsigned long long)seeded_running);
}

/* Runs for the seeds 1 to `count`, or only for the one that ROOMCAST_SEED names. A failing one is printed. */
static inline void seeded_runs(uint64_t count, void (*run)(uint64_t seed))
{
    const char *only = getenv("ROOMCAST_SEED");
    uint64_t first = only ? strtoull(only, NULL, 10) : 1, last = only ? first : count;

    (void)atexit(seeded_name_failure);
    for (uint64_t seed = first; seed <= last; seed++) {
        seeded_running = seed;
        run(seed);
    }
    seeded_running = 0;
}

#endif
