#include "lanes.h"

#include <stdio.h>
#include <stdlib.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>
#include <roomcast/base/random.h>
#include <roomcast/wire/subject.h>

#include "lanes_call.h"
#include "room_lanes.h"

#define EPOCH_LEN 8 /* characters of a new epoch: 36^8 */

struct lanes {
    struct lanes_options options;
    struct answer_port *port;
    struct loop_wake *wake;
    struct loop_timer *timer;
    uint64_t timer_ms; /* when it fires; 0: not started */
    struct room_lanes rooms;
    size_t open; /* calls that the bus has */
    struct lane_list waiting;
    struct buffer envelope; /* of the event that is being stored */
    atomic_bool hurry;
};

/* --- actions --- */

static void arm_timer(struct lanes *lanes, uint64_t until_ms)
{
    uint64_t now = loop_now_ms(lanes->options.loop);

    if (lanes->timer_ms && lanes->timer_ms <= until_ms)
        return;
    lanes->timer_ms = until_ms;
    loop_timer_start(lanes->timer, until_ms > now ? until_ms - now : 0, 0);
}

static void wait_until(struct lanes *lanes, struct room_lane *room, uint64_t until_ms)
{
    room->wait_until_ms = until_ms;
    lane_list_append(&lanes->waiting, &room->links);
    arm_timer(lanes, until_ms);
}

/* Lends the call out; it comes back through the inbox. */
static struct lanes_call *lend_call(struct lanes *lanes, struct room_lane *room)
{
    struct lanes_call *call = room->call;

    room->call = NULL;
    room->lent = call;
    lanes->open++;
    return call;
}

static const char *stream_of(const struct lanes *lanes, const struct room_key *room)
{
    char subject[SUBJECT_SIZE];

    subject_format(lanes->options.prefix, SUBJECT_EVENT, room, subject);
    return bus_stream_name(lanes->options.bus, bus_shard(lanes->options.bus, subject));
}

static void ask_last(struct lanes *lanes, struct room_lane *room)
{
    char subject[SUBJECT_SIZE];

    subject_format(lanes->options.prefix, SUBJECT_EVENT, &room->room, subject);
    bus_last(lanes->options.bus, subject, lanes->options.store_timeout_ms, lanes_call_on_last,
             lend_call(lanes, room));
}

static enum err encode(struct lanes *lanes, const struct relay_event *event, const struct lane_action *action)
{
    struct envelope envelope = {
        .room = event->room,
        .position = action->position,
        .trail = action->trail,
        .event_id = event->id,
        .client_type = slice_of(event->rule->type),
        .event_type = slice_of(event->rule->event),
        .occurred_at = event->occurred_at,
        .payload = event->payload,
        .source = event->source,
        .correlation_id = event->correlation_id,
        .traceparent = event->traceparent,
        .relayed_at_ms = clock_wall_ms(),
    };

    buffer_clear(&lanes->envelope);
    return envelope_encode(&envelope, &lanes->envelope);
}

static void store(struct lanes *lanes, struct room_lane *room, const struct lane_action *action)
{
    struct relay_event *event = relay_event_of_lane(action->event);
    char subject[SUBJECT_SIZE];
    enum err err = encode(lanes, event, action);

    if (err != ERR_OK) {
        bool later = err_category(err) == ERR_CATEGORY_LOCAL;
        snprintf(event->problem, sizeof event->problem, "no envelope can be made of it: %s", err_text(err));
        lane_on_store(&room->lane, later ? LANE_STORE_UNAVAILABLE : LANE_STORE_REFUSED, 0,
                      loop_now_ms(lanes->options.loop), random_below(UINT32_MAX));
        return;
    }
    subject_format(lanes->options.prefix, SUBJECT_EVENT, &room->room, subject);
    const struct bus_store_request request = {
        .subject = subject,
        .message_id = event->id.data,
        .expect_last = action->expect_last,
        .data = buffer_slice(&lanes->envelope),
        .timeout_ms = lanes->options.store_timeout_ms,
    };
    if (tenure_is_valid(lanes->options.tenure))
        bus_store(lanes->options.bus, &request, lanes_call_on_store, lend_call(lanes, room));
    else /* lanes_hurry() when it is valid again */
        lane_on_store(&room->lane, LANE_STORE_UNAVAILABLE, 0, loop_now_ms(lanes->options.loop),
                      random_below(UINT32_MAX));
}

