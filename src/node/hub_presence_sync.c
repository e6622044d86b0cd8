/* Snapshots of what nodes have in a chat, and who asks for them. At each tick of the hub so many go out and
 * no more; who has to wait is noted once, whoever asked. */
#include <stdlib.h>
#include <utlist.h>

#include <roomcast/base/metrics.h>

#include "hub_channel.h"

#define PAGE_USERS       1000u /* NATS takes messages of 1 MB, a user id has up to 128 bytes */
#define ANSWERS_PER_TICK 64u   /* pages */
#define HEALS_PER_TICK   64u
#define QUERY_PAUSE_MS   1000u
#define HELD_MS          1000u /* after the last chat was asked about: the answers are here by then */

/* --- out --- */

struct listing {
    struct slice *users;
    size_t users_count;
    struct signal_leaving *leaving;
    size_t leaving_count;
    uint64_t now_ms, delay_ms;
};

static void list_user(void *context, const struct room_key *user, bool online)
{
    struct listing *listing = context;
    (void)online;
    listing->users[listing->users_count++] = room_key_name(user);
}

static void list_leaving(void *context, const struct room_key *user, uint64_t leave_at_ms)
{
    struct listing *listing = context;
    uint64_t left_ms = listing->now_ms + listing->delay_ms;
    left_ms = left_ms > leave_at_ms ? left_ms - leave_at_ms : 0;
    listing->leaving[listing->leaving_count++] = (struct signal_leaving){room_key_name(user), left_ms};
}

/* Page by page, first who is here, then who is leaving. */
static unsigned publish_pages(struct hub *hub, struct hub_channel *channel, const struct listing *listing,
                              bool wants_answer)
{
    size_t entries = listing->users_count + listing->leaving_count;
    uint32_t pages = entries == 0 ? 1 : (uint32_t)((entries + PAGE_USERS - 1) / PAGE_USERS);
    size_t user = 0, leaving = 0;
    for (uint32_t page = 1; page <= pages; page++) {
        size_t users = listing->users_count - user;
        users = users < PAGE_USERS ? users : PAGE_USERS;
        size_t leavers = listing->leaving_count - leaving;
        leavers = leavers < PAGE_USERS - users ? leavers : PAGE_USERS - users;
        struct signal_message signal = {.kind = SIGNAL_PRESENCE_SNAPSHOT,
                                        .version = channel->chat->version,
                                        .users = listing->users + user,
                                        .users_count = users,
                                        .leaving = listing->leaving + leaving,
                                        .leaving_count = leavers,
                                        .page = page,
                                        .pages = pages,
                                        .wants_answer = wants_answer && page == pages};
        hub_signal_publish_presence(hub, channel, &signal);
        user += users;
        leaving += leavers;
    }
    return pages;
}

unsigned hub_presence_publish_all(struct hub *hub, struct hub_channel *channel, bool wants_answer)
{
    const struct presence *presence = channel->chat->presence;
    size_t users = presence_local_count(presence), leaving = presence_leaving_count(presence);
    struct listing listing = {.users = calloc(users + 1, sizeof *listing.users),
                              .leaving = calloc(leaving + 1, sizeof *listing.leaving),
                              .now_ms = hub->now_ms,
                              .delay_ms = hub->config->presence_leave_delay_s * 1000};
    unsigned pages = 0;
    if (listing.users && listing.leaving) {
        presence_each(presence, true, list_user, &listing);
        presence_each_leaving(presence, list_leaving, &listing);
        pages = publish_pages(hub, channel, &listing, wants_answer);
    }
    free(listing.users);
    free(listing.leaving);
    return pages;
}

void hub_presence_ask(struct hub *hub, struct hub_channel *channel, const struct hub_node *node)
{
    struct hub_chat *chat = channel->chat;
    if (!node || (chat->queried == node->number && hub->now_ms < chat->query_not_before_ms))
        return;
    chat->queried = node->number;
    chat->query_not_before_ms = hub->now_ms + QUERY_PAUSE_MS;
    metrics_inc(METRIC_PRESENCE_REPAIRS);
    hub_signal_publish_presence(
        hub, channel, &(struct signal_message){.kind = SIGNAL_PRESENCE_QUERY, .to = slice_of(node->name)});
}

/* --- answers --- */

static void answer(struct hub *hub, struct hub_chat *chat)
{
    unsigned pages = hub_presence_publish_all(hub, chat->channel, false);
    unsigned *left = &hub->presence.answers_left;
    *left -= pages < *left ? pages : *left;
}

