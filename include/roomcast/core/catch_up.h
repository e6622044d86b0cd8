/* clang-format off */
/* One session's way back to the live events of one room: after a resume, or when its queue was full.
 *
 *                              events, more than the queue takes
 *   [asking] -- the hub's answer --> [replaying] ----+
 *      ^                                 |  ^        | the queue has room
 *      |                                 |  +--------+
 *      |  all queued, and others came    |
 *      +------- meanwhile ---------------+---- all queued, none came meanwhile ----> live: the catch-up ends
 *
 * While it lasts, the room's live events pass the session by: it is served by its cursor alone, so that it can
 * miss nothing and gets nothing twice, however slow it is.
 *
 * Owns: a reference of its replay.   Thread: the worker's.   Pure. */
/* clang-format on */
#ifndef ROOMCAST_CORE_CATCH_UP_H
#define ROOMCAST_CORE_CATCH_UP_H

#include <stdbool.h>
#include <stdint.h>

#include <roomcast/core/outqueue.h>
#include <roomcast/core/replay.h>

enum catch_up_state {
    CATCH_UP_ASK,       /* the hub is to be asked for what is behind `cursor` */
    CATCH_UP_ASKING,    /* its answer is awaited */
    CATCH_UP_REPLAYING, /* events of `replay` wait for room in the queue */
    CATCH_UP_DONE,      /* the session is live again */
};

struct catch_up {
    struct catch_up *next; /* the session's list; the owner's */
    enum catch_up_state state;
    struct position cursor; /* the last event queued for the client */
    struct replay *replay;  /* owned reference; REPLAYING */
    uint32_t at;            /* index of the next event in it */
    bool passed_by;         /* a live event has passed the session by since the last answer */
};

/* Falls behind at `cursor`: everything after it is still to come. */
void catch_up_init(struct catch_up *catch_up, const struct position *cursor);
void catch_up_fini(struct catch_up *catch_up);

/* The question has gone out. ASK -> ASKING. */
void catch_up_asked(struct catch_up *catch_up);
/* The question could not be answered: ask again, later. ASKING -> ASK. */
void catch_up_failed(struct catch_up *catch_up);
/* The answer: `replay` (its reference is taken over) holds events behind the cursor, from index `at` on,
 * or is NULL when there are none;
 * `is_all`: up to where the room stood when the answer was made. ASKING -> REPLAYING, or with nothing in it
 * and `is_all`, DONE. */
void catch_up_answer(struct catch_up *catch_up, struct replay *replay, uint32_t at, bool is_all);
/* What is behind the cursor cannot be had; the client was told to go on from `position`. ASKING -> DONE. */
void catch_up_lost(struct catch_up *catch_up, const struct position *position);
/* A live event of the room passes the session by, or its loss. */
void catch_up_pass_by(struct catch_up *catch_up);

/* Queues as much of the replay as the queue takes, at most `max_bytes` (0 is none); returns the bytes queued.
 * REPLAYING -> DONE or ASK when all is queued; stays REPLAYING when the queue is full. `ret_count`: frames.
 */
size_t catch_up_pump(struct catch_up *catch_up, struct outqueue *queue, const struct outqueue_limits *limits,
                     size_t max_bytes, uint32_t *ret_count);

#endif
