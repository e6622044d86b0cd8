/* The parts of a feed that its files share:
 *
 *   feed.c          what arrives live, what is kept, what goes out
 *   feed_head.c     where the leader says that the room stands
 *   feed_reads.c    which missing events are read from the stream, and what the answers mean
 *   feed_extent.c   what the stream as a whole tells
 *   feed_waiters.c  who can be answered */
#ifndef ROOMCAST_SRC_CORE_FEED_INTERNAL_H
#define ROOMCAST_SRC_CORE_FEED_INTERNAL_H

#include <roomcast/core/feed.h>

#include <string.h>

#define RETRY_FIRST_MS  50u
#define RETRY_MAX_MS    2000u
#define CONFIRM_MS      250u   /* between the leader's words that nothing follows */
#define AHEAD_TRIES     3u     /* how often a leader that knows less than others is asked again */
#define AHEAD_PAUSE_MS  200u   /* before it is */
#define TRUST_MAX_MS    55000u /* below the least that stream.max_age_s can be: nothing has expired by then */
#define EXTENT_PAUSE_MS 500u   /* after nobody could say what the stream holds */
#define EXTENT_FRESH_MS 2000u  /* an empty room's position may be so old: nothing expires that soon */

/* Nothing that was stored so long ago can have come and gone unseen. */
static inline uint64_t feed_trust_ms(const struct feed_rules *rules)
{
    uint64_t trust_ms = 2 * rules->verify_every_ms;
    return trust_ms < TRUST_MAX_MS ? trust_ms : TRUST_MAX_MS;
}

static inline bool same_epoch(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* The room has, or had, an event that we know of. */
static inline bool feed_has_epoch(const struct feed *feed)
{
    return feed->position.epoch[0] != '\0' && strcmp(feed->position.epoch, EPOCH_EMPTY) != 0;
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
/* There is `feed->work` from now on, until feed_next() finds nothing to do. False: out of memory. */
bool feed_wake(struct feed *feed) MUST_CHECK;
/* Forgets all events; those to come are of `epoch`. */
void feed_begin_epoch(struct feed *feed, const char *epoch);
/* The epoch follows on `before`, and holds the number `begins_at` and on. */
void feed_note_before(struct feed *feed, const struct position *before, uint64_t begins_at);
/* The room's numbering starts anew, with no loss; it stands at `seq`. */
void feed_enter_epoch(struct feed *feed, const char *epoch, uint64_t seq);
/* An event of another epoch than ours is what the room goes on with, and nothing of ours was missed.
 * `ret_before`: the number behind which it goes on. */
bool feed_follows_on(const struct feed *feed, const struct feed_rules *rules, const struct feed_event *event,
                     uint64_t now_ms, uint64_t *ret_before);
/* The room reaches at least to `seq`. */
void feed_know(struct feed *feed, uint64_t seq);
/* Takes an event of the history's epoch in, unless it is there. False: it cannot be kept, for want of memory
 * or because too much waits already; its place is noted if possible. */
bool feed_keep(struct feed *feed, const struct feed_rules *rules, const struct feed_event *event);
/* The window reaches to `seq` afterwards, with the places that are known. False: out of memory, or too far.
 */
bool feed_reach(struct feed *feed, uint64_t seq);
/* Another event is known under the number of this one, or must have been. */
bool feed_contradicts(const struct feed *feed, const struct feed_event *event);
/* After anything that may have opened or closed a gap. */
void feed_note_gap(struct feed *feed, uint64_t now_ms);
void feed_lose(struct feed *feed, enum feed_loss loss);
/* What is too far behind to be replayed is forgotten. */
void feed_trim(struct feed *feed, const struct feed_rules *rules);
uint32_t feed_new_ask_id(struct feed *feed);

/* feed_head.c */
void feed_want_head(struct feed *feed, uint64_t at_ms);
bool feed_next_head(struct feed *feed, const struct feed_rules *rules, uint64_t now_ms,
                    struct feed_action *ret_action);
/* When it will have something to ask; 0: when an answer comes. */
uint64_t feed_head_due(const struct feed *feed);

/* feed_reads.c */
/* The next question about a missing event; false: none now. */
bool feed_next_read(struct feed *feed, const struct feed_rules *rules, uint64_t now_ms, bool may_read,
                    struct feed_action *ret_action);
/* The event of this number and all that are missing just below it cannot be had: the oldest go first. */
void feed_give_up(struct feed *feed, uint64_t seq, enum feed_loss loss);
/* The last number of the hole that `seq` is in: none from `seq` to there is held. */
uint64_t feed_hole_end(const struct feed *feed, uint64_t seq);
/* Moves the position over what follows it and cannot be had. */
void feed_step_over_gone(struct feed *feed);

/* feed_extent.c */
#define FEED_PENDING (-1) /* beside enum feed_verdict: not known yet */
/* The position of a room that holds nothing can be told. */
bool feed_knows_how_empty(struct feed *feed, const struct feed_rules *rules,
                          const struct feed_waiter *waiter);
/* For a client that saw the room empty. True: `ret_verdict` is it; false: on with `since`, which now is the
 * beginning of the epoch, and feed_judge_beginning() when all of that is there. */
bool feed_judge_from_empty(struct feed *feed, const struct feed_rules *rules, struct feed_waiter *waiter,
                           int *ret_verdict);
int feed_judge_beginning(struct feed *feed, const struct feed_rules *rules, struct feed_waiter *waiter,
                         uint64_t now_ms);
/* Who answers for the stream has proven, since the waiter came, that it leads. */
bool feed_is_led(struct feed *feed, const struct feed_rules *rules, const struct feed_waiter *waiter,
                 uint64_t now_ms);
bool feed_next_extent(struct feed *feed, uint64_t now_ms, struct feed_action *ret_action);

/* feed_waiters.c */
void feed_look_at_waiters(struct feed *feed, const struct feed_rules *rules, uint64_t now_ms);
/* The next one that can be answered. */
bool feed_next_answer(struct feed *feed, struct feed_action *ret_action);
/* All waiters of both lists, linked by `next`. */
struct feed_waiter *feed_take_waiters(struct feed *feed);

#endif
