#include "source_http.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/metrics.h>
#include <roomcast/base/random.h>

#include "http_answer.h"
#include "wakeup.h"

#define MESSAGE_SIZE   512
#define BODY_MIN       (4u << 20) /* an array may have at least this size */
#define CHECK_EVERY_MS 100

/* One request that waits for its events. Freed when the last one has come back. */
struct batch {
    struct batch *prev, *next;
    struct source_http *source;
    struct http_exchange *exchange; /* NULL once answered */
    size_t waiting;                 /* events still with the lanes */
    size_t stored, skipped;
    bool abandoned, refused, overloaded;
    uint64_t deadline_ms;
    uint64_t tenure;            /* in which the request came */
    char message[MESSAGE_SIZE]; /* when refused */
};

struct source_http {
    struct source_context context; /* immutable */
    struct lease_driver *lease;    /* borrowed */
    struct loop_timer *timer;
    struct wakeup idle;
    pthread_mutex_t lock;
    struct batch *batches;   /* under lock, and what they hold */
    size_t in_flight, bytes; /* under lock */
    bool stopping;           /* under lock */
    bool submitting;         /* under lock: the server's thread is handing events to the lanes */
};

/* --- answers --- */

static const char not_stored[] =
    "not all events are known to be stored; send them again with the same ids: what is "
    "stored already is not stored twice";

static void answer_accepted(struct http_exchange *exchange, size_t stored, size_t skipped)
{
    char body[128];
    int len = snprintf(body, sizeof body, "{\"success\":true,\"accepted\":%zu", stored);

    if (skipped)
        len += snprintf(body + len, sizeof body - (size_t)len, ",\"skipped\":%zu", skipped);
    len += snprintf(body + len, sizeof body - (size_t)len, "}");
    http_answer(exchange, 202, "application/json", (struct slice){body, (size_t)len}, NULL, NULL);
}

static void answer_unavailable(struct http_exchange *exchange, enum error_code code, const char *message)
{
    http_refuse(exchange, 503, code, message, "Retry-After", "1");
}

static void answer_batch(const struct batch *batch, struct http_exchange *exchange)
{
    /* First, or nobody would send again what is not stored only for now. */
    if (batch->abandoned || batch->waiting)
        answer_unavailable(exchange, ERROR_CODE_UNAVAILABLE, not_stored);
    else if (batch->overloaded)
        answer_unavailable(exchange, ERROR_CODE_OVERLOADED, batch->message);
    else if (batch->refused)
        http_refuse(exchange, 400, ERROR_CODE_INVALID_EVENT, batch->message, NULL, NULL);
    else
        answer_accepted(exchange, batch->stored, batch->skipped);
}

/* --- open requests --- */

static void link_batch_locked(struct source_http *source, struct batch *batch)
{
    batch->next = source->batches;
    if (batch->next)
        batch->next->prev = batch;
    source->batches = batch;
}

static void unlink_batch_locked(struct source_http *source, struct batch *batch)
{
    if (batch->prev)
        batch->prev->next = batch->next;
    else
        source->batches = batch->next;
    if (batch->next)
        batch->next->prev = batch->prev;
}

static void note_outcome(struct batch *batch, const struct relay_event *event)
{
    if (event->outcome == EVENT_STORED) {
        batch->stored++;
        return;
    }
    if (event->outcome == EVENT_ABANDONED) {
        batch->abandoned = true;
        return;
    }
    /* As an event that the relay itself refuses: the publisher is told, and no dead letter is written. */
    metrics_inc(METRIC_RELAY_REJECTED);
    batch->overloaded |= event->is_overload;
    if (!batch->refused) {
        batch->refused = true;
        snprintf(batch->message, sizeof batch->message, "%s %zu cannot be stored: %s",
                 event->rule ? "event" : "revocation", event->index, event->problem);
    }
}

