#include "hub_channel.h"

#include <assert.h>
#include <stdlib.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>
#include <roomcast/base/random.h>
#include <roomcast/wire/envelope.h>
#include <roomcast/wire/subject.h>

#define ASK_TIMEOUT_MS      2000
#define ASK_RETRY_FIRST_MS  50
#define ASK_RETRY_MAX_MS    2000
#define RECONCILE_SPREAD_MS 300

static void on_message(void *context, struct bus_message *message)
{
    struct hub *hub = context;
    if (!inbox_put(&hub->messages, &message->item))
        bus_message_free(&message);
}

void hub_last_free(struct hub_last *last)
{
    free(last->data);
    free(last);
}

/* Bus thread: only hands it over. */
static void on_last(void *context, const struct bus_last_result *result)
{
    struct hub_last *last = context;
    last->status = result->status;
    if (result->status == BUS_LAST_FOUND) {
        last->stream_seq = result->stream_seq;
        last->len = result->data.len;
        last->data = malloc(result->data.len ? result->data.len : 1);
        if (last->data)
            memcpy(last->data, result->data.data, result->data.len);
        else
            last->status = BUS_LAST_UNAVAILABLE;
    }
    if (!inbox_put(&last->hub->lasts, &last->item))
        hub_last_free(last);
}

/* Where does the room stand? Or, while it is repaired: which is the next event? */
static void ask(struct hub *hub, struct hub_channel *channel)
{
    struct hub_last *last = calloc(1, sizeof *last);
    if (!last) {
        channel->ask_again_ms = hub->now_ms + ASK_RETRY_MAX_MS;
        return;
    }
    channel->ask_id = last->ask_id = ++hub->next_ask_id;
    channel->ask_again_ms = 0;
    last->hub = hub;
    last->room = channel->key;
    last->is_fetch = channel->channel.state == CHANNEL_REPAIRING;
    char subject[SUBJECT_SIZE];
    subject_format(hub->config->nats_prefix, SUBJECT_EVENT, &channel->key, subject);
    if (last->is_fetch)
        bus_next(hub->bus, subject, channel->stream_seq, ASK_TIMEOUT_MS, on_last, last);
    else
        bus_last(hub->bus, subject, ASK_TIMEOUT_MS, on_last, last);
}

struct hub_channel *hub_channel_open(struct hub *hub, const struct room_key *key)
{
    struct hub_channel *channel =
        calloc(1, sizeof *channel + hub->workers_count * sizeof channel->members_of[0]);
    if (!channel)
        return NULL;
    channel->key = *key;
    channel_init(&channel->channel);
    typing_limit_init(&channel->typing);
    channel->waiting_tail = &channel->waiting;
    channel->held_tail = &channel->held;
    channel->leaving_tail = &channel->leaving;

    /* Subscribe first, ask second: nothing can fall in between (PROTOCOL 1.4). */
    char subject[SUBJECT_SIZE];
    subject_format(hub->config->nats_prefix, SUBJECT_LIVE, key, subject);
    if (bus_subscribe(hub->bus, subject, on_message, hub, &channel->live) != ERR_OK)
        goto fail_free;
    HASH_ADD(hh, hub->channels, key, ROOM_KEY_BYTES(key), channel);
    if (!channel->hh.tbl) /* uthash had no memory */
        goto fail_unsubscribe;
    if (key->route == ROUTE_TO_CHAT && hub_presence_open(hub, channel) != ERR_OK)
        goto fail_table;
    ask(hub, channel);
    metrics_change(METRIC_ROOMS, 1);
    return channel;

fail_table:
    HASH_DELETE(hh, hub->channels, channel);
fail_unsubscribe:
    bus_unsubscribe(hub->bus, &channel->live, NULL);
fail_free:
    free(channel);
    return NULL;
}

static void free_held(struct hub_channel *channel)
{
    while (channel->held) {
        struct held_event *held = channel->held;
        channel->held = held->next;
        frame_unref(&held->event.frame);
        free(held);
    }
    channel->held_tail = &channel->held;
    channel->held_count = 0;
}

static struct hub_request *take_waiting(struct hub_channel *channel)
{
    struct hub_request *request = channel->waiting;
    if (!request)
        return NULL;
    channel->waiting = (struct hub_request *)request->output.item.next;
    if (!channel->waiting)
        channel->waiting_tail = &channel->waiting;
    return request;
}

