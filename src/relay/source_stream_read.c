/* What is read next, and what becomes of an entry that was read. */
#include "source_stream_internal.h"

#include <stdio.h>
#include <string.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>

#define BATCH_MAX      32u                    /* entries of one read, after many small ones */
#define READ_BYTES     (SOURCE_BYTES_MAX / 4) /* of one read, by what the last ones weighed */
#define BLOCK_MS       200u   /* a blocking read, when nothing is in flight; far below the lease */
#define BLOCK_SHORT_MS 10u    /* while acknowledgements may become due */
#define CLAIM_EVERY_MS 10000u /* looks for entries nobody works on */
#define CLAIM_IDLE_MS  30000u

/* --- what becomes of an entry --- */

static void halt_for_memory(struct source_stream *source)
{
    backoff_fail(&source->halt, clock_monotonic_ms());
    source_stream_halt(source);
}

/* Nothing more is to be done with this entry but to acknowledge it. */
static void finish_entry(struct source_stream *source, const char *id)
{
    if (!stream_table_add(&source->table, id, ENTRY_FINISHED, 0))
        source_stream_reread_later(source);
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
    if (source_stream_bury(source, reason, entry->id, entry->event) == ERR_OK)
        finish_entry(source, entry->id);
    else
        source_stream_reread_later(source);
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
    event->done = source_stream_on_done;
    event->entry_order = revoker_order(id);
    revoker_submit(source->context.revoker, event);
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

/* --- reading --- */

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

unsigned source_stream_room(const struct source_stream *source)
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

/* What a failed call means: without its group or connection the source begins anew; anything else, as Redis
 * being out of memory, passes or not: slowly. */
static void failed(struct source_stream *source, enum err err)
{
    if (err == ERR_MISSING)
        err = redis_group_ensure(source->client, &source->group);
    if (err != ERR_OK)
        source_stream_lost(source);
}

/* Are there more unacknowledged entries than are in hand? Then another relay has read some since this one
 * took over: it was frozen between its look at the tenure and its read, and whatever it read after it woke up
 * is lost to it. Those entries come before the ones that were read now. */
static bool has_others(const struct source_stream *source, uint64_t pending, size_t entries)
{
    static struct log_limit limit = LOG_LIMIT(1000);
    uint64_t suppressed, in_hand = source->table.count + entries;

    if (pending <= in_hand || source->reread_ms != 0) /* or it is one that could not be dealt with */
        return false;
    if (log_limit_pass(&limit, clock_monotonic_ms(), &suppressed))
        log_info("entries_read_by_another_relay", LOG_U64("entries", pending - in_hand),
                 LOG_U64("suppressed", suppressed));
    return true;
}

void source_stream_read(struct source_stream *source, unsigned count)
{
    struct redis_entries entries = {.items = NULL};
    uint64_t now = clock_monotonic_ms(), pending = 0;
    enum err err;

    if (source->reading_pending)
        err = read_pending(source, count, &entries);
    else if (now >= source->claim_next_ms)
        err = claim(source, count, now, &entries);
    else
        err = redis_read_new(source->client, &source->group, count, block_ms(source), &pending, &entries);
    if (err != ERR_OK) {
        failed(source, err);
        return;
    }
    if (has_others(source, pending, entries.count)) {
        redis_entries_release(&entries); /* they are pending, too */
        source_stream_read_pending(source);
        return;
    }
    weigh(source, &entries);
    take_entries(source, &entries);
    redis_entries_release(&entries);
    if (!redis_client_is_connected(source->client)) /* while writing a dead letter */
        source_stream_lost(source);
}