/* The lanes' thread. */
static void on_done(struct relay_event *event)
{
    struct batch *batch = event->context;
    struct source_http *source = batch->source;

    pthread_mutex_lock(&source->lock);
    note_outcome(batch, event);
    source->in_flight--;
    source->bytes -= event->text.len;
    bool last = --batch->waiting == 0;
    if (last)
        unlink_batch_locked(source, batch);
    bool idle = source->batches == NULL;
    pthread_mutex_unlock(&source->lock);
    relay_event_free(&event);
    if (!last)
        return;
    if (batch->exchange)
        answer_batch(batch, batch->exchange);
    free(batch);
    if (idle)
        wakeup_raise(&source->idle);
}

/* The lanes' thread, so that no batch ends meanwhile. */
static void answer_late(void *context)
{
    struct source_http *source = context;
    uint64_t now = clock_monotonic_ms();
    struct http_exchange *exchange;

    do {
        exchange = NULL;
        pthread_mutex_lock(&source->lock);
        for (struct batch *batch = source->batches; batch && !exchange; batch = batch->next)
            if (batch->exchange && now >= batch->deadline_ms) {
                exchange = batch->exchange;
                batch->exchange = NULL;
            }
        pthread_mutex_unlock(&source->lock);
        if (exchange)
            answer_unavailable(exchange, ERROR_CODE_UNAVAILABLE, not_stored);
    } while (exchange);
}

/* --- a request --- */

/* RFC 6750 section 2.1. The scheme's case does not matter (RFC 9110 section 11.1). */
static bool has_key(const struct config *config, const struct http_exchange *exchange)
{
    static const char scheme[] = "Bearer ";
    struct slice value = http_header(exchange, "Authorization");
    size_t skip = sizeof scheme - 1;

    if (value.len < skip || strncasecmp(value.data, scheme, skip) != 0)
        return false;
    return secret_equal(value.data + skip, value.len - skip, config->relay_api_key,
                        strlen(config->relay_api_key));
}

static bool authorize(const struct config *config, struct http_exchange *exchange)
{
    const char *message = "send the key as `Authorization: Bearer <key>`";

    if (!config->relay_api_key || !config->relay_api_key[0])
        message = "publishing over HTTP is off: relay.api_key is not set";
    else if (has_key(config, exchange))
        return true;
    http_refuse(exchange, 401, ERROR_CODE_UNAUTHORIZED, message, "WWW-Authenticate", "Bearer");
    return false;
}

static void answer_standby(struct source_http *source, struct http_exchange *exchange)
{
    struct lease_status status;
    char message[MESSAGE_SIZE];

    lease_driver_status(source->lease, &status);
    if (status.kind == LEASE_STATUS_STANDBY)
        snprintf(message, sizeof message, "standby: the active relay is %s",
                 status.name[0] ? status.name : "another one");
    else
        snprintf(message, sizeof message, "standby: no relay is active yet");
    answer_unavailable(exchange, ERROR_CODE_UNAVAILABLE, message);
}

/* Reserves the events' places, all or none. */
static struct batch *open_batch(struct source_http *source, const struct http_parcel *parcel,
                                struct http_exchange *exchange, uint64_t tenure, enum error_code *ret_code)
{
    struct batch *batch = calloc(1, sizeof *batch);
    const struct config *config = source->context.config;

    *ret_code = ERROR_CODE_OVERLOADED;
    if (!batch)
        return NULL;
    batch->source = source;
    batch->exchange = exchange;
    batch->waiting = parcel->count;
    batch->skipped = parcel->skipped;
    batch->tenure = tenure;
    batch->deadline_ms = clock_monotonic_ms() + 2 * config->relay_store_timeout_ms;
    pthread_mutex_lock(&source->lock);
    bool full = source->in_flight > 0 && (source->in_flight + parcel->count > config->relay_max_in_flight ||
                                          source->bytes + parcel->bytes > SOURCE_BYTES_MAX);
    if (source->stopping) {
        *ret_code = ERROR_CODE_DRAINING;
    } else if (!full) {
        source->in_flight += parcel->count;
        source->bytes += parcel->bytes;
        source->submitting = true;
        link_batch_locked(source, batch);
        pthread_mutex_unlock(&source->lock);
        return batch;
    }
    pthread_mutex_unlock(&source->lock);
    free(batch);
    return NULL;
}

