/* The source's life: its thread, its connection, its tenure, and when it begins to read anew. */
#include "source_stream_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include <roomcast/base/clock.h>

#define BATCH_FIRST 8u  /* entries of one read */
#define PAUSE_MS    20u /* until the next look, while nothing may be read */
#define STANDBY_MS  50u
#define PROBE_MS    1000u /* a standby asks Redis so often whether it is there */
#define REREAD_MS   5000u /* after an entry could not be finished off, whose order does not matter */

/* The same for every relay, whatever its host is called: a successor then reads as its own pending entries
 * what its predecessor left, in order and before anything new. Under a name of its own it would only claim
 * them later, behind newer ones. */
#define CONSUMER "relay"

/* --- reading again --- */

void source_stream_halt(struct source_stream *source)
{
    source->halted = true;
}

void source_stream_reread_later(struct source_stream *source)
{
    if (!source->reread_ms)
        source->reread_ms = clock_monotonic_ms() + REREAD_MS;
}

void source_stream_read_pending(struct source_stream *source)
{
    source->reading_pending = true;
    snprintf(source->after, sizeof source->after, "0");
}

/* False while it has to wait. */
static bool come_to_the_start(struct source_stream *source)
{
    uint64_t now = clock_monotonic_ms();

    if (source->reread_ms && now >= source->reread_ms)
        source_stream_halt(source);
    if (!source->halted)
        return true;
    if (source->table.count > 0 || backoff_left(&source->halt, now) > 0)
        return false;
    source->halted = false;
    source->reread_ms = 0;
    source_stream_read_pending(source);
    return true;
}

/* --- the connection --- */

void source_stream_lost(struct source_stream *source)
{
    redis_watch_report(source->context.watch, REDIS_LINK_STREAM, false, redis_client_problem(source->client));
    redis_client_disconnect(source->client);
    backoff_fail(&source->backoff, clock_monotonic_ms());
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

static void connect_now(struct source_stream *source)
{
    enum err err = redis_client_connect(source->client);

    if (err == ERR_OK)
        err = redis_group_ensure(source->client, &source->group);
    if (err == ERR_OK && source->tenure)
        err = prove(source);
    if (err != ERR_OK) {
        source_stream_lost(source);
        return;
    }
    backoff_succeed(&source->backoff);
    source_stream_read_pending(source);
    redis_watch_report(source->context.watch, REDIS_LINK_STREAM, true, NULL);
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
        source_stream_halt(source);
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
        source_stream_lost(source);
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
            connect_now(source);
        return;
    }
    if (!source_stream_flush(source) || !source_stream_watch_lag(source))
        return;
    unsigned room = source_stream_room(source);
    if (stopping)
        wakeup_wait(&source->wakeup, 50);
    else if (source->tenure == 0)
        stand_by(source);
    else if (room == 0 || !come_to_the_start(source) || !tenure_is_valid(source->context.tenure))
        wakeup_wait(&source->wakeup, PAUSE_MS);
    else
        source_stream_read(source, room);
}

static void *run(void *context)
{
    struct source_stream *source = context;

    while (!is_over(source)) {
        turn(source);
        source_stream_settle(source);
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
    source_stream_settle(source);
    stream_table_fini(&source->table);
    redis_client_free(&source->client);
    inbox_fini(&source->finished);
    wakeup_fini(&source->wakeup);
    free(source);
    *pointer = NULL;
}
