/* Signals of a chat: who is there, who types. What this node's users do goes out as a signal, and what the
 * clients are told comes from signals, our own among them: one path, one order (ARCHITECTURE 10). Presence
 * alone is applied at once for our own users, because our own share must be right even while the bus is away.
 */
#include "hub_channel.h"

#include <stdlib.h>

#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>
#include <roomcast/wire/server_message.h>
#include <roomcast/wire/signal.h>
#include <roomcast/wire/subject.h>

/* The context of visits to a presence set. */
struct presence_teller {
    struct hub *hub;
    struct hub_channel *channel;
};

static enum err publish(struct hub *hub, struct hub_channel *channel, struct signal_message *signal)
{
    signal->room = hub_channel_key(channel);
    signal->node = slice_of(hub->instance);
    buffer_clear(&hub->encoded);
    enum err err = signal_encode(signal, &hub->encoded);
    if (err != ERR_OK)
        return err;
    char subject[SUBJECT_SIZE];
    subject_format(hub->config->nats_prefix, SUBJECT_SIGNAL, &signal->room, subject);
    return bus_publish(hub->bus, subject, buffer_slice(&hub->encoded));
}

/* A presence signal that is lost is made good by the snapshot that follows the next query; one log line a
 * second is enough. */
static void publish_presence(struct hub *hub, struct hub_channel *channel, struct signal_message *signal)
{
    static struct log_limit limit = LOG_LIMIT(1000);
    uint64_t suppressed;
    enum err err = publish(hub, channel, signal);
    if (err != ERR_OK && log_limit_pass(&limit, hub->now_ms, &suppressed))
        log_warn("presence_signal_lost", LOG_SLICE("room", room_key_name(&signal->room)),
                 LOG_TEXT("error", err_name(err)), LOG_U64("suppressed", suppressed));
}

void hub_publish_typing(struct hub *hub, struct hub_channel *channel, const struct room_key *user,
                        bool is_typing)
{
    if (!typing_limit_pass(&channel->chat->typing, user, is_typing, hub->config->limits_typing_ms,
                           hub->now_ms)) {
        metrics_inc(METRIC_TYPING_LIMITED);
        return;
    }
    struct signal_message signal = {.kind = SIGNAL_TYPING, .user = room_key_name(user), .on = is_typing};
    bool sent = publish(hub, channel, &signal) == ERR_OK;
    metrics_inc(sent ? METRIC_TYPING_RELAYED : METRIC_TYPING_DROPPED);
}

enum err hub_presence_open(struct hub *hub, struct hub_channel *channel, const struct room_key *key)
{
    struct hub_chat *chat = calloc(1, sizeof *chat);
    if (!chat)
        return ERR_NO_MEMORY;
    typing_limit_init(&chat->typing);
    char subject[SUBJECT_SIZE];
    subject_format(hub->config->nats_prefix, SUBJECT_SIGNAL, key, subject);
    enum err err = presence_new(&chat->presence);
    if (err == ERR_OK)
        err = bus_subscribe(hub->bus, subject, hub_on_message, hub, &chat->signals);
    if (err != ERR_OK) {
        presence_free(&chat->presence);
        free(chat);
        return err;
    }
    channel->chat = chat;
    publish_presence(hub, channel, &(struct signal_message){.kind = SIGNAL_PRESENCE_QUERY});
    return ERR_OK;
}

static void publish_offline(void *context, const struct room_key *user, bool online)
{
    struct presence_teller *teller = context;
    (void)online;
    struct signal_message signal = {.kind = SIGNAL_PRESENCE_CHANGE, .user = room_key_name(user), .on = false};
    publish_presence(teller->hub, teller->channel, &signal);
}

/* Whoever is still counted here, because the leave delay has not passed or the node goes, is taken out of the
 * other nodes' books. */
