#include "revoked_internal.h"

#include <stdlib.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>
#include <roomcast/wire/subject.h>

/* --- the set --- */

enum revocation_kind revoked_find(struct revoked *revoked, const struct token_claims *claims,
                                  const struct uuid *chat)
{
    if (!revoked || atomic_load(&revoked->count) == 0)
        return 0;
    uint64_t now_s = clock_wall_ms() / 1000;
    pthread_rwlock_rdlock(&revoked->lock);
    enum revocation_kind kind = revocations_find(revoked->set, claims, chat, now_s);
    pthread_rwlock_unlock(&revoked->lock);
    return kind;
}

bool revoked_is_loaded(const struct revoked *revoked)
{
    return !revoked || atomic_load(&revoked->is_loaded);
}

static bool has_rested(const struct remembered *remembered, uint64_t now_ms)
{
    return remembered->revocation.kind != REVOCATION_CHAT || now_ms >= remembered->came_ms + REVOKED_REST_MS;
}

enum revoked_step revoked_next(struct revoked *revoked, uint64_t now_ms, uint64_t *seen,
                               struct revocation *ret_revocation)
{
    if (!revoked || atomic_load(&revoked->number) == *seen)
        return REVOKED_NOTHING;
    enum revoked_step step = REVOKED_ONE;
    pthread_rwlock_rdlock(&revoked->lock);
    uint64_t number = atomic_load(&revoked->number);
    if (number - *seen > REMEMBERED) {
        *seen = number;
        step = REVOKED_MANY;
    } else if (has_rested(&revoked->remembered[*seen % REMEMBERED], now_ms)) {
        *ret_revocation = revoked->remembered[(*seen)++ % REMEMBERED].revocation;
    } else {
        step = REVOKED_NOTHING; /* the workers look again */
    }
    pthread_rwlock_unlock(&revoked->lock);
    return step;
}

static void note_count(struct revoked *revoked)
{
    size_t count = revocations_count(revoked->set);
    atomic_store(&revoked->count, count);
    metrics_set(METRIC_REVOCATIONS, (int64_t)count);
}

/* False: something could not be taken in, and has to be read again. */
static bool merge(struct revoked *revoked, const struct revocation *records, size_t count)
{
    uint64_t now_s = clock_wall_ms() / 1000, now_ms = clock_monotonic_ms();
    uint64_t number = atomic_load(&revoked->number);
    bool good = true;
    pthread_rwlock_wrlock(&revoked->lock);
    for (size_t i = 0; i < count; i++) {
        enum revocations_merged merged = revocations_merge(revoked->set, &records[i], now_s);
        if (merged == REVOCATIONS_BINDS)
            revoked->remembered[number++ % REMEMBERED] = (struct remembered){records[i], now_ms};
        good &= merged != REVOCATIONS_NO_MEMORY && merged != REVOCATIONS_FULL;
    }
    bool has_grown = number != atomic_load(&revoked->number);
    note_count(revoked);
    atomic_store(&revoked->number, number);
    pthread_rwlock_unlock(&revoked->lock);
    if (has_grown)
        revoked->options.on_change(revoked->options.context);
    return good;
}

/* What is no record at all is not waited for: a relay begins it anew. */
bool revoked_take(struct revoked *revoked, struct slice bytes)
{
    static struct log_limit limit = LOG_LIMIT(10000);
    struct revocation *records = NULL;
    size_t count = 0;
    uint64_t suppressed;
    enum err err = revocations_decode(bytes, &records, &count);
    bool good = err == ERR_OK && merge(revoked, records, count);
    free(records);
    if (!good && log_limit_pass(&limit, clock_monotonic_ms(), &suppressed))
        log_error("revocations_rejected", LOG_TEXT("reason", err != ERR_OK ? err_text(err) : "no room"),
                  LOG_U64("suppressed", suppressed));
    return good || (err != ERR_OK && err != ERR_VERSION && err != ERR_NO_MEMORY);
}

/* A shard at a time, so that nobody waits for the lock. */
static void expire(struct revoked *revoked)
{
    pthread_rwlock_wrlock(&revoked->lock);
    revocations_expire(revoked->set, revoked->expired++ % REVOCATION_SHARDS, clock_wall_ms() / 1000);
    note_count(revoked);
    pthread_rwlock_unlock(&revoked->lock);
}

/* --- the thread --- */

static void on_message(void *context, struct bus_message *message)
{
    struct revoked *revoked = context;
    if (!inbox_put(&revoked->messages, &message->item))
        bus_message_free(&message);
}

