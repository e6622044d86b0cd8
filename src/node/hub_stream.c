/* The streams that hold events, each as a whole: what it holds, for the feeds of its rooms, and whether it is
 * there at all. A node that was told another stream.name or stream.shards than the relays finds none. */
#include "hub_channel.h"

#include <stdlib.h>
#include <utlist.h>

#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>

#define ASK_TIMEOUT_MS  2000
#define LOOK_MS         30000u /* between two looks at a stream that is there */
#define LOOK_MISSING_MS 1000u
#define MISSING_MS      5000u /* before it is logged: at the first start the relay has yet to make it */
#define LOG_EVERY_MS    60000

enum err hub_streams_init(struct hub *hub)
{
    unsigned count = bus_shards_count(hub->bus);
    hub->streams = calloc(count, sizeof *hub->streams);
    if (!hub->streams)
        return ERR_NO_MEMORY;
    atomic_store(&hub->unasked, UINT64_MAX >> (BUS_SHARDS_MAX - count));
    return ERR_OK;
}

const struct feed_rules *hub_rules(struct hub *hub, const struct hub_channel *channel)
{
    hub->feed_rules.extent = &hub->streams[channel->shard].extent;
    return &hub->feed_rules;
}

/* --- asking --- */

/* One question for all who want to know. Without memory for it, who waits times out. */
static void ask(struct hub *hub, unsigned shard)
{
    struct hub_stream *stream = &hub->streams[shard];
    struct hub_reading *reading = stream->sent_ms == 0 ? calloc(1, sizeof *reading) : NULL;
    if (!reading)
        return;
    stream->sent_ms = hub->now_ms;
    reading->hub = hub;
    reading->kind = FEED_ASK_EXTENT;
    reading->shard = shard;
    metrics_inc(METRIC_READS_EXTENT);
    bus_ask_extent(hub->bus, shard, ASK_TIMEOUT_MS, hub_reading_on_answer, reading);
}

void hub_stream_ask(struct hub *hub, struct hub_channel *channel)
{
    channel->wants_extent = true;
    DL_APPEND2(hub->streams[channel->shard].asking, channel, prev_x, next_x);
    ask(hub, channel->shard);
}

void hub_stream_stop_asking(struct hub *hub, struct hub_channel *channel)
{
    if (channel->wants_extent)
        DL_DELETE2(hub->streams[channel->shard].asking, channel, prev_x, next_x);
    channel->wants_extent = false;
}

void hub_streams_tick(struct hub *hub)
{
    if (!bus_is_up(hub->bus))
        return;
    for (unsigned shard = 0; shard < bus_shards_count(hub->bus); shard++) {
        if (hub->streams[shard].look_at_ms <= hub->now_ms)
            ask(hub, shard);
    }
}

/* --- answers --- */

static void log_missing(struct hub *hub, unsigned shard)
{
    static struct log_limit limit = LOG_LIMIT(LOG_EVERY_MS);
    uint64_t suppressed;
    if (hub->now_ms - hub->streams[shard].missing_ms >= MISSING_MS &&
        log_limit_pass(&limit, hub->now_ms, &suppressed))
        log_error("stream_missing", LOG_TEXT("stream", bus_stream_name(hub->bus, shard)),
                  LOG_TEXT("effect", "no room of it can be joined or resumed; the node is not ready"),
                  LOG_TEXT("action", "stream.name and stream.shards must be those of the relays; when they "
                                     "are, a relay has to be running that makes the stream"),
                  LOG_U64("suppressed", suppressed));
}

static void log_silent(struct hub *hub, unsigned shard)
{
    static struct log_limit limit = LOG_LIMIT(LOG_EVERY_MS);
    uint64_t suppressed;
    if (bus_is_up(hub->bus) && log_limit_pass(&limit, hub->now_ms, &suppressed))
        log_warn("stream_info_unavailable", LOG_TEXT("stream", bus_stream_name(hub->bus, shard)),
                 LOG_TEXT("effect",
                          "clients that saw a room empty cannot resume it until the stream's leader answers; "
                          "the node's NATS user needs $JS.API.STREAM.INFO of the stream"),
                 LOG_U64("suppressed", suppressed));
}

/* Without an answer nothing is known of whether it is there: then it is as it was. */
static void note_whether_there(struct hub *hub, const struct hub_reading *reading)
{
    struct hub_stream *stream = &hub->streams[reading->shard];
    bus_shard_set bit = UINT64_C(1) << reading->shard;
    atomic_fetch_and(&hub->unasked, ~bit);
    if (reading->is_no_stream) {
        atomic_fetch_or(&hub->missing, bit);
        stream->missing_ms = stream->missing_ms ? stream->missing_ms : hub->now_ms;
        log_missing(hub, reading->shard);
    } else if (reading->status == BUS_LAST_FOUND) {
        atomic_fetch_and(&hub->missing, ~bit);
        stream->missing_ms = 0;
    } else {
        log_silent(hub, reading->shard);
    }
    stream->look_at_ms = hub->now_ms + (reading->is_no_stream ? LOOK_MISSING_MS : LOOK_MS);
}

/* Without an answer nothing can be proven by it, and nobody has to wait for that. */
void hub_stream_on_answer(struct hub *hub, const struct hub_reading *reading)
{
    struct hub_stream *stream = &hub->streams[reading->shard];
    stream->extent = (struct feed_extent){
        .is_known = reading->status == BUS_LAST_FOUND,
        .asked_ms = stream->sent_ms,
        .first_seq = reading->extent.first_seq,
        .last_seq = reading->extent.last_seq,
        .created_s = reading->extent.created_s,
        .has_quorum = reading->extent.has_quorum,
    };
    stream->sent_ms = 0;
    note_whether_there(hub, reading);
    struct hub_channel *channel = stream->asking;
    stream->asking = NULL;
    while (channel) {
        struct hub_channel *next = channel->next_x;
        channel->wants_extent = false;
        feed_on_extent(&channel->feed, hub_rules(hub, channel), hub->now_ms);
        hub_feed_turn(hub, channel,
                      channel->feed.history.bytes); /* may ask again, for who has come meanwhile */
        hub_channel_arm(hub, channel);
        channel = next;
    }
}

/* --- for /readyz --- */

bool hub_streams_ready(const struct hub *hub, struct buffer *missing)
{
    bus_shard_set absent = atomic_load(&hub->missing), unasked = atomic_load(&hub->unasked);
    bus_shard_set shards = absent ? absent : unasked;
    unsigned first = 0;
    if (shards == 0)
        return true;
    while (!(shards >> first & 1))
        first++;
    buffer_appendf(missing, "stream: %s %s", bus_stream_name(hub->bus, first),
                   absent
                       ? "does not exist (is a relay running, with the same stream.name and stream.shards?)"
                       : "was not asked for yet");
    return false;
}
