/* The delivery core in virtual time: clients, nodes (sessions, rooms, queues, feeds, catch-ups), a stream
 * with replicas, relays (lanes) and a list of events as Redis keeps it. Everything that is simulated is
 * driven by one seed, so a run can be repeated step by step.
 *
 *   sim.c            virtual time, the world's beginning and end
 *   sim_stream.c     the stream: fence, message ids, retention, replicas, republish, and how it lies
 *   sim_relay.c      relays around core/lane
 *   sim_hub.c        a node's feeds and its questions to the stream
 *   sim_worker.c     a node's sessions: subscribes, fan-out, catch-ups
 *   sim_client.c     clients with their cursors
 *   sim_check.c      what must hold
 *   sim_faults.c     what goes wrong
 *
 * What is allocated with sim_alloc lives until the end of the run: whoever is late finds a closed object,
 * never a freed one. */
#ifndef ROOMCAST_TESTS_SIM_H
#define ROOMCAST_TESTS_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <roomcast/core/catch_up.h>
#include <roomcast/core/feed.h>
#include <roomcast/core/lane.h>
#include <roomcast/core/rooms.h>
#include <roomcast/core/session.h>

#define ROOMS        3
#define NODES        3
#define WORKERS      2
#define CLIENTS      6
#define COPIES       3 /* of the stream */
#define EVENTS_MAX   600
#define PAGE         8    /* events in one answer to a catch-up; 128 in a real node */
#define STALE_MAX_MS 6000 /* so long a deposed leader may answer */
#define NOWHERE      (-1)
#define ANYWHERE     (-2)

struct sim;

/* --- what may happen in a run --- */

struct sim_plan {
    /* Faults that lose nothing: everything is repaired, nobody is told of a loss. */
    unsigned live_loss, live_twice; /* per mille of live messages */
    unsigned answer_loss;           /* per mille of answers */
    unsigned trouble;               /* how often something breaks, relative */
    /* Faults of the stream that lose events or hide them. Nobody may be told that they were recovered. */
    bool rolls_back;    /* acknowledged events vanish from its end */
    bool forgets;       /* ... and the relay does not remember them: numbers are given twice */
    bool is_recreated;  /* all of them vanish, and its numbers begin anew */
    bool diverges;      /* a replica holds other messages under known numbers */
    bool is_stale;      /* a leader that was deposed answers for long */
    bool is_unreadable; /* some messages cannot be read by nodes */
    uint64_t max_age_ms;
    unsigned max_per_room;
    /* sizes */
    unsigned events, frame_bytes;
    uint64_t chaos_ms; /* so long; then everything works again */
    struct feed_rules rules;
    struct outqueue_limits queue;
};
/* May events be lost, or too old for a resume, so that losses are told? */
bool sim_plan_loses(const struct sim_plan *plan);

/* --- the stream --- */

/* An event as the stream stored it. Kept for the whole run, also when the stream holds it no more. */
struct sim_record {
    struct feed_event event;       /* owns its frame */
    unsigned room, number;         /* the event's */
    uint64_t stored_ms, created_s; /* the stream's */
    bool is_deleted;               /* by retention */
    bool is_vanished;              /* by a fault */
    bool is_unreadable;            /* for nodes */
};
struct sim_list {
    struct sim_record **at;
    unsigned count, capacity;
};
struct sim_store {
    unsigned room, number;
    struct position position;
    struct trail trail;
    uint64_t expect_last;
    struct sim_relay *relay;
    uint64_t request;
};
struct sim_stream {
    struct sim_list log, by_room[ROOMS];
    struct sim_list truth[ROOMS]; /* everything that was ever stored, in order */
    struct sim_record *of_event[EVENTS_MAX];
    uint64_t last_seq, apply_ms, created_s;
    uint64_t term, dead_term; /* of the leaders; what those up to the dead one proposed is lost */
    bool has_leader;
    uint64_t lag_ms[COPIES];             /* 0 is the leader's */
    uint64_t stale_from_ms, stale_to_ms; /* meanwhile the leader that is asked knows nothing younger */
    uint64_t diverged_from;              /* stream sequence; copy 2; 0: it has not */
};
enum sim_found { SIM_FOUND, SIM_NONE, SIM_UNAVAILABLE };
void sim_stream_init(struct sim *sim);
void sim_stream_fini(struct sim *sim);
enum sim_found sim_stream_last(struct sim *sim, unsigned room, struct sim_record **ret_record);
enum sim_found sim_stream_next(struct sim *sim, unsigned room, uint64_t after,
                               struct sim_record **ret_record);
