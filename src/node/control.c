#include "control_internal.h"

#include <stdlib.h>
#include <string.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>
#include <roomcast/base/random.h>
#include <roomcast/wire/subject.h>

#define WAITING_MAX  (16u * MEMBERS_MAX) /* beats that wait to be heard: more is nobody's honest work */
#define LOG_LIMIT_MS 60000
#define GREETING_MS  500 /* a newcomer hears of us within this time, not from all at the same moment */

/* --- own beats --- */

static void send_beat(struct control *control)
{
    static struct log_limit limit = LOG_LIMIT(LOG_LIMIT_MS);
    struct node *node = control->node;
    struct heartbeat beat;
    char subject[SUBJECT_SIZE];
    pthread_mutex_lock(&control->lock);
    control_measure(control, &beat);
    control_begin_sample(control);
    pthread_mutex_unlock(&control->lock);
    beat.number = control->number + 1;
    control->told_state = atomic_load(&node->shared.state);
    buffer_clear(&control->encoded);
    subject_format_nodes(node->shared.config->nats_prefix, subject);
    enum err err = heartbeat_encode(&beat, &control->encoded);
    if (err == ERR_OK)
        err = bus_publish(node->bus, subject, buffer_slice(&control->encoded));
    uint64_t suppressed;
    if (err == ERR_OK) {
        control->number = beat.number;
        metrics_inc(METRIC_HEARTBEATS_SENT);
    } else if (err != ERR_UNAVAILABLE && log_limit_pass(&limit, control->now_ms, &suppressed)) {
        log_warn("heartbeat_not_sent", LOG_TEXT("reason", err_name(err)), LOG_U64("suppressed", suppressed));
    }
}

/* A twentieth earlier or later each time, so that the nodes' beats do not stay together. */
static void plan_next_beat(struct control *control)
{
    uint32_t interval_ms = (uint32_t)control->node->shared.config->cluster_heartbeat_ms;
    control->next_beat_ms =
        control->now_ms + interval_ms - interval_ms / 20 + random_below(interval_ms / 10 + 1);
}

static void beat_if_due(struct control *control)
{
    unsigned bus_changes = atomic_load(&control->node->bus_changes);
    bool has_news = bus_changes != control->bus_changes_seen ||
                    atomic_load(&control->node->shared.state) != control->told_state;
    if (!has_news && control->now_ms < control->next_beat_ms)
        return;
    control->bus_changes_seen = bus_changes;
    send_beat(control);
    plan_next_beat(control);
}

/* --- the others' --- */

static void note_cluster(struct control *control)
{
    metrics_set(METRIC_CLUSTER_NODES, (int64_t)membership_nodes(&control->membership) + 1);
    metrics_set(METRIC_CLUSTER_CONNECTIONS,
                (int64_t)(membership_connections(&control->membership) + control_staying(control->node)));
}

/* A newcomer need not wait for our next beat to know of us. */
static void greet(struct control *control)
{
    uint64_t at_ms = control->now_ms + random_below(GREETING_MS);
    if (at_ms < control->next_beat_ms)
        control->next_beat_ms = at_ms;
}

static void tell_joined(struct control *control, const struct heartbeat *beat)
{
    if (beat->kind != HEARTBEAT_OF_NODE)
        return;
    greet(control);
    log_info("node_joined", LOG_TEXT("name", beat->name), LOG_TEXT("instance", beat->instance));
    hub_note_node(control->node->hub, slice_of(beat->instance));
}

static void tell_left(struct control *control, const struct heartbeat *beat, bool died)
{
    if (beat->kind != HEARTBEAT_OF_NODE)
        return;
    log_info("node_left", LOG_TEXT("name", beat->name), LOG_TEXT("instance", beat->instance),
             LOG_TEXT("reason", died ? "silent" : "said"));
    hub_forget_node(control->node->hub, slice_of(beat->instance), died);
}

static void note_refused(struct control *control)
{
    static struct log_limit limit = LOG_LIMIT(LOG_LIMIT_MS);
    uint64_t suppressed;
    metrics_inc(METRIC_HEARTBEATS_TOO_MANY);
    if (log_limit_pass(&limit, control->now_ms, &suppressed))
        log_warn("too_many_members", LOG_U64("most", MEMBERS_MAX), LOG_U64("suppressed", suppressed));
}

static void hear(struct control *control, const struct heartbeat *beat)
{
    pthread_mutex_lock(&control->lock);
    enum membership_change change = membership_hear(&control->membership, beat, control->now_ms);
    pthread_mutex_unlock(&control->lock);
    metrics_inc(METRIC_HEARTBEATS_RECEIVED);
    switch (change) {
    case MEMBERSHIP_JOINED:
        tell_joined(control, beat);
        return;
    case MEMBERSHIP_LEFT:
        tell_left(control, beat, false);
        return;
    case MEMBERSHIP_REFUSED:
        note_refused(control);
        return;
    case MEMBERSHIP_OWN:
        hub_note_node(control->node->hub, slice_of(beat->instance));
        return;
    case MEMBERSHIP_NOTHING:
    case MEMBERSHIP_UPDATED:
        return;
    }
}

static void note_bad(struct control *control, enum err err)
{
    static struct log_limit limit = LOG_LIMIT(LOG_LIMIT_MS);
    uint64_t suppressed;
    metrics_inc(METRIC_HEARTBEATS_BAD);
    if (log_limit_pass(&limit, control->now_ms, &suppressed))
        log_warn("heartbeat_rejected", LOG_TEXT("reason", err_name(err)), LOG_U64("suppressed", suppressed));
}

