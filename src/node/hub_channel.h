/* One room that the node follows: its subscriptions, its place, who waits for it, who of which worker is in
 * it.
 *
 * Thread: whichever holds the hub's lock. Private to the hub. */
#ifndef ROOMCAST_NODE_HUB_CHANNEL_H
#define ROOMCAST_NODE_HUB_CHANNEL_H

#include <stdatomic.h>

#include <roomcast/core/authz_cache.h>
#include <roomcast/core/feed.h>
#include <roomcast/core/room_table.h>
#include <roomcast/core/timer_wheel.h>
#include <roomcast/io/bus.h>
#include <roomcast/io/deflate.h>
#include <roomcast/io/loop.h>

#include "event_age.h"
#include "hub.h"
#include "hub_presence.h"

/* A room on one worker. */
struct hub_share {
    uint32_t members : 30;    /* sessions, joins under way included */
    uint32_t is_left_out : 1; /* it was told that it misses events, and not been answered anything since */
    uint32_t has_replay : 1;  /* it was given the channel's `replay`: that counts in its outlet once */
};

struct hub_channel {
    struct room_entry entry; /* first: in hub->channels; its key stands behind `shares` */
    struct bus_subscription *live;
    struct hub_chat *chat; /* owned; NULL: a user's own channel */

    struct feed feed;      /* its waiters are struct hub_request */
    uint32_t fetched;      /* events of it read from the stream */
    struct replay *replay; /* the last one made, for others who ask now: owned reference, NULL for none */
    uint64_t replay_until_ms;
    struct hub_channel *prev, *next;     /* in hub->by_use: the one used longest ago first */
    struct hub_channel *prev_w, *next_w; /* in hub->wanting, while is_wanting */
    struct hub_channel *prev_x, *next_x; /* in `asking` of its stream, while wants_extent */

    uint64_t counted_from_ms;         /* the events of ... */
    uint32_t counted, counted_before; /* ... this time of HUB_COUNT_MS, and the one before: hub_console.c */

    uint64_t linger_until_ms; /* 0: has members */
    struct wheel_timer timer; /* the earliest of all deadlines above */
    uint8_t shard;            /* whose stream holds its events */
    bool wants_extent : 1;
    bool is_wanting : 1;       /* wants to read from the stream, which is busy for others */
    bool has_gap : 1;          /* a gap was counted, and not yet its end */
    bool is_held_up : 1;       /* its feed has something to say, and there is no memory to hand it on */
    uint32_t number;           /* tells a room that was left and is followed again from its earlier self */
    uint32_t members;          /* sessions, of all workers, joins under way included */
    struct hub_share shares[]; /* per worker */
};

static inline struct room_key hub_channel_key(const struct hub_channel *channel)
{
    struct room_key key;
    room_key_load(channel->entry.key, &key);
    return key;
}

/* One of the streams that hold events. */
struct hub_stream {
    struct feed_extent extent;  /* what it holds, as last heard */
    uint64_t sent_ms;           /* of the question under way; 0: none */
    uint64_t look_at_ms;        /* when it is asked next, whoever wants to know */
    uint64_t missing_ms;        /* since when there is said to be none; 0: there is */
    struct hub_channel *asking; /* utlist: they wait for the answer */
};

struct hub {
    const struct config *config;
    struct bus *bus;
    const atomic_uint *bus_changes; /* borrowed; counts the times when messages may have been missed */
    _Atomic bus_shard_set *elected; /* borrowed; streams that have a new leader: taken out here */
    const atomic_uint *deflating;   /* borrowed; sessions that take compressed frames */
    struct hub_outlet **workers;    /* owned array, borrowed outlets */
    unsigned workers_count;
    char instance[64 + 1 + 8 + 1]; /* tells our own presence signals apart */

    pthread_t thread;
    struct loop *loop;
    struct loop_wake *wake;
    struct loop_timer *tick;
    struct inbox requests; /* struct hub_request */
    struct inbox readings; /* struct hub_reading */
    struct inbox verdicts; /* hub_authorize.c's */
    _Atomic bool stopping;
    _Atomic uint64_t history_limit; /* any thread; bytes, beside option resume.cache_bytes */
    _Atomic bus_shard_set unasked;  /* any thread; streams that nobody has answered for yet */
    _Atomic bus_shard_set missing;  /* any thread; streams that there are not */

