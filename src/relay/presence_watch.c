#include "presence_watch.h"

#include <stdlib.h>

#include <roomcast/base/hash.h>
#include <roomcast/core/presence.h>

#include <utlist.h>

#define QUERY_PAUSE_MS 1000u /* between two to the same node, of the same chat */

struct watched_chat {
    struct uuid id;
    uint16_t bucket;
    struct presence *presence;
    size_t counted;                       /* its part of watch->users */
    uint64_t query_not_before_ms;         /* the last query may not be repeated before that ... */
    uint64_t queried;                     /* ... and a hash of who was asked */
    uint64_t named_by;                    /* the last digest that named it */
    bool is_busy;                         /* somebody is leaving: in watch->busy */
    struct watched_chat *prev, *next;     /* in its bucket */
    struct watched_chat *prev_b, *next_b; /* in watch->busy */
    UT_hash_handle hh;
};

struct presence_watch {
    struct presence_watch_options options;
    struct watched_chat *chats;                     /* owned */
    struct watched_chat *buckets[PRESENCE_BUCKETS]; /* the same */
    struct watched_chat *busy;
    size_t users;
    uint64_t held_until_ms, last_digest;
};

struct teller {
    struct presence_watch *watch;
    struct room_key chat;
};

static void tell(void *context, const struct room_key *user, bool online)
{
    const struct teller *teller = context;
    teller->watch->options.tell(teller->watch->options.context, &teller->chat, user, online);
}

static struct teller teller_of(struct presence_watch *watch, const struct watched_chat *chat)
{
    struct teller teller = {.watch = watch};
    room_key_for_chat(&chat->id, &teller.chat);
    return teller;
}

/* --- chats --- */

static struct watched_chat *find(const struct presence_watch *watch, const struct uuid *id)
{
    struct watched_chat *chat;
    HASH_FIND(hh, watch->chats, id, sizeof *id, chat);
    return chat;
}

static void remove_chat(struct presence_watch *watch, struct watched_chat *chat)
{
    watch->users -= chat->counted;
    if (chat->is_busy)
        DL_DELETE2(watch->busy, chat, prev_b, next_b);
    DL_DELETE(watch->buckets[chat->bucket], chat);
    HASH_DELETE(hh, watch->chats, chat);
    presence_free(&chat->presence);
    free(chat);
}

/* After each change: counts, and forgets a chat without anybody. The chat may be gone after it. */
static void changed(struct presence_watch *watch, struct watched_chat *chat)
{
    size_t count = presence_count(chat->presence);
    watch->users += count - chat->counted;
    chat->counted = count;
    bool is_busy = presence_due(chat->presence) != 0;
    if (is_busy && !chat->is_busy)
        DL_APPEND2(watch->busy, chat, prev_b, next_b);
    else if (!is_busy && chat->is_busy)
        DL_DELETE2(watch->busy, chat, prev_b, next_b);
    chat->is_busy = is_busy;
    if (count == 0 && !is_busy)
        remove_chat(watch, chat);
}

static void ask(struct presence_watch *watch, struct watched_chat *chat, struct slice node, uint64_t now_ms)
{
    uint64_t asked = hash_bytes_64(node.data, node.len);
    if (now_ms < chat->query_not_before_ms && chat->queried == asked)
        return;
    struct teller teller = teller_of(watch, chat);
    chat->query_not_before_ms = now_ms + QUERY_PAUSE_MS;
    chat->queried = asked;
    watch->options.ask(watch->options.context, &teller.chat, node);
}

static bool is_full(const struct presence_watch *watch)
{
    return watch->users >= watch->options.users_max;
}

static enum err add_chat(struct presence_watch *watch, const struct uuid *id, struct watched_chat **ret_chat)
{
    if (is_full(watch))
        return ERR_BUSY;
    struct watched_chat *chat = calloc(1, sizeof *chat);
    if (!chat)
        return ERR_NO_MEMORY;
    chat->id = *id;
    chat->bucket = (uint16_t)presence_bucket(id);
    if (presence_new(watch->options.leave_delay_ms, &chat->presence) != ERR_OK) {
        free(chat);
        return ERR_NO_MEMORY;
    }
    presence_settle(chat->presence, NULL, NULL); /* nobody is in it: who is heard of is news */
    HASH_ADD(hh, watch->chats, id, sizeof chat->id, chat);
    if (!chat->hh.tbl) { /* uthash had no memory */
        presence_free(&chat->presence);
        free(chat);
        return ERR_NO_MEMORY;
    }
    DL_APPEND(watch->buckets[chat->bucket], chat);
    *ret_chat = chat;
    return ERR_OK;
}

