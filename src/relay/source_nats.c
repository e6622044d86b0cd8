#include "source_nats.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>
#include <roomcast/wire/subject.h>

#include "wakeup.h"

#define ANSWER_MAX   4096u
#define FOLLOW_MS    100 /* so late it notices that the relay is active, or no more */
#define LOG_EVERY_MS 10000

struct channel {
    struct source_nats *source;
    enum parcel_kind kind;
    char subject[SUBJECT_SIZE];
    struct bus_subscription *subscription; /* the thread's; NULL while the relay is not active */
};

struct source_nats {
    struct source_context context; /* immutable, as what follows */
    struct bus *bus;
    struct batches *batches;
    struct channel channels[2];
    struct inbox inbox; /* of requests */
    struct wakeup wakeup;
    atomic_size_t waiting_bytes; /* in the inbox */
    atomic_bool stopping, listening;
    atomic_uint refs; /* the owner's, and one of each subscription */
    pthread_t thread;
    bool started;
};

/* A request, copied: a message of the library's may hold more than its data, as many headers as the asker
 * likes. Freed when it is answered. */
struct request {
    struct inbox_item item; /* first */
    const struct channel *channel;
    struct slice data; /* behind the reply subject */
    size_t size;       /* of all this */
    bool is_too_much;  /* the inbox was full: without its data, to be refused */
    char reply[];      /* empty: nobody asked for an answer */
};

/* --- answers --- */

static void note_unanswered(const struct batch_answer *answer)
{
    static struct log_limit limit = LOG_LIMIT(LOG_EVERY_MS);
    uint64_t suppressed;

    if (answer->status == 503)
        metrics_inc(METRIC_RELAY_DROPPED);
    if (log_limit_pass(&limit, clock_monotonic_ms(), &suppressed))
        log_warn("nats_request_refused", LOG_TEXT("code", error_code_text(answer->code)),
                 LOG_TEXT("problem", "nobody is told: it has no reply subject, or none that begins with _"),
                 LOG_U64("suppressed", suppressed));
}

static void answer(void *whom, const struct batch_answer *answer)
{
    struct request *request = whom;
    struct bus *bus = request->channel->source->bus;
    struct buffer body;

    buffer_init(&body, ANSWER_MAX);
    if (!request->reply[0]) {
        if (answer->status != 202)
            note_unanswered(answer);
    } else {
        batch_answer_write(answer, &body);
        /* An answer that does not get there is as good as none in time: the asker asks again. */
        if (!buffer_failed(&body) && bus_publish(bus, request->reply, buffer_slice(&body)) != ERR_OK)
            log_debug("nats_answer_lost", LOG_U64("status", answer->status));
    }
    buffer_fini(&body);
    free(request);
}

/* --- requests --- */

/* A relay may publish what the asker may not, into the stream of events for one: it answers only where
 * answers go, _INBOX or what a client, an import or a gateway has instead of it. */
static const char *reply_of(const struct bus_message *message)
{
    return message->reply && message->reply[0] == '_' ? message->reply : "";
}

static struct request *request_new(const struct channel *channel, const struct bus_message *message,
                                   bool with_data)
{
    const char *reply = reply_of(message);
    size_t reply_size = strlen(reply) + 1, len = with_data ? message->data.len : 0;
    size_t size = sizeof(struct request) + reply_size + len;
    struct request *request = malloc(size);

    if (!request)
        return NULL;
    *request = (struct request){.channel = channel, .size = size, .is_too_much = !with_data};
    memcpy(request->reply, reply, reply_size);
    request->data = (struct slice){request->reply + reply_size, len};
    if (len > 0)
        memcpy(request->reply + reply_size, message->data.data, len);
    return request;
}

/* It, or all but its data, or nothing of it, as there is room. */
static struct request *admit(struct source_nats *source, const struct channel *channel,
                             const struct bus_message *message)
{
    size_t waiting = atomic_load(&source->waiting_bytes);

    if (waiting + message->data.len <= SOURCE_NATS_WAITING_MAX)
        return request_new(channel, message, true);
    return waiting <= 2 * SOURCE_NATS_WAITING_MAX ? request_new(channel, message, false) : NULL;
}

/* A thread of the bus, which delivers everything else too: nothing is published here. */
static void on_message(void *context, struct bus_message *message)
{
    struct channel *channel = context;
    struct source_nats *source = channel->source;
    struct request *request = admit(source, channel, message);

    bus_message_free(&message);
    if (!request) {
        metrics_inc(METRIC_RELAY_DROPPED);
        return;
    }
    atomic_fetch_add(&source->waiting_bytes, request->size);
    if (inbox_put(&source->inbox, &request->item))
        return;
    atomic_fetch_sub(&source->waiting_bytes, request->size);
    free(request); /* it has stopped: as if it had not been heard */
}

