#include <roomcast/core/drain_plan.h>

#define FAREWELL_MS 5000 /* for the last close frames to be answered; less of a short timeout */

uint32_t drain_plan_due(uint32_t clients, uint32_t left, uint64_t elapsed_ms, uint64_t spread_ms)
{
    if (elapsed_ms >= spread_ms)
        return left;
    /* Rounded, so the first one goes after half a share of the time: nobody in the moment in which the node
     * stops being ready, while load balancers still send to it. */
    uint64_t kept = ((uint64_t)clients * (spread_ms - elapsed_ms) + spread_ms / 2) / spread_ms;
    return left > kept ? left - (uint32_t)kept : 0;
}

uint64_t drain_plan_spread(uint64_t spread_ms, uint64_t timeout_ms)
{
    uint64_t farewell_ms = timeout_ms / 2 < FAREWELL_MS ? timeout_ms / 2 : FAREWELL_MS;
    uint64_t most_ms = timeout_ms - farewell_ms;
    return spread_ms < most_ms ? spread_ms : most_ms;
}
