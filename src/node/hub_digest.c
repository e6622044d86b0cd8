/* Digests: at each beat a node says which version of which chats it has, some chats after the other. Who
 * knows another version has missed something, though nothing came after it to show that. What one costs has a
 * bound whatever the number of chats; finding all takes as many beats as it needs. */
#include <stdlib.h>
#include <utlist.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/metrics.h>
#include <roomcast/base/random.h>
#include <roomcast/wire/subject.h>

#include "hub_channel.h"

#define DIGEST_ROOMS       512u /* of a digest, and up to one bucket more */
#define QUERIES_PER_DIGEST 64u
#define CHATS_PER_DIGEST   4096u /* that are looked at for not being named */

/* --- out --- */

static size_t own_chats(const struct hub *hub, unsigned bucket)
{
    const struct hub_chat *chat;
    size_t count = 0;
    DL_FOREACH(hub->presence.buckets[bucket], chat)
    count += chat->version != 0;
    return count;
}

static void add_bucket(struct hub *hub, unsigned bucket, struct presence_digest *digest)
{
    const struct hub_chat *chat;
    DL_FOREACH(hub->presence.buckets[bucket], chat)
    {
        struct room_key key = hub_channel_key(chat->channel);
        struct presence_digest_room *room = &hub->presence.rooms[digest->rooms_count];
        if (chat->version == 0 || uuid_parse(room_key_name(&key), &room->chat) != ERR_OK)
            continue;
        if (digest->rooms_count == PRESENCE_DIGEST_ROOMS_MAX - 1) {
            digest->is_partial = true;
            return;
        }
        room->version = chat->version;
        digest->rooms_count++;
    }
    digest->buckets++;
}

/* From where the last one ended, whole buckets. */
static void collect(struct hub *hub, struct presence_digest *digest)
{
    digest->first_bucket = hub->presence.digest_bucket;
    while (digest->first_bucket + digest->buckets < PRESENCE_BUCKETS && digest->rooms_count < DIGEST_ROOMS) {
        unsigned bucket = digest->first_bucket + digest->buckets;
        if (digest->buckets > 0 && digest->rooms_count + own_chats(hub, bucket) >= PRESENCE_DIGEST_ROOMS_MAX)
            break;
        add_bucket(hub, bucket, digest);
        if (digest->is_partial) {
            digest->buckets++;
            break;
        }
    }
    hub->presence.digest_bucket = (digest->first_bucket + digest->buckets) % PRESENCE_BUCKETS;
}

static void publish(struct hub *hub)
{
    struct presence_digest digest = {
        .node = slice_of(hub->instance), .counter = hub->presence.counter, .rooms = hub->presence.rooms};
    collect(hub, &digest);
    buffer_clear(&hub->encoded);
    char subject[SUBJECT_SIZE];
    subject_format_presence(hub->config->nats_prefix, subject);
    if (presence_digest_encode(&digest, &hub->encoded) == ERR_OK &&
        bus_publish(hub->bus, subject, buffer_slice(&hub->encoded)) == ERR_OK)
        metrics_inc(METRIC_PRESENCE_SENT);
}

void hub_digest_tick(struct hub *hub)
{
    if (hub->now_ms < hub->presence.digest_due_ms || !bus_is_up(hub->bus))
        return;
    uint64_t beat_ms = hub->config->cluster_heartbeat_ms;
    hub->presence.digest_due_ms = hub->now_ms + beat_ms * 95 / 100 + random_below(beat_ms / 10);
    publish(hub);
}

/* --- in --- */

static void compare_named(struct hub *hub, const struct hub_node *node, const struct presence_digest *digest)
{
    unsigned queries = 0;
    for (size_t i = 0; i < digest->rooms_count; i++) {
        struct room_key key;
        room_key_for_chat(&digest->rooms[i].chat, &key);
        struct hub_channel *channel = hub_find(hub, &key);
        if (!channel)
            continue;
        channel->chat->named_by = hub->presence.last_digest;
        if (queries < QUERIES_PER_DIGEST &&
            digest->rooms[i].version > presence_version(channel->chat->presence, digest->node)) {
            hub_presence_ask(hub, channel, node);
            queries++;
        }
    }
}

/* A chat that is not named has nobody of the node, unless someone came after the digest was made. */
static void leave_if_unnamed(struct hub *hub, struct hub_chat *chat, const struct presence_digest *digest)
{
    uint64_t heard = presence_heard(chat->presence, digest->node);
    if (chat->named_by == hub->presence.last_digest || heard == 0 || heard > digest->counter)
        return;
    struct hub_teller teller = {.hub = hub, .channel = chat->channel};
    metrics_inc(METRIC_PRESENCE_REPAIRS);
    presence_forget(chat->presence, digest->node, false, hub->now_ms, hub_presence_tell, &teller);
    hub_presence_changed(hub, chat->channel);
}

/* Some of the buckets, and the next ones with the next digest. */
static void compare_unnamed(struct hub *hub, struct hub_node *node, const struct presence_digest *digest)
{
    unsigned end = digest->first_bucket + digest->buckets, chats = 0;
    if (node->digest_bucket < digest->first_bucket || node->digest_bucket >= end)
        node->digest_bucket = digest->first_bucket;
    for (unsigned i = 0; i < digest->buckets && chats < CHATS_PER_DIGEST; i++) {
        struct hub_chat *chat;
        DL_FOREACH(hub->presence.buckets[node->digest_bucket], chat)
        {
            leave_if_unnamed(hub, chat, digest);
            chats++;
        }
        node->digest_bucket = node->digest_bucket + 1 < end ? node->digest_bucket + 1 : digest->first_bucket;
    }
}

static void apply(struct hub *hub, const struct presence_digest *digest)
{
    if (slice_equal(digest->node, slice_of(hub->instance)))
        return;
    metrics_inc(METRIC_PRESENCE_RECEIVED);
    struct hub_node *node = hub_node_heard(hub, digest->node);
    if (!node)
        return;
    hub->presence.last_digest++;
    compare_named(hub, node, digest);
    if (!digest->is_partial)
        compare_unnamed(hub, node, digest);
}

static void on_message(void *context, struct bus_message *message)
{
    struct hub *hub = context;
    struct presence_digest_owned owned;
    enum err err = presence_digest_decode(message->data, &owned);
    pthread_mutex_lock(&hub->lock);
    if (!hub->closed) {
        hub->now_ms = clock_monotonic_ms();
        if (err == ERR_OK)
            apply(hub, &owned.digest);
        else
            hub_reject(hub, &(struct room_key){.route = 0}, "presence digest", err);
    }
    pthread_mutex_unlock(&hub->lock);
    if (err == ERR_OK)
        presence_digest_release(&owned);
    bus_message_free(&message);
}

enum err hub_digest_start(struct hub *hub)
{
    hub->presence.buckets = calloc(PRESENCE_BUCKETS, sizeof *hub->presence.buckets);
    hub->presence.rooms = calloc(PRESENCE_DIGEST_ROOMS_MAX, sizeof *hub->presence.rooms);
    if (!hub->presence.buckets || !hub->presence.rooms)
        return ERR_NO_MEMORY;
    hub->presence.digest_due_ms = hub->now_ms + random_below(hub->config->cluster_heartbeat_ms);
    char subject[SUBJECT_SIZE];
    subject_format_presence(hub->config->nats_prefix, subject);
    return bus_subscribe(hub->bus, subject, on_message, hub, &hub->presence.digests);
}

void hub_digest_stop(struct hub *hub)
{
    if (hub->presence.digests)
        bus_unsubscribe(hub->bus, &hub->presence.digests, NULL);
}
