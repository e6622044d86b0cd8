/* A domain event on its way through the relay: checked, copied, with somebody waiting for its outcome.
 *
 * Owns: its bytes, in one block.   Thread: one at a time; from lanes_submit() until `done` it is the lanes'.
 */
#ifndef ROOMCAST_RELAY_EVENT_H
#define ROOMCAST_RELAY_EVENT_H

#include <stddef.h>

#include <roomcast/base/inbox.h>
#include <roomcast/base/slice.h>
#include <roomcast/core/lane.h>
#include <roomcast/wire/domain_event.h>
#include <roomcast/wire/revocation.h>
#include <roomcast/wire/room_key.h>

enum event_outcome {
    EVENT_STORED,
    EVENT_REFUSED,  /* will never be stored: `problem` says why */
    EVENT_ABANDONED /* not known to be stored, and nobody tries any more: the relay ends, another one works,
                     * or memory is short
                     */
};

#define EVENT_PROBLEM_SIZE 128

/* What waits in the lanes' inbox. */
struct lanes_item {
    struct inbox_item item;
    enum { LANES_ITEM_EVENT, LANES_ITEM_HEAD, LANES_ITEM_STORED } kind;
};

struct relay_event {
    struct lanes_item item; /* first: in the lanes' inbox, then in its source's */
    struct lane_event in_lane;
    void (*done)(struct relay_event *event); /* on the lanes' thread; takes the event back */
    void *context;                           /* the source's */
    void *entry;                             /* the source's */
    size_t index;                            /* the source's */
    uint64_t tenure;                         /* in which it was read (tenure.h); the source's to set */
    enum event_outcome outcome;
    char problem[EVENT_PROBLEM_SIZE];

    /* What it changes in who may read what: the revoker's (revoker.h), but for `entry_order`. */
    enum event_change change;
    bool is_by_clock; /* its order is the relay's, not its entry's */
    bool is_overload; /* EVENT_REFUSED because no more revocations are kept: later it may be taken */
    struct revocation *revocation; /* owned; NULL: it changes nothing */
    uint64_t entry_order;          /* the source's: revoker_order() of a place that stays the same when it is
                                    * read again; 0: none */
    void (*then)(struct relay_event *event); /* the source's `done`, while the revoker waits for the lanes */
    void *revoker;
    struct relay_event *unstored_next, *unstored_previous; /* the revoker's, while is_unstored */
    bool is_unstored;

    struct room_key room;
    const struct event_rule *rule; /* borrowed from the event map; NULL: nobody hears of it */
    struct slice text;             /* as it came; all slices are owned, id is NUL-terminated */
    struct slice payload;          /* within text */
    struct slice id, source, occurred_at, correlation_id, traceparent;
    char bytes[];
};

/* A copy of what the domain event holds. `id` and `source` come from the caller. NULL when out of memory. */
struct relay_event *relay_event_new(const struct domain_event *domain, struct slice text, struct slice id,
                                    struct slice source);
/* Accepts NULL, nulls. */
void relay_event_free(struct relay_event **event);

/* Gives the event back to its source. */
static inline void relay_event_finish(struct relay_event *event, enum event_outcome outcome)
{
    event->outcome = outcome;
    event->done(event);
}

static inline struct relay_event *relay_event_of_lane(struct lane_event *in_lane)
{
    return (struct relay_event *)(void *)((char *)in_lane - offsetof(struct relay_event, in_lane));
}

#endif
