/* A room's events between the bus and its feed: what arrives is given to the feed, and what the feed says
 * goes to the workers. How events are read is in hub_event.c, what is asked of the stream in hub_reading.c.
 */
#include "hub_channel.h"

#include <utlist.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>
#include <roomcast/base/random.h>
#include <roomcast/wire/server_message.h>
#include <roomcast/wire/stream_cursor.h>
#include <roomcast/wire/subject.h>

#include "event_age.h"

#define SUSPECT_SPREAD_MS    300u /* thousands of rooms ask after a reconnect: at least so long, ... */
#define SUSPECT_ROOMS_PER_MS 20u  /* ... and at most so many at a time */
#define HELD_UP_MS           100u /* without memory to hand an event on: until the next try */
#define SHRINK_ROOMS         256u /* looked at per tick, while the history is to shrink */

/* --- what the feed says --- */

static const struct {
    const char *reason;
    enum metric metric;
} losses[] = {
    [FEED_LOSS_EXPIRED] = {"the stream does not hold the missing events any more", METRIC_LOST_EXPIRED},
    [FEED_LOSS_CONFLICT] = {"the stream holds another event under a number that was delivered",
                            METRIC_LOST_CONFLICT},
    [FEED_LOSS_EPOCH] = {"the room's numbering began anew, and what was before it cannot be proven",
                         METRIC_LOST_EPOCH},
    [FEED_LOSS_TIMEOUT] = {"the stream could not be asked in time", METRIC_LOST_TIMEOUT},
};

void hub_feed_note_gap(struct hub_channel *channel)
{
    metrics_inc(METRIC_GAPS_DETECTED);
    channel->has_gap = true;
}

static void end_gap(struct hub_channel *channel, enum metric how)
{
    metrics_inc(how);
    channel->has_gap = false;
}

static void log_gap(struct hub *hub, const struct hub_channel *channel, uint64_t seq)
{
    static struct log_limit limit = LOG_LIMIT(1000);
    uint64_t suppressed;
    struct room_key room = hub_channel_key(channel);
    if (log_limit_pass(&limit, hub->now_ms, &suppressed))
        log_warn("gap_detected", LOG_SLICE("room", room_key_name(&room)), LOG_U64("seq", seq),
                 LOG_U64("suppressed", suppressed));
}

static void tell_loss(struct hub *hub, struct hub_channel *channel, enum feed_loss loss)
{
    static struct log_limit limit = LOG_LIMIT(1000);
    uint64_t suppressed;
    struct room_key room = hub_channel_key(channel);
    metrics_inc(losses[loss].metric);
    if (channel->has_gap)
        end_gap(channel, METRIC_GAPS_LOST);
    if (log_limit_pass(&limit, hub->now_ms, &suppressed))
        log_warn("position_lost", LOG_SLICE("room", room_key_name(&room)),
                 LOG_U64("seq", channel->feed.position.seq), LOG_TEXT("reason", losses[loss].reason),
                 LOG_U64("suppressed", suppressed));
    buffer_clear(&hub->text);
    server_position_lost(&hub->text, channel->chat ? &room : NULL, &channel->feed.position);
    struct stream_mark scratch;
    struct slice mark = stream_mark_make(&room, &channel->feed.position, &scratch);
    struct frame *frame =
        buffer_failed(&hub->text) ? NULL : frame_new_beside(FRAME_TEXT, buffer_slice(&hub->text), mark);
    if (frame)
        hub_channel_send(hub, channel, frame, HUB_LOSS, NULL);
    else
        log_error("out_of_memory", LOG_TEXT("doing", "telling clients that events were lost"));
    frame_unref(&frame);
}

static void act(struct hub *hub, struct hub_channel *channel, const struct feed_action *action)
{
    switch (action->kind) {
    case FEED_ASK_HEAD:
    case FEED_READ:
    case FEED_ASK_NEXT:
    case FEED_ASK_EXTENT:
        hub_ask_stream(hub, channel, action);
        return;
    case FEED_DELIVER:
        hub_channel_send(hub, channel, action->frame, HUB_EVENT, NULL);
        return;
    case FEED_LOST:
        tell_loss(hub, channel, action->loss);
        return;
    case FEED_ANSWER:
        hub_answer_resume(
            hub, channel,
            (struct hub_request *)((char *)action->waiter - offsetof(struct hub_request, waiter)),
            action->verdict);
        return;
    case FEED_NOTHING:
        return;
    }
}