    /* The hub's thread works on requests, readings and timers; a message of the bus is worked on by the bus
     * thread that brings it, which saves every event a change of threads. Each holds the lock meanwhile. */
    pthread_mutex_t lock;
    /* under lock */
    bool closed;                /* nothing is worked on any more */
    struct room_table channels; /* of struct hub_channel */
    struct timer_wheel wheel;
    struct hub_frame *stock; /* owned; linked by `output.item.next`: what frames are handed on in */
    unsigned stock_count;
    struct buffer text;        /* scratch: a client message */
    struct buffer encoded;     /* scratch: a signal */
    struct deflater *deflater; /* NULL: websocket.compression is 0 */
    uint64_t now_ms;
    unsigned bus_changes_seen; /* of *bus_changes */
    uint64_t reconcile_not_before_ms;
    struct feed_rules feed_rules;
    struct hub_stream *streams;   /* by shard; owned array */
    size_t history_bytes;         /* of all feeds */
    struct hub_channel *by_use;   /* all, utlist */
    struct hub_channel *wanting;  /* utlist */
    struct hub_presence presence; /* of all chats */
    uint32_t last_channel_number;
    struct authz_cache *authz; /* NULL: authorization.mode is not request */
    uint64_t cut_since_ms;     /* while feed_rules.is_cut_off */
    unsigned reading;          /* FEED_READ and FEED_ASK_NEXT under way */
};

/* A question of a feed to the stream, on its way to a bus thread and back. */
struct hub_reading {
    struct inbox_item item;
    struct hub *hub;
    struct room_key room;
    uint32_t channel_number;
    unsigned shard;             /* FEED_ASK_EXTENT */
    bool is_no_stream;          /* FEED_ASK_EXTENT */
    enum feed_action_kind kind; /* FEED_ASK_HEAD, FEED_READ, FEED_ASK_NEXT, FEED_ASK_EXTENT */
    struct feed_ask ask;
    enum bus_last_status status;
    struct bus_extent extent; /* FOUND, FEED_ASK_EXTENT */
    uint64_t stream_seq;      /* FOUND */
    char *data;               /* FOUND: the envelope; owned */
    size_t len;
};

/* NULL when out of memory or the bus refuses. */
struct hub_channel *hub_channel_open(struct hub *hub, const struct room_key *key);
void hub_channel_close(struct hub *hub, struct hub_channel *channel);
/* Takes the request over. */
void hub_channel_join(struct hub *hub, struct hub_channel *channel, struct hub_request *request);
void hub_channel_part(struct hub *hub, struct hub_channel *channel, unsigned worker,
                      const struct room_key *user);
void hub_channel_on_timer(struct hub *hub, struct hub_channel *channel);
/* Sets the timer to the channel's earliest deadline. */
void hub_channel_arm(struct hub *hub, struct hub_channel *channel);
/* From here on one event or loss can be sent, whatever memory there is. False: out of memory. */
bool hub_stock_up(struct hub *hub);
void hub_stock_free(struct hub *hub);
/* Sends `frame` to all members of the room, to each worker once; the caller keeps its reference. An event and
 * a loss take hub_stock_up() before; a signal is dropped when there is no memory. `sender` NULL: to
 * everybody.
 */
void hub_channel_send(struct hub *hub, struct hub_channel *channel, struct frame *frame,
                      enum hub_frame_what what, const struct room_key *sender);
/* One session of the worker fewer. */
void hub_channel_one_fewer(struct hub *hub, struct hub_channel *channel, unsigned worker);

/* hub_event.c: from an envelope to what a feed takes. */
/* Counted and logged when it cannot be read. ERR_NO_MEMORY is told apart: it may be read later.
 * `ret_event` comes with a frame, the caller's reference. `ret_times`: of a live one; may be NULL. */
enum err hub_event_read(struct hub *hub, const struct room_key *room, struct slice data, uint64_t stream_seq,
                        struct feed_event *ret_event, struct event_times *ret_times) MUST_CHECK;
/* Once for all who have agreed on compression, before the feed counts what it keeps. */
void hub_event_deflate(struct hub *hub, struct frame *frame);

