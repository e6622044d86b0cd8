/* Who is in a chat: our own users, and what the clients are told. */
#include <stdlib.h>
#include <utlist.h>

#include <roomcast/base/metrics.h>
#include <roomcast/wire/server_message.h>
#include <roomcast/wire/subject.h>

#include "hub_channel.h"

/* A chat that was just opened: the others are asked, and so long their answers are no news to anybody. When
 * thousands are opened at once, after a node was lost, answers take longer. */
#define SETTLE_MS           250u
#define SETTLE_CHATS_PER_MS 3u
#define SETTLE_MS_MAX       5000u
#define HELD_AGAIN_MS       500u /* who would leave while nobody is said to: looked at again */

static void count_users(struct hub_chat *chat, size_t users)
{
    metrics_change(METRIC_PRESENCE_USERS, (int64_t)users - (int64_t)chat->counted);
    chat->counted = users;
}

void hub_presence_changed(struct hub *hub, struct hub_channel *channel)
{
    count_users(channel->chat, presence_count(channel->chat->presence));
    hub_channel_arm(hub, channel);
}

static void put_into_bucket(struct hub *hub, struct hub_chat *chat, const struct room_key *key)
{
    struct uuid uuid;
    bool is_chat = uuid_parse(room_key_name(key), &uuid) == ERR_OK; /* as every key of a chat is */
    chat->bucket = is_chat ? (uint16_t)presence_bucket(&uuid) : 0;
    DL_APPEND(hub->presence.buckets[chat->bucket], chat);
}

static void begin_settling(struct hub *hub, struct hub_chat *chat)
{
    unsigned settle_ms = SETTLE_MS + hub->presence.settling / SETTLE_CHATS_PER_MS;
    chat->settle_until_ms = hub->now_ms + (settle_ms < SETTLE_MS_MAX ? settle_ms : SETTLE_MS_MAX);
    hub->presence.settling++;
    hub_signal_publish_presence(hub, chat->channel, &(struct signal_message){.kind = SIGNAL_PRESENCE_QUERY});
}

enum err hub_presence_open(struct hub *hub, struct hub_channel *channel, const struct room_key *key)
{
    struct hub_chat *chat = calloc(1, sizeof *chat);
    if (!chat)
        return ERR_NO_MEMORY;
    chat->channel = channel;
    chat->asking_tail = &chat->asking;
    typing_limit_init(&chat->typing);
    char subject[SUBJECT_SIZE];
    subject_format(hub->config->nats_prefix, SUBJECT_SIGNAL, key, subject);
    enum err err = presence_new(hub->config->presence_leave_delay_s * 1000, &chat->presence);
    if (err == ERR_OK)
        err = bus_subscribe(hub->bus, subject, hub_on_message, hub, &chat->signals);
    if (err != ERR_OK) {
        presence_free(&chat->presence);
        free(chat);
        return err;
    }
    channel->chat = chat;
    put_into_bucket(hub, chat, key);
    begin_settling(hub, chat);
    return ERR_OK;
}

/* In a chat of n users each coming and going costs n frames: large chats get counts only. */
static bool is_large(const struct hub *hub, const struct hub_chat *chat)
{
    return presence_count(chat->presence) > hub->config->presence_max_members;
}

/* --- what the clients are told --- */

void hub_presence_tell(void *context, const struct room_key *user, bool online)
{
    const struct hub_teller *teller = context;
    struct hub *hub = teller->hub;
    if (is_large(hub, teller->channel->chat))
        return;
    struct room_key room = hub_channel_key(teller->channel);
    buffer_clear(&hub->text);
    server_presence_changed(&hub->text, &room, room_key_name(user), online);
    hub_signal_send_text(hub, teller->channel, user);
}

struct user_list {
    struct slice *users;
    size_t count, capacity;
};

static void collect(void *context, const struct room_key *user, bool online)
{
    struct user_list *list = context;
    if (online && list->count < list->capacity)
        list->users[list->count++] = room_key_name(user);
}

static void answer(struct hub *hub, struct hub_chat *chat, struct hub_request *request)
{
    size_t online_count = presence_count(chat->presence);
    struct user_list list = {.capacity = is_large(hub, chat) ? 0 : online_count};
    list.users = calloc(list.capacity ? list.capacity : 1, sizeof *list.users);
    if (!list.users) {
        hub_answer(hub, request, ERR_NO_MEMORY);
        return;
    }
    if (list.capacity > 0)
        presence_each(chat->presence, false, collect, &list);
    struct room_key room = hub_channel_key(chat->channel);
    buffer_clear(&hub->text);
    server_presence_state(&hub->text, &room, list.users, list.count, online_count, &request->id);
    free(list.users);
    if (!buffer_failed(&hub->text))
        request->text = buffer_take(&hub->text);
    request->text_len = request->text ? strlen(request->text) : 0;
    hub_answer(hub, request, request->text ? ERR_OK : ERR_NO_MEMORY);
}