/* Only now is the epoch real: every client of the room reloads. */
static void report_epoch(const struct relay_event *event, enum lane_epoch why)
{
    static const struct {
        enum metric metric;
        const char *reason;
    } rows[] = {
        [LANE_EPOCH_EMPTY] = {METRIC_RELAY_EPOCHS_EMPTY, "empty"},
        [LANE_EPOCH_UNREADABLE] = {METRIC_RELAY_EPOCHS_UNREADABLE, "unreadable"},
        [LANE_EPOCH_ROLLBACK] = {METRIC_RELAY_EPOCHS_ROLLBACK, "rollback"},
        [LANE_EPOCH_FULL] = {METRIC_RELAY_EPOCHS_FULL, "full"},
    };
    static struct log_limit limit = LOG_LIMIT(1000);
    uint64_t suppressed;

    metrics_inc(rows[why].metric);
    if (why != LANE_EPOCH_EMPTY && log_limit_pass(&limit, clock_monotonic_ms(), &suppressed))
        log_warn("epoch_started", LOG_SLICE("room", room_key_name(&event->room)),
                 LOG_TEXT("reason", rows[why].reason), LOG_U64("suppressed", suppressed));
}

static void note_stored(const struct lanes *lanes, const struct relay_event *event)
{
    metrics_count_by(FAMILY_RELAY_STORED_BY_TYPE, slice_of(event->rule->type));
    metrics_count_by(FAMILY_RELAY_STORED_BY_STREAM, slice_of(stream_of(lanes, &event->room)));
    /* For who follows one event through the system by its W3C Trace Context. */
    if (event->traceparent.len > 0)
        log_debug("event_stored", LOG_SLICE("id", event->id), LOG_SLICE("room", room_key_name(&event->room)),
                  LOG_SLICE("traceparent", event->traceparent));
}

static void finish_action(const struct lanes *lanes, const struct lane_action *action)
{
    if (action->epoch != LANE_EPOCH_GOES_ON)
        report_epoch(relay_event_of_lane(action->event), action->epoch);
    switch (action->outcome) {
    case LANE_OUTCOME_STORED:
        metrics_inc(METRIC_RELAY_STORED);
        note_stored(lanes, relay_event_of_lane(action->event));
        relay_event_finish(relay_event_of_lane(action->event), EVENT_STORED);
        break;
    case LANE_OUTCOME_DUPLICATE:
        metrics_inc(METRIC_RELAY_DUPLICATE);
        relay_event_finish(relay_event_of_lane(action->event), EVENT_STORED);
        break;
    case LANE_OUTCOME_REFUSED:
        relay_event_finish(relay_event_of_lane(action->event), EVENT_REFUSED);
        break;
    }
}

/* Takes the lane's actions until it waits for something, and puts it in the list where it belongs. */
static void drive(struct lanes *lanes, struct room_lane *room)
{
    lane_list_remove(&room->links);
    for (;;) {
        struct lane_action action = lane_next(&room->lane, loop_now_ms(lanes->options.loop));

        switch (action.kind) {
        case LANE_ASK_LAST:
            ask_last(lanes, room);
            break;
        case LANE_STORE:
            store(lanes, room, &action);
            break;
        case LANE_FINISHED:
            finish_action(lanes, &action);
            break;
        case LANE_WAIT:
            wait_until(lanes, room, action.until_ms);
            return;
        case LANE_NOTHING:
            if (room->lane.state == LANE_IDLE)
                room_lanes_rest(&lanes->rooms, room);
            return;
        }
    }
}

