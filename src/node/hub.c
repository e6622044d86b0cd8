#include "hub.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>
#include <roomcast/wire/envelope.h>
#include <roomcast/wire/server_message.h>
#include <roomcast/wire/signal.h>
#include <roomcast/wire/subject.h>

#include "hub_channel.h"

#define TICK_MS  20
#define FRESH_MS 1000 /* a resume trusts what the leader said a second ago: a storm asks once */
#define RECONCILE_PAUSE_MS                                                                                   \
    1000 /* between two comparisons of all rooms: the questions of one are answered by then */
#define TEXT_MAX     (ENVELOPE_MAX_BYTES + 4096)
#define SCRATCH_KEPT (256u * 1024) /* what the scratch buffers may hold on to between events */

struct hub_request *hub_request_new(enum hub_request_kind kind, unsigned worker, const struct room_key *room,
                                    const struct room_key *user)
{
    struct hub_request *request = calloc(1, sizeof *request);
    if (!request)
        return NULL;
    request->kind = kind;
    request->worker = worker;
    request->room = *room;
    request->user = *user;
    return request;
}

void hub_request_free(struct hub_request **request)
{
    if (!*request)
        return;
    free((*request)->text);
    shared_text_unref(&(*request)->claims);
    replay_unref(&(*request)->replay);
    free(*request);
    *request = NULL;
}

void hub_answer(struct hub *hub, struct hub_request *request, enum err status)
{
    struct hub_outlet *outlet = hub->workers[request->worker];
    request->status = status;
    request->output.kind = HUB_OUTPUT_ANSWER;
    request->carried += request->text_len;
    atomic_fetch_add_explicit(&outlet->bytes, request->carried, memory_order_relaxed);
    if (!inbox_put(&outlet->inbox, &request->output.item))
        hub_request_free(&request);
}

struct hub_channel *hub_find(struct hub *hub, const struct room_key *key)
{
    return (struct hub_channel *)room_table_find(&hub->channels, key);
}

/* --- requests of the workers --- */

void hub_join(struct hub *hub, struct hub_request *request)
{
    struct hub_channel *channel = hub_find(hub, &request->room);
    if (!channel)
        channel = hub_channel_open(hub, &request->room);
    if (channel)
        hub_channel_join(hub, channel, request);
    else
        hub_answer(hub, request, ERR_NO_MEMORY);
}

static void work_on_request(struct hub *hub, struct hub_request *request)
{
    struct hub_channel *channel = hub_find(hub, &request->room);
    switch (request->kind) {
    case HUB_JOIN:
        if (hub->authz && request->room.route == ROUTE_TO_CHAT)
            hub_authorize(hub, request);
        else
            hub_join(hub, request);
        return;
    case HUB_MAY_READ:
        hub_authorize(hub, request);
        return;
    case HUB_POSITION:
    case HUB_CATCH_UP:
        assert(channel);
        hub_channel_join(hub, channel, request);
        return;
    case HUB_PRESENCE:
        assert(channel && channel->chat);
        hub_presence_answer(hub, channel, request);
        return;
    case HUB_PART:
        assert(channel);
        hub_channel_part(hub, channel, request->worker, &request->user);
        break;
    case HUB_TYPING:
        assert(channel);
        hub_publish_typing(hub, channel, &request->user, request->flag);
        break;
    case HUB_NEW_CLAIMS:
        hub_authorize_forget(hub, &request->user);
        break;
    }
    hub_request_free(&request);
}

/* --- messages from the bus --- */

void hub_reject(struct hub *hub, const struct room_key *room, const char *what, enum err err)
{
    static struct log_limit limit = LOG_LIMIT(1000);
    uint64_t suppressed;
    metrics_inc(err == ERR_VERSION    ? METRIC_ENVELOPES_VERSION
                : err == ERR_MISMATCH ? METRIC_ENVELOPES_SUBJECT
                                      : METRIC_ENVELOPES_BAD);
    if (log_limit_pass(&limit, hub->now_ms, &suppressed))
        log_warn("bus_message_rejected", LOG_TEXT("what", what), LOG_SLICE("room", room_key_name(room)),
                 LOG_TEXT("reason", err_name(err)), LOG_U64("suppressed", suppressed));
}

static void work_on_message(struct hub *hub, struct bus_message *message)
{
    enum subject_kind kind;
    struct room_key room;
    if (subject_parse(hub->config->nats_prefix, message->subject, &kind, &room) != ERR_OK)
        return;
    struct hub_channel *channel = hub_find(hub, &room);
    if (!channel) /* still on its way when the room was left */
        return;
    if (kind == SUBJECT_LIVE)
        hub_feed_on_live(hub, channel, message);
    else if (kind == SUBJECT_SIGNAL && channel->chat)
        hub_signal_receive(hub, channel, message->data);
}

static void trim_scratch(struct hub *hub)
{
    if (hub->text.cap <= SCRATCH_KEPT)
        return;
    buffer_fini(&hub->text);
    buffer_init(&hub->text, TEXT_MAX);
}

