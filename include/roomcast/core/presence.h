/* Who is in a chat, per user and node: the set behind presence.get and presence.changed.
 *
 * A user is online in a chat while any node has a subscribed connection of theirs, and for the leave delay
 * after the last one went: who comes back in time, to whichever node, never left. This node's own share is
 * counted per connection; other nodes' shares come in as signals, and go when the node says so or is
 * forgotten. The delay is kept by everyone who watches, not by the node that was left, so it outlives that.
 *
 *            hold here or elsewhere
 *   (absent) ----------------------> HELD ---the last hold is gone---> LEAVING ---time is up---> (absent)
 *                                     ^                                   |
 *                                     +-------------- hold ---------------+
 *
 * A new set is settling: it takes in what the others say without telling, and learns who is new. Owns: its
 * entries.   Thread: its owner's.   Pure: says what changed, sends nothing, reads no clock; `now_ms` is
 * monotonic. */
#ifndef ROOMCAST_CORE_PRESENCE_H
#define ROOMCAST_CORE_PRESENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>
#include <roomcast/wire/room_key.h>

#define PRESENCE_NODE_MAX 96 /* bytes of a node's name: the configured one and what a run adds to it */

struct presence; /* of one chat */

/* What a step changed. */
struct presence_change {
    bool
        local; /* this node's first connection of the user came, or the last one went: tell the other nodes */
    bool global; /* the user came online, or went offline, in the chat as a whole: tell the clients */
    bool online; /* the direction of both */
    bool missed; /* something that the node said before was not heard: ask it */
};

enum err presence_new(uint64_t leave_delay_ms, struct presence **ret_presence) MUST_CHECK;
void presence_free(struct presence **presence);

/* One more, or one fewer, subscribed connection of `user` on this node. */
enum err presence_join(struct presence *presence, const struct room_key *user,
                       struct presence_change *ret_change) MUST_CHECK;
void presence_leave(struct presence *presence, const struct room_key *user, uint64_t now_ms,
                    struct presence_change *ret_change);

/* `user` stays valid until the next change, except in a call that says who went. No visit may change the
 * presence. */
typedef void (*presence_visit)(void *context, const struct room_key *user, bool online);

/* --- what other nodes say: presence_elsewhere.c ---
 * A node numbers its changes (wire: PresenceChange). What it has here has a version, the number of the last
 * one, and 0 when it has nobody; so a jump shows that something was missed. `version` 0 in a change, or in a
 * snapshot that names users: of a release that counts none. */

struct presence_word {
    struct slice node;
    const struct room_key *user;
    bool online;
    uint64_t previous, version;
};
/* ERR_RANGE: `node` is not 1..PRESENCE_NODE_MAX bytes, or holds a NUL. What was heard before changes nothing.
 */
enum err presence_remote(struct presence *presence, const struct presence_word *word, uint64_t now_ms,
                         struct presence_change *ret_change) MUST_CHECK;

/* One page of all that a node has. */
struct presence_page {
    struct slice node;
    uint64_t version;
    uint32_t page, pages; /* 1..pages; both 0: the only one */
    const struct room_key *users;
    size_t count;
};
/* With the last page, when all came in order, this is what is known of the node: who is on none of them is
 * taken out. `visit` is called for each user whose global state changes. ERR_RANGE as above. ERR_NO_MEMORY:
 * some of the list may have been added, and visited; nobody was taken out. */
enum err presence_snapshot(struct presence *presence, const struct presence_page *page, uint64_t now_ms,
                           presence_visit visit, void *context) MUST_CHECK;
/* Some node says that `user` has left and is online until `leave_at_ms`. Adds the user only while settling:
 * else it is for those who are leaving, and makes it later, never sooner. */
enum err presence_is_leaving(struct presence *presence, const struct room_key *user,
                             uint64_t leave_at_ms) MUST_CHECK;
/* Forgets a node. `at_once`: it died, and its users are offline unless others hold them; else they are
 * leaving. */
void presence_forget(struct presence *presence, struct slice node, bool at_once, uint64_t now_ms,
                     presence_visit visit, void *context);
/* Up to which version everything is known of what the node has; 0: of nobody there. */
uint64_t presence_version(const struct presence *presence, struct slice node);
/* The latest version heard of, even if something before it was missed. */
uint64_t presence_heard(const struct presence *presence, struct slice node);

/* --- time --- */

/* The end of settling: visits those who were new to everyone in that time. */
void presence_settle(struct presence *presence, presence_visit visit, void *context);
/* When the first of those leaving is offline; 0: nobody is leaving. */
uint64_t presence_due(const struct presence *presence);
/* Takes out who has left for good. */
void presence_run(struct presence *presence, uint64_t now_ms, presence_visit visit, void *context);

/* --- questions --- */

size_t presence_count(const struct presence *presence); /* users online, all nodes */
size_t presence_local_count(const struct presence *presence);
size_t presence_leaving_count(const struct presence *presence);
/* Every user online, or only those with a connection here; `online` is true in the calls. */
void presence_each(const struct presence *presence, bool local_only, presence_visit visit, void *context);
/* Who is leaving, the first to go first. */
typedef void (*presence_leaving_visit)(void *context, const struct room_key *user, uint64_t leave_at_ms);
void presence_each_leaving(const struct presence *presence, presence_leaving_visit visit, void *context);

#endif
