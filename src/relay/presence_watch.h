/* Who is online in which chat of the whole deployment, from what the nodes tell each other: for who publishes
 * it. Another observer like a node (core/presence.h), with no users of its own.
 *
 * A chat is followed while anybody is in it; who is heard of in a chat for the first time is told, however
 * long he has been there.
 *
 * Owns: its chats, until nobody is in them.   Thread: its owner's.   Sends nothing itself, reads no clock;
 * `now_ms` is monotonic. */
#ifndef ROOMCAST_RELAY_PRESENCE_WATCH_H
#define ROOMCAST_RELAY_PRESENCE_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <roomcast/base/err.h>
#include <roomcast/wire/presence_digest.h>
#include <roomcast/wire/room_key.h>
#include <roomcast/wire/signal.h>

struct presence_watch;

struct presence_watch_options {
    uint64_t leave_delay_ms;
    size_t users_max; /* in all chats together; while so many are followed no chat is added */
    /* `user` came online in `chat`, or has left for good. */
    void (*tell)(void *context, const struct room_key *chat, const struct room_key *user, bool online);
    /* A query is to be sent: to the node, or to all when it is empty. */
    void (*ask)(void *context, const struct room_key *chat, struct slice node);
    void *context;
};

enum err presence_watch_new(const struct presence_watch_options *options,
                            struct presence_watch **ret_watch) MUST_CHECK;
void presence_watch_free(struct presence_watch **watch);

/* What a node says of a chat; other kinds than changes and snapshots are ignored. ERR_BUSY: `users_max` are
 * followed, so this chat is not. Also ERR_RANGE (of a name in it) and ERR_NO_MEMORY. */
enum err presence_watch_signal(struct presence_watch *watch, const struct signal_message *signal,
                               uint64_t now_ms) MUST_CHECK;
/* ERR_BUSY: as above; what it names besides was looked at. */
enum err presence_watch_digest(struct presence_watch *watch, const struct presence_digest *digest,
                               uint64_t now_ms) MUST_CHECK;
/* The node is gone. `died`: its users are offline at once; else they are leaving. */
void presence_watch_forget(struct presence_watch *watch, struct slice node, bool died, uint64_t now_ms);
/* Something may have been missed: nobody is said to have left before `until_ms`, and of those who are about
 * to be, all nodes are asked again. */
void presence_watch_suspect(struct presence_watch *watch, uint64_t now_ms, uint64_t until_ms);
/* What time brings; to be called every 100 ms or so. */
void presence_watch_run(struct presence_watch *watch, uint64_t now_ms);

size_t presence_watch_users(const struct presence_watch *watch); /* in each chat by itself */
size_t presence_watch_chats(const struct presence_watch *watch);

#endif