void hub_presence_answer(struct hub *hub, struct hub_channel *channel, struct hub_request *request)
{
    struct hub_chat *chat = channel->chat;
    if (chat->settle_until_ms == 0) {
        answer(hub, chat, request);
        return;
    }
    request->output.item.next = NULL;
    *chat->asking_tail = &request->output.item;
    chat->asking_tail = &request->output.item.next;
}

static void settle(struct hub *hub, struct hub_chat *chat)
{
    struct hub_teller teller = {.hub = hub, .channel = chat->channel};
    chat->settle_until_ms = 0;
    hub->presence.settling--;
    presence_settle(chat->presence, hub_presence_tell, &teller);
    struct inbox_item *item = chat->asking;
    chat->asking = NULL;
    chat->asking_tail = &chat->asking;
    while (item) {
        struct inbox_item *next = item->next;
        answer(hub, chat, (struct hub_request *)item);
        item = next;
    }
}

/* Whoever is still counted here, because the node ends, is taken out of the other nodes' books; they keep the
 * leave delay. */
void hub_presence_close(struct hub *hub, struct hub_channel *channel)
{
    struct hub_chat *chat = channel->chat;
    if (chat->settle_until_ms != 0)
        settle(hub, chat);
    if (chat->version != 0)
        hub_signal_publish_presence(
            hub, channel, &(struct signal_message){.kind = SIGNAL_PRESENCE_SNAPSHOT, .page = 1, .pages = 1});
    count_users(chat, 0);
    hub_presence_stop_answering(hub, chat);
    DL_DELETE(hub->presence.buckets[chat->bucket], chat);
    presence_free(&chat->presence);
    typing_limit_fini(&chat->typing);
    bus_unsubscribe(hub->bus, &chat->signals, NULL);
    free(chat);
    channel->chat = NULL;
}

/* --- our own users --- */

static void publish_change(struct hub *hub, struct hub_chat *chat, const struct room_key *user, bool online)
{
    struct signal_message signal = {.kind = SIGNAL_PRESENCE_CHANGE,
                                    .user = room_key_name(user),
                                    .on = online,
                                    .previous = chat->version,
                                    .version = ++hub->presence.counter};
    chat->version = presence_local_count(chat->presence) > 0 ? signal.version : 0;
    hub_signal_publish_presence(hub, chat->channel, &signal);
}

static void apply(struct hub *hub, struct hub_chat *chat, const struct room_key *user,
                  const struct presence_change *change)
{
    struct hub_teller teller = {.hub = hub, .channel = chat->channel};
    if (change->local)
        publish_change(hub, chat, user, change->online);
    if (change->global)
        hub_presence_tell(&teller, user, change->online);
    hub_presence_changed(hub, chat->channel);
}

void hub_presence_join(struct hub *hub, struct hub_channel *channel, const struct room_key *user)
{
    struct presence_change change;
    if (presence_join(channel->chat->presence, user, &change) == ERR_OK)
        apply(hub, channel->chat, user, &change);
}

void hub_presence_part(struct hub *hub, struct hub_channel *channel, const struct room_key *user)
{
    struct presence_change change;
    presence_leave(channel->chat->presence, user, hub->now_ms, &change);
    apply(hub, channel->chat, user, &change);
}

enum err hub_presence_on_change(struct hub *hub, struct hub_channel *channel,
                                const struct signal_message *signal)
{
    struct room_key user;
    enum err err = room_key_for_user(signal->user, &user);
    if (err != ERR_OK)
        return err;
    struct presence_word word = {.node = signal->node,
                                 .user = &user,
                                 .online = signal->on,
                                 .previous = signal->previous,
                                 .version = signal->version};
    struct presence_change change;
    err = presence_remote(channel->chat->presence, &word, hub->now_ms, &change);
    if (err != ERR_OK)
        return err;
    apply(hub, channel->chat, &user, &change);
    if (change.missed)
        hub_presence_ask(hub, channel, hub_node_heard(hub, signal->node));
    return ERR_OK;
}

/* --- time --- */

void hub_presence_on_timer(struct hub *hub, struct hub_channel *channel)
{
    struct hub_chat *chat = channel->chat;
    struct hub_teller teller = {.hub = hub, .channel = channel};
    uint64_t due_ms = presence_due(chat->presence);
    if (chat->settle_until_ms != 0 && chat->settle_until_ms <= hub->now_ms)
        settle(hub, chat);
    if (due_ms != 0 && due_ms <= hub->now_ms && !hub_presence_is_held(hub)) {
        presence_run(chat->presence, hub->now_ms, hub_presence_tell, &teller);
        count_users(chat, presence_count(chat->presence));
    }
}

uint64_t hub_presence_due(struct hub *hub, const struct hub_channel *channel)
{
    uint64_t due_ms = presence_due(channel->chat->presence);
    if (due_ms != 0 && due_ms <= hub->now_ms && hub_presence_is_held(hub))
        due_ms = hub->now_ms + HELD_AGAIN_MS;
    deadline_sooner(&due_ms, channel->chat->settle_until_ms);
    return due_ms;
}
