#include <roomcast/core/rate_limit.h>

#define WHOLE 1000u /* thousandths of a token */

static uint32_t full(const struct rate_limit_rule *rule)
{
    return (rule->burst < UINT32_MAX / WHOLE ? rule->burst : UINT32_MAX / WHOLE) * WHOLE;
}

void rate_limit_init(struct rate_limit *limit, const struct rate_limit_rule *rule, uint64_t now_ms)
{
    *limit = (struct rate_limit){.updated_ms = (uint32_t)now_ms, .level = full(rule)};
}

/* Thousandths of a token there are at `now_ms`. */
static uint32_t level_at(const struct rate_limit *limit, const struct rate_limit_rule *rule, uint64_t now_ms)
{
    /* Unsigned subtraction gives the elapsed time across the wrap of the 32-bit clock. */
    uint32_t elapsed_ms = (uint32_t)now_ms - limit->updated_ms;
    uint64_t earned = (uint64_t)elapsed_ms * rule->count; /* tokens, times the period */
    uint64_t tokens = earned / rule->period_ms;

    if (tokens >= full(rule) / WHOLE) /* and the products below stay far from 64 bits */
        return full(rule);
    uint64_t level = limit->level + tokens * WHOLE + earned % rule->period_ms * WHOLE / rule->period_ms;
    return level < full(rule) ? (uint32_t)level : full(rule);
}

bool rate_limit_take(struct rate_limit *limit, const struct rate_limit_rule *rule, uint64_t now_ms)
{
    uint32_t level = level_at(limit, rule, now_ms);

    /* A refusal leaves the state alone: to store the level is to round it down, and who asks often would
     * be rounded down to nothing. */
    if (level < WHOLE)
        return false;
    limit->level = level - WHOLE;
    limit->updated_ms = (uint32_t)now_ms;
    return true;
}