/* --- what nodes say --- */

static enum err take_change(struct presence_watch *watch, struct watched_chat *chat,
                            const struct signal_message *signal, uint64_t now_ms)
{
    struct teller teller = teller_of(watch, chat);
    struct presence_change change = {.global = false};
    struct room_key user;
    enum err err = room_key_for_user(signal->user, &user);
    if (err != ERR_OK)
        return err;
    const struct presence_word word = {.node = signal->node,
                                       .user = &user,
                                       .online = signal->on,
                                       .previous = signal->previous,
                                       .version = signal->version};
    err = presence_remote(chat->presence, &word, now_ms, &change);
    if (err != ERR_OK)
        return err;
    if (change.global)
        tell(&teller, &user, change.online);
    if (change.missed)
        ask(watch, chat, signal->node, now_ms);
    return ERR_OK;
}

static enum err take_leaving(struct presence_watch *watch, struct watched_chat *chat,
                             const struct signal_message *signal, uint64_t now_ms)
{
    uint64_t delay_ms = watch->options.leave_delay_ms;
    enum err err = ERR_OK;
    for (size_t i = 0; i < signal->leaving_count && err == ERR_OK; i++) {
        struct room_key user;
        uint64_t left_ms = signal->leaving[i].left_ms;
        if (left_ms < delay_ms && room_key_for_user(signal->leaving[i].user, &user) == ERR_OK)
            err = presence_is_leaving(chat->presence, &user, now_ms + delay_ms - left_ms);
    }
    return err;
}

static enum err take_snapshot(struct presence_watch *watch, struct watched_chat *chat,
                              const struct signal_message *signal, uint64_t now_ms)
{
    struct teller teller = teller_of(watch, chat);
    struct room_key *users = calloc(signal->users_count + 1, sizeof *users);
    if (!users)
        return ERR_NO_MEMORY;
    struct presence_page page = {.node = signal->node,
                                 .version = signal->version,
                                 .page = signal->page,
                                 .pages = signal->pages,
                                 .users = users};
    for (size_t i = 0; i < signal->users_count; i++)
        page.count += room_key_for_user(signal->users[i], &users[page.count]) == ERR_OK;
    enum err err = presence_snapshot(chat->presence, &page, now_ms, tell, &teller);
    free(users);
    return err == ERR_OK ? take_leaving(watch, chat, signal, now_ms) : err;
}

enum err presence_watch_signal(struct presence_watch *watch, const struct signal_message *signal,
                               uint64_t now_ms)
{
    struct uuid id;
    bool is_snapshot = signal->kind == SIGNAL_PRESENCE_SNAPSHOT;
    if (!is_snapshot && signal->kind != SIGNAL_PRESENCE_CHANGE)
        return ERR_OK;
    if (uuid_parse(room_key_name(&signal->room), &id) != ERR_OK)
        return ERR_RANGE;
    struct watched_chat *chat = find(watch, &id);
    if (!chat && (is_snapshot ? signal->users_count == 0 : !signal->on))
        return ERR_OK; /* nobody whom we know is there */
    enum err err = chat ? ERR_OK : add_chat(watch, &id, &chat);
    if (err != ERR_OK)
        return err;
    err = is_snapshot ? take_snapshot(watch, chat, signal, now_ms) : take_change(watch, chat, signal, now_ms);
    changed(watch, chat);
    return err;
}

/* --- digests --- */

/* Of a chat that nobody is known to be in, the answer makes it known. */
static void ask_of_unknown(struct presence_watch *watch, const struct uuid *id, struct slice node)
{
    struct room_key key;
    room_key_for_chat(id, &key);
    watch->options.ask(watch->options.context, &key, node);
}

