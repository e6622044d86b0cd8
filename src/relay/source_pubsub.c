#include "source_pubsub.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>

#include "backlog.h"
#include "backoff.h"
#include "dead_letter.h"
#include "presence_publisher.h"
#include "wakeup.h"

#define WAIT_MS       100u /* for a message, when nothing waits to be taken in */
#define WAIT_SHORT_MS 10u
#define STANDBY_MS    50u
#define DRAIN_MS      2000u /* at the end, without a word of Redis */

struct source_pubsub {
    struct source_context context; /* immutable */
    pthread_t thread;
    bool started;
    struct wakeup wakeup;
    struct inbox refused; /* events for the dead letters */
    atomic_bool stopping;
    _Atomic uint64_t deadline_ms;
    atomic_size_t in_flight, bytes_in_flight;
    /* the source's thread only */
    struct redis_client *subscriber, *writer; /* a subscribed connection cannot write dead letters */
    struct backoff backoff, writer_backoff;
    struct backlog backlog;
    /* written by the source's thread */
    _Atomic uint64_t tenure; /* as it last saw it; 0: standby */
};

static void count_dropped(const char *reason)
{
    static struct log_limit limit = LOG_LIMIT(1000);
    uint64_t suppressed;

    metrics_inc(METRIC_RELAY_DROPPED);
    if (log_limit_pass(&limit, clock_monotonic_ms(), &suppressed))
        log_warn("event_dropped", LOG_TEXT("source", "pubsub"), LOG_TEXT("reason", reason),
                 LOG_U64("suppressed", suppressed));
}

/* --- finished events --- */

/* The lanes' thread. The inbox is never closed, so it always takes the event. */
static void on_done(struct relay_event *event)
{
    struct source_pubsub *source = event->context;
    size_t bytes = event->text.len;

    if (event->outcome == EVENT_ABANDONED)
        count_dropped("another relay works, or memory is short");
    if (event->outcome != EVENT_REFUSED)
        relay_event_free(&event);
    else if (!inbox_put(&source->refused, &event->item.item))
        abort();
    atomic_fetch_sub(&source->bytes_in_flight, bytes);
    if (atomic_fetch_sub(&source->in_flight, 1) == 1)
        wakeup_raise(&source->wakeup);
}

static bool writer_connected(struct source_pubsub *source)
{
    uint64_t now = clock_monotonic_ms();

    if (redis_client_is_connected(source->writer))
        return true;
    if (backoff_left(&source->writer_backoff, now) > 0)
        return false;
    if (redis_client_connect(source->writer) == ERR_OK) {
        backoff_succeed(&source->writer_backoff);
        return true;
    }
    backoff_fail(&source->writer_backoff, clock_monotonic_ms());
    return false;
}

/* Nobody sends it again: without a dead letter it is lost, and counted as that. */
static void bury(struct source_pubsub *source, const char *reason, struct slice origin, struct slice text)
{
    const struct dead_letter letter = {reason, origin, text};

    if (!writer_connected(source) ||
        dead_letter_write(source->context.config, source->writer, &letter) != ERR_OK)
        count_dropped(reason);
}

static void bury_refused(struct source_pubsub *source)
{
    struct inbox_item *item = inbox_take(&source->refused);

    while (item) {
        struct inbox_item *next = item->next;
        struct relay_event *event = (struct relay_event *)(void *)item;

        bury(source, event->problem, event->source, event->text);
        relay_event_free(&event);
        item = next;
    }
}

/* --- taking in --- */

static void submit(struct source_pubsub *source, struct relay_event *event)
{
    event->tenure = atomic_load(&source->tenure);
    event->context = source;
    event->done = on_done;
    atomic_fetch_add(&source->in_flight, 1);
    atomic_fetch_add(&source->bytes_in_flight, event->text.len);
    revoker_submit(source->context.revoker, event);
}

static void take_event(struct source_pubsub *source, const struct backlog_item *item)
{
    char reason[INTAKE_REASON_SIZE];
    struct relay_event *event = NULL;

    switch (
        intake_check(source->context.intake, item->text, SLICE_LITERAL(""), item->source, &event, reason)) {
    case INTAKE_TAKEN:
        submit(source, event);
        break;
    case INTAKE_SKIPPED:
        break;
    case INTAKE_BAD:
    case INTAKE_TOO_BIG:
        bury(source, reason, item->source, item->text);
        break;
    case INTAKE_NO_MEMORY:
        count_dropped("out of memory");
        break;
    }
}