enum sim_found sim_stream_get(struct sim *sim, uint64_t stream_seq, bool from_leader,
                              struct sim_record **ret_record);
/* What it holds of all rooms. False: nobody leads. */
bool sim_stream_extent(struct sim *sim, struct feed_extent *ret_extent);
/* A store request arrives. */
void sim_stream_store(struct sim *sim, const struct sim_store *store);
void sim_stream_crash(struct sim *sim, uint64_t without_leader_ms);
void sim_stream_roll_back(struct sim *sim, unsigned count);
void sim_stream_recreate(struct sim *sim);

/* --- relays --- */

struct sim_relay {
    bool is_alive;
    struct sim_relay_lane {
        struct lane lane;
        struct sim_relay *relay;
        uint64_t request; /* the one that is awaited */
        uint64_t wait_ms;
    } lanes[ROOMS];
    struct sim_relay_event *events; /* one for each of the run */
    unsigned read;                  /* of the list */
};
/* What the relays know of a room's end; survives a take-over, unless the plan says that it is forgotten. */
struct sim_confirmed {
    struct position position;
    uint64_t stream_seq;
};
struct sim_redis {
    unsigned room[EVENTS_MAX];
    bool is_acknowledged[EVENTS_MAX];
    unsigned count;
};
void sim_relay_start(struct sim *sim);
void sim_relay_kill(struct sim *sim);
void sim_relay_read(struct sim *sim);
void sim_relay_on_store(struct sim *sim, const struct sim_store *store, enum lane_store_status status,
                        uint64_t stream_seq);
void sim_publish(struct sim *sim, unsigned room);

/* --- nodes --- */

struct sim_session;

struct sim_feed {
    struct feed feed;
    struct sim_node *node;
    unsigned room;
    bool is_open;
    unsigned interest[WORKERS]; /* sessions that are in, or on their way in */
    uint64_t timer_ms;
};
/* A question of a session to the hub, and its answer. */
struct sim_request {
    struct feed_waiter waiter; /* first */
    enum { REQUEST_SUBSCRIBE, REQUEST_CATCH_UP, REQUEST_PART } kind;
    struct sim_request *next;
    struct sim_session *session;
    unsigned room, worker;
    enum feed_verdict verdict;
    struct position position;
    struct replay *replay;
    bool is_all;
};
/* What the hub puts into a worker's inbox. */
struct sim_output {
    struct sim_output *next;
    enum { OUTPUT_EVENT, OUTPUT_LOST, OUTPUT_ANSWER } kind;
    unsigned room;
    struct position position;
    struct frame *frame; /* owned */
    struct sim_request *request;
};
struct sim_worker {
    struct rooms *rooms;
    struct sim_output *inbox, **inbox_tail;
    struct sim_session *sessions;
};
struct sim_node {
    unsigned number;
    bool is_alive, is_linked;
    uint64_t life, link;     /* change when it dies, or when its link breaks */
    uint64_t unlinked_ms;    /* when that was */
    struct feed_rules rules; /* the plan's, with ... */
    struct feed_extent extent;
    bool is_extent_asked;
    struct sim_feed *feeds[ROOMS];
    struct sim_request *requests, **requests_tail;
    struct sim_worker workers[WORKERS];
    unsigned reads;                   /* under way */
    uint64_t live_term, last_live_ms; /* no reordering within one sender */
};
void sim_node_start(struct sim *sim, struct sim_node *node);
void sim_node_kill(struct sim *sim, struct sim_node *node);
void sim_node_unlink(struct sim *sim, struct sim_node *node);
void sim_node_link(struct sim *sim, struct sim_node *node);
void sim_node_suspect(struct sim *sim, struct sim_node *node);
/* The leader has stored a record, or a new one has taken over. */
void sim_node_republish(struct sim *sim, struct sim_node *node, struct sim_record *record, uint64_t term);
/* A worker asks. */
void sim_hub_ask(struct sim *sim, struct sim_node *node, struct sim_request *request);
/* The hub answers, or delivers. */
void sim_worker_put(struct sim *sim, struct sim_node *node, unsigned worker, struct sim_output *output);
void sim_worker_fini(struct sim *sim, struct sim_node *node, unsigned worker);