static enum err compare_named(struct presence_watch *watch, const struct presence_digest *digest,
                              uint64_t now_ms)
{
    enum err err = ERR_OK;
    for (size_t i = 0; i < digest->rooms_count; i++) {
        const struct presence_digest_room *room = &digest->rooms[i];
        struct watched_chat *chat = find(watch, &room->chat);
        if (chat)
            chat->named_by = watch->last_digest;
        if (chat && room->version > presence_version(chat->presence, digest->node))
            ask(watch, chat, digest->node, now_ms);
        else if (!chat && !is_full(watch))
            ask_of_unknown(watch, &room->chat, digest->node);
        else if (!chat)
            err = ERR_BUSY;
    }
    return err;
}

/* A chat that is not named has nobody of the node, unless someone came after the digest was made. */
static void compare_unnamed(struct presence_watch *watch, unsigned bucket,
                            const struct presence_digest *digest, uint64_t now_ms)
{
    struct watched_chat *chat, *next;
    DL_FOREACH_SAFE(watch->buckets[bucket], chat, next)
    {
        uint64_t heard = presence_heard(chat->presence, digest->node);
        if (chat->named_by == watch->last_digest || heard == 0 || heard > digest->counter)
            continue;
        struct teller teller = teller_of(watch, chat);
        presence_forget(chat->presence, digest->node, false, now_ms, tell, &teller);
        changed(watch, chat);
    }
}

enum err presence_watch_digest(struct presence_watch *watch, const struct presence_digest *digest,
                               uint64_t now_ms)
{
    watch->last_digest++;
    enum err err = compare_named(watch, digest, now_ms);
    for (unsigned i = 0; i < digest->buckets && !digest->is_partial; i++)
        compare_unnamed(watch, digest->first_bucket + i, digest, now_ms);
    return err;
}

/* --- nodes and time --- */

void presence_watch_forget(struct presence_watch *watch, struct slice node, bool died, uint64_t now_ms)
{
    struct watched_chat *chat, *next;
    HASH_ITER(hh, watch->chats, chat, next)
    {
        struct teller teller = teller_of(watch, chat);
        presence_forget(chat->presence, node, died, now_ms, tell, &teller);
        changed(watch, chat);
    }
}

void presence_watch_suspect(struct presence_watch *watch, uint64_t now_ms, uint64_t until_ms)
{
    struct watched_chat *chat;
    watch->held_until_ms = until_ms;
    DL_FOREACH2(watch->busy, chat, next_b)
    {
        chat->query_not_before_ms = 0;
        ask(watch, chat, (struct slice){NULL, 0}, now_ms);
    }
}

static void run_chat(struct presence_watch *watch, struct watched_chat *chat, uint64_t now_ms)
{
    struct teller teller = teller_of(watch, chat);
    uint64_t due_ms = presence_due(chat->presence);
    if (due_ms != 0 && due_ms <= now_ms && now_ms >= watch->held_until_ms)
        presence_run(chat->presence, now_ms, tell, &teller);
    changed(watch, chat);
}

void presence_watch_run(struct presence_watch *watch, uint64_t now_ms)
{
    struct watched_chat *chat, *next;
    DL_FOREACH_SAFE2(watch->busy, chat, next, next_b)
    run_chat(watch, chat, now_ms);
}

/* --- life --- */

enum err presence_watch_new(const struct presence_watch_options *options, struct presence_watch **ret_watch)
{
    struct presence_watch *watch = calloc(1, sizeof *watch);
    if (!watch)
        return ERR_NO_MEMORY;
    watch->options = *options;
    *ret_watch = watch;
    return ERR_OK;
}

void presence_watch_free(struct presence_watch **pointer)
{
    struct presence_watch *watch = *pointer;
    struct watched_chat *chat, *next;
    if (!watch)
        return;
    HASH_ITER(hh, watch->chats, chat, next)
    remove_chat(watch, chat);
    free(watch);
    *pointer = NULL;
}

size_t presence_watch_users(const struct presence_watch *watch)
{
    return watch->users;
}

size_t presence_watch_chats(const struct presence_watch *watch)
{
    return HASH_COUNT(watch->chats);
}
