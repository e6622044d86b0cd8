/* A room's events between the bus and its feed: what arrives is decoded and made the clients' frame once;
 * what the feed wants is read from the stream; what it says goes to the workers. */
#include "hub_channel.h"

#include <stdlib.h>
#include <utlist.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>
#include <roomcast/base/random.h>
#include <roomcast/wire/envelope.h>
#include <roomcast/wire/server_message.h>
#include <roomcast/wire/subject.h>

#include "event_age.h"

#define ASK_TIMEOUT_MS 2000
#define READING_MAX                                                                                          \
    512u /* reads of single events under way, of all rooms; heads are spread in time instead */
#define SUSPECT_SPREAD_MS    300u /* thousands of rooms ask after a reconnect: at least so long, ... */
#define SUSPECT_ROOMS_PER_MS 20u  /* ... and at most so many at a time */

/* --- decoding --- */

/* Once for all who have agreed on compression, before the feed counts what it keeps. While nobody has,
 * nothing is made that nobody takes: who comes later is replayed plain frames, as everybody can be. */
static void add_deflated(struct hub *hub, struct frame *frame)
{
    struct slice message = frame_payload(frame), deflated;
    if (!hub->deflater || message.len < hub->config->websocket_compress_min_bytes ||
        atomic_load_explicit(hub->deflating, memory_order_relaxed) == 0)
        return;
    if (deflater_run(hub->deflater, message, &deflated))
        frame_add_deflated(frame, deflated);
    if (frame->deflated)
        metrics_inc(METRIC_EVENTS_DEFLATED);
}

/* Counted and logged when it cannot be read. ERR_NO_MEMORY is told apart: it may be read later.
 * `ret_relayed_at_ms` may be NULL. */
static enum err read_event(struct hub *hub, const struct room_key *room, struct slice data,
                           uint64_t stream_seq, struct feed_event *ret_event, uint64_t *ret_relayed_at_ms)
{
    struct envelope_owned owned;
    enum err err = envelope_decode(data, room, &owned);
    if (err != ERR_OK) {
        hub_reject(hub, room, "envelope", err);
        return err;
    }
    buffer_clear(&hub->text);
    server_event(&hub->text, &owned.envelope);
    uint64_t hash = hash_bytes_64(owned.envelope.event_id.data, owned.envelope.event_id.len);
    struct feed_event event = {
        .position = owned.envelope.position,
        .stream_seq = stream_seq,
        .id_hash = hash ? hash : 1,
        .trail = owned.envelope.trail,
    };
    uint64_t relayed_at_ms = owned.envelope.relayed_at_ms;
    envelope_release(&owned);
    if (!buffer_failed(&hub->text))
        event.frame = frame_new(FRAME_TEXT, buffer_slice(&hub->text));
    if (!event.frame) {
        hub_reject(hub, room, "envelope", ERR_NO_MEMORY);
        return ERR_NO_MEMORY;
    }
    *ret_event = event;
    if (ret_relayed_at_ms)
        *ret_relayed_at_ms = relayed_at_ms;
    return ERR_OK;
}

/* --- questions to the stream --- */

void hub_reading_free(struct hub_reading *reading)
{
    free(reading->data);
    free(reading);
}

/* Bus thread: only hands it over. */
static void on_answer(void *context, const struct bus_last_result *result)
{
    struct hub_reading *reading = context;
    reading->status = result->status;
    reading->extent = result->extent;
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

/* One question for all rooms. */
static void ask_extent(struct hub *hub, struct hub_channel *channel)
{
    channel->wants_extent = true;
    DL_APPEND2(hub->asking_extent, channel, prev_x, next_x);
    struct hub_reading *reading = hub->extent_sent_ms == 0 ? calloc(1, sizeof *reading) : NULL;
    if (!reading) /* it is under way; or without memory, then who waits times out */
        return;
    hub->extent_sent_ms = hub->now_ms;
    reading->hub = hub;
    reading->kind = FEED_ASK_EXTENT;
    metrics_inc(METRIC_READS_EXTENT);
    bus_ask_extent(hub->bus, ASK_TIMEOUT_MS, on_answer, reading);
}

static void stop_asking_extent(struct hub *hub, struct hub_channel *channel)
{
    if (channel->wants_extent)
        DL_DELETE2(hub->asking_extent, channel, prev_x, next_x);
    channel->wants_extent = false;
}

static void tell_feed(struct hub *hub, struct hub_channel *channel, enum feed_action_kind kind,
                      struct feed_ask ask, enum feed_answer_kind answer, const struct feed_event *event)
{
    uint32_t jitter = random_below(UINT32_MAX);
    switch (kind) {
    case FEED_ASK_HEAD:
        feed_on_head(&channel->feed, &hub->feed_rules, ask, answer, event, hub->now_ms, jitter);
        return;
    case FEED_READ:
        feed_on_read(&channel->feed, &hub->feed_rules, ask, answer, event, hub->now_ms, jitter);
        return;
    case FEED_ASK_NEXT:
        feed_on_next(&channel->feed, &hub->feed_rules, ask, answer, event, hub->now_ms, jitter);
        return;
    default:
        return;
    }
}

static void read_stream(struct hub *hub, struct hub_channel *channel, const struct feed_action *action)
{
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
        bus_last(hub->bus, subject, ASK_TIMEOUT_MS, on_answer, reading);
        return;
    }
    hub->reading++;
    if (action->kind == FEED_READ) {
        metrics_inc(METRIC_READS_EVENT);
        bus_read(hub->bus, subject, action->stream_seq, action->from_leader ? BUS_LEADER_COPY : BUS_ANY_COPY,
                 ASK_TIMEOUT_MS, on_answer, reading);
    } else {
        metrics_inc(METRIC_READS_NEXT);
        bus_next(hub->bus, subject, action->stream_seq, ASK_TIMEOUT_MS, on_answer, reading);
    }
}