/* --- memory and turns --- */

static uint64_t history_max(const struct hub *hub)
{
    uint64_t option = hub->config->resume_cache_bytes, limit = atomic_load(&hub->history_limit);
    return limit < option ? limit : option;
}

/* The rooms that were used longest ago give theirs up first. */
static void keep_history_small(struct hub *hub)
{
    uint64_t max = history_max(hub), evicted = 0;
    while (hub->history_bytes > max && hub->by_use) {
        struct hub_channel *oldest = hub->by_use;
        size_t before = oldest->feed.history.bytes;
        while (hub->history_bytes > max && feed_evict(&oldest->feed)) {
            evicted++;
            hub->history_bytes -= before - oldest->feed.history.bytes;
            before = oldest->feed.history.bytes;
        }
        if (hub->history_bytes <= max || oldest->next == NULL)
            break;
        DL_DELETE(hub->by_use, oldest);
        DL_APPEND(hub->by_use, oldest);
        if (oldest->feed.history.bytes > 0)
            break; /* in use; it is its turn again later */
    }
    if (max < hub->config->resume_cache_bytes)
        metrics_add(METRIC_MEMORY_SHED_HISTORY, evicted);
}

void hub_feed_shrink(struct hub *hub)
{
    for (unsigned rooms = 0; rooms < SHRINK_ROOMS && hub->history_bytes > history_max(hub); rooms++)
        keep_history_small(hub);
    metrics_set(METRIC_HISTORY_BYTES, (int64_t)hub->history_bytes);
}

static void set_wanting(struct hub *hub, struct hub_channel *channel, bool is_wanting)
{
    if (channel->is_wanting == is_wanting)
        return;
    channel->is_wanting = is_wanting;
    if (is_wanting)
        DL_APPEND2(hub->wanting, channel, prev_w, next_w);
    else
        DL_DELETE2(hub->wanting, channel, prev_w, next_w);
}

void hub_feed_turn(struct hub *hub, struct hub_channel *channel, size_t bytes_before)
{
    struct feed_action action = {.kind = FEED_NOTHING};
    do {
        channel->is_held_up = !hub_stock_up(hub);
        if (channel->is_held_up)
            break; /* nothing is taken out that could not be handed on */
        action = feed_next(&channel->feed, hub_rules(hub, channel), hub->now_ms, hub_may_read(hub));
        act(hub, channel, &action);
    } while (action.kind != FEED_NOTHING);
    if (channel->has_gap && !feed_has_gap(&channel->feed))
        end_gap(channel, METRIC_GAPS_REPAIRED);
    set_wanting(hub, channel, hub_may_read(hub) == 0 && feed_wants_reads(&channel->feed, hub->now_ms));
    hub->history_bytes += channel->feed.history.bytes - bytes_before;
    keep_history_small(hub);
    metrics_set(METRIC_HISTORY_BYTES, (int64_t)hub->history_bytes);
}

static void note_use(struct hub *hub, struct hub_channel *channel)
{
    DL_DELETE(hub->by_use, channel);
    DL_APPEND(hub->by_use, channel);
}

void hub_feed_run(struct hub *hub, struct hub_channel *channel)
{
    if (channel->replay && channel->replay_until_ms <= hub->now_ms)
        replay_unref(&channel->replay);
    hub_feed_turn(hub, channel, channel->feed.history.bytes);
}