void hub_presence_close(struct hub *hub, struct hub_channel *channel)
{
    struct presence_teller teller = {.hub = hub, .channel = channel};
    presence_each(channel->chat->presence, true, publish_offline, &teller);
    departures_clear(&channel->chat->leaving);
    presence_free(&channel->chat->presence);
    typing_limit_fini(&channel->chat->typing);
    bus_unsubscribe(hub->bus, &channel->chat->signals, NULL);
    free(channel->chat);
    channel->chat = NULL;
}

/* --- what the clients are told --- */

static void send_text(struct hub *hub, struct hub_channel *channel, const struct room_key *sender)
{
    if (buffer_failed(&hub->text))
        return;
    struct frame *frame = frame_new(FRAME_TEXT, buffer_slice(&hub->text));
    if (!frame)
        return;
    hub_channel_send(hub, channel, frame, HUB_SIGNAL, sender);
    frame_unref(&frame);
}

/* In a chat of n users each coming and going costs n frames: large chats get counts only. */
static bool is_large(const struct hub *hub, const struct hub_channel *channel)
{
    return presence_count(channel->chat->presence) > hub->config->presence_max_members;
}

static void tell_presence(struct hub *hub, struct hub_channel *channel, const struct room_key *user,
                          bool online)
{
    if (is_large(hub, channel))
        return;
    struct room_key room = hub_channel_key(channel);
    buffer_clear(&hub->text);
    server_presence_changed(&hub->text, &room, room_key_name(user), online);
    send_text(hub, channel, user);
}

static void apply(struct hub *hub, struct hub_channel *channel, const struct room_key *user,
                  const struct presence_change *change)
{
    if (change->local) {
        struct signal_message signal = {
            .kind = SIGNAL_PRESENCE_CHANGE, .user = room_key_name(user), .on = change->online};
        publish_presence(hub, channel, &signal);
    }
    if (change->global)
        tell_presence(hub, channel, user, change->online);
}

/* --- our own users --- */

void hub_presence_join(struct hub *hub, struct hub_channel *channel, const struct room_key *user)
{
    if (departures_cancel(&channel->chat->leaving, user))
        return;
    struct presence_change change;
    if (presence_join(channel->chat->presence, user, &change) == ERR_OK)
        apply(hub, channel, user, &change);
}

static void leave_now(struct hub *hub, struct hub_channel *channel, const struct room_key *user)
{
    struct presence_change change;
    presence_leave(channel->chat->presence, user, &change);
    apply(hub, channel, user, &change);
}

void hub_presence_part(struct hub *hub, struct hub_channel *channel, const struct room_key *user)
{
    uint64_t delay_ms = hub->config->presence_leave_delay_s * 1000;
    if (delay_ms == 0 || departures_add(&channel->chat->leaving, user, hub->now_ms + delay_ms) != ERR_OK)
        leave_now(hub, channel, user);
}

void hub_presence_on_timer(struct hub *hub, struct hub_channel *channel)
{
    struct room_key user;
    while (departures_take(&channel->chat->leaving, hub->now_ms, &user))
        leave_now(hub, channel, &user);
}

/* --- other nodes --- */

struct user_collection {
    struct slice *users;
    size_t count, capacity;
};

static void collect(void *context, const struct room_key *user, bool online)
{
    struct user_collection *collection = context;
    if (online && collection->count < collection->capacity)
        collection->users[collection->count++] = room_key_name(user);
}

static void publish_snapshot(struct hub *hub, struct hub_channel *channel)
{
    struct user_collection collection = {.capacity = presence_local_count(channel->chat->presence)};
    collection.users = calloc(collection.capacity ? collection.capacity : 1, sizeof *collection.users);
    if (!collection.users)
        return;
    presence_each(channel->chat->presence, true, collect, &collection);
    struct signal_message signal = {
        .kind = SIGNAL_PRESENCE_SNAPSHOT, .users = collection.users, .users_count = collection.count};
    publish_presence(hub, channel, &signal);
    free(collection.users);
}

static void tell_visited(void *context, const struct room_key *user, bool online)
{
    struct presence_teller *teller = context;
    tell_presence(teller->hub, teller->channel, user, online);
}

