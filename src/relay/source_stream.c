#include "source_stream.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>

#include "backoff.h"
#include "dead_letter.h"
#include "stream_table.h"
#include "wakeup.h"

#define BATCH          100u   /* entries of one read; each may be as large as Redis allows */
#define ACK_BATCH      1000u  /* entries acknowledged at once */
#define BLOCK_MS       200u   /* a blocking read, when nothing is in flight */
#define BLOCK_SHORT_MS 10u    /* while acknowledgements may become due */
#define CLAIM_EVERY_MS 10000u /* looks for entries nobody works on */
#define CLAIM_IDLE_MS  30000u

/* The same for every relay, whatever its host is called: a successor then reads as its own pending entries
 * what its predecessor left, in order and before anything new. Under a name of its own it would only claim
 * them later, behind newer ones. */
#define CONSUMER "relay"

struct source_stream {
    struct source_context context; /* immutable */
    struct redis_group group;      /* immutable */
    pthread_t thread;
    bool started;
    struct wakeup wakeup;
    struct inbox finished; /* events that the lanes gave back */
    atomic_bool stopping;
    _Atomic uint64_t deadline_ms;
    /* the source's thread only */
    struct redis_client *client;
    struct backoff backoff;
    struct stream_table table;
    bool reading_pending;      /* what this or an earlier relay left unacknowledged comes first */
    char after[REDIS_ID_SIZE]; /* while reading_pending */
    char claim_cursor[REDIS_ID_SIZE];
    uint64_t claim_next_ms;
    const char *ids[ACK_BATCH];
};

/* --- finished events --- */

/* The lanes' thread. The inbox is never closed, so it always takes the event. */
static void on_done(struct relay_event *event)
{
    struct source_stream *source = event->context;

    if (!inbox_put(&source->finished, &event->item.item))
        abort();
}

static void settle_event(struct source_stream *source, struct relay_event *event)
{
    static const enum entry_state states[] = {
        [EVENT_STORED] = ENTRY_FINISHED,
        [EVENT_REFUSED] = ENTRY_REFUSED,
        [EVENT_ABANDONED] = ENTRY_FORGOTTEN,
    };
    struct stream_entry *entry = event->entry;

    stream_table_settle(&source->table, entry, states[event->outcome]);
    if (event->outcome == EVENT_REFUSED)
        entry->event = event;
    else
        relay_event_free(&event);
}

static void settle_finished(struct source_stream *source)
{
    struct inbox_item *item = inbox_take(&source->finished);

    while (item) {
        struct inbox_item *next = item->next;
        settle_event(source, (struct relay_event *)(void *)item);
        item = next;
    }
}

/* --- the connection --- */

static void lost(struct source_stream *source)
{
    redis_watch_report(source->context.watch, REDIS_LINK_STREAM, false, redis_client_problem(source->client));
    redis_client_disconnect(source->client);
    backoff_fail(&source->backoff, clock_monotonic_ms());
}

/* What a failed call means: without its group or connection the source begins anew; anything else, as Redis
 * being out of memory, passes or not: slowly. */
static void failed(struct source_stream *source, enum err err)
{
    if (err == ERR_MISSING)
        err = redis_group_ensure(source->client, &source->group);
    if (err != ERR_OK)
        lost(source);
}

/* Up means that reading works, not only that somebody answers. */
static enum err prove(struct source_stream *source)
{
    struct redis_entries entries = {.items = NULL};
    enum err err = redis_read_pending(source->client, &source->group, "0", 1, &entries);

    if (err == ERR_OK)
        redis_entries_release(&entries);
    return err;
}

static bool connect_now(struct source_stream *source)
{
    enum err err = redis_client_connect(source->client);

    if (err == ERR_OK)
        err = redis_group_ensure(source->client, &source->group);
    if (err == ERR_OK)
        err = prove(source);
    if (err != ERR_OK) {
        lost(source);
        return false;
    }
    backoff_succeed(&source->backoff);
    source->reading_pending = true;
    snprintf(source->after, sizeof source->after, "0");
    redis_watch_report(source->context.watch, REDIS_LINK_STREAM, true, NULL);
    return true;
}

/* --- acknowledging --- */

static enum err bury(struct source_stream *source, const char *reason, const char *id, struct slice text)
{
    char origin[sizeof source->after + 264];
    int len = snprintf(origin, sizeof origin, "%s %s", source->group.stream, id);
    const struct dead_letter letter = {reason, {origin, (size_t)len}, text};

    return dead_letter_write(source->context.config, source->client, &letter);
}