static void take_message(struct revoked *revoked, struct bus_message *message)
{
    uint64_t seq = message->stream_seq; /* 0: a notice */
    bool has_missed = seq > revoked->last_seq + 1 && revoked->last_seq > 0;
    if (!revoked_take(revoked, message->data) || has_missed)
        revoked_ask_again(revoked);
    if (seq > revoked->last_seq)
        revoked->last_seq = seq;
    bus_message_free(&message);
}

static void on_wake(void *context)
{
    struct revoked *revoked = context;
    struct inbox_item *item, *next;
    for (item = inbox_take(&revoked->messages); item; item = next) {
        next = item->next;
        take_message(revoked, (struct bus_message *)item);
    }
    revoked_take_answers(revoked);
    if (atomic_load(&revoked->stopping))
        loop_stop(revoked->loop);
}

static void on_tick(void *context)
{
    struct revoked *revoked = context;
    unsigned changes = atomic_load(revoked->options.changes);
    if (changes != revoked->changes_seen) {
        revoked->changes_seen = changes;
        revoked_ask_again(revoked);
    }
    revoked_ask(revoked, loop_now_ms(revoked->loop));
    expire(revoked);
}

static void *run(void *context)
{
    struct revoked *revoked = context;
    loop_run(revoked->loop);
    return NULL;
}

/* --- life --- */

static void wake(void *context)
{
    struct revoked *revoked = context;
    loop_wake_send(revoked->wake);
}

enum err revoked_new(const struct revoked_options *options, struct revoked **ret_revoked)
{
    struct revoked *revoked = calloc(1, sizeof *revoked);
    if (!revoked)
        return ERR_NO_MEMORY;
    revoked->options = *options;
    revoked->changes_seen = atomic_load(options->changes);
    pthread_rwlock_init(&revoked->lock, NULL);
    inbox_init(&revoked->messages, wake, revoked);
    inbox_init(&revoked->answers, wake, revoked);
    enum err err = revocations_new(&revoked->set);
    if (err == ERR_OK)
        err = loop_new(&revoked->loop);
    if (err == ERR_OK)
        err = loop_wake_new(revoked->loop, on_wake, revoked, &revoked->wake);
    if (err == ERR_OK)
        err = loop_timer_new(revoked->loop, on_tick, revoked, &revoked->tick);
    if (err != ERR_OK) {
        revoked_free(&revoked);
        return err;
    }
    *ret_revoked = revoked;
    return ERR_OK;
}

/* Before anything is asked: what is stored after the answer then comes live. */
static enum err subscribe(struct revoked *revoked)
{
    char subject[SUBJECT_SIZE];
    enum err err = ERR_OK;
    for (unsigned i = 0; i <= REVOCATION_SHARDS && err == ERR_OK; i++) {
        if (i == REVOCATION_SHARDS)
            subject_format_revocation_notice(revoked->options.config->nats_prefix, subject);
        else
            subject_format_revocation_shard(revoked->options.config->nats_prefix, SUBJECT_LIVE, i, subject);
        err = bus_subscribe(revoked->options.bus, subject, on_message, revoked, &revoked->subscriptions[i]);
    }
    return err;
}

enum err revoked_start(struct revoked *revoked)
{
    enum err err = subscribe(revoked);
    if (err != ERR_OK)
        return err;
    loop_timer_start(revoked->tick, 0, REVOKED_TICK_MS);
    if (pthread_create(&revoked->thread, NULL, run, revoked) != 0)
        return ERR_IO;
    revoked->started = true;
    return ERR_OK;
}

void revoked_stop(struct revoked *revoked)
{
    for (unsigned i = 0; i <= REVOCATION_SHARDS; i++)
        bus_unsubscribe(revoked->options.bus, &revoked->subscriptions[i], NULL);
    if (!revoked->started)
        return;
    atomic_store(&revoked->stopping, true);
    loop_wake_send(revoked->wake);
    pthread_join(revoked->thread, NULL);
    revoked->started = false;
    inbox_close(&revoked->messages); /* the bus may still deliver and answer */
    inbox_close(&revoked->answers);
}

void revoked_free(struct revoked **pointer)
{
    struct revoked *revoked = *pointer;
    struct inbox_item *item, *next;
    if (!revoked)
        return;
    for (item = inbox_take(&revoked->messages); item; item = next) {
        struct bus_message *message = (struct bus_message *)item;
        next = item->next;
        bus_message_free(&message);
    }
    revoked_drop_answers(revoked);
    inbox_fini(&revoked->messages);
    inbox_fini(&revoked->answers);
    loop_free(&revoked->loop);
    revocations_free(&revoked->set);
    pthread_rwlock_destroy(&revoked->lock);
    free(revoked);
    *pointer = NULL;
}
