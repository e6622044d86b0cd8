#include "hub_channel.h"

#include <assert.h>
#include <stdlib.h>

#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>
#include <roomcast/wire/subject.h>

struct hub_channel *hub_channel_open(struct hub *hub, const struct room_key *key)
{
    size_t key_at = offsetof(struct hub_channel, shares) + hub->workers_count * sizeof(struct hub_share);
    struct hub_channel *channel = calloc(1, key_at + ROOM_KEY_STORED(key));
    if (!channel)
        return NULL;
    char *stored = (char *)channel + key_at;
    memcpy(stored, key, ROOM_KEY_STORED(key));
    channel->entry.key = stored;

    /* Subscribe first, ask second: nothing can fall in between (proto/README.md: Resume). */
    char subject[SUBJECT_SIZE];
    subject_format(hub->config->nats_prefix, SUBJECT_LIVE, key, subject);
    if (bus_subscribe(hub->bus, subject, hub_on_message, hub, &channel->live) != ERR_OK)
        goto fail_free;
    if (key->route == ROUTE_TO_CHAT && hub_presence_open(hub, channel, key) != ERR_OK)
        goto fail_unsubscribe;
    room_table_add(&hub->channels, &channel->entry);
    hub_feed_open(hub, channel);
    metrics_change(METRIC_ROOMS, 1);
    return channel;

fail_unsubscribe:
    bus_unsubscribe(hub->bus, &channel->live, NULL);
fail_free:
    free(channel);
    return NULL;
}

void hub_channel_close(struct hub *hub, struct hub_channel *channel)
{
    hub_feed_close(hub, channel);
    timer_wheel_cancel(&hub->wheel, &channel->timer);
    if (channel->chat)
        hub_presence_close(hub, channel);
    bus_unsubscribe(hub->bus, &channel->live, NULL);
    room_table_remove(&hub->channels, &channel->entry);
    free(channel);
    metrics_change(METRIC_ROOMS, -1);
}

void hub_channel_join(struct hub *hub, struct hub_channel *channel, struct hub_request *request)
{
    if (request->kind == HUB_JOIN) {
        channel->members++;
        channel->shares[request->worker].members++;
        channel->linger_until_ms = 0;
    }
    hub_feed_ask(hub, channel, request);
    hub_channel_arm(hub, channel);
}

void hub_channel_one_fewer(struct hub *hub, struct hub_channel *channel, unsigned worker)
{
    assert(channel->members > 0 && channel->shares[worker].members > 0);
    channel->members--;
    channel->shares[worker].members--;
    if (channel->members == 0)
        channel->linger_until_ms = hub->now_ms + hub->config->rooms_linger_ms;
}

void hub_channel_part(struct hub *hub, struct hub_channel *channel, unsigned worker,
                      const struct room_key *user)
{
    hub_channel_one_fewer(hub, channel, worker);
    if (channel->chat)
        hub_presence_part(hub, channel, user);
    hub_channel_arm(hub, channel);
}

/* --- to the workers --- */

bool hub_stock_up(struct hub *hub)
{
    static struct log_limit limit = LOG_LIMIT(1000);
    uint64_t suppressed;
    while (hub->stock_count < hub->workers_count) {
        struct hub_frame *output = calloc(1, sizeof *output);
        if (!output) {
            if (log_limit_pass(&limit, hub->now_ms, &suppressed))
                log_error("out_of_memory", LOG_TEXT("doing", "handing events to the workers: they wait"),
                          LOG_U64("suppressed", suppressed));
            return false;
        }
        output->output.item.next = hub->stock ? &hub->stock->output.item : NULL;
        hub->stock = output;
        hub->stock_count++;
    }
    return true;
}

/* NULL: the stock is used up, and there is no memory. */
static struct hub_frame *take_output(struct hub *hub)
{
    struct hub_frame *output = hub->stock;
    if (!output)
        return calloc(1, sizeof *output);
    hub->stock = (struct hub_frame *)output->output.item.next;
    hub->stock_count--;
    return output;
}

