/* Who is in a chat, per user and node: the set behind presence.get and presence.changed.
 *
 * A user is online in a chat while any node has a subscribed connection of theirs. This node's own share is
 * counted per connection; other nodes' shares come in as signals and go when the node leaves or is forgotten.
 * Owns: its entries.   Thread: its owner's.   Pure: says what changed, sends nothing. */
#ifndef ROOMCAST_CORE_PRESENCE_H
#define ROOMCAST_CORE_PRESENCE_H

#include <stdbool.h>
#include <stddef.h>

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
};

enum err presence_new(struct presence **ret_presence) MUST_CHECK;
void presence_free(struct presence **presence);

/* One more, or one fewer, subscribed connection of `user` on this node. */
enum err presence_join(struct presence *presence, const struct room_key *user,
                       struct presence_change *ret_change) MUST_CHECK;
void presence_leave(struct presence *presence, const struct room_key *user,
                    struct presence_change *ret_change);

/* What other nodes said. ERR_RANGE: `node` is not 1..PRESENCE_NODE_MAX bytes, or holds a NUL. */
enum err presence_remote(struct presence *presence, struct slice node, const struct room_key *user,
                         bool online, struct presence_change *ret_change) MUST_CHECK;

/* `user` stays valid until the next change, except in a call that says who went. No visit may change the
 * presence. */
typedef void (*presence_visit)(void *context, const struct room_key *user, bool online);
/* Replaces all that is known of `node` by this list; `visit` is called for each user whose global state
 * changes. ERR_RANGE as above. ERR_NO_MEMORY: some of the list may have been added, and visited; nobody was
 * taken out. */
enum err presence_snapshot(struct presence *presence, struct slice node, const struct room_key *users,
                           size_t count, presence_visit visit, void *context) MUST_CHECK;
/* Forgets a node. */
void presence_forget(struct presence *presence, struct slice node, presence_visit visit, void *context);

size_t presence_count(const struct presence *presence); /* users online, all nodes */
size_t presence_local_count(const struct presence *presence);
/* Every user online, or only those with a connection here; `online` is true in the calls. */
void presence_each(const struct presence *presence, bool local_only, presence_visit visit, void *context);

#endif
