#include "source_stream_internal.h"

#include <roomcast/base/clock.h>
#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>

#define LOOK_EVERY_MS 5000u
#define MS_PER_S      1000

static void show(uint64_t entries, uint64_t seconds)
{
    metrics_set(METRIC_RELAY_LAG_ENTRIES, (int64_t)entries);
    metrics_set(METRIC_RELAY_LAG_SECONDS, (int64_t)seconds);
}

static void show_lag(const struct redis_lag *lag)
{
    uint64_t now_ms = clock_wall_ms();
    show(lag->entries,
         lag->oldest_ms > 0 && now_ms > lag->oldest_ms ? (now_ms - lag->oldest_ms) / MS_PER_S : 0);
}

bool source_stream_watch_lag(struct source_stream *source)
{
    static struct log_limit limit = LOG_LIMIT(60000);
    uint64_t now_ms = clock_monotonic_ms(), suppressed;
    struct redis_lag lag;
    if (source->tenure == 0) {
        show(0, 0); /* the active relay's affair */
        source->lag_next_ms = 0;
        return true;
    }
    if (now_ms < source->lag_next_ms)
        return true;
    source->lag_next_ms = now_ms + LOOK_EVERY_MS;
    enum err err = redis_group_lag(source->client, &source->group, &lag);
    if (err == ERR_OK)
        show_lag(&lag);
    else if (!redis_client_is_connected(source->client))
        source_stream_lost(source);
    else if (err != ERR_MISSING &&
             log_limit_pass(&limit, now_ms, &suppressed)) /* as when XINFO is forbidden */
        log_warn("lag_unknown", LOG_TEXT("reason", redis_client_problem(source->client)),
                 LOG_U64("suppressed", suppressed));
    return redis_client_is_connected(source->client);
}