static void pump(struct source_pubsub *source)
{
    struct backlog_item *item;

    while (atomic_load(&source->in_flight) < source->context.config->relay_max_in_flight &&
           atomic_load(&source->bytes_in_flight) < SOURCE_BYTES_MAX &&
           (item = backlog_take(&source->backlog)) != NULL) {
        take_event(source, item);
        free(item);
    }
}

/* --- reading --- */

static void lost(struct source_pubsub *source)
{
    redis_watch_report(source->context.watch, REDIS_LINK_PUBSUB, false,
                       redis_client_problem(source->subscriber));
    redis_client_disconnect(source->subscriber);
    backoff_fail(&source->backoff, clock_monotonic_ms());
}

static void connect_now(struct source_pubsub *source)
{
    const struct config_list *patterns = &source->context.config->redis_patterns;
    enum err err = redis_client_connect(source->subscriber);

    if (err == ERR_OK)
        err = redis_psubscribe(source->subscriber, (const char *const *)patterns->items, patterns->count);
    if (err != ERR_OK) {
        lost(source);
        return;
    }
    backoff_succeed(&source->backoff);
    redis_watch_report(source->context.watch, REDIS_LINK_PUBSUB, true, NULL);
}

static void take_message(struct source_pubsub *source, const struct redis_message *message)
{
    if (slice_equal(message->channel, SLICE_LITERAL(PRESENCE_CHANNEL)))
        return; /* our own word, or another relay's */
    char origin[SOURCE_MAX + 1];
    int len = snprintf(origin, sizeof origin, "pubsub %.*s", SLICE_FMT(message->channel));
    size_t used = (size_t)len < sizeof origin ? (size_t)len : sizeof origin - 1;

    metrics_inc(METRIC_RELAY_READ_PUBSUB);
    if (!backlog_add(&source->backlog, (struct slice){origin, used}, message->payload))
        count_dropped("more messages than the relay can store or keep");
}

static void read_message(struct source_pubsub *source)
{
    struct redis_message message = {.reply = NULL};
    enum err err =
        redis_next_message(source->subscriber, source->backlog.count ? WAIT_SHORT_MS : WAIT_MS, &message);

    if (err == ERR_OK) {
        take_message(source, &message);
        redis_message_release(&message);
    } else if (err != ERR_BUSY) {
        lost(source);
    }
}

/* --- life --- */

static bool is_over(struct source_pubsub *source)
{
    return clock_monotonic_ms() >= atomic_load(&source->deadline_ms) ||
           (source->backlog.count == 0 && atomic_load(&source->in_flight) == 0);
}

/* A standby does not listen: the active relay hears the same. */
static void stand_by(struct source_pubsub *source)
{
    struct backlog_item *item;

    redis_client_disconnect(source->subscriber);
    redis_watch_leave(source->context.watch, REDIS_LINK_PUBSUB);
    while ((item = backlog_take(&source->backlog)) != NULL) {
        count_dropped("another relay works");
        free(item);
    }
}

static void follow_tenure(struct source_pubsub *source)
{
    uint64_t number = tenure_number(source->context.tenure);

    if (number == atomic_load(&source->tenure))
        return;
    if (number == 0) {
        atomic_store(&source->tenure, 0); /* first: nobody may take it for listening */
        stand_by(source);
        return;
    }
    if (atomic_load(&source->tenure) == 0)
        redis_watch_use(source->context.watch, REDIS_LINK_PUBSUB);
    atomic_store(&source->tenure, number);
}

static void turn(struct source_pubsub *source)
{
    follow_tenure(source);
    if (atomic_load(&source->tenure) == 0) {
        wakeup_wait(&source->wakeup, STANDBY_MS);
        return;
    }
    if (redis_client_is_connected(source->subscriber)) {
        read_message(source);
        return;
    }
    uint64_t left = backoff_left(&source->backoff, clock_monotonic_ms());
    if (left > 0)
        wakeup_wait(&source->wakeup, source->backlog.count ? WAIT_SHORT_MS : left);
    else
        connect_now(source);
}

static void take_in(struct source_pubsub *source)
{
    pump(source);
    bury_refused(source);
}

static void log_cut_off(struct source_pubsub *source, enum err err)
{
    bool is_late = err == ERR_OK || err == ERR_BUSY;

    log_warn(
        "pubsub_cut_off",
        LOG_TEXT("reason", is_late ? "the time for it was over" : redis_client_problem(source->subscriber)),
        LOG_TEXT("meaning", "what Redis had published to this relay and it had not read yet is lost"));
}