/* The chat's turn to ask the others is yet to come: what it says then is the answer, too. */
static bool is_yet_to_heal(const struct hub *hub, const struct hub_chat *chat)
{
    unsigned ahead = (chat->bucket + PRESENCE_BUCKETS - hub->presence.heal_bucket) % PRESENCE_BUCKETS;
    return ahead < hub->presence.heal_left;
}

static void owe_answer(struct hub *hub, struct hub_chat *chat)
{
    if (chat->owes_answer || is_yet_to_heal(hub, chat))
        return;
    if (hub->presence.answers_left > 0) {
        answer(hub, chat);
        return;
    }
    chat->owes_answer = true;
    DL_APPEND2(hub->presence.answering, chat, prev_a, next_a);
}

void hub_presence_stop_answering(struct hub *hub, struct hub_chat *chat)
{
    if (!chat->owes_answer)
        return;
    chat->owes_answer = false;
    DL_DELETE2(hub->presence.answering, chat, prev_a, next_a);
}

void hub_presence_on_query(struct hub *hub, struct hub_channel *channel, const struct signal_message *signal)
{
    struct hub_chat *chat = channel->chat;
    bool is_to_us = slice_equal(signal->to, slice_of(hub->instance));
    bool has_something = chat->version != 0 || presence_leaving_count(chat->presence) > 0;
    if (is_to_us || (signal->to.len == 0 && has_something))
        owe_answer(hub, chat);
}

/* --- in --- */

static enum err read_users(const struct signal_message *signal, struct room_key **ret_users,
                           size_t *ret_count)
{
    struct room_key *users = calloc(signal->users_count ? signal->users_count : 1, sizeof *users);
    size_t count = 0;
    if (!users)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < signal->users_count; i++) {
        if (room_key_for_user(signal->users[i], &users[count]) == ERR_OK)
            count++;
    }
    *ret_users = users;
    *ret_count = count;
    return ERR_OK;
}

static enum err apply_leaving(struct hub *hub, struct hub_chat *chat, const struct signal_message *signal)
{
    uint64_t delay_ms = hub->config->presence_leave_delay_s * 1000;
    for (size_t i = 0; i < signal->leaving_count; i++) {
        struct room_key user;
        uint64_t left_ms = signal->leaving[i].left_ms;
        if (left_ms >= delay_ms || room_key_for_user(signal->leaving[i].user, &user) != ERR_OK)
            continue;
        enum err err = presence_is_leaving(chat->presence, &user, hub->now_ms + delay_ms - left_ms);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

enum err hub_presence_on_snapshot(struct hub *hub, struct hub_channel *channel,
                                  const struct signal_message *signal)
{
    struct hub_teller teller = {.hub = hub, .channel = channel};
    struct room_key *users;
    size_t count;
    enum err err = read_users(signal, &users, &count);
    if (err != ERR_OK)
        return err;
    struct presence_page page = {.node = signal->node,
                                 .version = signal->version,
                                 .page = signal->page,
                                 .pages = signal->pages,
                                 .users = users,
                                 .count = count};
    err = presence_snapshot(channel->chat->presence, &page, hub->now_ms, hub_presence_tell, &teller);
    if (err == ERR_OK)
        err = apply_leaving(hub, channel->chat, signal);
    free(users);
    hub_presence_changed(hub, channel);
    if (signal->wants_answer)
        owe_answer(hub, channel->chat);
    return err;
}

/* --- trouble on the bus --- */

void hub_presence_heal(struct hub *hub)
{
    hub->presence.heal_left = PRESENCE_BUCKETS;
}

bool hub_presence_is_held(struct hub *hub)
{
    return hub->presence.heal_left > 0 || hub->now_ms < hub->presence.held_until_ms || !bus_is_up(hub->bus);
}

static void heal_some(struct hub *hub)
{
    unsigned asked = 0;
    while (hub->presence.heal_left > 0 && asked < HEALS_PER_TICK) {
        struct hub_chat *chat;
        DL_FOREACH(hub->presence.buckets[hub->presence.heal_bucket], chat)
        {
            hub_presence_stop_answering(hub, chat);
            asked += hub_presence_publish_all(hub, chat->channel, true);
        }
        hub->presence.heal_bucket = (hub->presence.heal_bucket + 1) % PRESENCE_BUCKETS;
        hub->presence.heal_left--;
    }
    hub->presence.held_until_ms = hub->now_ms + HELD_MS;
}

void hub_presence_sync_tick(struct hub *hub)
{
    hub->presence.answers_left = ANSWERS_PER_TICK;
    while (hub->presence.answering && hub->presence.answers_left > 0) {
        struct hub_chat *chat = hub->presence.answering;
        hub_presence_stop_answering(hub, chat);
        answer(hub, chat);
    }
    if (hub->presence.heal_left > 0 && bus_is_up(hub->bus))
        heal_some(hub);
}