/* hub_reading.c: what the feeds ask of the stream. */
/* How many reads of single events may begin now. */
unsigned hub_may_read(const struct hub *hub);
void hub_ask_stream(struct hub *hub, struct hub_channel *channel, const struct feed_action *action);
/* Everything that has come from the stream; and what that leaves room for. */
void hub_take_readings(struct hub *hub);
void hub_reading_free(struct hub_reading *reading);
/* The bus_last_done of every question; `context` is the struct hub_reading. */
void hub_reading_on_answer(void *context, const struct bus_last_result *result);

/* hub_stream.c: the streams as a whole. */
enum err hub_streams_init(struct hub *hub) MUST_CHECK;
/* The rules for a channel's feed, with what its stream holds. Borrowed until the next call. */
const struct feed_rules *hub_rules(struct hub *hub, const struct hub_channel *channel);
/* The channel wants to know what its stream holds. */
void hub_stream_ask(struct hub *hub, struct hub_channel *channel);
void hub_stream_on_answer(struct hub *hub, const struct hub_reading *reading);
/* The channel is closed: it waits for no answer. */
void hub_stream_stop_asking(struct hub *hub, struct hub_channel *channel);
/* At each tick: looks whether the streams are there. */
void hub_streams_tick(struct hub *hub);

/* hub_feed.c: the room's events, between the bus and its feed. */
void hub_feed_open(struct hub *hub, struct hub_channel *channel);
/* Answers who waits with ERR_TIMEOUT. */
void hub_feed_close(struct hub *hub, struct hub_channel *channel);
/* Takes the request over until it is answered. */
void hub_feed_ask(struct hub *hub, struct hub_channel *channel, struct hub_request *request);
/* A message of the live subject. */
void hub_feed_on_live(struct hub *hub, struct hub_channel *channel, const struct bus_message *message);
/* After anything that has happened to the feed: takes its actions. `bytes_before`: of its history, before
 * that.
 */
void hub_feed_turn(struct hub *hub, struct hub_channel *channel, size_t bytes_before);
/* The rooms that could not read before, as far as they can now. */
void hub_feed_run_wanting(struct hub *hub);
/* Makes the history as small as it may be now, some rooms at a time. */
void hub_feed_shrink(struct hub *hub);
void hub_feed_note_gap(struct hub_channel *channel);
/* Events may have been missed. */
void hub_feed_suspect(struct hub *hub, struct hub_channel *channel);
/* Does what is due; the caller arms the timer. */
void hub_feed_run(struct hub *hub, struct hub_channel *channel);
uint64_t hub_feed_due(struct hub *hub, const struct hub_channel *channel);

/* hub_console.c: which rooms are busy. One more live event of the room, at hub->now_ms. */
void hub_count_event(struct hub *hub, struct hub_channel *channel);

/* hub_resume.c: the feed has judged `request`; it is answered. */
void hub_answer_resume(struct hub *hub, struct hub_channel *channel, struct hub_request *request,
                       enum feed_verdict verdict);

/* hub_authorize.c: a service says who may read which chat. */
enum err hub_authorize_init(struct hub *hub) MUST_CHECK;
/* Takes the request over: it joins, or is answered, when the service has decided. */
void hub_authorize(struct hub *hub, struct hub_request *request);
void hub_authorize_forget(struct hub *hub, const struct room_key *user);
/* What the service has answered. */
void hub_take_verdicts(struct hub *hub);
/* At each tick: who has waited too long is refused. */
void hub_authorize_run(struct hub *hub);
/* Answers who waits with ERR_TIMEOUT. */
void hub_authorize_close(struct hub *hub);
/* When no answer can come any more. */
void hub_authorize_fini(struct hub *hub);

/* hub.c */
/* Takes the request, a HUB_JOIN, over. */
void hub_join(struct hub *hub, struct hub_request *request);
struct hub_channel *hub_find(struct hub *hub, const struct room_key *key);
/* The bus_receive of every subscription; `context` is the hub. */
void hub_on_message(void *context, struct bus_message *message);
void hub_answer(struct hub *hub, struct hub_request *request, enum err status);
/* Counts and logs (at a bounded rate) a message from the bus that cannot be used. */
void hub_reject(struct hub *hub, const struct room_key *room, const char *what, enum err err);

#endif