static void serve(struct source_nats *source, struct request *request)
{
    static const struct parcel_way way = {.source = {"nats", sizeof "nats" - 1},
                                          .read = METRIC_RELAY_READ_NATS};
    static const struct batch_answer too_much = {.status = 503, .code = ERROR_CODE_OVERLOADED};
    uint64_t tenure = tenure_number(source->context.tenure);
    struct parcel parcel;

    if (tenure == 0) {
        free(request); /* another relay's by now */
        return;
    }
    if (request->is_too_much) {
        answer(request, &too_much);
        return;
    }
    parcel_read(source->context.intake, &way, request->channel->kind, request->data,
                batches_max(source->batches), &parcel);
    batches_take(source->batches, &parcel, tenure, answer, request);
    parcel_fini(&parcel);
}

static void serve_all(struct source_nats *source)
{
    struct inbox_item *item = inbox_take(&source->inbox);

    while (item) {
        struct request *request = (struct request *)(void *)item;

        item = item->next;
        atomic_fetch_sub(&source->waiting_bytes, request->size);
        serve(source, request);
    }
}

/* --- while it is active --- */

static void unref(struct source_nats *source)
{
    if (atomic_fetch_sub(&source->refs, 1) != 1)
        return;
    inbox_fini(&source->inbox);
    wakeup_fini(&source->wakeup);
    free(source);
}

/* A thread of the bus. */
static void on_released(void *context)
{
    unref(((struct channel *)context)->source);
}

static void listen(struct source_nats *source, struct channel *channel)
{
    atomic_fetch_add(&source->refs, 1);
    if (bus_subscribe(source->bus, channel->subject, on_message, channel, &channel->subscription) == ERR_OK)
        return; /* otherwise memory is short, and it is tried again */
    channel->subscription = NULL;
    atomic_fetch_sub(&source->refs, 1);
}

static void follow(struct source_nats *source, bool is_wanted)
{
    for (size_t i = 0; i < 2; i++) {
        struct channel *channel = &source->channels[i];

        if (is_wanted && !channel->subscription)
            listen(source, channel);
        else if (!is_wanted && channel->subscription)
            bus_unsubscribe(source->bus, &channel->subscription, on_released);
    }
    atomic_store(&source->listening, source->channels[0].subscription && source->channels[1].subscription);
}

static void *run(void *context)
{
    struct source_nats *source = context;

    while (!atomic_load(&source->stopping)) {
        follow(source, tenure_number(source->context.tenure) != 0);
        serve_all(source);
        wakeup_wait(&source->wakeup, FOLLOW_MS);
    }
    follow(source, false);
    inbox_close(&source->inbox);
    serve_all(source);
    return NULL;
}

/* --- life --- */

enum err source_nats_new(const struct source_context *context, struct bus *bus, struct batches *batches,
                         struct source_nats **ret_source)
{
    const char *prefix = context->config->nats_prefix;
    struct source_nats *source = calloc(1, sizeof *source);

    if (!source)
        return ERR_NO_MEMORY;
    source->context = *context;
    source->bus = bus;
    source->batches = batches;
    source->channels[0] = (struct channel){.source = source, .kind = PARCEL_EVENTS};
    source->channels[1] = (struct channel){.source = source, .kind = PARCEL_REVOCATIONS};
    subject_format_in_events(prefix, source->channels[0].subject);
    subject_format_in_revocations(prefix, source->channels[1].subject);
    atomic_init(&source->refs, 1);
    wakeup_init(&source->wakeup);
    inbox_init(&source->inbox, wakeup_raise, &source->wakeup);
    source->started = pthread_create(&source->thread, NULL, run, source) == 0;
    if (!source->started) {
        source_nats_free(&source);
        return ERR_IO;
    }
    *ret_source = source;
    return ERR_OK;
}

bool source_nats_is_ready(struct source_nats *source)
{
    return tenure_number(source->context.tenure) == 0 || atomic_load(&source->listening);
}

void source_nats_stop(struct source_nats *source)
{
    if (!source->started)
        return;
    atomic_store(&source->stopping, true);
    wakeup_raise(&source->wakeup);
    pthread_join(source->thread, NULL);
    source->started = false;
}

void source_nats_free(struct source_nats **pointer)
{
    struct source_nats *source = *pointer;

    if (!source)
        return;
    source_nats_stop(source);
    unref(source);
    *pointer = NULL;
}