/* --- sessions and clients --- */

struct sim_catch_up {
    struct catch_up catch_up; /* first */
    unsigned room;
};
struct sim_session {
    struct session session; /* first */
    struct sim_session *next;
    struct sim_node *node;
    unsigned worker;
    struct sim_client *client;
    struct sim_catch_up *catch_ups; /* linked by catch_up.next */
    bool is_cut;                    /* what is written goes nowhere */
    bool is_writing;
    bool is_subscribing[ROOMS];
    uint64_t stalled_ms, pace_ms; /* reads nothing until then; one frame in so long */
    uint64_t arrival_ms;          /* of the last frame that was written */
};
enum sim_frame_kind { SIM_EVENT, SIM_ACK, SIM_POSITION_LOST, SIM_TRY_LATER };
struct sim_frame {
    enum sim_frame_kind kind;
    unsigned room, number;
    struct position position;
    bool is_recovered, had_since;
    uint32_t replayed;
};
struct sim_cursor {
    bool is_known; /* the client has one */
    struct position position;
    int index; /* in the room's truth; NOWHERE, ANYWHERE */
    bool is_subscribed;
    uint64_t asked_ms;
};
struct sim_client {
    unsigned number;
    bool in_room[ROOMS];
    struct sim_cursor cursors[ROOMS];
    struct sim_session *session; /* while connected */
    unsigned pace_ms;
};
struct sim_session *sim_session_open(struct sim *sim, struct sim_node *node, struct sim_client *client);
void sim_session_end(struct sim *sim, struct sim_session *session);
void sim_session_subscribe(struct sim *sim, struct sim_session *session, unsigned room,
                           const struct position *since);
void sim_session_stall(struct sim *sim, struct sim_session *session, uint64_t ms);
struct frame *sim_frame_new(struct sim *sim, const struct sim_frame *content, unsigned bytes);
void sim_client_come(struct sim *sim, struct sim_client *client, uint64_t in_ms);
/* The connection is gone; the client comes back after so long. */
void sim_client_cut(struct sim *sim, struct sim_client *client, uint64_t away_ms);
void sim_client_receive(struct sim *sim, struct sim_session *session, const struct frame *frame);

/* --- what must hold --- */

void sim_check_event(struct sim *sim, struct sim_client *client, const struct sim_frame *frame);
/* The ack says that everything behind the cursor follows. */
void sim_check_recovery(struct sim *sim, struct sim_client *client, const struct sim_frame *frame);
/* A loss was told, or a position given without a promise. */
void sim_check_loss(struct sim *sim, struct sim_client *client, const struct sim_frame *frame);
void sim_check_end(struct sim *sim);
bool sim_is_quiet(struct sim *sim);
__attribute__((noreturn, format(printf, 2, 3))) void sim_fail(struct sim *sim, const char *format, ...);
#define SIM_CHECK(sim, condition)                                                                            \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            sim_fail(sim, "%s:%d: %s", __FILE__, __LINE__, #condition);                                      \
    } while (0)

/* --- faults --- */

void sim_faults_begin(struct sim *sim);
void sim_faults_end(struct sim *sim);

/* --- the world --- */