static void on_reading(struct hub *hub, struct hub_channel *channel, const struct hub_reading *reading)
{
    struct feed_event event = {.stream_seq = reading->stream_seq};
    enum feed_answer_kind kind = FEED_UNAVAILABLE;
    if (reading->status == BUS_LAST_NONE) {
        kind = FEED_NONE;
    } else if (reading->status == BUS_LAST_FOUND) {
        enum err err = read_event(hub, &reading->room, (struct slice){reading->data, reading->len},
                                  reading->stream_seq, &event, NULL);
        kind = err == ERR_OK ? FEED_FOUND : err == ERR_NO_MEMORY ? FEED_UNAVAILABLE : FEED_UNREADABLE;
    }
    if (kind == FEED_FOUND && reading->kind != FEED_ASK_HEAD) { /* a head is there already, most times */
        metrics_inc(METRIC_EVENTS_FETCHED);
        add_deflated(hub, event.frame);
    }
    if (reading->kind == FEED_ASK_HEAD && reading->status != BUS_LAST_UNAVAILABLE && channel->chat &&
        channel->chat->presence_is_due) {
        channel->chat->presence_is_due = false;
        hub_presence_query(hub, channel);
    }
    tell_feed(hub, channel, reading->kind, reading->ask, kind, &event);
    frame_unref(&event.frame);
}

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

static void note_gap(struct hub_channel *channel)
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
    struct frame *frame = buffer_failed(&hub->text) ? NULL : frame_new(FRAME_TEXT, buffer_slice(&hub->text));
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
        read_stream(hub, channel, action);
        return;
    case FEED_ASK_EXTENT:
        ask_extent(hub, channel);
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