/* Listens no more, and takes what Redis had sent by then, which it will not send again: as fast as it can be
 * stored, for nothing is added to it, and as long as it comes. */
static void drain(struct source_pubsub *source)
{
    struct redis_message message = {.reply = NULL};
    uint64_t heard_ms = clock_monotonic_ms();
    enum err err = redis_punsubscribe(source->subscriber);

    while (err == ERR_OK || err == ERR_BUSY) {
        uint64_t now = clock_monotonic_ms();
        follow_tenure(source);
        take_in(source);
        if (now >= atomic_load(&source->deadline_ms) || now - heard_ms >= DRAIN_MS)
            break;
        if (source->backlog.count > 0) {
            wakeup_wait(&source->wakeup, WAIT_SHORT_MS);
            heard_ms = clock_monotonic_ms();
            continue;
        }
        err = redis_next_message(source->subscriber, WAIT_SHORT_MS, &message);
        if (err == ERR_OK) {
            take_message(source, &message);
            redis_message_release(&message);
            heard_ms = clock_monotonic_ms();
        }
    }
    if (err != ERR_MISSING && atomic_load(&source->tenure) != 0)
        log_cut_off(source, err);
    redis_client_disconnect(source->subscriber);
    redis_watch_leave(source->context.watch, REDIS_LINK_PUBSUB);
}

static void *run(void *context)
{
    struct source_pubsub *source = context;

    while (!atomic_load(&source->stopping)) {
        turn(source);
        take_in(source);
    }
    if (redis_client_is_connected(source->subscriber))
        drain(source);
    while (!is_over(source)) {
        wakeup_wait(&source->wakeup, 20);
        follow_tenure(source);
        take_in(source);
    }
    bury_refused(source);
    redis_client_disconnect(source->writer);
    return NULL;
}

enum err source_pubsub_new(const struct source_context *context, struct source_pubsub **ret_source,
                           char *problem)
{
    struct source_pubsub *source = calloc(1, sizeof *source);
    const struct redis_options options = {
        .url = context->config->redis_url,
        .connect_timeout_ms = SOURCE_CONNECT_TIMEOUT_MS,
        .command_timeout_ms = SOURCE_COMMAND_TIMEOUT_MS,
    };

    if (!source)
        return ERR_NO_MEMORY;
    source->context = *context;
    backlog_init(&source->backlog, PUBSUB_BACKLOG_EVENTS, PUBSUB_BACKLOG_BYTES);
    wakeup_init(&source->wakeup);
    inbox_init(&source->refused, wakeup_raise, &source->wakeup);
    enum err err = redis_client_new(&options, &source->subscriber, problem);
    if (err == ERR_OK)
        err = redis_client_new(&options, &source->writer, problem);
    if (err == ERR_OK && pthread_create(&source->thread, NULL, run, source) != 0)
        err = ERR_IO;
    if (err != ERR_OK) {
        source_pubsub_free(&source);
        return err;
    }
    source->started = true;
    *ret_source = source;
    return ERR_OK;
}

bool source_pubsub_is_at_work(const struct source_pubsub *source)
{
    return atomic_load(&source->tenure) != 0;
}

void source_pubsub_stop(struct source_pubsub *source, uint64_t deadline_ms)
{
    atomic_store(&source->deadline_ms, deadline_ms);
    atomic_store(&source->stopping, true);
    wakeup_raise(&source->wakeup);
}

void source_pubsub_join(struct source_pubsub *source)
{
    if (source->started)
        pthread_join(source->thread, NULL);
    source->started = false;
}

static void free_refused(struct source_pubsub *source)
{
    struct inbox_item *item = inbox_take(&source->refused);

    while (item) {
        struct inbox_item *next = item->next;
        struct relay_event *event = (struct relay_event *)(void *)item;

        count_dropped(event->problem);
        relay_event_free(&event);
        item = next;
    }
}

void source_pubsub_free(struct source_pubsub **pointer)
{
    struct source_pubsub *source = *pointer;

    if (!source)
        return;
    free_refused(source);
    if (source->backlog.count)
        log_warn("events_dropped", LOG_TEXT("source", "pubsub"), LOG_U64("events", source->backlog.count),
                 LOG_TEXT("reason", "the relay stopped before they could be stored"));
    metrics_add(METRIC_RELAY_DROPPED, source->backlog.count);
    backlog_fini(&source->backlog);
    redis_client_free(&source->subscriber);
    redis_client_free(&source->writer);
    inbox_fini(&source->refused);
    wakeup_fini(&source->wakeup);
    free(source);
    *pointer = NULL;
}
