/* Deadlines of many objects at O(1) each: a hashed wheel (Varghese and Lauck, 1987, scheme 6).
 *
 * Each object embeds one `struct wheel_timer`. Deadlines are met late by at most one tick, never early.
 * Thread: its owner's.   Never allocates.   Time is given by the caller.   Must not be moved in memory. */
#ifndef ROOMCAST_CORE_TIMER_WHEEL_H
#define ROOMCAST_CORE_TIMER_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

struct wheel_timer {
    struct wheel_timer *next, *previous; /* NULL when not set */
    uint64_t due_ms;
};

/* `*due_ms` becomes the earlier of the two; 0 is none. */
static inline void deadline_sooner(uint64_t *due_ms, uint64_t candidate_ms)
{
    if (candidate_ms != 0 && (*due_ms == 0 || candidate_ms < *due_ms))
        *due_ms = candidate_ms;
}

#define TIMER_WHEEL_SLOTS 512 /* power of two */

struct timer_wheel {
    uint32_t tick_ms;
    uint64_t now_tick;                           /* of the latest advance */
    struct wheel_timer slots[TIMER_WHEEL_SLOTS]; /* list heads */
    uint64_t count;
};

void timer_wheel_init(struct timer_wheel *wheel, uint32_t tick_ms, uint64_t now_ms);
/* A zeroed wheel_timer is not set. */
bool wheel_timer_is_set(const struct wheel_timer *timer);
/* Sets or moves. A time in the past is due at the first advance of the next tick: never within the advance
 * that is under way, so that a timer may set itself to `now` as it fires. */
void timer_wheel_set(struct timer_wheel *wheel, struct wheel_timer *timer, uint64_t due_ms);
void timer_wheel_cancel(struct timer_wheel *wheel, struct wheel_timer *timer);
/* Calls `fire` for every timer that is due, after taking it out. `fire` may set and cancel any timer. */
void timer_wheel_advance(struct timer_wheel *wheel, uint64_t now_ms,
                         void (*fire)(void *context, struct wheel_timer *timer), void *context);

#endif
