/* The node's one place for what all its workers share: which rooms are followed on the bus, where each
 * stands, and which workers want its events.
 *
 *   workers --requests--> [ hub ] --subscribe, ask last--> bus
 *   bus  ----messages---> [ hub ] --answers, frames------> workers
 *
 * A room is subscribed while a session of this node is in it, and a little longer (rooms.linger_ms). Each
 * event is decoded once, checked against the room's position and turned into one frame; the same frame goes
 * to every worker with members.
 *
 * Answers and frames go through one inbox per worker in the order in which the hub made them: an answer that
 * says "you are at seq 41" is followed by the frame of 42 and never preceded by it.
 *
 * Thread: the hub has one of its own, and works on messages in the bus's; hub_ask() may be called from any.
 */
#ifndef ROOMCAST_NODE_HUB_H
#define ROOMCAST_NODE_HUB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/err.h>
#include <roomcast/base/frame.h>
#include <roomcast/base/inbox.h>
#include <roomcast/base/shared_text.h>
#include <roomcast/config/config.h>
#include <roomcast/core/authz_cache.h>
#include <roomcast/core/feed.h>
#include <roomcast/io/bus.h>
#include <roomcast/wire/position.h>
#include <roomcast/wire/request_id.h>
#include <roomcast/wire/room_key.h>

struct hub;

/* The way from the hub to one worker. The hub does not wait for a worker, and what waits for one is bounded:
 * while that is more than HUB_OUTLET_BYTES it is given no more events, but once for each room the word that
 * some were left out (HUB_EVENT without a frame), no signals, and no replay that is to be made for it. Its
 * clients then read what they miss by their place in the room, like one who was too slow for its own queue.
 * Answers without a replay are bounded by the questions that its clients may have open. */
struct hub_outlet {
    struct inbox inbox;  /* of struct hub_output */
    atomic_size_t bytes; /* of all that is there, or held back by the worker: hub_frame_cost() of frames,
                            `carried` of answers */
};
#define HUB_OUTLET_BYTES (64u * 1024 * 1024)

static inline bool hub_outlet_is_full(const struct hub_outlet *outlet)
{
    return atomic_load_explicit(&outlet->bytes, memory_order_relaxed) > HUB_OUTLET_BYTES;
}

/* What is in it. */
struct hub_output {
    struct inbox_item item;
    enum { HUB_OUTPUT_ANSWER, HUB_OUTPUT_FRAME } kind;
};

/* A worker's question, which comes back to it as the answer. */
struct hub_request {
    struct hub_output output; /* first: the same memory travels both ways */
    enum hub_request_kind {
        HUB_JOIN, /* follow `room` for one more session; answered with its position and, when `waiter` has a
                     `since`, with what was missed. Each success needs a HUB_PART. With authorization.mode
                     request a service is asked first: ERR_FORBIDDEN, or ERR_UNAVAILABLE without an answer */
        HUB_POSITION, /* the same of a room that the session is in */
        HUB_CATCH_UP, /* what comes after `waiter.since`, for a session that fell behind in the room? answered
                       */
        HUB_PART,     /* one session fewer; not answered, freed by the hub */
        HUB_TYPING,   /* tell the room; not answered, freed by the hub */
        HUB_PRESENCE, /* who is in `room`? answered in `text` */
        HUB_MAY_READ, /* authorization.mode request: as the question before a HUB_JOIN, without joining */
        HUB_NEW_CLAIMS, /* the user has a fresh token: what is known of his chats no longer counts; not
                           answered, freed by the hub */
    } kind;
    unsigned worker; /* index of the asking worker */
    struct room_key room, user;
    bool flag;                  /* HUB_TYPING: is typing */
    struct shared_text *claims; /* HUB_JOIN of a chat, HUB_MAY_READ, with authorization.mode request: the
                                   token's; owned reference */
    bool keep; /* HUB_JOIN: stay in the room even when its position cannot be had in time (ERR_TIMEOUT) */

    /* The worker's own; carried along untouched. */
    void *session;
    struct hub_request *next, *previous; /* list of the session's open requests */
    int purpose;
    uint32_t message; /* the number of the client's message that asked */
    struct request_id id;
    bool cancelled;

    struct feed_waiter waiter; /* in: has_since and since; the rest is the hub's own */
    uint32_t fetched_before;   /* the hub's own: events of the room that had been read from the stream */
    struct authz_waiter authz; /* the hub's own */