/* False when the connection is gone. */
static bool bury_refused(struct source_stream *source)
{
    for (struct stream_entry *entry = source->table.settled; entry; entry = entry->next) {
        if (entry->state != ENTRY_REFUSED)
            continue;
        enum err err = bury(source, entry->event->problem, entry->id, entry->event->text);
        if (err != ERR_OK && !redis_client_is_connected(source->client))
            return false;
        relay_event_free(&entry->event);
        entry->state = err == ERR_OK ? ENTRY_FINISHED : ENTRY_FORGOTTEN;
    }
    return true;
}

/* False when the connection is gone. */
static bool flush(struct source_stream *source)
{
    bool good = bury_refused(source);

    while (good) {
        size_t count = stream_table_finished(&source->table, source->ids, ACK_BATCH);
        if (count > 0)
            good = redis_ack(source->client, &source->group, source->ids, count) == ERR_OK;
        if (good)
            stream_table_sweep(&source->table, count);
        if (count < ACK_BATCH)
            break;
    }
    if (!good)
        lost(source);
    return good;
}

/* --- reading --- */

/* Nothing more is to be done with this entry but to acknowledge it. */
static void finish_entry(struct source_stream *source, const char *id)
{
    /* Out of memory: it stays unacknowledged and is claimed later. */
    (void)stream_table_add(&source->table, id, ENTRY_FINISHED, 0);
}

/* It may have been stored before; nobody can tell. */
static void drop_trimmed(struct source_stream *source, const struct redis_entry *entry)
{
    static struct log_limit limit = LOG_LIMIT(1000);
    uint64_t suppressed;

    metrics_inc(METRIC_RELAY_DROPPED);
    if (log_limit_pass(&limit, clock_monotonic_ms(), &suppressed))
        log_warn("event_dropped", LOG_TEXT("source", source->group.stream), LOG_TEXT("entry", entry->id),
                 LOG_TEXT("reason", "Redis trimmed the entry before it was acknowledged"),
                 LOG_U64("suppressed", suppressed));
    finish_entry(source, entry->id);
}

static void reject_entry(struct source_stream *source, const struct redis_entry *entry, const char *reason)
{
    if (bury(source, reason, entry->id, entry->event) == ERR_OK)
        finish_entry(source, entry->id);
}

static void submit_entry(struct source_stream *source, const char *id, struct relay_event *event)
{
    event->entry = stream_table_add(&source->table, id, ENTRY_IN_LANES, event->text.len);
    if (!event->entry) {
        relay_event_free(&event);
        return;
    }
    event->context = source;
    event->done = on_done;
    lanes_submit(source->context.lanes, event);
}

static void take_event(struct source_stream *source, const struct redis_entry *entry)
{
    char reason[INTAKE_REASON_SIZE], origin[SOURCE_MAX + 64], id[REDIS_ID_SIZE + 8];
    struct relay_event *event = NULL;

    snprintf(origin, sizeof origin, "%s %s", source->group.stream, entry->id);
    /* An entry id is unique in its stream for ever (redis.io, XADD), but a stream's name may hold what a
     * message id may not: a fixed word stands for it. */
    snprintf(id, sizeof id, "stream:%s", entry->id);
    switch (
        intake_check(source->context.intake, entry->event, slice_of(id), slice_of(origin), &event, reason)) {
    case INTAKE_TAKEN:
        submit_entry(source, entry->id, event);
        break;
    case INTAKE_SKIPPED:
        finish_entry(source, entry->id);
        break;
    case INTAKE_BAD:
    case INTAKE_TOO_BIG:
        reject_entry(source, entry, reason);
        break;
    case INTAKE_NO_MEMORY:
        break;
    }
}

static void take_entries(struct source_stream *source, const struct redis_entries *entries)
{
    for (size_t i = 0; i < entries->count; i++) {
        const struct redis_entry *entry = &entries->items[i];

        if (stream_table_has(&source->table, entry->id))
            continue;
        metrics_inc(METRIC_RELAY_READ_STREAM);
        if (entry->trimmed)
            drop_trimmed(source, entry);
        else if (!entry->has_event)
            /* the letter holds the fields it has instead */
            reject_entry(source, entry, "the stream entry has no field \"event\"");
        else
            take_event(source, entry);
    }
}

/* How many more entries may be taken in. */
static unsigned room_left(const struct source_stream *source)
{
    size_t limit = source->context.config->relay_max_in_flight;

    if (source->table.count >= limit || source->table.bytes_in_lanes >= SOURCE_BYTES_MAX)
        return 0;
    return limit - source->table.count < BATCH ? (unsigned)(limit - source->table.count) : BATCH;
}

