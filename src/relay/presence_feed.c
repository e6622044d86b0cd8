#include "presence_feed.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/inbox.h>
#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>
#include <roomcast/core/membership.h>
#include <roomcast/io/loop.h>
#include <roomcast/wire/signal.h>
#include <roomcast/wire/subject.h>

#include "presence_publisher.h"
#include "presence_watch.h"

#define TICK_MS      100
#define USERS_MAX    1000000u /* 0.3 GB in chats of a hundred, 1.3 GB when each is alone in one */
#define INBOX_MAX    65536u   /* messages; more than that are dropped, and found missing by digests */
#define HELD_BEATS   3        /* after trouble: so long every node has sent a digest */
#define LOG_EVERY_MS 10000

enum channel { BEATS, SIGNALS, DIGESTS, CHANNELS };

struct channel_tag {
    struct presence_feed *feed;
    enum channel channel;
    struct bus_subscription *subscription; /* NULL: none now */
};

struct presence_feed {
    atomic_uint references; /* the owner's, and one of each subscription until no message can come any more */
    const struct config *config;
    struct bus *bus;
    struct tenure *tenure;
    char instance[HEARTBEAT_INSTANCE_MAX + 1];
    struct loop *loop;
    struct loop_timer *tick;
    struct loop_wake *wake, *end;
    pthread_t thread;
    bool started;
    struct inbox inbox;
    atomic_bool suspect;
    struct channel_tag channels[CHANNELS];
    struct presence_publisher *publisher;
    /* the loop's thread */
    struct membership membership;
    struct presence_watch *watch;
    bool was_up;
    uint64_t now_ms;
    struct buffer encoded;
};

/* --- out --- */

static void tell(void *context, const struct room_key *chat, const struct room_key *user, bool online)
{
    struct presence_feed *feed = context;
    presence_publisher_tell(feed->publisher, chat, user, online, feed->now_ms);
}

static void ask(void *context, const struct room_key *chat, struct slice node)
{
    struct presence_feed *feed = context;
    const struct signal_message query = {
        .kind = SIGNAL_PRESENCE_QUERY, .room = *chat, .node = slice_of(feed->instance), .to = node};
    char subject[SUBJECT_SIZE];
    subject_format(feed->config->nats_prefix, SUBJECT_SIGNAL, chat, subject);
    buffer_clear(&feed->encoded);
    /* What is not asked for now is found missing by a digest again. */
    if (signal_encode(&query, &feed->encoded) == ERR_OK)
        (void)!bus_publish(feed->bus, subject, buffer_slice(&feed->encoded));
}

/* --- in --- */

static void note_fault(struct presence_feed *feed, enum err err)
{
    static struct log_limit limit = LOG_LIMIT(LOG_EVERY_MS);
    uint64_t suppressed;
    metrics_inc(METRIC_RELAY_PRESENCE_IGNORED);
    if (log_limit_pass(&limit, feed->now_ms, &suppressed))
        log_warn("presence_ignored",
                 LOG_TEXT("reason", err == ERR_BUSY ? "as many users are followed as may be" : err_name(err)),
                 LOG_U64("suppressed", suppressed));
}

static bool is_member(const struct presence_feed *feed, struct slice node)
{
    for (const struct member *member = feed->membership.members; member; member = member->next) {
        if (member->beat.kind == HEARTBEAT_OF_NODE && slice_equal(slice_of(member->beat.instance), node))
            return true;
    }
    return false;
}

static enum err hear_beat(struct presence_feed *feed, struct slice data)
{
    struct heartbeat beat;
    enum err err = heartbeat_decode(data, &beat);
    if (err != ERR_OK)
        return err == ERR_UNKNOWN ? ERR_OK : err; /* of a newer release */
    if (membership_hear(&feed->membership, &beat, feed->now_ms) == MEMBERSHIP_LEFT)
        presence_watch_forget(feed->watch, slice_of(beat.instance), false, feed->now_ms);
    return ERR_OK;
}

/* Of a node without a heartbeat nobody would find out that it died: its digests come again when it has one.
 */
