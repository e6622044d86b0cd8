#include "event_age.h"

#include <stddef.h>

#include <roomcast/base/metrics.h>

/* Buckets count what is not above their bound, so each holds those below it too. */
void event_age_note(uint64_t relayed_at_ms, uint64_t now_wall_ms)
{
    static const struct {
        uint64_t most_ms;
        enum metric metric;
    } buckets[] = {{1, METRIC_EVENT_AGE_1},       {2, METRIC_EVENT_AGE_2},
                   {5, METRIC_EVENT_AGE_5},       {10, METRIC_EVENT_AGE_10},
                   {25, METRIC_EVENT_AGE_25},     {50, METRIC_EVENT_AGE_50},
                   {100, METRIC_EVENT_AGE_100},   {250, METRIC_EVENT_AGE_250},
                   {1000, METRIC_EVENT_AGE_1000}, {UINT64_MAX, METRIC_EVENT_AGE_ANY}};
    uint64_t age_ms = now_wall_ms > relayed_at_ms ? now_wall_ms - relayed_at_ms : 0;

    if (relayed_at_ms == 0)
        return;
    for (size_t i = 0; i < sizeof buckets / sizeof buckets[0]; i++)
        if (age_ms <= buckets[i].most_ms)
            metrics_inc(buckets[i].metric);
    metrics_add(METRIC_EVENT_AGE_SUM, age_ms);
    metrics_inc(METRIC_EVENT_AGE_COUNT);
}
