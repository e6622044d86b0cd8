#include "bus_metrics.h"

#include <stdatomic.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>

void bus_metrics_on_event(enum bus_event event)
{
    static atomic_bool was_up;
    static struct log_limit dropped = LOG_LIMIT(1000);
    uint64_t suppressed;
    switch (event) {
    case BUS_EVENT_UP:
        metrics_set(METRIC_BUS_UP, 1);
        if (atomic_exchange(&was_up, true))
            metrics_inc(METRIC_BUS_RECONNECTS);
        log_info("nats_up");
        return;
    case BUS_EVENT_DOWN:
        metrics_set(METRIC_BUS_UP, 0);
        log_warn("nats_down", LOG_TEXT("action", "reconnecting for ever"));
        return;
    case BUS_EVENT_DROPPED:
        metrics_inc(METRIC_BUS_DROPPED);
        if (log_limit_pass(&dropped, clock_monotonic_ms(), &suppressed))
            log_warn("nats_slow_consumer",
                     LOG_TEXT("meaning", "the NATS client dropped messages that came too fast"),
                     LOG_U64("suppressed", suppressed));
        return;
    }
}

void bus_metrics_on_elected(const struct bus *bus, bus_shard_set shards)
{
    for (unsigned shard = 0; shard < bus_shards_count(bus); shard++) {
        if (!(shards >> shard & 1))
            continue;
        const char *stream = bus_stream_name(bus, shard);
        metrics_count_by(FAMILY_STREAM_ELECTIONS, slice_of(stream));
        log_info("nats_stream_leader_elected", LOG_TEXT("stream", stream));
    }
}
