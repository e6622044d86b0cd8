/* When to reach again for something that is away: 100 ms, doubling to 5 s, each spread over its upper half.
 */
#ifndef ROOMCAST_RELAY_BACKOFF_H
#define ROOMCAST_RELAY_BACKOFF_H

#include <stdint.h>

#include <roomcast/base/random.h>

#define BACKOFF_FIRST_MS 100u
#define BACKOFF_MAX_MS   5000u

struct backoff {
    uint64_t next_ms; /* monotonic; 0: at once */
    uint32_t wait_ms; /* 0 after a success */
};

static inline void backoff_fail(struct backoff *backoff, uint64_t now_ms)
{
    uint32_t wait = backoff->wait_ms ? backoff->wait_ms * 2 : BACKOFF_FIRST_MS;

    backoff->wait_ms = wait < BACKOFF_MAX_MS ? wait : BACKOFF_MAX_MS;
    backoff->next_ms = now_ms + backoff->wait_ms / 2 + random_below(backoff->wait_ms / 2 + 1);
}

static inline void backoff_succeed(struct backoff *backoff)
{
    *backoff = (struct backoff){.next_ms = 0};
}

static inline uint64_t backoff_left(const struct backoff *backoff, uint64_t now_ms)
{
    return backoff->next_ms > now_ms ? backoff->next_ms - now_ms : 0;
}

#endif