void hub_channel_close(struct hub *hub, struct hub_channel *channel)
{
    struct hub_request *request;
    while ((request = take_waiting(channel)))
        hub_answer(hub, request, ERR_TIMEOUT);
    timer_wheel_cancel(&hub->wheel, &channel->timer);
    if (channel->presence)
        hub_presence_close(hub, channel);
    if (channel->signals)
        bus_unsubscribe(hub->bus, &channel->signals, NULL);
    bus_unsubscribe(hub->bus, &channel->live, NULL);
    free_held(channel);
    typing_limit_fini(&channel->typing);
    HASH_DELETE(hh, hub->channels, channel);
    free(channel);
    metrics_change(METRIC_ROOMS, -1);
}

static void answer_position(struct hub *hub, struct hub_channel *channel, struct hub_request *request)
{
    if (request->kind == HUB_JOIN && channel->presence)
        hub_presence_join(hub, channel, &request->user);
    request->position = channel->channel.position;
    hub_answer(hub, request, ERR_OK);
}

void hub_channel_join(struct hub *hub, struct hub_channel *channel, struct hub_request *request)
{
    if (request->kind == HUB_JOIN) {
        channel->members++;
        channel->members_of[request->worker]++;
        channel->linger_until_ms = 0;
    }
    /* While events may be missing the position is not known well enough to call a client up to date. */
    if (channel->channel.state == CHANNEL_LIVE && !channel->is_unverified) {
        answer_position(hub, channel, request);
        return;
    }
    request->deadline_ms = hub->now_ms + hub->config->rooms_join_timeout_ms;
    request->output.item.next = NULL;
    *channel->waiting_tail = request;
    channel->waiting_tail = (struct hub_request **)&request->output.item.next;
    hub_channel_arm(hub, channel);
}

static void one_fewer(struct hub *hub, struct hub_channel *channel, unsigned worker)
{
    assert(channel->members > 0 && channel->members_of[worker] > 0);
    channel->members--;
    channel->members_of[worker]--;
    if (channel->members == 0)
        channel->linger_until_ms = hub->now_ms + hub->config->rooms_linger_ms;
}

void hub_channel_part(struct hub *hub, struct hub_channel *channel, unsigned worker,
                      const struct room_key *user)
{
    one_fewer(hub, channel, worker);
    if (channel->presence)
        hub_presence_part(hub, channel, user);
    hub_channel_arm(hub, channel);
}

static uint64_t retry_delay_ms(uint32_t failures)
{
    uint64_t ceiling = ASK_RETRY_FIRST_MS << (failures < 6 ? failures : 6);
    if (ceiling > ASK_RETRY_MAX_MS)
        ceiling = ASK_RETRY_MAX_MS;
    /* Full jitter: after an outage thousands of rooms ask again. */
    return ceiling / 2 + random_below((uint32_t)(ceiling / 2) + 1);
}

static void deliver(struct hub *hub, struct hub_channel *channel, const struct hub_event *event)
{
    if (event->stream_seq > channel->stream_seq)
        channel->stream_seq = event->stream_seq;
    hub_channel_send(hub, channel, event->frame, true, NULL);
}

static void hold(struct hub_channel *channel, const struct hub_event *event)
{
    struct held_event *held = channel->held_count < HELD_EVENTS_MAX ? malloc(sizeof *held) : NULL;
    if (!held) {
        struct frame *frame = event->frame;
        frame_unref(&frame); /* shows as a gap when its turn comes, and is fetched */
        return;
    }
    *held = (struct held_event){.event = *event};
    *channel->held_tail = held;
    channel->held_tail = &held->next;
    channel->held_count++;
}

/* The room is live: what was held gets its turn. It may show a further gap: then the rest is held again. */
static void release_held(struct hub *hub, struct hub_channel *channel)
{
    struct held_event *held = channel->held;
    channel->held = NULL;
    channel->held_tail = &channel->held;
    channel->held_count = 0;
    while (held) {
        struct held_event *next = held->next;
        hub_channel_on_event(hub, channel, &held->event);
        free(held);
        held = next;
    }
}

