/* The parts of a feed that its files share:
 *
 *   feed.c          what arrives live, what the head says, what goes out
 *   feed_reads.c    which missing events are read from the stream, and what the answers mean
 *   feed_waiters.c  who can be answered */
#ifndef ROOMCAST_SRC_CORE_FEED_INTERNAL_H
#define ROOMCAST_SRC_CORE_FEED_INTERNAL_H

#include <roomcast/core/feed.h>

#include <string.h>

#define RETRY_FIRST_MS 50u
#define RETRY_MAX_MS   2000u
#define CONFIRM_MS     250u /* between the leader's words that it does not hold an event */

static inline bool same_epoch(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* Doubles from the first to the longest; the upper half is random, so that rooms do not come back as one. */
static inline uint64_t retry_delay_ms(unsigned failures, uint32_t jitter)
{
    uint64_t ceiling = RETRY_FIRST_MS << (failures < 6 ? failures : 6);
    if (ceiling > RETRY_MAX_MS)
        ceiling = RETRY_MAX_MS;
    return ceiling / 2 + jitter % (ceiling / 2 + 1);
}

/* The gap reaches further than the history may: it is read one by one from its lower end. */
static inline bool gap_is_far(const struct feed *feed, const struct feed_rules *rules)
{
    return feed->is_settled && feed->known > feed->position.seq + rules->max_events;
}

/* feed.c */
void feed_want_head(struct feed *feed, uint64_t at_ms);
/* Takes an event of the history's epoch in, unless it is there. False: it cannot be kept. */
bool feed_keep(struct feed *feed, const struct feed_event *event);
/* After anything that may have opened or closed a gap. */
void feed_note_gap(struct feed *feed, uint64_t now_ms);

/* feed_reads.c */
/* The next question about a missing event; false: none now. */
bool feed_next_read(struct feed *feed, const struct feed_rules *rules, uint64_t now_ms, bool may_read,
                    struct feed_action *ret_action);
/* The event of this number and all that are missing just below it cannot be had: the oldest go first. */
void feed_give_up(struct feed *feed, uint64_t seq, enum feed_loss loss);
/* Moves the position over what follows it and cannot be had. */
void feed_step_over_gone(struct feed *feed);

/* feed_waiters.c */
void feed_look_at_waiters(struct feed *feed, const struct feed_rules *rules, uint64_t now_ms);
/* All waiters of both lists, linked by `next`. */
struct feed_waiter *feed_take_waiters(struct feed *feed);

#endif
