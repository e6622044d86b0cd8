/* What comes in, and what is said at once. */
#include "revoker_internal.h"

#include <stdlib.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/log.h>
#include <roomcast/base/random.h>
#include <roomcast/wire/subject.h>

#define AHEAD_MS      5000u /* how far Redis's clock may be ahead of ours */
#define REPEAT_MS     250u
#define REPEATED_MOST 1000u /* the latest: others have been said again before */

/* --- what is revoked, and in which order --- */

uint64_t revoker_order(const char *entry_id)
{
    char *end;
    uint64_t ms = strtoull(entry_id, &end, 10);

    if (end == entry_id || *end != '-' || ms == 0 || ms >= UINT64_C(1) << 43)
        return 0;
    return ms << 20 | (strtoull(end + 1, NULL, 10) & 0xfffff);
}

/* By the relay's clock: later than all before. */
static uint64_t next_order(struct revoker *revoker, uint64_t now_ms)
{
    uint64_t last = atomic_load(&revoker->last_order), next;

    do
        next = now_ms << 20 > last ? now_ms << 20 : last + 1;
    while (!atomic_compare_exchange_weak(&revoker->last_order, &last, next));
    return next;
}

/* An entry's own time is the same whenever it is read, but its publisher may have chosen it. */
static uint64_t choose_order(struct revoker *revoker, uint64_t entry_order, bool *ret_by_clock)
{
    uint64_t now_ms = clock_wall_ms(), ms = entry_order >> 20;
    uint64_t max_age_ms = revoker->options.config->revocations_max_age_s * 1000;

    *ret_by_clock = !entry_order || ms > now_ms + AHEAD_MS || ms + max_age_ms <= now_ms;
    return *ret_by_clock ? next_order(revoker, now_ms) : entry_order;
}

static void stamp(struct revoker *revoker, struct relay_event *event)
{
    struct revocation *revocation = event->revocation;
    uint64_t order = choose_order(revoker, event->entry_order, &event->is_by_clock);
    uint64_t at_s = (order >> 20) / 1000, last_s = at_s + revoker->options.config->revocations_max_age_s;

    if (event->change == EVENT_ADDS_MEMBER) {
        revocation->lifted_order = order;
    } else {
        revocation->order = order;
        if (revocation->at_s == 0 || revocation->at_s > at_s)
            revocation->at_s = at_s;
    }
    if (revocation->until_s == 0 || revocation->until_s > last_s)
        revocation->until_s = last_s;
}

static void publish(struct revoker *revoker, const struct revocation *revocations, size_t count)
{
    static struct log_limit limit = LOG_LIMIT(5000);
    char subject[SUBJECT_SIZE];
    struct buffer notice;
    uint64_t suppressed;

    buffer_init(&notice, REVOCATIONS_MAX_BYTES);
    subject_format_revocation_notice(revoker->options.config->nats_prefix, subject);
    enum err err = revocations_encode(revocations, count, &notice);
    if (err == ERR_OK)
        err = bus_publish(revoker->options.bus, subject, buffer_slice(&notice));
    buffer_fini(&notice);
    if (err != ERR_OK && log_limit_pass(&limit, clock_monotonic_ms(), &suppressed))
        log_warn("revocation_delayed", LOG_TEXT("reason", err_text(err)),
                 LOG_TEXT("effect", "the nodes hear of it a little later"),
                 LOG_U64("suppressed", suppressed));
}

/* A lift needs no haste, and most lift nothing. */
static void tell_nodes(struct revoker *revoker, struct relay_event *event)
{
    if (event->change == EVENT_ADDS_MEMBER)
        return;
    publish(revoker, event->revocation, 1);
    pthread_mutex_lock(&revoker->unstored_lock);
    event->is_unstored = true;
    event->unstored_next = revoker->unstored;
    if (revoker->unstored)
        revoker->unstored->unstored_previous = event;
    revoker->unstored = event;
    pthread_mutex_unlock(&revoker->unstored_lock);
}

/* A notice is lost with the NATS server that the relay, or a node, was connected to, which is often the one
 * that led the stream: until what it says is stored it is said again. */
static void tell_again(void *context)
{
    struct revoker *revoker = context;
    struct revocation *again = NULL;
    size_t count = 0;

    pthread_mutex_lock(&revoker->unstored_lock);
    if (revoker->unstored && (again = calloc(REPEATED_MOST, sizeof *again))) {
        for (struct relay_event *event = revoker->unstored; event && count < REPEATED_MOST;
             event = event->unstored_next)
            again[count++] = *event->revocation;
    }
    pthread_mutex_unlock(&revoker->unstored_lock);
    if (count > 0)
        publish(revoker, again, count);
    free(again);
}

void revoker_give_back(struct revoker *revoker, struct relay_event *event, enum event_outcome outcome)
{
    pthread_mutex_lock(&revoker->unstored_lock);
    if (event->is_unstored) {
        if (event->unstored_previous)
            event->unstored_previous->unstored_next = event->unstored_next;
        else
            revoker->unstored = event->unstored_next;
        if (event->unstored_next)
            event->unstored_next->unstored_previous = event->unstored_previous;
        event->is_unstored = false;
    }
    pthread_mutex_unlock(&revoker->unstored_lock);
    event->done = event->then;
    relay_event_finish(event, outcome);
}