static void log_gap(struct hub *hub, const struct hub_channel *channel, const char *event, uint64_t seq)
{
    static struct log_limit limit = LOG_LIMIT(1000);
    uint64_t suppressed;
    if (log_limit_pass(&limit, hub->now_ms, &suppressed))
        log_warn(event, LOG_SLICE("room", room_key_name(&channel->key)), LOG_U64("seq", seq),
                 LOG_U64("suppressed", suppressed));
}

void hub_channel_on_event(struct hub *hub, struct hub_channel *channel, const struct hub_event *event)
{
    struct frame *frame = event->frame;
    switch (channel_offer(&channel->channel, &event->position)) {
    case CHANNEL_HOLD:
        hold(channel, event);
        return;
    case CHANNEL_GAP:
        metrics_inc(METRIC_GAPS_DETECTED);
        log_gap(hub, channel, "gap_detected", event->position.seq);
        hold(channel, event);
        if (channel->ask_id == 0)
            ask(hub, channel);
        return;
    case CHANNEL_DUPLICATE:
        metrics_inc(METRIC_EVENTS_DUPLICATE);
        break;
    case CHANNEL_DELIVER:
        deliver(hub, channel, event);
        break;
    }
    frame_unref(&frame);
}

/* --- answers of the stream --- */

/* The position that the answer names. False: the envelope cannot be read, so the position is not known, which
 * is not the same as an empty room. */
static bool read_position(struct hub *hub, const struct hub_last *last, struct position *ret_position)
{
    struct envelope_owned owned;
    if (last->status == BUS_LAST_NONE) {
        *ret_position = (struct position){.epoch = EPOCH_EMPTY};
        return true;
    }
    enum err err = envelope_decode((struct slice){last->data, last->len}, &last->room, &owned);
    if (err != ERR_OK) {
        hub_reject(hub, &last->room, "stored envelope", err);
        return false;
    }
    *ret_position = owned.envelope.position;
    envelope_release(&owned);
    return true;
}

static void answer_waiting(struct hub *hub, struct hub_channel *channel)
{
    struct hub_request *request;
    while ((request = take_waiting(channel)))
        answer_position(hub, channel, request);
}

static bool on_position(struct hub *hub, struct hub_channel *channel, const struct hub_last *last)
{
    struct position position;
    if (!read_position(hub, last, &position))
        return false;
    if (channel->is_unverified && channel->presence)
        hub_presence_query(hub, channel);
    channel->is_unverified = false;
    if (channel->channel.state == CHANNEL_ASKING) {
        channel_settle(&channel->channel, &position);
        channel->stream_seq = last->stream_seq;
    } else if (channel->channel.state == CHANNEL_LIVE && channel_check(&channel->channel, &position)) {
        metrics_inc(METRIC_GAPS_DETECTED);
        return true;
    }
    answer_waiting(hub, channel);
    if (channel->channel.state == CHANNEL_LIVE)
        release_held(hub, channel);
    return true;
}

static void resume(struct hub *hub, struct hub_channel *channel, bool target_is_held)
{
    channel_resume(&channel->channel, target_is_held);
    answer_waiting(hub, channel);
    release_held(hub, channel);
}

static void on_fetched(struct hub *hub, struct hub_channel *channel, const struct hub_last *last)
{
    if (last->status == BUS_LAST_NONE) { /* the rest of the gap is gone for good */
        metrics_inc(METRIC_GAPS_LOST);
        log_gap(hub, channel, "gap_lost", channel->channel.target.seq);
        resume(hub, channel, channel->held != NULL);
        return;
    }
    struct hub_event event;
    channel->stream_seq = last->stream_seq;
    if (hub_read_event(hub, &channel->key, (struct slice){last->data, last->len}, &event) != ERR_OK)
        return; /* it is passed over, and the next one fetched */
    event.stream_seq = last->stream_seq;
    enum channel_verdict verdict = channel_fetched(&channel->channel, &event.position);
    if (verdict == CHANNEL_GAP) {
        metrics_inc(METRIC_GAPS_LOST);
        log_gap(hub, channel, "gap_lost", event.position.seq);
    }
    if (verdict != CHANNEL_DUPLICATE) {
        metrics_inc(METRIC_EVENTS_FETCHED);
        deliver(hub, channel, &event);
    }
    frame_unref(&event.frame);
    if (channel_is_repaired(&channel->channel)) {
        metrics_inc(METRIC_GAPS_REPAIRED);
        resume(hub, channel, false);
    }
}