/* The batch may end with the last event: it is not touched any more. */
static void submit(struct source_http *source, struct http_parcel *parcel, struct batch *batch)
{
    for (size_t i = 0; i < parcel->count; i++) {
        struct relay_event *event = parcel->events[i];

        parcel->events[i] = NULL;
        event->tenure = batch->tenure;
        event->context = batch;
        event->done = on_done;
        revoker_submit(source->context.revoker, event);
    }
    pthread_mutex_lock(&source->lock);
    source->submitting = false;
    pthread_mutex_unlock(&source->lock);
    wakeup_raise(&source->idle);
}

static size_t parcel_max(const struct config *config)
{
    return config->relay_max_in_flight < HTTP_BATCH_MAX ? config->relay_max_in_flight : HTTP_BATCH_MAX;
}

void source_http_post(struct source_http *source, struct http_exchange *exchange, enum http_parcel_kind kind)
{
    struct http_parcel parcel;
    enum error_code code;
    uint64_t tenure = tenure_number(source->context.tenure);

    if (!authorize(source->context.config, exchange))
        return;
    if (tenure == 0) {
        answer_standby(source, exchange);
        return;
    }
    http_parcel_read(source->context.intake, kind, http_body(exchange), parcel_max(source->context.config),
                     &parcel);
    if (parcel.status) {
        bool later = parcel.status == 503;
        http_refuse(exchange, parcel.status, parcel.code, parcel.message, later ? "Retry-After" : NULL,
                    later ? "1" : NULL);
    } else if (parcel.count == 0) {
        answer_accepted(exchange, 0, parcel.skipped);
    } else {
        struct batch *batch = open_batch(source, &parcel, exchange, tenure, &code);
        if (batch)
            submit(source, &parcel, batch);
        else
            answer_unavailable(exchange, code, NULL);
    }
    http_parcel_fini(&parcel);
}

/* --- life --- */

size_t source_http_max_body(const struct config *config)
{
    size_t one = config->relay_max_event_bytes + 1024;

    return one > BODY_MIN ? one : BODY_MIN;
}

enum err source_http_new(const struct source_context *context, struct loop *loop, struct lease_driver *lease,
                         struct source_http **ret_source)
{
    struct source_http *source = calloc(1, sizeof *source);

    if (!source)
        return ERR_NO_MEMORY;
    source->context = *context;
    source->lease = lease;
    pthread_mutex_init(&source->lock, NULL);
    wakeup_init(&source->idle);
    enum err err = loop_timer_new(loop, answer_late, source, &source->timer);
    if (err != ERR_OK) {
        source_http_free(&source);
        return err;
    }
    loop_timer_start(source->timer, CHECK_EVERY_MS, CHECK_EVERY_MS);
    *ret_source = source;
    return ERR_OK;
}

void source_http_stop(struct source_http *source)
{
    pthread_mutex_lock(&source->lock);
    source->stopping = true;
    pthread_mutex_unlock(&source->lock);
}

void source_http_join(struct source_http *source, uint64_t deadline_ms)
{
    for (;;) {
        uint64_t now = clock_monotonic_ms();

        pthread_mutex_lock(&source->lock);
        bool idle = source->batches == NULL, submitting = source->submitting;
        pthread_mutex_unlock(&source->lock);
        /* Events are never left half submitted: that takes no waiting for anybody. */
        if (!submitting && (idle || now >= deadline_ms))
            return;
        wakeup_wait(&source->idle, deadline_ms > now ? deadline_ms - now : 10);
    }
}

void source_http_free(struct source_http **pointer)
{
    struct source_http *source = *pointer;

    if (!source)
        return;
    if (source->timer)
        loop_timer_free(&source->timer);
    wakeup_fini(&source->idle);
    pthread_mutex_destroy(&source->lock);
    free(source);
    *pointer = NULL;
}