/* --- inputs --- */

static void on_event(struct lanes *lanes, struct relay_event *event)
{
    struct room_lane *room = NULL;

    if (event->tenure == tenure_number(lanes->options.tenure) && event->tenure) {
        room = room_lanes_find(&lanes->rooms, lanes->port, &event->room);
        if (!room)
            tenure_renew(lanes->options.tenure);
    }
    if (!room) {
        relay_event_finish(event, EVENT_ABANDONED);
        return;
    }
    lane_add(&room->lane, &event->in_lane);
    drive(lanes, room);
}

static void on_head(struct lanes *lanes, struct room_lane *room, const struct lanes_call *call)
{
    static struct log_limit limit = LOG_LIMIT(1000);
    char epoch[EPOCH_LEN_MAX + 1];
    uint64_t now = loop_now_ms(lanes->options.loop), suppressed;

    random_text(epoch, EPOCH_LEN);
    if (epoch[0] == '0') /* those are the positions of empty rooms: wire/position.h */
        epoch[0] = 'z';
    if (call->head.kind == LANE_HEAD_FOREIGN && log_limit_pass(&limit, now, &suppressed))
        log_warn("head_unreadable", LOG_SLICE("room", room_key_name(&room->room)),
                 LOG_U64("stream_seq", call->head.stream_seq), LOG_TEXT("reason", call->problem),
                 LOG_TEXT("effect", "the room's numbering starts anew"), LOG_U64("suppressed", suppressed));
    lane_on_head(&room->lane, &call->head, epoch, now, random_below(UINT32_MAX));
}

static void report_failure(struct lanes *lanes, const struct room_lane *room, const struct lanes_call *call)
{
    static struct log_limit limit = LOG_LIMIT(5000);
    uint64_t suppressed;

    metrics_inc(METRIC_RELAY_RETRIES);
    if (log_limit_pass(&limit, loop_now_ms(lanes->options.loop), &suppressed))
        log_warn("store_failed", LOG_SLICE("room", room_key_name(&room->room)),
                 LOG_TEXT("stream", stream_of(lanes, &room->room)),
                 LOG_BOOL("maybe_stored", call->status == LANE_STORE_UNKNOWN),
                 LOG_TEXT("problem", call->problem), LOG_U64("suppressed", suppressed));
    if (lanes->options.on_unavailable)
        lanes->options.on_unavailable(lanes->options.context);
}

static void on_stored(struct lanes *lanes, struct room_lane *room, const struct lanes_call *call)
{
    if (call->status == LANE_STORE_FENCED)
        metrics_inc(METRIC_RELAY_FENCED);
    else if (call->status == LANE_STORE_UNKNOWN || call->status == LANE_STORE_UNAVAILABLE)
        report_failure(lanes, room, call);
    else if (call->status == LANE_STORE_REFUSED)
        snprintf(relay_event_of_lane(room->lane.first)->problem, EVENT_PROBLEM_SIZE, "%s", call->problem);
    lane_on_store(&room->lane, call->status, call->stream_seq, loop_now_ms(lanes->options.loop),
                  random_below(UINT32_MAX));
}

static void on_answer(struct lanes *lanes, struct lanes_call *call)
{
    struct room_lane *room = call->lane;

    lanes->open--;
    if (!room) {
        lanes_call_free(&call);
        return;
    }
    room->call = call;
    room->lent = NULL;
    if (call->item.kind == LANES_ITEM_HEAD)
        on_head(lanes, room, call);
    else
        on_stored(lanes, room, call);
    drive(lanes, room);
}

/* Drives the waiting lanes whose time has come, and finds out when the next one's comes. */
static void on_timer(void *context)
{
    struct lanes *lanes = context;
    uint64_t now = loop_now_ms(lanes->options.loop), next = 0;
    size_t left = lanes->waiting.count;
    struct lane_links *links = lanes->waiting.first;

    lanes->timer_ms = 0;
    while (left-- > 0) {
        struct room_lane *room = (struct room_lane *)(void *)links;

        links = links->next;
        if (room->wait_until_ms <= now)
            drive(lanes, room);
        else if (next == 0 || room->wait_until_ms < next)
            next = room->wait_until_ms;
    }
    if (next)
        arm_timer(lanes, next);
}