static void ask_later(struct hub *hub, struct hub_channel *channel)
{
    channel->ask_again_ms = hub->now_ms + retry_delay_ms(channel->ask_failures++);
}

void hub_channel_on_last(struct hub *hub, struct hub_channel *channel, const struct hub_last *last)
{
    if (channel->ask_id != last->ask_id)
        return;
    channel->ask_id = 0;
    if (last->status == BUS_LAST_UNAVAILABLE) {
        ask_later(hub, channel);
    } else if (last->is_fetch) {
        channel->ask_failures = 0;
        on_fetched(hub, channel, last);
    } else if (on_position(hub, channel, last)) {
        channel->ask_failures = 0;
    } else {
        ask_later(hub, channel);
    }
    if (channel->channel.state == CHANNEL_REPAIRING && channel->ask_id == 0 && channel->ask_again_ms == 0)
        ask(hub, channel);
    hub_channel_arm(hub, channel);
}

void hub_channel_reconcile(struct hub *hub, struct hub_channel *channel)
{
    channel->is_unverified = true;
    channel->ask_id = 0; /* an answer under way may be older than what was missed */
    channel->ask_failures = 0;
    /* Spread: thousands of rooms ask after a reconnect. */
    channel->ask_again_ms = hub->now_ms + 1 + random_below(RECONCILE_SPREAD_MS);
    hub_channel_arm(hub, channel);
}

void hub_channel_send(struct hub *hub, struct hub_channel *channel, struct frame *frame, bool is_event,
                      const struct room_key *sender)
{
    for (unsigned worker = 0; worker < hub->workers_count; worker++) {
        if (channel->members_of[worker] == 0)
            continue;
        struct hub_frame *output = calloc(1, sizeof *output);
        if (!output) {
            log_error("out_of_memory", LOG_TEXT("doing", "handing a frame to a worker"));
            continue;
        }
        output->output.kind = HUB_OUTPUT_FRAME;
        output->room = channel->key;
        output->frame = frame_ref(frame);
        output->is_event = is_event;
        if (sender) {
            output->but_not_sender = true;
            output->sender = *sender;
        }
        if (!inbox_put(hub->workers[worker], &output->output.item)) {
            frame_unref(&output->frame);
            free(output);
        }
    }
}

/* A join that has waited too long: refused, except for a connection's own channel, which is followed from now
 * on and gets its events when the bus is back. */
static void time_out(struct hub *hub, struct hub_channel *channel, struct hub_request *request)
{
    if (request->kind == HUB_JOIN && !request->keep)
        one_fewer(hub, channel, request->worker);
    hub_answer(hub, request, ERR_TIMEOUT);
}

void hub_channel_on_timer(struct hub *hub, struct hub_channel *channel)
{
    /* All waited equally long, so the first to come is the first to time out. */
    while (channel->waiting && channel->waiting->deadline_ms <= hub->now_ms)
        time_out(hub, channel, take_waiting(channel));
    if (channel->ask_again_ms != 0 && channel->ask_again_ms <= hub->now_ms)
        ask(hub, channel);
    if (channel->presence)
        hub_presence_on_timer(hub, channel);
    if (channel->linger_until_ms != 0 && channel->linger_until_ms <= hub->now_ms) {
        hub_channel_close(hub, channel);
        return;
    }
    hub_channel_arm(hub, channel);
}

static void sooner(uint64_t *due_ms, uint64_t candidate_ms)
{
    if (candidate_ms != 0 && (*due_ms == 0 || candidate_ms < *due_ms))
        *due_ms = candidate_ms;
}

void hub_channel_arm(struct hub *hub, struct hub_channel *channel)
{
    uint64_t due_ms = channel->ask_again_ms;
    sooner(&due_ms, channel->waiting ? channel->waiting->deadline_ms : 0);
    sooner(&due_ms, channel->leaving ? channel->leaving->due_ms : 0);
    sooner(&due_ms, channel->linger_until_ms);
    if (due_ms != 0)
        timer_wheel_set(&hub->wheel, &channel->timer, due_ms);
    else
        timer_wheel_cancel(&hub->wheel, &channel->timer);
}