/* What was exercised; each must be above 0 at the end of all runs. */
#define SIM_COUNTS(ROW)                                                                                      \
    ROW(seeds)                                                                                               \
    ROW(steps)                                                                                               \
    ROW(published)                                                                                           \
    ROW(stored)                                                                                              \
    ROW(deliveries)                                                                                          \
    ROW(replayed)                                                                                            \
    ROW(subscribes)                                                                                          \
    ROW(resumes)                                                                                             \
    ROW(recovered_from_empty)                                                                                \
    ROW(extents)                                                                                             \
    ROW(recovered)                                                                                           \
    ROW(unproven)                                                                                            \
    ROW(timed_out)                                                                                           \
    ROW(position_lost)                                                                                       \
    ROW(events_lost)                                                                                         \
    ROW(loss_expired)                                                                                        \
    ROW(loss_conflict)                                                                                       \
    ROW(loss_epoch)                                                                                          \
    ROW(loss_timeout)                                                                                        \
    ROW(heads)                                                                                               \
    ROW(reads)                                                                                               \
    ROW(reads_of_leader)                                                                                     \
    ROW(searches)                                                                                            \
    ROW(gaps)                                                                                                \
    ROW(live_dropped)                                                                                        \
    ROW(live_duplicates)                                                                                     \
    ROW(catch_ups)                                                                                           \
    ROW(catch_up_pages)                                                                                      \
    ROW(catch_ups_lost)                                                                                      \
    ROW(epoch_changes)                                                                                       \
    ROW(epochs_followed)                                                                                     \
    ROW(cuts)                                                                                                \
    ROW(stalls)                                                                                              \
    ROW(node_kills)                                                                                          \
    ROW(relay_kills)                                                                                         \
    ROW(link_losses)                                                                                         \
    ROW(elections)                                                                                           \
    ROW(republish_swallowed)                                                                                 \
    ROW(stores_fenced)                                                                                       \
    ROW(stores_unanswered)                                                                                   \
    ROW(stores_repeated)                                                                                     \
    ROW(expired)                                                                                             \
    ROW(rollbacks)                                                                                           \
    ROW(numbers_given_twice)                                                                                 \
    ROW(recreations)                                                                                         \
    ROW(divergences)                                                                                         \
    ROW(other_messages_read)                                                                                 \
    ROW(stale_answers)                                                                                       \
    ROW(unreadable)                                                                                          \
    ROW(feeds_closed)

struct sim_counts {
#define ROW(name) uint64_t name;
    SIM_COUNTS(ROW)
#undef ROW
};

typedef void (*sim_run)(struct sim *sim, void *object, uint64_t argument);
struct sim_task {
    uint64_t at_ms, order;
    sim_run run;
    void *object;
    uint64_t argument;
    struct frame *frame; /* owned */
};
struct sim {
    uint64_t seed, random, now_ms, order;
    bool is_verbose, is_over; /* over: no more faults */
    struct sim_plan plan;
    struct sim_task *tasks; /* a heap */
    unsigned tasks_count, tasks_capacity;
    struct frame *task_frame; /* of the task that runs */
    struct sim_block *blocks;
    struct session_rules session_rules;
    struct sim_stream stream;
    struct sim_redis redis;
    struct sim_relay *relay;
    struct sim_confirmed confirmed[ROOMS];
    struct sim_node nodes[NODES];
    struct sim_client clients[CLIENTS];
    uint64_t last_request;
    unsigned epochs;
    struct sim_counts *counts;
    uint64_t recreations_before;
};
void *sim_alloc(struct sim *sim, size_t size); /* zeroed; until the end of the run */
uint32_t sim_roll(struct sim *sim, uint32_t bound);
bool sim_chance(struct sim *sim, unsigned per_mille);
void sim_in(struct sim *sim, uint64_t ms, sim_run run, void *object, uint64_t argument);
/* Takes the frame's reference over. */
void sim_in_with(struct sim *sim, uint64_t ms, sim_run run, void *object, struct frame *frame);
__attribute__((format(printf, 2, 3))) void sim_say(struct sim *sim, const char *format, ...);
struct room_key sim_room_key(unsigned room);
/* One whole run. */
void sim_play(uint64_t seed, bool is_verbose, struct sim_counts *counts);

#endif