void hub_on_message(void *context, struct bus_message *message)
{
    struct hub *hub = context;
    pthread_mutex_lock(&hub->lock);
    if (!hub->closed) {
        hub->now_ms = clock_monotonic_ms();
        work_on_message(hub, message);
        trim_scratch(hub);
    }
    pthread_mutex_unlock(&hub->lock);
    bus_message_free(&message);
}

/* --- the thread --- */

static void wake(void *context)
{
    struct hub *hub = context;
    loop_wake_send(hub->wake);
}

static void work(void *context)
{
    struct hub *hub = context;
    pthread_mutex_lock(&hub->lock);
    hub->now_ms = clock_monotonic_ms();
    struct inbox_item *item = inbox_take(&hub->requests);
    while (item) {
        struct inbox_item *next = item->next;
        work_on_request(hub, (struct hub_request *)item);
        item = next;
    }
    hub_take_readings(hub);
    hub_take_verdicts(hub);
    trim_scratch(hub);
    pthread_mutex_unlock(&hub->lock);
    if (hub->stopping)
        loop_stop(hub->loop);
}

static void fire(void *context, struct wheel_timer *timer)
{
    struct hub *hub = context;
    struct hub_channel *channel = (struct hub_channel *)((char *)timer - offsetof(struct hub_channel, timer));
    hub_channel_on_timer(hub, channel);
}

/* After a reconnect, or when the client library dropped messages, or a stream has a new leader: the last
 * event of a room may be missing without anything coming after it to show that. */
static void reconcile(struct hub *hub)
{
    unsigned changes = atomic_load(hub->bus_changes);
    bool is_any = changes != hub->bus_changes_seen || atomic_load(hub->elected) != 0;
    /* A question that is under way is asked anew; trouble after trouble must not let none be answered. */
    if (!is_any || hub->now_ms < hub->reconcile_not_before_ms)
        return;
    bus_shard_set shards = atomic_exchange(hub->elected, 0);
    if (changes != hub->bus_changes_seen)
        shards = UINT64_MAX;
    hub->bus_changes_seen = changes;
    hub->reconcile_not_before_ms = hub->now_ms + RECONCILE_PAUSE_MS;
    struct hub_channel *channel;
    DL_FOREACH(hub->by_use, channel)
    {
        if (shards >> channel->shard & 1)
            hub_feed_suspect(hub, channel);
    }
    hub_presence_heal(hub);
}

/* While nobody can be asked, no gap is given up: that is no loss, and the time does not count afterwards. */
static void watch_cut(struct hub *hub)
{
    bool is_cut_off = !bus_is_up(hub->bus);
    if (is_cut_off == hub->feed_rules.is_cut_off)
        return;
    hub->feed_rules.is_cut_off = is_cut_off;
    if (is_cut_off) {
        hub->cut_since_ms = hub->now_ms;
        return;
    }
    struct hub_channel *channel;
    DL_FOREACH(hub->by_use, channel)
    {
        feed_shift_gap(&channel->feed, hub->now_ms - hub->cut_since_ms, hub->now_ms);
        hub_channel_arm(hub, channel);
    }
}

static void tick(void *context)
{
    struct hub *hub = context;
    pthread_mutex_lock(&hub->lock);
    hub->now_ms = clock_monotonic_ms();
    watch_cut(hub);
    reconcile(hub);
    hub_streams_tick(hub);
    hub_presence_sync_tick(hub);
    hub_presence_nodes_tick(hub);
    hub_digest_tick(hub);
    hub_authorize_run(hub);
    hub_feed_shrink(hub);
    timer_wheel_advance(&hub->wheel, hub->now_ms, fire, hub);
    pthread_mutex_unlock(&hub->lock);
}

static void *run(void *context)
{
    struct hub *hub = context;
    loop_run(hub->loop);
    return NULL;
}

/* What cannot fail. */
static void init(struct hub *hub, const struct hub_options *options)
{
    pthread_mutex_init(&hub->lock, NULL);
    hub->config = options->config;
    hub->bus = options->bus;
    hub->bus_changes = options->bus_changes;
    hub->bus_changes_seen = atomic_load(options->bus_changes);
    hub->elected = options->elected;
    hub->deflating = options->deflating;
    hub->workers_count = options->workers_count;
    snprintf(hub->instance, sizeof hub->instance, "%s", options->instance);
    hub->now_ms = clock_monotonic_ms();
    atomic_store(&hub->history_limit, UINT64_MAX);
    hub->feed_rules = (struct feed_rules){
        .max_events = (uint32_t)hub->config->resume_max_events,
        .max_bytes = hub->config->resume_max_bytes,
        .fresh_ms = FRESH_MS,
        .verify_every_ms = hub->config->rooms_verify_s * 1000,
        .repair_timeout_ms = hub->config->rooms_repair_s * 1000,
    };
    timer_wheel_init(&hub->wheel, TICK_MS, hub->now_ms);
    buffer_init(&hub->text, TEXT_MAX);
    buffer_init(&hub->encoded, SIGNAL_MAX_BYTES);
    inbox_init(&hub->requests, wake, hub);
    inbox_init(&hub->readings, wake, hub);
    inbox_init(&hub->verdicts, wake, hub);
}