static enum err apply_snapshot(struct hub *hub, struct hub_channel *channel,
                               const struct signal_message *signal)
{
    struct room_key *users = calloc(signal->users_count ? signal->users_count : 1, sizeof *users);
    if (!users)
        return ERR_NO_MEMORY;
    size_t count = 0;
    for (size_t i = 0; i < signal->users_count; i++) {
        if (room_key_for_user(signal->users[i], &users[count]) == ERR_OK)
            count++;
    }
    struct presence_teller teller = {.hub = hub, .channel = channel};
    enum err err =
        presence_snapshot(channel->chat->presence, signal->node, users, count, tell_visited, &teller);
    free(users);
    return err;
}

static enum err apply_signal(struct hub *hub, struct hub_channel *channel,
                             const struct signal_message *signal)
{
    bool is_ours = slice_equal(signal->node, slice_of(hub->instance));
    struct room_key user;
    struct presence_change change;
    enum err err;

    switch (signal->kind) {
    case SIGNAL_TYPING:
        if ((err = room_key_for_user(signal->user, &user)) != ERR_OK)
            return err;
        buffer_clear(&hub->text);
        server_typing(&hub->text, &signal->room, signal->user, signal->on);
        send_text(hub, channel, &user);
        return ERR_OK;
    case SIGNAL_PRESENCE_CHANGE:
        if (is_ours)
            return ERR_OK;
        if ((err = room_key_for_user(signal->user, &user)) != ERR_OK ||
            (err = presence_remote(channel->chat->presence, signal->node, &user, signal->on, &change)) !=
                ERR_OK)
            return err;
        if (change.global)
            tell_presence(hub, channel, &user, change.online);
        return ERR_OK;
    case SIGNAL_PRESENCE_QUERY:
        if (!is_ours)
            publish_snapshot(hub, channel);
        return ERR_OK;
    case SIGNAL_PRESENCE_SNAPSHOT:
        return is_ours ? ERR_OK : apply_snapshot(hub, channel, signal);
    }
    return ERR_UNKNOWN;
}

void hub_presence_on_signal(struct hub *hub, struct hub_channel *channel, struct slice data)
{
    struct signal_owned owned;
    struct room_key room = hub_channel_key(channel);
    enum err err = signal_decode(data, &room, &owned);
    if (err == ERR_OK) {
        err = apply_signal(hub, channel, &owned.signal);
        signal_release(&owned);
    }
    if (err != ERR_OK && err != ERR_UNKNOWN)
        hub_reject(hub, &room, "signal", err);
}

void hub_presence_answer(struct hub *hub, struct hub_channel *channel, struct hub_request *request)
{
    size_t online_count = presence_count(channel->chat->presence);
    struct user_collection collection = {.capacity = is_large(hub, channel) ? 0 : online_count};
    collection.users = calloc(collection.capacity ? collection.capacity : 1, sizeof *collection.users);
    if (!collection.users) {
        hub_answer(hub, request, ERR_NO_MEMORY);
        return;
    }
    if (collection.capacity > 0)
        presence_each(channel->chat->presence, false, collect, &collection);
    struct room_key room = hub_channel_key(channel);
    buffer_clear(&hub->text);
    server_presence_state(&hub->text, &room, collection.users, collection.count, online_count, &request->id);
    free(collection.users);
    if (!buffer_failed(&hub->text))
        request->text = buffer_take(&hub->text);
    request->text_len = request->text ? strlen(request->text) : 0;
    hub_answer(hub, request, request->text ? ERR_OK : ERR_NO_MEMORY);
}

/* Signals may have been lost: asks the other nodes who is there, and tells them who is here. */
void hub_presence_query(struct hub *hub, struct hub_channel *channel)
{
    publish_presence(hub, channel, &(struct signal_message){.kind = SIGNAL_PRESENCE_QUERY});
    publish_snapshot(hub, channel);
}

void hub_presence_forget(struct hub *hub, struct hub_channel *channel, struct slice node)
{
    struct presence_teller teller = {.hub = hub, .channel = channel};
    presence_forget(channel->chat->presence, node, tell_visited, &teller);
}
