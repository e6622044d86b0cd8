/* The shards and their stream. */
#include "revoker_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>
#include <roomcast/wire/subject.h>

#define LOOK_MS 50u /* between two looks at what has to wait */

/* --- queues --- */

static void push(struct event_queue *queue, struct relay_event *event)
{
    event->item.item.next = NULL;
    if (queue->last)
        queue->last->item.item.next = &event->item.item;
    else
        queue->first = event;
    queue->last = event;
}

static struct relay_event *pop(struct event_queue *queue)
{
    struct relay_event *event = queue->first;

    if (!event)
        return NULL;
    queue->first = (struct relay_event *)(void *)event->item.item.next;
    if (!queue->first)
        queue->last = NULL;
    return event;
}

/* Gives the event back to its source; what the lanes have said of it stands, unless this is worse. */
static void finish(struct revoker *revoker, struct relay_event *event, enum event_outcome outcome)
{
    revoker->events--;
    revoker_give_back(revoker, event, outcome == EVENT_STORED ? event->outcome : outcome);
}

static void finish_all(struct revoker *revoker, struct event_queue *queue, enum event_outcome outcome)
{
    struct relay_event *event;

    while ((event = pop(queue)))
        finish(revoker, event, outcome);
}

static void look_later(struct revoker *revoker)
{
    if (revoker->timer_runs)
        return;
    revoker->timer_runs = true;
    loop_timer_start(revoker->timer, LOOK_MS, 0);
}

/* --- to the bus --- */

static struct revoker_call *open_call(struct revoker *revoker, unsigned index)
{
    struct revoker_shard *shard = &revoker->shards[index];
    struct revoker_call *call = revoker_call_new(revoker->port, index, revoker->generation);

    if (!call) {
        backoff_fail(&shard->backoff, loop_now_ms(revoker->options.loop));
        look_later(revoker);
        return NULL;
    }
    shard->is_open = true;
    revoker->open++;
    return call;
}

static void ask_last(struct revoker *revoker, unsigned index)
{
    char subject[SUBJECT_SIZE];
    struct revoker_call *call = open_call(revoker, index);

    if (!call)
        return;
    subject_format_revocation_shard(revoker->options.config->nats_prefix, SUBJECT_EVENT, index, subject);
    bus_last(revoker->options.bus, subject, revoker->options.config->relay_store_timeout_ms,
             revoker_call_on_last, call);
}

/* What is stored is not known any more; what waits to be stored is put to the set anew once it is. */
static void forget(struct revoker *revoker, unsigned index)
{
    struct revoker_shard *shard = &revoker->shards[index];
    struct event_queue later = shard->waiting;
    struct relay_event *event;

    shard->is_known = false;
    shard->waiting = shard->storing;
    shard->storing = (struct event_queue){NULL, NULL};
    while ((event = pop(&later)))
        push(&shard->waiting, event);
    revocations_clear(revoker->set, index);
}

static void try_later(struct revoker *revoker, unsigned index)
{
    forget(revoker, index);
    backoff_fail(&revoker->shards[index].backoff, loop_now_ms(revoker->options.loop));
    if (revoker->options.on_unavailable)
        revoker->options.on_unavailable(revoker->options.context);
    look_later(revoker);
}

static enum err encode(struct revoker *revoker, unsigned index, struct buffer *out)
{
    struct revocation *records;
    size_t count;
    enum err err = revocations_copy(revoker->set, index, &records, &count);

    if (err != ERR_OK)
        return err;
    err = revocations_encode(records, count, out);
    free(records);
    return err;
}

static void store(struct revoker *revoker, unsigned index)
{
    char subject[SUBJECT_SIZE], id[64];
    struct buffer bytes;

    buffer_init(&bytes, REVOCATIONS_MAX_BYTES);
    struct revoker_call *call = encode(revoker, index, &bytes) == ERR_OK ? open_call(revoker, index) : NULL;
    if (!call) {
        buffer_fini(&bytes);
        try_later(revoker, index);
        return;
    }
    subject_format_revocation_shard(revoker->options.config->nats_prefix, SUBJECT_EVENT, index, subject);
    snprintf(id, sizeof id, "rev:%s:%llu", revoker->writer, (unsigned long long)++revoker->stores);
    const struct bus_store_request request = {
        .subject = subject,
        .message_id = id,
        .expect_last = revoker->shards[index].head_seq,
        .data = buffer_slice(&bytes),
        .timeout_ms = revoker->options.config->relay_store_timeout_ms,
    };
    bus_store(revoker->options.bus, &request, revoker_call_on_store, call);
    buffer_fini(&bytes);
}