static enum err allocate(struct hub *hub, const struct hub_options *options)
{
    hub->workers = calloc(options->workers_count, sizeof *hub->workers);
    if (!hub->workers)
        return ERR_NO_MEMORY;
    memcpy(hub->workers, options->workers, options->workers_count * sizeof *hub->workers);
    enum err err = hub_streams_init(hub);
    if (err == ERR_OK)
        err = room_table_init(&hub->channels);
    if (err == ERR_OK)
        err = hub_authorize_init(hub);
    if (err == ERR_OK)
        err = loop_new(&hub->loop);
    if (err == ERR_OK && hub->config->websocket_compression > 0)
        err = deflater_new((unsigned)hub->config->websocket_compression, &hub->deflater);
    if (err == ERR_OK)
        err = loop_wake_new(hub->loop, work, hub, &hub->wake);
    if (err == ERR_OK)
        err = loop_timer_new(hub->loop, tick, hub, &hub->tick);
    return err;
}

enum err hub_start(const struct hub_options *options, struct hub **ret_hub)
{
    struct hub *hub = calloc(1, sizeof *hub);
    if (!hub)
        return ERR_NO_MEMORY;
    init(hub, options);
    enum err err = allocate(hub, options);
    if (err == ERR_OK)
        err = hub_digest_start(hub);
    if (err == ERR_OK) {
        loop_timer_start(hub->tick, TICK_MS, TICK_MS);
        err = pthread_create(&hub->thread, NULL, run, hub) == 0 ? ERR_OK : ERR_IO;
    }
    if (err != ERR_OK) {
        hub_digest_stop(hub);
        hub_free(&hub);
        return err;
    }
    *ret_hub = hub;
    return ERR_OK;
}

void hub_ask(struct hub *hub, struct hub_request *request)
{
    if (request->kind == HUB_TYPING && inbox_count(&hub->requests) > HUB_BUSY_REQUESTS) {
        metrics_inc(METRIC_TYPING_DROPPED);
        hub_request_free(&request);
        return;
    }
    if (!inbox_put(&hub->requests, &request->output.item))
        hub_request_free(&request);
}

void hub_limit_history(struct hub *hub, uint64_t bytes)
{
    atomic_store(&hub->history_limit, bytes);
}

static bool is_answered(const struct hub_request *request)
{
    return request->kind != HUB_PART && request->kind != HUB_TYPING && request->kind != HUB_NEW_CLAIMS;
}

/* Whoever waits for an answer gets one: the workers count them. */
static void refuse_requests(struct hub *hub)
{
    struct inbox_item *item = inbox_take(&hub->requests);
    while (item) {
        struct inbox_item *next = item->next;
        struct hub_request *request = (struct hub_request *)item;
        if (is_answered(request))
            hub_answer(hub, request, ERR_TIMEOUT);
        else
            hub_request_free(&request);
        item = next;
    }
}

void hub_stop(struct hub *hub)
{
    hub->stopping = true;
    loop_wake_send(hub->wake);
    pthread_join(hub->thread, NULL);
    inbox_close(&hub->requests);
    inbox_close(&hub->readings);
    inbox_close(&hub->verdicts);
    pthread_mutex_lock(&hub->lock);
    hub->closed = true; /* the bus may still deliver */
    hub->now_ms = clock_monotonic_ms();
    refuse_requests(hub);
    hub_digest_stop(hub);
    hub_authorize_close(hub);
    while (hub->by_use)
        hub_channel_close(hub, hub->by_use);
    pthread_mutex_unlock(&hub->lock);
}

void hub_free(struct hub **hub)
{
    if (!*hub)
        return;
    struct inbox_item *item, *next;
    for (item = inbox_take(&(*hub)->readings); item; item = next) {
        next = item->next;
        hub_reading_free((struct hub_reading *)item);
    }
    hub_authorize_fini(*hub);
    hub_stock_free(*hub);
    inbox_fini(&(*hub)->requests);
    inbox_fini(&(*hub)->readings);
    buffer_fini(&(*hub)->text);
    buffer_fini(&(*hub)->encoded);
    deflater_free(&(*hub)->deflater);
    loop_free(&(*hub)->loop);
    room_table_fini(&(*hub)->channels, NULL);
    hub_presence_nodes_free(*hub);
    free((*hub)->presence.buckets);
    free((*hub)->presence.rooms);
    pthread_mutex_destroy(&(*hub)->lock);
    free((*hub)->streams);
    free((*hub)->workers);
    free(*hub);
    *hub = NULL;
}