static enum err read_pending(struct source_stream *source, unsigned count, struct redis_entries *entries)
{
    enum err err = redis_read_pending(source->client, &source->group, source->after, count, entries);

    if (err == ERR_OK && entries->count > 0)
        snprintf(source->after, sizeof source->after, "%s", entries->items[entries->count - 1].id);
    else if (err == ERR_OK)
        source->reading_pending = false;
    return err;
}

static enum err claim(struct source_stream *source, unsigned count, uint64_t now,
                      struct redis_entries *entries)
{
    enum err err =
        redis_claim(source->client, &source->group, CLAIM_IDLE_MS, count, source->claim_cursor, entries);

    if (err == ERR_OK && strcmp(source->claim_cursor, "0-0") == 0)
        source->claim_next_ms = now + CLAIM_EVERY_MS;
    return err;
}

static void read_entries(struct source_stream *source, unsigned count)
{
    struct redis_entries entries = {.items = NULL};
    uint64_t now = clock_monotonic_ms();
    enum err err;

    if (source->reading_pending)
        err = read_pending(source, count, &entries);
    else if (now >= source->claim_next_ms)
        err = claim(source, count, now, &entries);
    else
        err = redis_read_new(source->client, &source->group, count,
                             source->table.count ? BLOCK_SHORT_MS : BLOCK_MS, &entries);
    if (err != ERR_OK) {
        failed(source, err);
        return;
    }
    take_entries(source, &entries);
    redis_entries_release(&entries);
    if (!redis_client_is_connected(source->client)) /* while writing a dead letter */
        lost(source);
}

/* --- life --- */

static bool is_over(struct source_stream *source)
{
    if (!atomic_load(&source->stopping))
        return false;
    return source->table.count == 0 || clock_monotonic_ms() >= atomic_load(&source->deadline_ms) ||
           (source->table.in_lanes == 0 && !redis_client_is_connected(source->client));
}

static void turn(struct source_stream *source)
{
    bool stopping = atomic_load(&source->stopping);

    if (!redis_client_is_connected(source->client)) {
        uint64_t left = backoff_left(&source->backoff, clock_monotonic_ms());
        if (stopping || left > 0)
            wakeup_wait(&source->wakeup, stopping ? 50 : left);
        else
            (void)connect_now(source);
        return;
    }
    if (!flush(source))
        return;
    unsigned room = room_left(source);
    if (stopping || room == 0)
        wakeup_wait(&source->wakeup, 50);
    else
        read_entries(source, room);
}

static void *run(void *context)
{
    struct source_stream *source = context;

    while (!is_over(source)) {
        turn(source);
        settle_finished(source);
    }
    redis_client_disconnect(source->client);
    return NULL;
}

enum err source_stream_new(const struct source_context *context, struct source_stream **ret_source,
                           char *problem)
{
    struct source_stream *source = calloc(1, sizeof *source);
    const struct config *config = context->config;
    const struct redis_options options = {
        .url = config->redis_url,
        .connect_timeout_ms = SOURCE_CONNECT_TIMEOUT_MS,
        .command_timeout_ms = SOURCE_COMMAND_TIMEOUT_MS,
    };

    if (!source)
        return ERR_NO_MEMORY;
    source->context = *context;
    source->group = (struct redis_group){config->redis_stream, config->redis_group, CONSUMER};
    snprintf(source->claim_cursor, sizeof source->claim_cursor, "0-0");
    wakeup_init(&source->wakeup);
    inbox_init(&source->finished, wakeup_raise, &source->wakeup);
    redis_watch_use(context->watch, REDIS_LINK_STREAM);
    enum err err = redis_client_new(&options, &source->client, problem);
    if (err == ERR_OK && pthread_create(&source->thread, NULL, run, source) != 0)
        err = ERR_IO;
    if (err != ERR_OK) {
        source_stream_free(&source);
        return err;
    }
    source->started = true;
    *ret_source = source;
    return ERR_OK;
}

void source_stream_stop(struct source_stream *source, uint64_t deadline_ms)
{
    atomic_store(&source->deadline_ms, deadline_ms);
    atomic_store(&source->stopping, true);
    wakeup_raise(&source->wakeup);
}

void source_stream_join(struct source_stream *source)
{
    if (source->started)
        pthread_join(source->thread, NULL);
    source->started = false;
}

void source_stream_free(struct source_stream **pointer)
{
    struct source_stream *source = *pointer;

    if (!source)
        return;
    settle_finished(source);
    stream_table_fini(&source->table);
    redis_client_free(&source->client);
    inbox_fini(&source->finished);
    wakeup_fini(&source->wakeup);
    free(source);
    *pointer = NULL;
}
