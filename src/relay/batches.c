#include "batches.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/metrics.h>
#include <roomcast/wire/server_message.h>

#include "wakeup.h"

#define MESSAGE_SIZE   512
#define CHECK_EVERY_MS 100

/* One request that waits for its events. Freed when the last one has come back. */
struct batch {
    struct batch *prev, *next;
    struct batches *batches;
    batch_answered answered; /* under lock; NULL once it is answered */
    void *whom;
    size_t waiting; /* events still with the lanes */
    size_t stored, skipped;
    bool abandoned, refused, overloaded;
    uint64_t deadline_ms;
    uint64_t tenure;
    char message[MESSAGE_SIZE]; /* when refused */
};

struct batches {
    struct source_context context; /* immutable */
    struct loop_timer *timer;
    struct wakeup idle;
    pthread_mutex_t lock;
    struct batch *open;      /* under lock, and what they hold */
    size_t in_flight, bytes; /* under lock */
    bool stopping;           /* under lock */
    unsigned submitting;     /* under lock: threads that are handing events to the lanes */
};

/* --- answers --- */

static const char not_stored[] =
    "not all events are known to be stored; send them again with the same ids: what is "
    "stored already is not stored twice";

static struct batch_answer refusal(unsigned status, enum error_code code, const char *message)
{
    return (struct batch_answer){.status = status, .code = code, .message = message};
}

static struct batch_answer answer_of(const struct batch *batch)
{
    /* First, or nobody would send again what is not stored only for now. */
    if (batch->abandoned)
        return refusal(503, ERROR_CODE_UNAVAILABLE, not_stored);
    if (batch->overloaded)
        return refusal(503, ERROR_CODE_OVERLOADED, batch->message);
    if (batch->refused)
        return refusal(400, ERROR_CODE_INVALID_EVENT, batch->message);
    return (struct batch_answer){.status = 202, .stored = batch->stored, .skipped = batch->skipped};
}

void batch_answer_write(const struct batch_answer *answer, struct buffer *out)
{
    if (answer->status != 202) {
        server_http_error(out, answer->code, answer->message);
        return;
    }
    buffer_appendf(out, "{\"success\":true,\"accepted\":%zu", answer->stored);
    if (answer->skipped)
        buffer_appendf(out, ",\"skipped\":%zu", answer->skipped);
    buffer_append_char(out, '}');
}

/* --- outcomes --- */

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
    struct batches *batches = batch->batches;

    pthread_mutex_lock(&batches->lock);
    note_outcome(batch, event);
    batches->in_flight--;
    batches->bytes -= event->text.len;
    bool last = --batch->waiting == 0;
    if (last)
        DL_DELETE(batches->open, batch);
    bool idle = batches->open == NULL;
    pthread_mutex_unlock(&batches->lock);
    relay_event_free(&event);
    if (!last)
        return;
    const struct batch_answer answer = answer_of(batch);
    if (batch->answered)
        batch->answered(batch->whom, &answer);
    free(batch);
    if (idle)
        wakeup_raise(&batches->idle);
}

/* The lanes' thread, so that no batch ends meanwhile. They stand in the order in which they came, and so,
 * within a moment, in that of their deadlines. */
static void answer_late(void *context)
{
    struct batches *batches = context;
    const struct batch_answer answer = refusal(503, ERROR_CODE_UNAVAILABLE, not_stored);
    uint64_t now = clock_monotonic_ms();

    pthread_mutex_lock(&batches->lock);
    for (struct batch *batch = batches->open; batch && now >= batch->deadline_ms; batch = batch->next) {
        batch_answered answered = batch->answered;
        batch->answered = NULL;
        if (!answered)
            continue;
        pthread_mutex_unlock(&batches->lock);
        answered(batch->whom, &answer);
        pthread_mutex_lock(&batches->lock);
    }
    pthread_mutex_unlock(&batches->lock);
}

/* --- a request --- */

size_t batches_max(const struct batches *batches)
{
    const struct config *config = batches->context.config;

    return config->relay_max_in_flight < BATCH_MAX ? config->relay_max_in_flight : BATCH_MAX;
}

static struct batch *batch_new(struct batches *batches, const struct parcel *parcel, uint64_t tenure)
{
    struct batch *batch = calloc(1, sizeof *batch);

    if (!batch)
        return NULL;
    batch->batches = batches;
    batch->waiting = parcel->count;
    batch->skipped = parcel->skipped;
    batch->tenure = tenure;
    batch->deadline_ms = clock_monotonic_ms() + 2 * batches->context.config->relay_store_timeout_ms;
    return batch;
}

