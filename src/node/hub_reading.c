/* The questions of the rooms' feeds to the stream, on their way to a bus thread and back. */
#include "hub_channel.h"

#include <stdlib.h>
#include <utlist.h>

#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>
#include <roomcast/base/random.h>
#include <roomcast/wire/subject.h>

#define ASK_TIMEOUT_MS 2000
#define READING_MAX                                                                                          \
    512u /* reads of single events under way, of all rooms; heads are spread in time instead */

unsigned hub_may_read(const struct hub *hub)
{
    return hub->reading < READING_MAX ? READING_MAX - hub->reading : 0;
}

/* --- questions --- */

void hub_reading_free(struct hub_reading *reading)
{
    free(reading->data);
    free(reading);
}

/* Bus thread: only hands it over. */
void hub_reading_on_answer(void *context, const struct bus_last_result *result)
{
    struct hub_reading *reading = context;
    reading->status = result->status;
    reading->extent = result->extent;
    reading->is_no_stream = result->is_no_stream;
    if (result->status == BUS_LAST_FOUND) {
        reading->stream_seq = result->stream_seq;
        reading->len = result->data.len;
        reading->data = malloc(result->data.len ? result->data.len : 1);
        if (reading->data && result->data.len > 0)
            memcpy(reading->data, result->data.data, result->data.len);
        if (!reading->data)
            reading->status = BUS_LAST_UNAVAILABLE;
    }
    if (!inbox_put(&reading->hub->readings, &reading->item))
        hub_reading_free(reading);
}

static void tell_feed(struct hub *hub, struct hub_channel *channel, enum feed_action_kind kind,
                      struct feed_ask ask, enum feed_answer_kind answer, const struct feed_event *event)
{
    const struct feed_rules *rules = hub_rules(hub, channel);
    uint32_t jitter = random_below(UINT32_MAX);
    switch (kind) {
    case FEED_ASK_HEAD:
        feed_on_head(&channel->feed, rules, ask, answer, event, hub->now_ms, jitter);
        return;
    case FEED_READ:
        feed_on_read(&channel->feed, rules, ask, answer, event, hub->now_ms, jitter);
        return;
    case FEED_ASK_NEXT:
        feed_on_next(&channel->feed, rules, ask, answer, event, hub->now_ms, jitter);
        return;
    default:
        return;
    }
}

void hub_ask_stream(struct hub *hub, struct hub_channel *channel, const struct feed_action *action)
{
    if (action->kind == FEED_ASK_EXTENT) {
        hub_stream_ask(hub, channel);
        return;
    }
    struct hub_reading *reading = calloc(1, sizeof *reading);
    if (!reading) {
        tell_feed(hub, channel, action->kind, action->ask, FEED_UNAVAILABLE, NULL);
        return;
    }
    reading->hub = hub;
    reading->room = hub_channel_key(channel);
    reading->channel_number = channel->number;
    reading->kind = action->kind;
    reading->ask = action->ask;
    char subject[SUBJECT_SIZE];
    subject_format(hub->config->nats_prefix, SUBJECT_EVENT, &reading->room, subject);
    if (action->kind == FEED_ASK_HEAD) {
        metrics_inc(METRIC_READS_HEAD);
        bus_last(hub->bus, subject, ASK_TIMEOUT_MS, hub_reading_on_answer, reading);
        return;
    }
    hub->reading++;
    if (action->kind == FEED_READ) {
        metrics_inc(METRIC_READS_EVENT);
        bus_read(hub->bus, subject, action->stream_seq, action->from_leader ? BUS_LEADER_COPY : BUS_ANY_COPY,
                 ASK_TIMEOUT_MS, hub_reading_on_answer, reading);
    } else {
        metrics_inc(METRIC_READS_NEXT);
        bus_next(hub->bus, subject, action->stream_seq, ASK_TIMEOUT_MS, hub_reading_on_answer, reading);
    }
}

/* --- answers --- */

static void on_reading(struct hub *hub, struct hub_channel *channel, const struct hub_reading *reading)
{
    struct feed_event event = {.stream_seq = reading->stream_seq};
    enum feed_answer_kind kind = FEED_UNAVAILABLE;
    if (reading->status == BUS_LAST_NONE) {
        kind = FEED_NONE;
    } else if (reading->status == BUS_LAST_FOUND) {
        enum err err = hub_event_read(hub, &reading->room, (struct slice){reading->data, reading->len},
                                      reading->stream_seq, &event, NULL);
        kind = err == ERR_OK ? FEED_FOUND : err == ERR_NO_MEMORY ? FEED_UNAVAILABLE : FEED_UNREADABLE;
    }
    if (kind == FEED_FOUND && reading->kind != FEED_ASK_HEAD) { /* a head is there already, most times */
        metrics_inc(METRIC_EVENTS_FETCHED);
        channel->fetched++;
        hub_event_deflate(hub, event.frame);
    }
    tell_feed(hub, channel, reading->kind, reading->ask, kind, &event);
    frame_unref(&event.frame);
}

static void on_room_reading(struct hub *hub, const struct hub_reading *reading)
{
    if (reading->kind != FEED_ASK_HEAD)
        hub->reading--;
    struct hub_channel *channel = hub_find(hub, &reading->room);
    if (!channel || channel->number != reading->channel_number)
        return;
    bool had_gap = feed_has_gap(&channel->feed);
    size_t before = channel->feed.history.bytes;
    on_reading(hub, channel, reading);
    if (!had_gap && feed_has_gap(&channel->feed) && reading->kind == FEED_ASK_HEAD)
        hub_feed_note_gap(channel);
    hub_feed_turn(hub, channel, before);
    hub_channel_arm(hub, channel);
}

void hub_take_readings(struct hub *hub)
{
    struct inbox_item *item = inbox_take(&hub->readings);
    while (item) {
        struct inbox_item *next = item->next;
        struct hub_reading *reading = (struct hub_reading *)item;
        if (reading->kind == FEED_ASK_EXTENT)
            hub_stream_on_answer(hub, reading);
        else
            on_room_reading(hub, reading);
        hub_reading_free(reading);
        item = next;
    }
    hub_feed_run_wanting(hub);
}
