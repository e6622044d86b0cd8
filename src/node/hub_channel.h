/* One room that the node follows: its subscriptions, its place, who waits for it, who of which worker is in
 * it.
 *
 * Thread: the hub's. Private to the hub. */
#ifndef ROOMCAST_NODE_HUB_CHANNEL_H
#define ROOMCAST_NODE_HUB_CHANNEL_H

#include <stdatomic.h>

#include <roomcast/base/hash.h>
#include <roomcast/core/channel.h>
#include <roomcast/core/presence.h>
#include <roomcast/core/timer_wheel.h>
#include <roomcast/core/typing_limit.h>
#include <roomcast/io/bus.h>
#include <roomcast/io/loop.h>

#include "hub.h"

/* An event as it goes to the clients. */
struct hub_event {
    struct position position;
    uint64_t stream_seq; /* where the stream holds it */
    struct frame *frame; /* one reference */
};

/* An event that came before its turn: the room's position is not known yet, or earlier ones are missing. */
struct held_event {
    struct held_event *next;
    struct hub_event event;
};
#define HELD_EVENTS_MAX 1024 /* per room; what does not fit is fetched from the stream later */

/* A user whose last connection has left the chat a moment ago. */
struct leaving_user {
    struct leaving_user *next;
    struct room_key user;
    uint64_t due_ms;
};

struct hub_channel {
    struct room_key key;
    struct channel channel;
    struct bus_subscription *live, *signals;

    uint64_t stream_seq; /* of the last event delivered; where fetching begins */

    bool is_unverified; /* messages may have been missed since the leader was last asked */

    /* questions to the stream, one at a time */
    struct hub_request *waiting, **waiting_tail; /* joins that wait for the position; owned; linked by `next`
                                                    of the request's output item */
    struct held_event *held, **held_tail;        /* owned */
    uint32_t held_count;
    uint64_t ask_id;       /* of the question that counts; 0: none under way */
    uint64_t ask_again_ms; /* 0: no retry planned */
    uint32_t ask_failures;

    struct typing_limit typing;
    struct presence *presence;                    /* chats only */
    struct leaving_user *leaving, **leaving_tail; /* owned; oldest first */

    uint64_t linger_until_ms; /* 0: has members */
    struct wheel_timer timer; /* the earliest of all deadlines above */
    uint32_t members;         /* sessions, of all workers, joins under way included */
    UT_hash_handle hh;
    uint32_t members_of[]; /* per worker */
};

struct hub {
    const struct config *config;
    struct bus *bus;
    const atomic_uint *bus_changes; /* borrowed; counts the times when messages may have been missed */
    struct inbox **workers;         /* owned array of borrowed inboxes */
    unsigned workers_count;
    char instance[64 + 1 + 8 + 1]; /* node name and a random part: tells our own presence signals apart */

    pthread_t thread;
    struct loop *loop;
    struct loop_wake *wake;
    struct loop_timer *tick;
    struct inbox requests; /* struct hub_request */
    struct inbox messages; /* struct bus_message */
    struct inbox lasts;    /* struct hub_last */
    _Atomic bool stopping;

    /* hub thread only */
    struct hub_channel *channels; /* by key */
    struct timer_wheel wheel;
    struct buffer text;    /* scratch: a client message */
    struct buffer encoded; /* scratch: a signal */
    uint64_t now_ms;
    uint64_t next_ask_id;
    unsigned bus_changes_seen; /* of *bus_changes */
};

/* The answer to "what is the room's last event?" or "which is its next one?", on its way from a bus thread.
 */
struct hub_last {
    struct inbox_item item;
    struct hub *hub;
    struct room_key room;
    uint64_t ask_id;
    bool is_fetch; /* the next one was asked for */
    enum bus_last_status status;
    uint64_t stream_seq; /* FOUND */
    char *data;          /* FOUND: the envelope; owned */
    size_t len;
};
void hub_last_free(struct hub_last *last);

/* NULL when out of memory or the bus refuses. */
struct hub_channel *hub_channel_open(struct hub *hub, const struct room_key *key);
void hub_channel_close(struct hub *hub, struct hub_channel *channel);
/* Takes the request over. */
void hub_channel_join(struct hub *hub, struct hub_channel *channel, struct hub_request *request);
void hub_channel_part(struct hub *hub, struct hub_channel *channel, unsigned worker,
                      const struct room_key *user);
void hub_channel_on_last(struct hub *hub, struct hub_channel *channel, const struct hub_last *last);
/* Takes over the event's reference of the frame. */
void hub_channel_on_event(struct hub *hub, struct hub_channel *channel, const struct hub_event *event);
/* Events may have been missed: asks the stream's leader where the room stands. */
void hub_channel_reconcile(struct hub *hub, struct hub_channel *channel);
void hub_channel_on_timer(struct hub *hub, struct hub_channel *channel);
/* Sets the timer to the channel's earliest deadline. */
void hub_channel_arm(struct hub *hub, struct hub_channel *channel);
/* Sends `frame` to all members of the room, to each worker once; the caller keeps its reference. `sender`
 * NULL: to everybody. */
void hub_channel_send(struct hub *hub, struct hub_channel *channel, struct frame *frame, bool is_event,
                      const struct room_key *sender);

/* hub_presence.c: who is in the chat. */
enum err hub_presence_open(struct hub *hub, struct hub_channel *channel) MUST_CHECK;
void hub_presence_close(struct hub *hub, struct hub_channel *channel);
void hub_presence_join(struct hub *hub, struct hub_channel *channel, const struct room_key *user);
void hub_presence_part(struct hub *hub, struct hub_channel *channel, const struct room_key *user);
void hub_presence_on_timer(struct hub *hub, struct hub_channel *channel);
void hub_presence_on_signal(struct hub *hub, struct hub_channel *channel, struct slice data);
void hub_presence_query(struct hub *hub, struct hub_channel *channel);
void hub_presence_answer(struct hub *hub, struct hub_channel *channel, struct hub_request *request);
void hub_publish_typing(struct hub *hub, struct hub_channel *channel, const struct room_key *user,
                        bool is_typing);

/* hub.c */
/* Decodes an envelope and makes the clients' frame of it. On an error it is counted and logged. */
enum err hub_read_event(struct hub *hub, const struct room_key *room, struct slice data,
                        struct hub_event *ret_event) MUST_CHECK;
void hub_answer(struct hub *hub, struct hub_request *request, enum err status);
/* Counts and logs (at a bounded rate) a message from the bus that cannot be used. */
void hub_reject(struct hub *hub, const struct room_key *room, const char *what, enum err err);

#endif