/* Reserves the places of all the events, or of none: then it says why. */
static bool admit(struct batches *batches, const struct parcel *parcel, struct batch *batch,
                  enum error_code *ret_code)
{
    pthread_mutex_lock(&batches->lock);
    bool full = batches->in_flight > 0 &&
                (batches->in_flight + parcel->count > batches->context.config->relay_max_in_flight ||
                 batches->bytes + parcel->bytes > SOURCE_BYTES_MAX);
    bool admitted = !batches->stopping && !full;
    *ret_code = batches->stopping ? ERROR_CODE_DRAINING : ERROR_CODE_OVERLOADED;
    if (admitted) {
        batches->in_flight += parcel->count;
        batches->bytes += parcel->bytes;
        batches->submitting++;
        DL_APPEND(batches->open, batch);
    }
    pthread_mutex_unlock(&batches->lock);
    return admitted;
}

/* The batch may end with the last event: it is not touched any more. */
static void submit(struct batches *batches, struct parcel *parcel, struct batch *batch)
{
    for (size_t i = 0; i < parcel->count; i++) {
        struct relay_event *event = parcel->events[i];

        parcel->events[i] = NULL;
        event->tenure = batch->tenure;
        event->context = batch;
        event->done = on_done;
        revoker_submit(batches->context.revoker, event);
    }
    pthread_mutex_lock(&batches->lock);
    batches->submitting--;
    pthread_mutex_unlock(&batches->lock);
    wakeup_raise(&batches->idle);
}

static void answer_parcel(const struct parcel *parcel, batch_answered answered, void *whom)
{
    const struct batch_answer nothing = {.status = 202, .skipped = parcel->skipped};
    const struct batch_answer refused = refusal(parcel->status, parcel->code, parcel->message);

    answered(whom, parcel->status ? &refused : &nothing);
}

void batches_take(struct batches *batches, struct parcel *parcel, uint64_t tenure, batch_answered answered,
                  void *whom)
{
    enum error_code code = ERROR_CODE_OVERLOADED;

    if (parcel->status || parcel->count == 0) {
        answer_parcel(parcel, answered, whom);
        return;
    }
    struct batch *batch = batch_new(batches, parcel, tenure);
    if (batch) {
        batch->answered = answered;
        batch->whom = whom;
        if (admit(batches, parcel, batch, &code)) {
            submit(batches, parcel, batch);
            return;
        }
        free(batch);
    }
    const struct batch_answer refused = refusal(503, code, NULL);
    answered(whom, &refused);
}

/* --- life --- */

enum err batches_new(const struct source_context *context, struct loop *loop, struct batches **ret_batches)
{
    struct batches *batches = calloc(1, sizeof *batches);

    if (!batches)
        return ERR_NO_MEMORY;
    batches->context = *context;
    pthread_mutex_init(&batches->lock, NULL);
    wakeup_init(&batches->idle);
    enum err err = loop_timer_new(loop, answer_late, batches, &batches->timer);
    if (err != ERR_OK) {
        batches_free(&batches);
        return err;
    }
    loop_timer_start(batches->timer, CHECK_EVERY_MS, CHECK_EVERY_MS);
    *ret_batches = batches;
    return ERR_OK;
}

void batches_stop(struct batches *batches)
{
    pthread_mutex_lock(&batches->lock);
    batches->stopping = true;
    pthread_mutex_unlock(&batches->lock);
}

void batches_join(struct batches *batches, uint64_t deadline_ms)
{
    for (;;) {
        uint64_t now = clock_monotonic_ms();

        pthread_mutex_lock(&batches->lock);
        bool idle = batches->open == NULL, submitting = batches->submitting > 0;
        pthread_mutex_unlock(&batches->lock);
        /* Events are never left half submitted: that takes no waiting for anybody. */
        if (!submitting && (idle || now >= deadline_ms))
            return;
        wakeup_wait(&batches->idle, deadline_ms > now ? deadline_ms - now : 10);
    }
}

void batches_free(struct batches **pointer)
{
    struct batches *batches = *pointer;

    if (!batches)
        return;
    if (batches->timer)
        loop_timer_free(&batches->timer);
    wakeup_fini(&batches->idle);
    pthread_mutex_destroy(&batches->lock);
    free(batches);
    *pointer = NULL;
}
