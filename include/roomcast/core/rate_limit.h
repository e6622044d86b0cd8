/* Token bucket: so many per second, so many at once.
 *
 * Thread: its owner's.   Knows no clock: `now_ms` is monotonic and given by the caller. */
#ifndef ROOMCAST_CORE_RATE_LIMIT_H
#define ROOMCAST_CORE_RATE_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct rate_limit_rule {
    uint32_t count;     /* this many ... */
    uint32_t period_ms; /* ... in this time, sustained; > 0 */
    uint32_t burst;     /* and this many at once; >= 1 */
};

/* 8 bytes of state, for one rule that is kept elsewhere: there is one of these per connection. */
struct rate_limit {
    uint32_t updated_ms; /* low 32 bits of the monotonic clock; wraps after 49 days, which a full bucket
                            survives */
    uint32_t level;      /* thousandths of a token left */
};

/* Full. */
void rate_limit_init(struct rate_limit *limit, const struct rate_limit_rule *rule, uint64_t now_ms);
/* Takes one; false, and nothing taken, when there is none. */
bool rate_limit_take(struct rate_limit *limit, const struct rate_limit_rule *rule, uint64_t now_ms);

#endif