static void end_waits(struct lanes *lanes)
{
    struct lane_links *links;
    uint64_t now = loop_now_ms(lanes->options.loop);

    for (links = lanes->waiting.first; links; links = links->next) {
        struct room_lane *room = (struct room_lane *)(void *)links;
        lane_hurry(&room->lane, now);
        room->wait_until_ms = now;
    }
    on_timer(lanes);
}

static void on_wake(void *context)
{
    struct lanes *lanes = context;
    struct inbox_item *item = inbox_take(&lanes->port->inbox);

    while (item) {
        struct inbox_item *next = item->next;
        struct lanes_item *entry = (struct lanes_item *)(void *)item;

        if (entry->kind == LANES_ITEM_EVENT)
            on_event(lanes, (struct relay_event *)(void *)entry);
        else
            on_answer(lanes, (struct lanes_call *)(void *)entry);
        item = next;
    }
    if (atomic_exchange(&lanes->hurry, false))
        end_waits(lanes);
}

void lanes_submit(struct lanes *lanes, struct relay_event *event)
{
    event->item.kind = LANES_ITEM_EVENT;
    if (!inbox_put(&lanes->port->inbox, &event->item.item))
        relay_event_finish(event, EVENT_ABANDONED);
}

void lanes_hurry(struct lanes *lanes)
{
    atomic_store(&lanes->hurry, true);
    answer_port_wake(lanes->port);
}

void lanes_abandon(struct lanes *lanes)
{
    room_lanes_drop_all(&lanes->rooms);
}

bool lanes_is_idle(const struct lanes *lanes)
{
    return lanes->open == 0 && lanes->waiting.count == 0;
}

/* --- life --- */

enum err lanes_new(const struct lanes_options *options, struct lanes **ret_lanes)
{
    struct lanes *lanes = calloc(1, sizeof *lanes);

    if (!lanes)
        return ERR_NO_MEMORY;
    lanes->options = *options;
    buffer_init(&lanes->envelope, ENVELOPE_MAX_BYTES);
    enum err err = loop_wake_new(options->loop, on_wake, lanes, &lanes->wake);
    if (err == ERR_OK)
        err = loop_timer_new(options->loop, on_timer, lanes, &lanes->timer);
    if (err == ERR_OK) {
        lanes->port = answer_port_new(lanes->wake);
        err = lanes->port ? ERR_OK : ERR_NO_MEMORY;
    }
    if (err != ERR_OK) {
        lanes_free(&lanes);
        return err;
    }
    *ret_lanes = lanes;
    return ERR_OK;
}

static void abandon_inbox(struct lanes *lanes)
{
    struct inbox_item *item = inbox_take(&lanes->port->inbox);

    while (item) {
        struct inbox_item *next = item->next;
        struct lanes_item *entry = (struct lanes_item *)(void *)item;

        if (entry->kind == LANES_ITEM_EVENT) {
            relay_event_finish((struct relay_event *)(void *)entry, EVENT_ABANDONED);
        } else {
            struct lanes_call *call = (struct lanes_call *)(void *)entry;
            lanes_call_free(&call);
        }
        item = next;
    }
}

void lanes_free(struct lanes **pointer)
{
    struct lanes *lanes = *pointer;

    if (!lanes)
        return;
    room_lanes_drop_all(&lanes->rooms); /* before the port: calls that find it closed free themselves */
    if (lanes->port) {
        answer_port_close(lanes->port);
        abandon_inbox(lanes);
        answer_port_unref(lanes->port);
    }
    loop_timer_free(&lanes->timer);
    loop_wake_free(&lanes->wake);
    buffer_fini(&lanes->envelope);
    free(lanes);
    *pointer = NULL;
}
