#include <roomcast/core/rate_limit.h>

#define WHOLE 1000u /* thousandths of a token */

static uint32_t full(const struct rate_limit_rule *rule)
{
    return rule->burst > UINT32_MAX / WHOLE ? UINT32_MAX : rule->burst * WHOLE;
}

void rate_limit_init(struct rate_limit *limit, const struct rate_limit_rule *rule, uint64_t now_ms)
{
    *limit = (struct rate_limit){.updated_ms = (uint32_t)now_ms, .level = full(rule)};
}

static void refill(struct rate_limit *limit, const struct rate_limit_rule *rule, uint64_t now_ms)
{
    /* Unsigned subtraction gives the elapsed time across the wrap of the 32-bit clock. */
    uint32_t elapsed_ms = (uint32_t)now_ms - limit->updated_ms;
    uint64_t gained = (uint64_t)elapsed_ms * rule->count * WHOLE / rule->period_ms;
    if (gained == 0)
        return; /* keep the old time, or slow rates would never gain anything */
    uint64_t level = limit->level + gained;
    limit->updated_ms = (uint32_t)now_ms;
    limit->level = level < full(rule) ? (uint32_t)level : full(rule);
}

bool rate_limit_take(struct rate_limit *limit, const struct rate_limit_rule *rule, uint64_t now_ms)
{
    refill(limit, rule, now_ms);
    if (limit->level < WHOLE)
        return false;
    limit->level -= WHOLE;
    return true;
}
