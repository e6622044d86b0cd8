/* A window on one room's numbered events: one slot per number, from the oldest that is remembered to the
 * newest that was heard of. A slot may hold the event, or only the place where the stream holds it, or
 * nothing yet.
 *
 *      first                                            last
 *        v                                               v
 *   [ place ][ place ][ event ][ event ]  ...  [ ? ][ event ]
 *
 * All slots are of one epoch. What lies behind the newest delivered event is the ring that resuming clients
 * are served from; what lies before it waits until the gap is closed.
 *
 * Owns: one reference per frame, the slots.   Thread: its owner's.   Pure: numbers and bytes, no I/O, no
 * clock. */
#ifndef ROOMCAST_CORE_HISTORY_H
#define ROOMCAST_CORE_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <roomcast/base/err.h>
#include <roomcast/base/frame.h>
#include <roomcast/wire/position.h>
#include <roomcast/wire/trail.h>

/* An event as a node holds it. */
struct feed_event {
    struct position position;
    uint64_t stream_seq; /* where the stream holds it; a locator, not truth */
    uint64_t id_hash;    /* of the event's id, never 0: tells two events under one number apart */
    struct trail trail;  /* where the events before it are */
    struct frame *frame; /* what clients are sent */
};

struct history_slot {
    struct frame *frame;  /* owned; NULL: the event is not here */
    uint64_t stream_seq;  /* 0: not known */
    uint64_t id_hash;     /* 0: not known */
    uint32_t reading;     /* id of the read under way for it; 0: none */
    bool any_copy_failed; /* the next read of it goes to the leader */
    bool is_gone;         /* the stream does not hold it any more */
};

struct history {
    uint64_t first; /* number of the lowest slot; meaningless while count is 0 */
    uint32_t count; /* slots */
    uint32_t head, capacity;
    struct history_slot *slots; /* owned, circular */
    size_t bytes;               /* of all frames, as held in memory */
};

void history_init(struct history *history);
void history_fini(struct history *history);
/* Forgets everything; keeps nothing allocated. */
void history_clear(struct history *history);

/* NULL when the window does not reach there. Borrowed until the next reach or forget. */
struct history_slot *history_slot(const struct history *history, uint64_t seq);
static inline uint64_t history_last(const struct history *history)
{
    return history->count > 0 ? history->first + history->count - 1 : 0;
}

/* The window reaches from at most `seq` to at least `seq` afterwards. ERR_NO_MEMORY; ERR_RANGE: it would have
 * more than HISTORY_SLOTS_MAX slots. */
#define HISTORY_SLOTS_MAX (1u << 21)
enum err history_reach(struct history *history, uint64_t seq) MUST_CHECK;
/* Puts the event into its slot, which is in the window and holds no frame: takes a reference of its own. */
void history_put(struct history *history, const struct feed_event *event);
/* Notes where the events before `seq` are, for those in the window whose place is not known. False: an event
 * that was seen stands elsewhere, so that this one does not follow on it. */
bool history_locate(struct history *history, uint64_t seq, const struct trail *trail);
/* Drops the frame of a slot, if it has one; the place stays. */
void history_drop_frame(struct history *history, uint64_t seq);
/* Forgets all slots below `seq`, or above it. */
void history_forget_below(struct history *history, uint64_t seq);
void history_forget_above(struct history *history, uint64_t seq);
/* The lowest number from which on every slot up to `seq` holds its event; seq + 1 when that of `seq` does
 * not. */
uint64_t history_held_from(const struct history *history, uint64_t seq, uint64_t lowest);

#endif