    /* The answer. */
    enum err status; /* ERR_OK, ERR_FORBIDDEN, ERR_UNAVAILABLE, ERR_TIMEOUT, ERR_BUSY (HUB_CATCH_UP: the
                        outlet is full), ERR_NO_MEMORY */
    struct position
        position;      /* where the room stands: what comes after it follows live, or by further questions */
    bool is_recovered; /* nothing is missing between `since` and `position` */
    struct replay *replay; /* recovered: the missed events, from index `replay_at` on; a reference of its own,
                              NULL when nothing was missed */
    uint32_t replay_at;
    size_t carried; /* counted in the outlet: bytes of `text` and `replay`; of a replay that several of the
                       worker's sessions share, once: with the first answer */
    bool is_all;    /* the replay reaches `position` */
    char *text;     /* HUB_PRESENCE: the message for the client; owned by the request */
    size_t text_len;
};
/* Zeroed; NULL when out of memory. */
struct hub_request *hub_request_new(enum hub_request_kind kind, unsigned worker, const struct room_key *room,
                                    const struct room_key *user);
void hub_request_free(struct hub_request **request);

/* A frame for every member of a room on the worker. */
struct hub_frame {
    struct hub_output output;
    struct room_key room;
    struct frame *frame; /* one reference, the receiver's. NULL: the event at `position`, and maybe others
                            after it, must be asked for */
    enum hub_frame_what {
        HUB_EVENT,  /* the event at `position`; sessions that are catching up read it later */
        HUB_LOSS,   /* says that events before `position` are lost; likewise */
        HUB_SIGNAL, /* typing, presence: the first to be dropped under pressure */
    } what;
    struct position position;
    uint64_t stream_seq; /* HUB_EVENT: where it is stored; 0: not known */
    bool but_not_sender;
    struct room_key sender; /* but_not_sender: this user's sessions are left out */
};

static inline size_t hub_frame_cost(const struct hub_frame *output)
{
    return sizeof *output + (output->frame ? frame_held_bytes(output->frame) : 0);
}

struct hub_options {
    const struct config *config;       /* borrowed */
    const char *instance;              /* copied: tells our own presence signals apart */
    struct bus *bus;                   /* borrowed */
    const atomic_uint *bus_changes;    /* borrowed; grows whenever messages of the bus may have been missed */
    _Atomic bus_shard_set *elected;    /* borrowed; streams with a new leader are added, the hub empties it */
    const atomic_uint *deflating;      /* borrowed; sessions that take compressed frames. NULL when
                                          websocket.compression is 0 */
    struct hub_outlet *const *workers; /* one per worker; borrowed, the array is copied */
    unsigned workers_count;
};

enum err hub_start(const struct hub_options *options, struct hub **ret_hub) MUST_CHECK;
/* Requests that wait for the hub: while there are more, HUB_TYPING is dropped. The others are bounded by the
 * sessions: each has a limit of rooms, and of questions that are not answered yet. */
#define HUB_BUSY_REQUESTS (64u * 1024)
/* Takes the request over. */
void hub_ask(struct hub *hub, struct hub_request *request);
/* A node's heart beats; any thread. Our own too, each time: what proves that others would be heard. Without
 * that, whoever says something is taken for alive. */
void hub_note_node(struct hub *hub, struct slice instance);
/* It is gone, and is not heard any more until it is noted again. Its users, unless other nodes have them too,
 * are offline at once when it `died` without a word; else they are leaving. Any thread. */
void hub_forget_node(struct hub *hub, struct slice instance, bool died);
/* Any thread. False while a stream of the events is not there, or was not asked for yet: appends which. */
bool hub_streams_ready(const struct hub *hub, struct buffer *missing);
/* Any thread. What is kept for replay shrinks to that many bytes, a part of it per turn, as far as it is not
 * in use, and stays within them: each room keeps its newest event. UINT64_MAX: option resume.cache_bytes
 * alone counts. */
void hub_limit_history(struct hub *hub, uint64_t bytes);
/* Any thread; both hold the hub's lock for a fraction of a millisecond. Appends a JSON array of the `max`
 * (HUB_BUSIEST_MAX) rooms with most deliveries a second, of the last ten seconds, the busiest first: of the
 * 2000 rooms that were used last. */
#define HUB_BUSIEST_MAX 20u
void hub_busiest(struct hub *hub, unsigned max, struct buffer *out);
/* Appends `,"followed":...` and, when the room is followed here, where it stands. */
void hub_describe(struct hub *hub, const struct room_key *room, struct buffer *out);
/* Ends the thread and leaves the bus's subjects. The workers' threads must have ended. */
void hub_stop(struct hub *hub);
/* After hub_stop, and after the bus was freed: until then it may still deliver. Accepts NULL, nulls. */
void hub_free(struct hub **hub);

#endif