/* --- events --- */

/* Comes from the lanes. The revocation is stored also when its event cannot be. */
static void on_lane_done(struct relay_event *event)
{
    if (event->outcome != EVENT_ABANDONED) {
        revoker_add(event->revoker, event);
        return;
    }
    revoker_give_back(event->revoker, event, EVENT_ABANDONED);
}

/* Of no room: nothing for the lanes. */
static void on_event(struct revoker *revoker, struct relay_event *event)
{
    event->outcome = EVENT_STORED;
    if (event->tenure && event->tenure == tenure_number(revoker->options.tenure)) {
        revoker_add(revoker, event);
        return;
    }
    revoker_give_back(revoker, event, EVENT_ABANDONED);
}

void revoker_submit(struct revoker *revoker, struct relay_event *event)
{
    if (!event->revocation) {
        lanes_submit(revoker->options.lanes, event);
        return;
    }
    stamp(revoker, event);
    event->revoker = revoker;
    event->then = event->done;
    event->done = on_lane_done;
    tell_nodes(revoker, event);
    if (event->rule) {
        lanes_submit(revoker->options.lanes, event);
        return;
    }
    event->item.kind = LANES_ITEM_EVENT;
    if (!answer_port_put(revoker->port, &event->item.item))
        revoker_give_back(revoker, event, EVENT_ABANDONED);
}

static void on_timer(void *context)
{
    struct revoker *revoker = context;

    revoker->timer_runs = false;
    revoker_drive_all(revoker);
}

static void on_wake(void *context)
{
    struct revoker *revoker = context;
    struct inbox_item *item = inbox_take(&revoker->port->inbox);

    while (item) {
        struct inbox_item *next = item->next;
        struct lanes_item *entry = (struct lanes_item *)(void *)item;

        if (entry->kind == LANES_ITEM_EVENT)
            on_event(revoker, (struct relay_event *)(void *)entry);
        else
            revoker_on_answer(revoker, (struct revoker_call *)(void *)entry);
        item = next;
    }
    if (!atomic_exchange(&revoker->hurry, false))
        return;
    for (unsigned index = 0; index < REVOCATION_SHARDS; index++)
        backoff_succeed(&revoker->shards[index].backoff);
    revoker_drive_all(revoker);
}

void revoker_hurry(struct revoker *revoker)
{
    atomic_store(&revoker->hurry, true);
    answer_port_wake(revoker->port);
}

bool revoker_is_idle(const struct revoker *revoker)
{
    return revoker->open == 0 && revoker->events == 0;
}

/* --- life --- */

enum err revoker_new(const struct revoker_options *options, struct revoker **ret_revoker)
{
    struct revoker *revoker = calloc(1, sizeof *revoker);

    if (!revoker)
        return ERR_NO_MEMORY;
    revoker->options = *options;
    random_text(revoker->writer, REVOKER_WRITER_LEN);
    pthread_mutex_init(&revoker->unstored_lock, NULL);
    enum err err = revocations_new(&revoker->set);
    if (err == ERR_OK)
        err = loop_wake_new(options->loop, on_wake, revoker, &revoker->wake);
    if (err == ERR_OK)
        err = loop_timer_new(options->loop, on_timer, revoker, &revoker->timer);
    if (err == ERR_OK)
        err = loop_timer_new(options->loop, tell_again, revoker, &revoker->repeat);
    if (err == ERR_OK)
        err = (revoker->port = answer_port_new(revoker->wake)) ? ERR_OK : ERR_NO_MEMORY;
    if (err != ERR_OK) {
        revoker_free(&revoker);
        return err;
    }
    loop_timer_start(revoker->repeat, REPEAT_MS, REPEAT_MS);
    *ret_revoker = revoker;
    return ERR_OK;
}

static void empty_port(struct revoker *revoker)
{
    struct inbox_item *item = inbox_take(&revoker->port->inbox);

    while (item) {
        struct inbox_item *next = item->next;
        struct lanes_item *entry = (struct lanes_item *)(void *)item;

        if (entry->kind == LANES_ITEM_EVENT) {
            struct relay_event *event = (struct relay_event *)(void *)entry;
            revoker_give_back(revoker, event, EVENT_ABANDONED);
        } else {
            struct revoker_call *call = (struct revoker_call *)(void *)entry;
            revoker_call_free(&call);
        }
        item = next;
    }
}

void revoker_free(struct revoker **pointer)
{
    struct revoker *revoker = *pointer;

    if (!revoker)
        return;
    if (revoker->port) {
        answer_port_close(revoker->port);
        empty_port(revoker);
        answer_port_unref(revoker->port);
    }
    if (revoker->set)
        revoker_abandon(revoker);
    if (revoker->timer)
        loop_timer_free(&revoker->timer);
    if (revoker->repeat)
        loop_timer_free(&revoker->repeat);
    pthread_mutex_destroy(&revoker->unstored_lock);
    if (revoker->wake)
        loop_wake_free(&revoker->wake);
    revocations_free(&revoker->set);
    free(revoker);
    *pointer = NULL;
}
