#include "event_age.h"

#include <roomcast/base/metrics.h>

#define US_PER_MS 1000u

static void note(enum metric_histogram histogram, uint64_t since_ms, uint64_t now_wall_ms)
{
    if (since_ms > 0)
        metrics_observe_us(histogram, now_wall_ms > since_ms ? (now_wall_ms - since_ms) * US_PER_MS : 0);
}

void event_age_note(const struct event_times *times, uint64_t now_wall_ms)
{
    note(HISTOGRAM_EVENT_RELAYED, times->relayed_ms, now_wall_ms);
    note(HISTOGRAM_EVENT_OCCURRED, times->occurred_ms, now_wall_ms);
}