void hub_stock_free(struct hub *hub)
{
    while (hub->stock)
        free(take_output(hub));
}

static void put(struct hub_outlet *outlet, struct hub_frame *output)
{
    atomic_fetch_add_explicit(&outlet->bytes, hub_frame_cost(output), memory_order_relaxed);
    if (inbox_put(&outlet->inbox, &output->output.item))
        return;
    frame_unref(&output->frame);
    free(output);
}

static void log_behind(struct hub *hub, unsigned worker)
{
    static struct log_limit limit = LOG_LIMIT(1000);
    uint64_t suppressed;
    if (log_limit_pass(&limit, hub->now_ms, &suppressed))
        log_warn("worker_behind", LOG_U64("worker", worker), LOG_U64("bytes", HUB_OUTLET_BYTES),
                 LOG_TEXT("consequence", "its clients read what they miss by their place in the room"),
                 LOG_U64("suppressed", suppressed));
}

/* True: the worker has to be told. It was otherwise, and nobody of the room is live there until the next
 * answer. */
static bool leave_out(struct hub *hub, struct hub_channel *channel, unsigned worker, enum hub_frame_what what)
{
    struct hub_share *share = &channel->shares[worker];
    log_behind(hub, worker);
    metrics_inc(what == HUB_EVENT ? METRIC_EVENTS_LEFT_OUT : METRIC_SIGNALS_DROPPED);
    if (what != HUB_EVENT || share->is_left_out)
        return false;
    share->is_left_out = true;
    return true;
}

static void send_to_worker(struct hub *hub, struct hub_channel *channel, unsigned worker, struct frame *frame,
                           enum hub_frame_what what, const struct room_key *sender)
{
    struct hub_outlet *outlet = hub->workers[worker];
    /* Losses are told all the same: they are small, and rare. */
    if (what != HUB_LOSS && hub_outlet_is_full(outlet)) {
        if (!leave_out(hub, channel, worker, what))
            return;
        frame = NULL;
    }
    struct hub_frame *output = take_output(hub);
    if (!output) {
        assert(what == HUB_SIGNAL);
        metrics_inc(METRIC_SIGNALS_DROPPED);
        return;
    }
    output->output.kind = HUB_OUTPUT_FRAME;
    output->room = hub_channel_key(channel);
    output->frame = frame ? frame_ref(frame) : NULL;
    output->what = what;
    output->position = channel->feed.position;
    output->stream_seq = channel->feed.position_stream_seq;
    if (sender) {
        output->but_not_sender = true;
        output->sender = *sender;
    }
    put(outlet, output);
}

void hub_channel_send(struct hub *hub, struct hub_channel *channel, struct frame *frame,
                      enum hub_frame_what what, const struct room_key *sender)
{
    for (unsigned worker = 0; worker < hub->workers_count; worker++) {
        if (channel->shares[worker].members > 0)
            send_to_worker(hub, channel, worker, frame, what, sender);
    }
}

void hub_channel_on_timer(struct hub *hub, struct hub_channel *channel)
{
    hub_feed_run(hub, channel);
    if (channel->chat)
        hub_presence_on_timer(hub, channel);
    if (channel->linger_until_ms != 0 && channel->linger_until_ms <= hub->now_ms) {
        hub_channel_close(hub, channel);
        return;
    }
    hub_channel_arm(hub, channel);
}

void hub_channel_arm(struct hub *hub, struct hub_channel *channel)
{
    uint64_t due_ms = hub_feed_due(hub, channel);
    deadline_sooner(&due_ms, channel->chat ? hub_presence_due(hub, channel) : 0);
    deadline_sooner(&due_ms, channel->linger_until_ms);
    if (due_ms != 0)
        timer_wheel_set(&hub->wheel, &channel->timer, due_ms);
    else
        timer_wheel_cancel(&hub->wheel, &channel->timer);
}