/* --- shards --- */

static void refuse_full(struct revoker *revoker, struct relay_event *event)
{
    static struct log_limit limit = LOG_LIMIT(60000);
    uint64_t suppressed;

    metrics_inc(METRIC_RELAY_REVOCATIONS_REFUSED);
    if (log_limit_pass(&limit, clock_monotonic_ms(), &suppressed))
        log_error("revocations_full", LOG_U64("kept", revocations_count(revoker->set)),
                  LOG_TEXT("effect", "a revocation was refused: its rights end with the token"),
                  LOG_TEXT("action", "issue tokens of shorter lives and lower revocations.max_age_s"),
                  LOG_U64("suppressed", suppressed));
    event->is_overload = true;
    snprintf(event->problem, sizeof event->problem, "as many revocations are kept as can be");
    finish(revoker, event, EVENT_REFUSED);
}

static void count_done(const struct relay_event *event, bool is_new)
{
    if (is_new)
        metrics_inc(event->change == EVENT_ADDS_MEMBER ? METRIC_RELAY_REVOCATIONS_LIFTED
                                                       : METRIC_RELAY_REVOCATIONS_STORED);
    if (!event->rule) /* else the lanes have counted it */
        metrics_inc(is_new ? METRIC_RELAY_STORED : METRIC_RELAY_DUPLICATE);
}

/* Another relay's clock may be ahead of ours: what comes later counts as later all the same. What is read
 * again has the order of its entry, and must not be moved. */
static void follow(const struct revoker *revoker, const struct relay_event *event)
{
    struct revocation *revocation = event->revocation;
    uint64_t *order = event->change == EVENT_ADDS_MEMBER ? &revocation->lifted_order : &revocation->order;
    uint64_t latest = event->is_by_clock ? revocations_latest(revoker->set, revocation) : 0;

    if (*order <= latest && latest < UINT64_MAX)
        *order = latest + 1;
}

/* Puts what waits to the set. What is stored already, as after a store of which nobody heard, is done. */
static void take_waiting(struct revoker *revoker, struct revoker_shard *shard, unsigned index)
{
    uint64_t now_s = clock_wall_ms() / 1000;
    struct event_queue queue = shard->waiting;
    struct relay_event *event;

    shard->waiting = (struct event_queue){NULL, NULL};
    revocations_expire(revoker->set, index, now_s);
    while ((event = pop(&queue))) {
        follow(revoker, event);
        switch (revocations_merge(revoker->set, event->revocation, now_s)) {
        case REVOCATIONS_CHANGED:
        case REVOCATIONS_BINDS:
            push(&shard->storing, event);
            break;
        case REVOCATIONS_SAME:
            if (shard->storing.first) { /* perhaps the same as what is about to be stored */
                push(&shard->storing, event);
                break;
            }
            count_done(event, false);
            finish(revoker, event, EVENT_STORED);
            break;
        case REVOCATIONS_FULL:
            refuse_full(revoker, event);
            break;
        case REVOCATIONS_NO_MEMORY:
            push(&shard->waiting, event);
            backoff_fail(&shard->backoff, loop_now_ms(revoker->options.loop));
            look_later(revoker);
            break;
        }
    }
}

static void drive(struct revoker *revoker, unsigned index)
{
    struct revoker_shard *shard = &revoker->shards[index];

    if (shard->is_open || !shard->waiting.first)
        return;
    if (backoff_left(&shard->backoff, loop_now_ms(revoker->options.loop)) > 0 ||
        !tenure_is_valid(revoker->options.tenure)) {
        look_later(revoker);
    } else if (!shard->is_known) {
        ask_last(revoker, index);
    } else {
        take_waiting(revoker, shard, index);
        if (shard->storing.first)
            store(revoker, index);
    }
}

/* --- what the bus says --- */