static void hear_all(struct control *control)
{
    struct inbox_item *item = inbox_take(&control->inbox);
    while (item) {
        struct inbox_item *next = item->next;
        struct bus_message *message = (struct bus_message *)item;
        struct heartbeat beat;
        enum err err = heartbeat_decode(message->data, &beat);
        if (err == ERR_OK)
            hear(control, &beat);
        else
            note_bad(control, err);
        bus_message_free(&message);
        item = next;
    }
}

static void on_expired(void *context, const struct member *member)
{
    tell_left(context, &member->beat, true);
}

static void expire(struct control *control)
{
    pthread_mutex_lock(&control->lock);
    membership_expire(&control->membership, control->now_ms, on_expired, control);
    note_cluster(control);
    pthread_mutex_unlock(&control->lock);
}

/* --- the thread --- */

static void turn(void *context)
{
    struct control *control = context;
    control->now_ms = loop_now_ms(control->loop);
    hear_all(control);
    control_watch_bus(control);
    beat_if_due(control);
    metrics_set(METRIC_HANDSHAKES_PENDING, atomic_load(&control->node->shared.pending));
    expire(control);
    certificate_watch(control->node->shared.certificate, control->now_ms);
    control_run_rebalance(control);
    control_watch_memory(control);
    console_tick(control->node->console, control->now_ms);
    if (atomic_load(&control->stopping))
        loop_stop(control->loop);
}

static void *run(void *context)
{
    struct control *control = context;
    loop_run(control->loop);
    return NULL;
}

static void on_message(void *context, struct bus_message *message)
{
    struct control *control = context;
    if (inbox_count(&control->inbox) >= WAITING_MAX || !inbox_put(&control->inbox, &message->item))
        bus_message_free(&message);
}

static void wake(void *context)
{
    struct control *control = context;
    loop_wake_send(control->wake);
}

void control_wake(struct control *control)
{
    wake(control);
}

/* --- questions --- */

struct copying {
    struct cluster_member *members;
    size_t count;
    uint64_t now_ms;
};

static void copy(void *context, const struct member *member)
{
    struct copying *copying = context;
    uint64_t age_ms = copying->now_ms > member->heard_ms ? copying->now_ms - member->heard_ms : 0;
    copying->members[copying->count++] = (struct cluster_member){.beat = member->beat, .age_ms = age_ms};
}

enum err control_see(struct control *control, struct heartbeat *ret_self, struct cluster_member **ret_members,
                     size_t *ret_count)
{
    struct copying copying = {.now_ms = clock_monotonic_ms()};
    copying.members = calloc(MEMBERS_MAX, sizeof *copying.members);
    if (!copying.members)
        return ERR_NO_MEMORY;
    pthread_mutex_lock(&control->lock);
    control_measure(control, ret_self);
    ret_self->number = control->membership.own_number;
    membership_each(&control->membership, copy, &copying);
    pthread_mutex_unlock(&control->lock);
    *ret_members = copying.members;
    *ret_count = copying.count;
    return ERR_OK;
}

/* --- life --- */

static enum err open_loop(struct control *control)
{
    enum err err = loop_new(&control->loop);
    if (err == ERR_OK)
        err = loop_wake_new(control->loop, turn, control, &control->wake);
    if (err == ERR_OK)
        err = loop_timer_new(control->loop, turn, control, &control->tick);
    if (err != ERR_OK)
        return err;
    loop_timer_start(control->tick, CONTROL_TICK_MS, CONTROL_TICK_MS);
    control->now_ms = control->grace_at_ms = loop_now_ms(control->loop);
    return ERR_OK;
}

enum err control_start(struct node *node, struct control **ret_control)
{
    const struct config *config = node->shared.config;
    struct control *control = calloc(1, sizeof *control);
    if (!control)
        return ERR_NO_MEMORY;
    control->node = node;
    control->born_ms = clock_monotonic_ms();
    pthread_mutex_init(&control->lock, NULL);
    inbox_init(&control->inbox, wake, control);
    buffer_init(&control->encoded, HEARTBEAT_MAX_BYTES);
    control_begin_sample(control);
    control_begin_rebalance(control);
    control_begin_memory(control);
    enum err err = open_loop(control);
    membership_init(&control->membership, node->shared.instance, config->cluster_heartbeat_ms,
                    control->now_ms);
    char subject[SUBJECT_SIZE];
    subject_format_nodes(config->nats_prefix, subject);
    if (err == ERR_OK)
        err = bus_subscribe(node->bus, subject, on_message, control, &control->beats);
    if (err == ERR_OK) {
        turn(control);
        control->started = pthread_create(&control->thread, NULL, run, control) == 0;
    }
    *ret_control = control; /* also when it failed: the bus may know of it */
    return err == ERR_OK && !control->started ? ERR_IO : err;
}

void control_stop(struct control *control)
{
    if (control->started) {
        atomic_store(&control->stopping, true);
        wake(control);
        pthread_join(control->thread, NULL);
    }
    atomic_store(&control->node->shared.state, NODE_LEAVING);
    send_beat(control);
    if (control->beats)
        bus_unsubscribe(control->node->bus, &control->beats, NULL);
    inbox_close(&control->inbox);
}

void control_free(struct control **control)
{
    struct control *c = *control;
    if (!c)
        return;
    struct inbox_item *item = inbox_take(&c->inbox);
    while (item) {
        struct inbox_item *next = item->next;
        struct bus_message *message = (struct bus_message *)item;
        bus_message_free(&message);
        item = next;
    }
    inbox_fini(&c->inbox);
    membership_fini(&c->membership);
    buffer_fini(&c->encoded);
    loop_free(&c->loop);
    pthread_mutex_destroy(&c->lock);
    free(c);
    *control = NULL;
}