void hub_feed_on_live(struct hub *hub, struct hub_channel *channel, const struct bus_message *message)
{
    struct feed_event event;
    struct room_key room = hub_channel_key(channel);
    struct event_times times;
    enum err err = hub_event_read(hub, &room, message->data, message->stream_seq, &event, &times);
    if (err == ERR_NO_MEMORY) /* it is in the stream; nothing may follow it that would show that */
        hub_feed_suspect(hub, channel);
    if (err != ERR_OK)
        return;
    if (message->stream_seq == 0) { /* who may publish on live subjects alone is no relay */
        hub_reject(hub, &room, "event that is not stored", ERR_MISMATCH);
        frame_unref(&event.frame);
        return;
    }
    metrics_inc(METRIC_EVENTS_RECEIVED);
    hub_count_event(hub, channel);
    hub_event_deflate(hub, event.frame);
    size_t before = channel->feed.history.bytes;
    switch (feed_on_live(&channel->feed, hub_rules(hub, channel), &event, hub->now_ms)) {
    case FEED_GAP:
        hub_feed_note_gap(channel);
        log_gap(hub, channel, event.position.seq);
        break;
    case FEED_DUPLICATE:
        metrics_inc(METRIC_EVENTS_DUPLICATE);
        break;
    case FEED_TAKEN:
    case FEED_DROPPED:
        break;
    }
    frame_unref(&event.frame);
    note_use(hub, channel);
    hub_feed_turn(hub, channel, before);
    event_age_note(&times, clock_wall_ms());
    hub_channel_arm(hub, channel);
}

void hub_feed_run_wanting(struct hub *hub)
{
    while (hub->wanting && hub_may_read(hub) > 0) {
        struct hub_channel *channel = hub->wanting;
        set_wanting(hub, channel, false);
        hub_feed_turn(hub, channel, channel->feed.history.bytes);
        hub_channel_arm(hub, channel);
    }
}

void hub_feed_ask(struct hub *hub, struct hub_channel *channel, struct hub_request *request)
{
    request->waiter.is_catching_up = request->kind == HUB_CATCH_UP;
    request->fetched_before = channel->fetched;
    request->waiter.deadline_ms = hub->now_ms + hub->config->rooms_join_timeout_ms;
    note_use(hub, channel);
    size_t before = channel->feed.history.bytes;
    feed_wait(&channel->feed, hub_rules(hub, channel), &request->waiter, hub->now_ms);
    hub_feed_turn(hub, channel, before);
}

void hub_feed_suspect(struct hub *hub, struct hub_channel *channel)
{
    uint32_t spread = hub->channels.count / SUSPECT_ROOMS_PER_MS;
    if (spread < SUSPECT_SPREAD_MS)
        spread = SUSPECT_SPREAD_MS;
    feed_suspect(&channel->feed, hub->now_ms, 1 + random_below(spread));
    hub_channel_arm(hub, channel);
}

uint64_t hub_feed_due(struct hub *hub, const struct hub_channel *channel)
{
    uint64_t due_ms = feed_due(&channel->feed, hub_rules(hub, channel));
    if (channel->replay)
        deadline_sooner(&due_ms, channel->replay_until_ms);
    if (channel->is_held_up)
        deadline_sooner(&due_ms, hub->now_ms + HELD_UP_MS);
    return due_ms;
}

void hub_feed_open(struct hub *hub, struct hub_channel *channel)
{
    struct room_key room = hub_channel_key(channel);
    char subject[SUBJECT_SIZE];
    subject_format(hub->config->nats_prefix, SUBJECT_EVENT, &room, subject);
    channel->shard = (uint8_t)bus_shard(hub->bus, subject);
    channel->number = ++hub->last_channel_number;
    feed_init(&channel->feed, hub->now_ms);
    DL_APPEND(hub->by_use, channel);
    hub_feed_turn(hub, channel, 0);
}

void hub_feed_close(struct hub *hub, struct hub_channel *channel)
{
    set_wanting(hub, channel, false);
    hub_stream_stop_asking(hub, channel);
    DL_DELETE(hub->by_use, channel);
    replay_unref(&channel->replay);
    hub->history_bytes -= channel->feed.history.bytes;
    metrics_set(METRIC_HISTORY_BYTES, (int64_t)hub->history_bytes);
    struct feed_waiter *waiter = feed_fini(&channel->feed);
    while (waiter) {
        struct feed_waiter *next = waiter->next;
        hub_answer(hub, (struct hub_request *)((char *)waiter - offsetof(struct hub_request, waiter)),
                   ERR_TIMEOUT);
        waiter = next;
    }
}