static void report_unreadable(const struct revoker_call *call, enum err err)
{
    static struct log_limit limit = LOG_LIMIT(60000);
    uint64_t suppressed;

    if (log_limit_pass(&limit, clock_monotonic_ms(), &suppressed))
        log_error("revocations_unreadable", LOG_U64("shard", call->shard),
                  LOG_U64("stream_seq", call->stream_seq), LOG_TEXT("reason", err_text(err)),
                  LOG_TEXT("effect", err == ERR_VERSION ? "nothing is written over what a newer release wrote"
                                                        : "its revocations are lost; it is begun anew"),
                  LOG_U64("suppressed", suppressed));
}

/* False: it has to be asked for again. */
static bool load(struct revoker *revoker, const struct revoker_call *call)
{
    struct revocation *records = NULL;
    size_t count = 0;
    enum err err = call->data ? revocations_decode((struct slice){call->data, call->len}, &records, &count)
                              : ERR_NO_MEMORY;
    uint64_t now_s = clock_wall_ms() / 1000;
    bool good = true;

    if (err != ERR_OK && err != ERR_NO_MEMORY)
        report_unreadable(call, err);
    if (err == ERR_NO_MEMORY || err == ERR_VERSION)
        return false;
    for (size_t i = 0; i < count && good; i++)
        good = revocations_merge(revoker->set, &records[i], now_s) != REVOCATIONS_NO_MEMORY;
    free(records);
    return good;
}

static void on_last(struct revoker *revoker, const struct revoker_call *call)
{
    struct revoker_shard *shard = &revoker->shards[call->shard];

    if (call->last == BUS_LAST_UNAVAILABLE || (call->last == BUS_LAST_FOUND && !load(revoker, call))) {
        try_later(revoker, call->shard);
        return;
    }
    shard->is_known = true;
    shard->head_seq = call->stream_seq;
}

static void on_stored(struct revoker *revoker, const struct revoker_call *call)
{
    struct revoker_shard *shard = &revoker->shards[call->shard];
    struct relay_event *event;

    switch (call->stored) {
    case BUS_STORED:
        shard->head_seq = call->stream_seq;
        backoff_succeed(&shard->backoff);
        while ((event = pop(&shard->storing))) {
            count_done(event, true);
            finish(revoker, event, EVENT_STORED);
        }
        return;
    case BUS_REFUSED:
        for (event = shard->storing.first; event; event = (struct relay_event *)(void *)event->item.item.next)
            snprintf(event->problem, sizeof event->problem, "%s", call->problem);
        metrics_inc(METRIC_RELAY_REVOCATIONS_REFUSED);
        finish_all(revoker, &shard->storing, EVENT_REFUSED);
        forget(revoker, call->shard);
        return;
    case BUS_FENCED:
        metrics_inc(METRIC_RELAY_FENCED);
        forget(revoker, call->shard);
        return;
    case BUS_DUPLICATE: /* of an earlier attempt of the bus's own, whose answer was lost */
    case BUS_UNKNOWN:
    case BUS_UNAVAILABLE:
        metrics_inc(METRIC_RELAY_RETRIES);
        try_later(revoker, call->shard);
        return;
    }
}

void revoker_on_answer(struct revoker *revoker, struct revoker_call *call)
{
    revoker->open--;
    if (call->generation == revoker->generation) {
        revoker->shards[call->shard].is_open = false;
        if (call->item.kind == LANES_ITEM_HEAD)
            on_last(revoker, call);
        else
            on_stored(revoker, call);
        drive(revoker, call->shard);
    }
    revoker_call_free(&call);
}

/* --- for the revoker --- */

void revoker_add(struct revoker *revoker, struct relay_event *event)
{
    unsigned index = revocation_shard(event->revocation);

    revoker->events++;
    push(&revoker->shards[index].waiting, event);
    drive(revoker, index);
}

void revoker_drive_all(struct revoker *revoker)
{
    for (unsigned index = 0; index < REVOCATION_SHARDS; index++)
        drive(revoker, index);
}

void revoker_abandon(struct revoker *revoker)
{
    revoker->generation++;
    for (unsigned index = 0; index < REVOCATION_SHARDS; index++) {
        struct revoker_shard *shard = &revoker->shards[index];

        forget(revoker, index);
        finish_all(revoker, &shard->waiting, EVENT_ABANDONED);
        shard->is_open = false; /* its answer will be of an earlier generation */
        backoff_succeed(&shard->backoff);
    }
}
