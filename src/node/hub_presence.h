/* What the hub knows of who is in the chats, here and on other nodes, and how it keeps that right.
 *
 *   changes     one signal for each user who comes to, or leaves, a chat on a node, numbered (core/presence)
 *   snapshots   all that a node has in one chat; answers to a query, and after trouble on the bus
 *   digests     which version of which chat a node has, a part of them in each: finds what was missed unseen
 *   nodes       who died takes its users with it
 *
 * Thread: whichever holds the hub's lock. Private to the hub. */
#ifndef ROOMCAST_NODE_HUB_PRESENCE_H
#define ROOMCAST_NODE_HUB_PRESENCE_H

#include <stdbool.h>
#include <stdint.h>

#include <roomcast/base/hash.h>
#include <roomcast/base/inbox.h>
#include <roomcast/core/presence.h>
#include <roomcast/core/typing_limit.h>
#include <roomcast/io/bus.h>
#include <roomcast/wire/presence_digest.h>
#include <roomcast/wire/signal.h>

struct hub;
struct hub_channel;
struct hub_request;

/* What a room has when it is a chat: who is there and who types. */
struct hub_chat {
    struct hub_channel *channel; /* whose it is */
    struct bus_subscription *signals;
    struct presence *presence;
    struct typing_limit typing;
    uint64_t version;                         /* of our own share; 0: nobody is here */
    uint64_t settle_until_ms;                 /* 0: settled */
    struct inbox_item *asking, **asking_tail; /* struct hub_request, answered when it has settled */
    size_t counted;                           /* users, as the metric counts them */
    uint64_t query_not_before_ms; /* the next to node number `queried`, when something was missed */
    uint32_t queried;
    uint32_t named_by; /* the number of the digest that named the chat last */
    uint16_t bucket;
    bool owes_answer;
    struct hub_chat *prev, *next;     /* in its bucket */
    struct hub_chat *prev_a, *next_a; /* in `answering`, while owes_answer */
};

/* Another node, by its instance.
 *
 *   (unknown) -signal-> STRANGER -note-> HERE -forget-> GONE -a while later-> (unknown)
 *                          |              ^               |
 *                          |              +-----note------+
 *                          +--silent for three beats------^        */
struct hub_node {
    char name[PRESENCE_NODE_MAX + 1];
    enum hub_node_state { HUB_NODE_STRANGER, HUB_NODE_HERE, HUB_NODE_GONE } state;
    uint64_t since_ms, since_beats; /* of `state`; the latter in own beats */
    uint32_t number;
    bool died;              /* GONE: without a word */
    unsigned forget_left;   /* buckets in which it is still to be forgotten */
    unsigned forget_bucket; /* the next of them */
    unsigned digest_bucket; /* where chats that its digests do not name are looked for next */
    UT_hash_handle hh;
};

struct hub_presence {
    struct bus_subscription *digests;
    struct hub_chat **buckets;          /* owned array of PRESENCE_BUCKETS lists, all chats */
    struct presence_digest_room *rooms; /* owned scratch of PRESENCE_DIGEST_ROOMS_MAX */
    struct hub_node *nodes;             /* owned */
    struct hub_chat *answering;         /* utlist */
    uint64_t counter;                   /* of the changes of our own shares */
    unsigned answers_left;              /* pages, until the next tick */
    unsigned settling;                  /* chats */
    unsigned heal_left, heal_bucket;    /* buckets in which the others are still to be asked, and the next */
    uint64_t held_until_ms;             /* nobody is said to have left before that */
    unsigned digest_bucket;             /* where the next digest begins */
    uint64_t digest_due_ms;
    uint64_t nodes_due_ms; /* when strangers are looked at next */
    uint32_t last_digest, last_node;
    uint64_t own_beats; /* our own that came back: what proves that the others' would be heard */
};

/* --- hub_presence.c: our own users, and what the clients are told --- */

enum err hub_presence_open(struct hub *hub, struct hub_channel *channel,
                           const struct room_key *key) MUST_CHECK;
void hub_presence_close(struct hub *hub, struct hub_channel *channel);
void hub_presence_join(struct hub *hub, struct hub_channel *channel, const struct room_key *user);
void hub_presence_part(struct hub *hub, struct hub_channel *channel, const struct room_key *user);
void hub_presence_on_timer(struct hub *hub, struct hub_channel *channel);
uint64_t hub_presence_due(struct hub *hub, const struct hub_channel *channel);
/* Takes the request over; answered at once or when the chat has settled. */
void hub_presence_answer(struct hub *hub, struct hub_channel *channel, struct hub_request *request);
/* A change that another node said. */
enum err hub_presence_on_change(struct hub *hub, struct hub_channel *channel,
                                const struct signal_message *signal) MUST_CHECK;
/* The presence_visit that tells the clients; `context` is a struct hub_teller. */
struct hub_teller {
    struct hub *hub;
    struct hub_channel *channel;
};
void hub_presence_tell(void *context, const struct room_key *user, bool online);
/* After any change to a chat's presence: the timer and the metric. */
void hub_presence_changed(struct hub *hub, struct hub_channel *channel);

/* --- hub_presence_sync.c: snapshots and queries --- */

/* All we have in the chat, and who is leaving. Returns the pages it took. */
unsigned hub_presence_publish_all(struct hub *hub, struct hub_channel *channel, bool wants_answer);
enum err hub_presence_on_snapshot(struct hub *hub, struct hub_channel *channel,
                                  const struct signal_message *signal) MUST_CHECK;
void hub_presence_on_query(struct hub *hub, struct hub_channel *channel, const struct signal_message *signal);
/* Something that `node` said was missed: it is asked, once a second at most. */
void hub_presence_ask(struct hub *hub, struct hub_channel *channel, const struct hub_node *node);
/* Signals may have been missed, of all chats: the others are asked, some at each tick. */
void hub_presence_heal(struct hub *hub);
/* No other node can be heard, or not every one has been heard since: nobody is said to have left. */
bool hub_presence_is_held(struct hub *hub);
void hub_presence_stop_answering(struct hub *hub, struct hub_chat *chat);
/* Answers and questions that wait for their turn. */
void hub_presence_sync_tick(struct hub *hub);

/* --- hub_presence_nodes.c --- */

/* Who says something. NULL: a node that is gone, or one too many: what it says is not heard. */
struct hub_node *hub_node_heard(struct hub *hub, struct slice name);
void hub_presence_nodes_tick(struct hub *hub);
void hub_presence_nodes_free(struct hub *hub);

/* --- hub_digest.c --- */

enum err hub_digest_start(struct hub *hub) MUST_CHECK;
void hub_digest_stop(struct hub *hub);
void hub_digest_tick(struct hub *hub);

/* --- hub_signal.c: signals of a chat, out and in --- */

enum err hub_signal_publish(struct hub *hub, struct hub_channel *channel,
                            struct signal_message *signal) MUST_CHECK;
/* Logs a loss instead of returning it: it is found and made good. */
void hub_signal_publish_presence(struct hub *hub, struct hub_channel *channel, struct signal_message *signal);
void hub_signal_receive(struct hub *hub, struct hub_channel *channel, struct slice data);
void hub_publish_typing(struct hub *hub, struct hub_channel *channel, const struct room_key *user,
                        bool is_typing);
/* hub->text to the members, but `sender`. */
void hub_signal_send_text(struct hub *hub, struct hub_channel *channel, const struct room_key *sender);

#endif