/* The rooms that were used longest ago give theirs up first. */
static void keep_history_small(struct hub *hub)
{
    while (hub->history_bytes > hub->config->resume_cache_bytes && hub->by_use) {
        struct hub_channel *oldest = hub->by_use;
        size_t before = oldest->feed.history.bytes;
        while (hub->history_bytes > hub->config->resume_cache_bytes && feed_evict(&oldest->feed)) {
            hub->history_bytes -= before - oldest->feed.history.bytes;
            before = oldest->feed.history.bytes;
        }
        if (hub->history_bytes <= hub->config->resume_cache_bytes || oldest->next == NULL)
            return;
        DL_DELETE(hub->by_use, oldest);
        DL_APPEND(hub->by_use, oldest);
        if (oldest->feed.history.bytes > 0)
            return; /* in use; it is its turn again later */
    }
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

/* Everything that the feed wants now. `bytes_before`: of its history, before whatever has happened to it. */
static void run_feed(struct hub *hub, struct hub_channel *channel, size_t bytes_before)
{
    for (;;) {
        unsigned may_read = hub->reading < READING_MAX ? READING_MAX - hub->reading : 0;
        struct feed_action action = feed_next(&channel->feed, &hub->feed_rules, hub->now_ms, may_read);
        if (action.kind == FEED_NOTHING)
            break;
        act(hub, channel, &action);
    }
    if (channel->has_gap && !feed_has_gap(&channel->feed))
        end_gap(channel, METRIC_GAPS_REPAIRED);
    set_wanting(hub, channel, hub->reading >= READING_MAX && feed_wants_reads(&channel->feed, hub->now_ms));
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
    run_feed(hub, channel, channel->feed.history.bytes);
}

void hub_feed_on_live(struct hub *hub, struct hub_channel *channel, const struct bus_message *message)
{
    struct feed_event event;
    struct room_key room = hub_channel_key(channel);
    uint64_t relayed_at_ms = 0;
    enum err err = read_event(hub, &room, message->data, message->stream_seq, &event, &relayed_at_ms);
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
    add_deflated(hub, event.frame);
    size_t before = channel->feed.history.bytes;
    switch (feed_on_live(&channel->feed, &hub->feed_rules, &event, hub->now_ms)) {
    case FEED_GAP:
        note_gap(channel);
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
    run_feed(hub, channel, before);
    event_age_note(relayed_at_ms, clock_wall_ms());
    hub_channel_arm(hub, channel);
}

static void run_wanting(struct hub *hub)
{
    while (hub->wanting && hub->reading < READING_MAX) {
        struct hub_channel *channel = hub->wanting;
        set_wanting(hub, channel, false);
        run_feed(hub, channel, channel->feed.history.bytes);
        hub_channel_arm(hub, channel);
    }
}

/* Without an answer nothing can be proven by it, and nobody has to wait for that. */
static void on_extent(struct hub *hub, const struct hub_reading *reading)
{
    hub->extent = (struct feed_extent){
        .is_known = reading->status == BUS_LAST_FOUND,
        .asked_ms = hub->extent_sent_ms,
        .first_seq = reading->extent.first_seq,
        .last_seq = reading->extent.last_seq,
        .created_s = reading->extent.created_s,
        .has_quorum = reading->extent.has_quorum,
    };
    hub->extent_sent_ms = 0;
    static struct log_limit limit = LOG_LIMIT(60000);
    uint64_t suppressed;
    if (!hub->extent.is_known && bus_is_up(hub->bus) && log_limit_pass(&limit, hub->now_ms, &suppressed))
        log_warn("stream_info_unavailable", LOG_TEXT("stream", hub->config->stream_name),
                 LOG_TEXT("effect",
                          "clients that saw a room empty cannot resume it until the stream's leader answers; "
                          "the node's NATS user needs $JS.API.STREAM.INFO of the stream"),
                 LOG_U64("suppressed", suppressed));
    struct hub_channel *channel = hub->asking_extent;
    hub->asking_extent = NULL;
    while (channel) {
        struct hub_channel *next = channel->next_x;
        channel->wants_extent = false;
        feed_on_extent(&channel->feed, &hub->feed_rules, hub->now_ms);
        run_feed(hub, channel, channel->feed.history.bytes); /* may ask again, for who has come meanwhile */
        hub_channel_arm(hub, channel);
        channel = next;
    }
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
        note_gap(channel);
    run_feed(hub, channel, before);
    hub_channel_arm(hub, channel);
}

void hub_feed_on_readings(struct hub *hub)
{
    struct inbox_item *item = inbox_take(&hub->readings);
    while (item) {
        struct inbox_item *next = item->next;
        struct hub_reading *reading = (struct hub_reading *)item;
        if (reading->kind == FEED_ASK_EXTENT)
            on_extent(hub, reading);
        else
            on_room_reading(hub, reading);
        hub_reading_free(reading);
        item = next;
    }
    run_wanting(hub);
}

void hub_feed_ask(struct hub *hub, struct hub_channel *channel, struct hub_request *request)
{
    request->waiter.is_catching_up = request->kind == HUB_CATCH_UP;
    request->waiter.deadline_ms = hub->now_ms + hub->config->rooms_join_timeout_ms;
    note_use(hub, channel);
    size_t before = channel->feed.history.bytes;
    feed_wait(&channel->feed, &hub->feed_rules, &request->waiter, hub->now_ms);
    run_feed(hub, channel, before);
}

void hub_feed_suspect(struct hub *hub, struct hub_channel *channel)
{
    uint32_t spread = HASH_COUNT(hub->channels) / SUSPECT_ROOMS_PER_MS;
    if (spread < SUSPECT_SPREAD_MS)
        spread = SUSPECT_SPREAD_MS;
    feed_suspect(&channel->feed, hub->now_ms, 1 + random_below(spread));
    if (channel->chat)
        channel->chat->presence_is_due = true;
    hub_channel_arm(hub, channel);
}

uint64_t hub_feed_due(const struct hub *hub, const struct hub_channel *channel)
{
    uint64_t due_ms = feed_due(&channel->feed, &hub->feed_rules);
    if (channel->replay && (due_ms == 0 || channel->replay_until_ms < due_ms))
        due_ms = channel->replay_until_ms;
    return due_ms;
}

void hub_feed_open(struct hub *hub, struct hub_channel *channel)
{
    channel->number = ++hub->last_channel_number;
    feed_init(&channel->feed, hub->now_ms);
    DL_APPEND(hub->by_use, channel);
    run_feed(hub, channel, 0);
}

void hub_feed_close(struct hub *hub, struct hub_channel *channel)
{
    set_wanting(hub, channel, false);
    stop_asking_extent(hub, channel);
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
