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

#define BATCH_FIRST    8u                     /* entries of one read */
#define BATCH_MAX      32u                    /* after many small ones */
#define READ_BYTES     (SOURCE_BYTES_MAX / 4) /* of one read, by what the last ones weighed */
#define ACK_BATCH      1000u                  /* entries acknowledged at once */
#define BLOCK_MS       200u   /* a blocking read, when nothing is in flight; far below the lease */
#define BLOCK_SHORT_MS 10u    /* while acknowledgements may become due */
#define CLAIM_EVERY_MS 10000u /* looks for entries nobody works on */
#define CLAIM_IDLE_MS  30000u
#define PAUSE_MS       20u /* until the next look, while nothing may be read */
#define STANDBY_MS     50u
#define PROBE_MS       1000u /* a standby asks Redis so often whether it is there */
#define REREAD_MS      5000u /* after an entry could not be finished off, whose order does not matter */

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
    uint64_t tenure;           /* as this thread last saw it; 0: standby */
    bool reading_pending;      /* what this or an earlier relay left unacknowledged comes first */
    char after[REDIS_ID_SIZE]; /* while reading_pending */
    bool halted;               /* nothing is read until the table is empty; then from the first pending one */
    uint64_t reread_ms;        /* when to halt for that reason; 0: no reason */
    struct backoff halt;       /* while memory is short */
    unsigned batch;            /* entries of the next read, at most */
    size_t weight;             /* bytes of an entry, as the last reads had them */
    uint64_t probe_ms;         /* standby: when to ask for Redis */
    char claim_cursor[REDIS_ID_SIZE];
    uint64_t claim_next_ms;
    const char *ids[ACK_BATCH];
};

/* --- reading again --- */

/* What was read and could not be taken on stays pending in Redis. What came after it must not pass it:
 * nothing more is read until all that is in hand has come to its end, and then again from the first pending
 * entry. */
static void halt(struct source_stream *source)
{
    source->halted = true;
}

static void halt_for_memory(struct source_stream *source)
{
    backoff_fail(&source->halt, clock_monotonic_ms());
    halt(source);
}

/* For an entry that no order matters for. */
static void reread_later(struct source_stream *source)
{
    if (!source->reread_ms)
        source->reread_ms = clock_monotonic_ms() + REREAD_MS;
}

static void begin_pending(struct source_stream *source)
{
    source->reading_pending = true;
    snprintf(source->after, sizeof source->after, "0");
}

/* False while it has to wait. */
static bool come_to_the_start(struct source_stream *source)
{
    uint64_t now = clock_monotonic_ms();

    if (source->reread_ms && now >= source->reread_ms)
        halt(source);
    if (!source->halted)
        return true;
    if (source->table.count > 0 || backoff_left(&source->halt, now) > 0)
        return false;
    source->halted = false;
    source->reread_ms = 0;
    begin_pending(source);
    return true;
}

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
    if (event->outcome == EVENT_ABANDONED)
        halt(source);
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
    if (err == ERR_OK && source->tenure)
        err = prove(source);
    if (err != ERR_OK) {
        lost(source);
        return false;
    }
    backoff_succeed(&source->backoff);
    begin_pending(source);
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
        if (err != ERR_OK)
            reread_later(source);
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
    if (!stream_table_add(&source->table, id, ENTRY_FINISHED, 0))
        reread_later(source);
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
    else
        reread_later(source);
}

static void submit_entry(struct source_stream *source, const char *id, struct relay_event *event)
{
    event->entry = stream_table_add(&source->table, id, ENTRY_IN_LANES, event->text.len);
    if (!event->entry) {
        relay_event_free(&event);
        halt_for_memory(source);
        return;
    }
    event->tenure = source->tenure;
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
        halt_for_memory(source);
        break;
    }
}

static void take_entries(struct source_stream *source, const struct redis_entries *entries)
{
    for (size_t i = 0; i < entries->count && !source->halted; i++) {
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

/* What a read weighed decides how many entries the next one asks for: Redis gives that many, whatever their
 * size. More at once only step by step, fewer at once. */
static void weigh(struct source_stream *source, const struct redis_entries *entries)
{
    size_t bytes = 0;

    for (size_t i = 0; i < entries->count; i++)
        bytes += entries->items[i].event.len;
    if (entries->count == 0)
        return;
    bytes /= entries->count;
    source->weight = bytes > source->weight ? bytes : (3 * source->weight + bytes) / 4;
    source->batch = source->batch * 2 < BATCH_MAX ? source->batch * 2 : BATCH_MAX;
    if (source->weight > READ_BYTES / source->batch)
        source->batch = source->weight < READ_BYTES ? (unsigned)(READ_BYTES / source->weight) : 1;
}

/* How many more entries may be taken in. */
static unsigned room_left(const struct source_stream *source)
{
    size_t limit = source->context.config->relay_max_in_flight;

    if (source->table.count >= limit || source->table.bytes_in_lanes >= SOURCE_BYTES_MAX)
        return 0;
    return limit - source->table.count < source->batch ? (unsigned)(limit - source->table.count)
                                                       : source->batch;
}

static enum err read_pending(struct source_stream *source, unsigned count, struct redis_entries *entries)
{
    enum err err = redis_read_pending(source->client, &source->group, source->after, count, entries);

    if (err == ERR_OK && entries->count > 0)
        snprintf(source->after, sizeof source->after, "%s", entries->items[entries->count - 1].id);
    else if (err == ERR_OK)
        source->reading_pending = false;
    if (err == ERR_OK && !source->reading_pending)
        backoff_succeed(&source->halt);
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

/* So short that a read of a relay whose lease has lapsed is over before another one takes over, which reads
 * the pending entries. */
static unsigned block_ms(const struct source_stream *source)
{
    uint64_t lease_ms = source->context.config->relay_lease_ms;

    if (source->table.count)
        return BLOCK_SHORT_MS;
    return lease_ms && lease_ms / 8 < BLOCK_MS ? (unsigned)lease_ms / 8 : BLOCK_MS;
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
        err = redis_read_new(source->client, &source->group, count, block_ms(source), &entries);
    if (err != ERR_OK) {
        failed(source, err);
        return;
    }
    weigh(source, &entries);
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

/* What an earlier tenure, ours or another relay's, left pending comes first in a new one. */
static void follow_tenure(struct source_stream *source)
{
    uint64_t number = tenure_number(source->context.tenure);

    if (number != source->tenure && number != 0)
        halt(source);
    source->tenure = number;
}

static void stand_by(struct source_stream *source)
{
    uint64_t now = clock_monotonic_ms();

    wakeup_wait(&source->wakeup, STANDBY_MS);
    if (now < source->probe_ms)
        return;
    source->probe_ms = now + PROBE_MS;
    if (redis_ping(source->client) != ERR_OK && !redis_client_is_connected(source->client))
        lost(source);
}

static void turn(struct source_stream *source)
{
    bool stopping = atomic_load(&source->stopping);

    follow_tenure(source);

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
    if (stopping)
        wakeup_wait(&source->wakeup, 50);
    else if (source->tenure == 0)
        stand_by(source);
    else if (room == 0 || !come_to_the_start(source) || !tenure_is_valid(source->context.tenure))
        wakeup_wait(&source->wakeup, PAUSE_MS);
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
    source->batch = BATCH_FIRST;
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
