/* What operators are shown of the rooms. */
#include "hub_channel.h"

#include <roomcast/base/clock.h>
#include <roomcast/wire/json_text.h>

#define HUB_COUNT_MS  10000u
#define LOOKED_AT_MAX 2000u

void hub_count_event(struct hub *hub, struct hub_channel *channel)
{
    uint64_t elapsed_ms = hub->now_ms - channel->counted_from_ms;
    if (elapsed_ms >= HUB_COUNT_MS) {
        channel->counted_before = elapsed_ms < 2 * HUB_COUNT_MS ? channel->counted : 0;
        channel->counted = 0;
        channel->counted_from_ms = hub->now_ms;
    }
    channel->counted++;
}

/* Events of the last HUB_COUNT_MS: of the time before, the part that has not passed yet. */
static uint64_t recent_events(const struct hub_channel *channel, uint64_t now_ms)
{
    uint64_t elapsed_ms = now_ms - channel->counted_from_ms;
    if (elapsed_ms >= 2 * HUB_COUNT_MS)
        return 0;
    if (elapsed_ms >= HUB_COUNT_MS)
        return channel->counted * (2 * HUB_COUNT_MS - elapsed_ms) / HUB_COUNT_MS;
    return channel->counted + channel->counted_before * (HUB_COUNT_MS - elapsed_ms) / HUB_COUNT_MS;
}

struct busy {
    const struct hub_channel *channel;
    uint64_t events, deliveries;
};

static unsigned keep(struct busy *kept, unsigned count, unsigned max, struct busy busy)
{
    unsigned at = count;
    if (count < max)
        count++;
    else if (kept[max - 1].deliveries < busy.deliveries)
        at = max - 1;
    else
        return count;
    for (; at > 0 && kept[at - 1].deliveries < busy.deliveries; at--)
        kept[at] = kept[at - 1];
    kept[at] = busy;
    return count;
}

/* The list begins with what was used longest ago. */
static unsigned find_busiest(const struct hub *hub, struct busy *kept, unsigned max, uint64_t now_ms)
{
    const struct hub_channel *channel = hub->by_use ? hub->by_use->prev : NULL;
    unsigned count = 0;
    for (unsigned looked_at = 0; channel && looked_at < LOOKED_AT_MAX; looked_at++) {
        uint64_t events = recent_events(channel, now_ms);
        struct busy busy = {channel, events, events * channel->members};
        if (busy.deliveries > 0)
            count = keep(kept, count, max, busy);
        channel = channel == hub->by_use ? NULL : channel->prev;
    }
    return count;
}

static void write_busy(const struct busy *busy, struct buffer *out)
{
    struct room_key room = hub_channel_key(busy->channel);
    buffer_append_text(out, room.route == ROUTE_TO_CHAT ? "{\"chat\":" : "{\"user\":");
    json_append_string(out, room_key_name(&room));
    buffer_appendf(out, ",\"members\":%u,\"events\":%llu,\"deliveries\":%llu,\"seconds\":%u}",
                   busy->channel->members, (unsigned long long)busy->events,
                   (unsigned long long)busy->deliveries, HUB_COUNT_MS / 1000);
}

void hub_busiest(struct hub *hub, unsigned max, struct buffer *out)
{
    struct busy kept[HUB_BUSIEST_MAX];
    pthread_mutex_lock(&hub->lock);
    unsigned count =
        find_busiest(hub, kept, max < HUB_BUSIEST_MAX ? max : HUB_BUSIEST_MAX, clock_monotonic_ms());
    buffer_append_char(out, '[');
    for (unsigned i = 0; i < count; i++) {
        if (i > 0)
            buffer_append_char(out, ',');
        write_busy(&kept[i], out);
    }
    pthread_mutex_unlock(&hub->lock);
    buffer_append_char(out, ']');
}

void hub_describe(struct hub *hub, const struct room_key *room, struct buffer *out)
{
    pthread_mutex_lock(&hub->lock);
    const struct hub_channel *channel = hub_find(hub, room);
    buffer_append_text(out, channel ? ",\"followed\":true" : ",\"followed\":false");
    if (channel) {
        struct position position = feed_told_position(&channel->feed);
        buffer_append_text(out, ",\"epoch\":");
        json_append_string(out, slice_of(position.epoch));
        buffer_appendf(out,
                       ",\"seq\":%llu,\"settled\":%s,\"gap\":%s,\"members\":%u,\"history_bytes\":%llu,"
                       "\"recent_events\":%llu",
                       (unsigned long long)position.seq, channel->feed.is_settled ? "true" : "false",
                       channel->has_gap ? "true" : "false", channel->members,
                       (unsigned long long)channel->feed.history.bytes,
                       (unsigned long long)recent_events(channel, clock_monotonic_ms()));
    }
    pthread_mutex_unlock(&hub->lock);
}