static enum err hear_signal(struct presence_feed *feed, struct slice subject, struct slice data)
{
    enum subject_kind kind;
    struct room_key room;
    struct signal_owned owned;
    enum err err = subject_parse(feed->config->nats_prefix, subject, &kind, &room);
    if (err == ERR_OK)
        err = signal_decode(data, &room, &owned);
    if (err != ERR_OK)
        return err == ERR_UNKNOWN ? ERR_OK : err; /* a kind of a newer release */
    if (is_member(feed, owned.signal.node))
        err = presence_watch_signal(feed->watch, &owned.signal, feed->now_ms);
    signal_release(&owned);
    return err;
}

static enum err hear_digest(struct presence_feed *feed, struct slice data)
{
    struct presence_digest_owned owned;
    enum err err = presence_digest_decode(data, &owned);
    if (err != ERR_OK)
        return err;
    if (is_member(feed, owned.digest.node))
        err = presence_watch_digest(feed->watch, &owned.digest, feed->now_ms);
    presence_digest_release(&owned);
    return err;
}

static void hear(struct presence_feed *feed, const struct bus_message *message)
{
    const struct channel_tag *tag = message->context;
    enum err err = ERR_OK;
    if (tag->channel == BEATS)
        err = hear_beat(feed, message->data);
    else if (tag->channel == SIGNALS)
        err = hear_signal(feed, message->subject, message->data);
    else
        err = hear_digest(feed, message->data);
    if (err != ERR_OK)
        note_fault(feed, err);
}

static void on_wake(void *context)
{
    struct presence_feed *feed = context;
    struct inbox_item *item = inbox_take(&feed->inbox);
    feed->now_ms = clock_monotonic_ms();
    while (item) {
        struct bus_message *message = (struct bus_message *)(void *)item;
        item = item->next;
        hear(feed, message);
        bus_message_free(&message);
    }
}

/* A thread of the bus. */
static void on_message(void *context, struct bus_message *message)
{
    struct channel_tag *tag = context;
    struct presence_feed *feed = tag->feed;
    if (inbox_count(&feed->inbox) >= INBOX_MAX || !inbox_put(&feed->inbox, &message->item)) {
        metrics_inc(METRIC_RELAY_PRESENCE_IGNORED);
        atomic_store(&feed->suspect, true);
        bus_message_free(&message);
    }
}

static void on_inbox(void *context)
{
    loop_wake_send(((struct presence_feed *)context)->wake);
}

/* --- subscriptions --- */

static void release(struct presence_feed *feed)
{
    if (atomic_fetch_sub(&feed->references, 1) > 1)
        return;
    loop_free(&feed->loop); /* until now a thread of the bus may have been about to wake it */
    inbox_fini(&feed->inbox);
    free(feed);
}

/* A thread of the bus: none comes any more. */
static void on_released(void *context)
{
    release(((struct channel_tag *)context)->feed);
}

static enum err subscribe(struct presence_feed *feed, struct channel_tag *tag)
{
    const char *prefix = feed->config->nats_prefix;
    char subject[SUBJECT_SIZE];
    if (tag->channel == SIGNALS) {
        subject_format_signals(prefix, subject);
        return bus_subscribe_below(feed->bus, subject, on_message, tag, &tag->subscription);
    }
    if (tag->channel == BEATS)
        subject_format_nodes(prefix, subject);
    else
        subject_format_presence(prefix, subject);
    return bus_subscribe(feed->bus, subject, on_message, tag, &tag->subscription);
}

static enum err listen_to(struct presence_feed *feed, enum channel channel)
{
    atomic_fetch_add(&feed->references, 1);
    enum err err = subscribe(feed, &feed->channels[channel]);
    if (err != ERR_OK)
        atomic_fetch_sub(&feed->references, 1);
    return err;
}

static void stop_listening(struct presence_feed *feed, enum channel channel)
{
    if (feed->channels[channel].subscription)
        bus_unsubscribe(feed->bus, &feed->channels[channel].subscription, on_released);
}

/* --- time --- */

static void on_expired(void *context, const struct member *member)
{
    struct presence_feed *feed = context;
    presence_watch_forget(feed->watch, slice_of(member->beat.instance), true, feed->now_ms);
}

static void on_tick(void *context)
{
    struct presence_feed *feed = context;
    bool is_up = bus_is_up(feed->bus), came_up = is_up && !feed->was_up;
    feed->was_up = is_up;
    feed->now_ms = clock_monotonic_ms();
    membership_expire(&feed->membership, feed->now_ms, on_expired, feed);
    presence_publisher_run(feed->publisher, feed->now_ms);
    if (!is_up)
        return; /* while nobody is heard, nobody leaves */
    bool is_suspect = atomic_exchange(&feed->suspect, false) || came_up;
    if (is_suspect &&
        presence_watch_users(feed->watch) > 0) /* at the start there is nobody to be wrong about */
        presence_watch_suspect(feed->watch, feed->now_ms,
                               feed->now_ms + HELD_BEATS * feed->config->cluster_heartbeat_ms);
    presence_watch_run(feed->watch, feed->now_ms);
    metrics_set(METRIC_RELAY_PRESENCE_USERS, (int64_t)presence_watch_users(feed->watch));
}

/* --- life --- */

static void on_end(void *context)
{
    loop_stop(((struct presence_feed *)context)->loop);
}

static void *run(void *context)
{
    loop_run(((struct presence_feed *)context)->loop);
    return NULL;
}

static enum err start(struct presence_feed *feed, char *problem)
{
    const struct presence_watch_options options = {
        .leave_delay_ms = feed->config->presence_leave_delay_s * 1000,
        .users_max = USERS_MAX,
        .tell = tell,
        .ask = ask,
        .context = feed,
    };
    enum err err = presence_publisher_new(feed->config, feed->tenure, &feed->publisher, problem);
    if (err == ERR_OK)
        err = presence_watch_new(&options, &feed->watch);
    if (err == ERR_OK)
        err = loop_new(&feed->loop);
    if (err == ERR_OK)
        err = loop_wake_new(feed->loop, on_wake, feed, &feed->wake);
    if (err == ERR_OK)
        err = loop_wake_new(feed->loop, on_end, feed, &feed->end);
    if (err == ERR_OK)
        err = loop_timer_new(feed->loop, on_tick, feed, &feed->tick);
    for (enum channel channel = 0; channel < CHANNELS && err == ERR_OK; channel++)
        err = listen_to(feed, channel);
    if (err != ERR_OK)
        return err;
    loop_timer_start(feed->tick, TICK_MS, TICK_MS);
    feed->started = pthread_create(&feed->thread, NULL, run, feed) == 0;
    return feed->started ? ERR_OK : ERR_IO;
}

enum err presence_feed_new(const struct presence_feed_options *options, struct presence_feed **ret_feed,
                           char *problem)
{
    struct presence_feed *feed = calloc(1, sizeof *feed);
    if (!feed)
        return ERR_NO_MEMORY;
    feed->config = options->config;
    feed->bus = options->bus;
    feed->tenure = options->tenure;
    feed->now_ms = clock_monotonic_ms();
    atomic_init(&feed->references, 1);
    snprintf(feed->instance, sizeof feed->instance, "%s", options->instance);
    inbox_init(&feed->inbox, on_inbox, feed);
    for (enum channel channel = 0; channel < CHANNELS; channel++)
        feed->channels[channel] = (struct channel_tag){.feed = feed, .channel = channel};
    buffer_init(&feed->encoded, SIGNAL_MAX_BYTES);
    membership_init(&feed->membership, feed->instance, feed->config->cluster_heartbeat_ms, feed->now_ms);
    enum err err = start(feed, problem);
    if (err != ERR_OK) {
        presence_feed_free(&feed);
        return err;
    }
    *ret_feed = feed;
    return ERR_OK;
}

void presence_feed_suspect(struct presence_feed *feed)
{
    atomic_store(&feed->suspect, true);
}

static void drop_messages(struct presence_feed *feed)
{
    struct inbox_item *item = inbox_take(&feed->inbox);
    while (item) {
        struct bus_message *message = (struct bus_message *)(void *)item;
        item = item->next;
        bus_message_free(&message);
    }
}

void presence_feed_free(struct presence_feed **pointer)
{
    struct presence_feed *feed = *pointer;
    if (!feed)
        return;
    if (feed->started) {
        loop_wake_send(feed->end);
        pthread_join(feed->thread, NULL);
    }
    for (enum channel channel = 0; channel < CHANNELS; channel++)
        stop_listening(feed, channel);
    inbox_close(&feed->inbox);
    drop_messages(feed);
    presence_watch_free(&feed->watch);
    presence_publisher_free(&feed->publisher);
    membership_fini(&feed->membership);
    buffer_fini(&feed->encoded);
    release(feed);
    *pointer = NULL;
}
