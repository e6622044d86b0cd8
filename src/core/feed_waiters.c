#include "feed_internal.h"

#include <assert.h>

/* --- from the history --- */

/* How many events from `from` on are there without a hole, up to `max` and until they are `max_bytes` large;
 * `ret_bytes`: how large they are. */
static uint32_t count_held(const struct feed *feed, uint64_t from, uint32_t max, size_t max_bytes,
                           size_t *ret_bytes)
{
    const struct history_slot *slot;
    uint32_t count = 0;

    *ret_bytes = 0;
    while (count < max && *ret_bytes < max_bytes && from + count <= feed->position.seq &&
           (slot = history_slot(&feed->history, from + count)) && slot->frame) {
        *ret_bytes += frame_held_bytes(slot->frame);
        count++;
    }
    return count;
}

struct replay *feed_replay(const struct feed *feed, const struct position *since, uint32_t max_events,
                           size_t max_bytes)
{
    struct position first = *since;
    size_t bytes;

    first.seq++;
    uint32_t count = count_held(feed, first.seq, max_events, max_bytes, &bytes);
    struct replay *replay = replay_new(&first, count, bytes);
    if (!replay)
        return NULL;
    for (uint32_t i = 0; i < replay->count; i++)
        replay->frames[i] = frame_ref(history_slot(&feed->history, first.seq + i)->frame);
    return replay;
}

/* --- one waiter --- */

/* The leader is behind the client: it may not know yet that it leads no more, so it is asked again. */
static int look_ahead(struct feed *feed, struct feed_waiter *waiter, uint64_t now_ms)
{
    if (waiter->is_catching_up)
        return FEED_UNPROVEN;
    feed->work->are_events_awaited = true;
    if (waiter->tries > AHEAD_TRIES)
        return FEED_UNPROVEN;
    if (waiter->tries == 0 || feed->verified_ms > waiter->tried_ms) {
        if (++waiter->tries > AHEAD_TRIES)
            return FEED_UNPROVEN;
        waiter->tried_ms = now_ms;
    }
    if (feed->work->head.ask_id == 0)
        feed_want_head(feed, now_ms + AHEAD_PAUSE_MS);
    return FEED_PENDING;
}

static int look_behind(struct feed *feed, const struct feed_rules *rules, const struct feed_waiter *waiter)
{
    uint64_t from = waiter->since.seq + 1;
    size_t bytes;

    if (feed->held_from <= from) {
        /* What was read for it may be more than is kept of live events. */
        if (feed->history.bytes <= rules->max_bytes)
            return FEED_RECOVERED;
        (void)count_held(feed, from, UINT32_MAX, SIZE_MAX, &bytes);
        return bytes <= rules->max_bytes ? FEED_RECOVERED : FEED_UNPROVEN;
    }
    if (feed->position.seq - waiter->since.seq > rules->max_events || from <= feed->gone ||
        feed->history.bytes > rules->max_bytes || !feed_reach(feed, from) ||
        !feed_reach(feed, feed->position.seq))
        return FEED_UNPROVEN;
    if (feed->work->wanted_from == 0 || from < feed->work->wanted_from)
        feed->work->wanted_from = from;
    if (feed->work->wanted_to < from)
        feed->work->wanted_to = from;
    return FEED_PENDING;
}

/* One that is catching up takes in slowly anyway: a page at a time is enough. */
static int look_at_page(struct feed *feed, const struct feed_rules *rules, const struct feed_waiter *waiter)
{
    uint64_t from = waiter->since.seq + 1, left = feed->position.seq - waiter->since.seq;
    size_t bytes;
    uint32_t held = count_held(feed, from, FEED_PAGE_EVENTS, FEED_PAGE_BYTES, &bytes);

    if (held == left || held == FEED_PAGE_EVENTS || bytes >= FEED_PAGE_BYTES)
        return FEED_RECOVERED;
    if (left > rules->max_events || from <= feed->gone || !feed_reach(feed, from) ||
        !feed_reach(feed, feed->position.seq))
        return held > 0 ? FEED_RECOVERED : FEED_UNPROVEN;
    struct history_slot *slot = history_slot(&feed->history, from);
    if (slot->stream_seq == 0)
        slot->stream_seq = waiter->next_stream_seq;
    if (feed->work->page_from == 0 || from < feed->work->page_from) {
        feed->work->page_from = from;
        feed->work->page_to = left < FEED_PAGE_EVENTS ? feed->position.seq : from + FEED_PAGE_EVENTS - 1;
    }
    return FEED_PENDING;
}

/* What the leader said must be of now: the last event may have been stored and not republished. */
static bool is_word_too_old(const struct feed *feed, const struct feed_rules *rules,
                            const struct feed_waiter *waiter)
{
    return !feed->is_verified || (waiter->has_since && feed->verified_ms + rules->fresh_ms < waiter->came_ms);
}

/* One question serves all who came before it was asked, or just after. */
static void want_word(struct feed *feed, const struct feed_rules *rules, const struct feed_waiter *waiter,
                      uint64_t now_ms)
{
    bool is_asked = feed->work->head.ask_id != 0 &&
                    (!waiter->has_since || feed->work->head.sent_ms + rules->fresh_ms >= waiter->came_ms);

    if (!is_asked)
        feed_want_head(feed, now_ms); /* now, also when it was to be asked later: somebody waits */
}

/* A session that has been in the room all the time, while its numbering began, or began anew. */
static void follow_epoch(const struct feed *feed, struct feed_waiter *waiter)
{
    const struct position *since = &waiter->since;
    bool was_empty = position_is_empty(since);
    const struct feed_past *past = feed->past;

    if (was_empty && position_is_empty(&feed->position)) {
        waiter->since = feed->position;
    } else if (past && past->before.epoch[0] != '\0' &&
               (was_empty ? position_is_empty(&past->before) : position_equal(since, &past->before))) {
        waiter->since = feed->position;
        waiter->since.seq = past->begins_at;
    }
}

static int weigh(struct feed *feed, const struct feed_rules *rules, struct feed_waiter *waiter,
                 uint64_t now_ms)
{
    if (!feed->is_settled)
        return FEED_PENDING;
    if (!waiter->is_catching_up) {
        if (is_word_too_old(feed, rules, waiter)) {
            want_word(feed, rules, waiter, now_ms);
            return FEED_PENDING;
        }
        if (!feed_knows_how_empty(feed, rules, waiter))
            return FEED_PENDING;
        if (!waiter->has_since)
            return FEED_AT_POSITION;
        if (feed_has_gap(feed)) {
            feed->work->are_events_awaited = true;
            return FEED_PENDING;
        }
    }
    int verdict;
    if (waiter->is_catching_up)
        follow_epoch(feed, waiter);
    else if (position_is_empty(&waiter->since) && !waiter->is_from_empty &&
             !(waiter->is_from_empty = position_parse_empty(&waiter->since, &waiter->empty)))
        return FEED_UNPROVEN;
    if (waiter->is_from_empty && feed_judge_from_empty(feed, rules, waiter, &verdict))
        return verdict;
    if (!same_epoch(waiter->since.epoch, feed->position.epoch)) {
        if (waiter->is_catching_up || feed->verified_ms >= waiter->came_ms)
            return FEED_UNPROVEN;
        /* It may know more than the leader's last word told us. */
        if (feed->work->head.ask_id == 0)
            feed_want_head(feed, now_ms);
        return FEED_PENDING;
    }
    if (waiter->since.seq > feed->position.seq)
        return look_ahead(feed, waiter, now_ms);
    if (waiter->since.seq == feed->position.seq)
        return FEED_RECOVERED;
    if (waiter->is_catching_up)
        return look_at_page(feed, rules, waiter);
    verdict = look_behind(feed, rules, waiter);
    return verdict == FEED_RECOVERED && waiter->is_from_empty
               ? feed_judge_beginning(feed, rules, waiter, now_ms)
               : verdict;
}

/* A client is not sent back to where it was long ago by one who leads no more. */
static int judge(struct feed *feed, const struct feed_rules *rules, struct feed_waiter *waiter,
                 uint64_t now_ms)
{
    int verdict = weigh(feed, rules, waiter, now_ms);

    if (verdict == FEED_UNPROVEN && !waiter->is_catching_up && !feed_is_led(feed, rules, waiter, now_ms))
        return FEED_PENDING;
    return verdict;
}

/* --- all of them --- */

static void append(struct feed_waiter ***tail, struct feed_waiter *waiter)
{
    waiter->next = NULL;
    **tail = waiter;
    *tail = &waiter->next;
}

static void put(struct feed *feed, const struct feed_rules *rules, struct feed_waiter *waiter,
                uint64_t now_ms)
{
    uint64_t wanted_from = feed->work->wanted_from, wanted_to = feed->work->wanted_to;

    waiter->verdict = judge(feed, rules, waiter, now_ms);
    if (waiter->verdict == FEED_PENDING && waiter->deadline_ms <= now_ms) {
        waiter->verdict = FEED_TIMED_OUT;
        feed->work->wanted_from = wanted_from; /* nothing is read for it any more */
        feed->work->wanted_to = wanted_to;
    }
    if (waiter->verdict != FEED_PENDING) {
        append(&feed->work->ready_tail, waiter);
        return;
    }
    if (!feed->work->waiters || waiter->deadline_ms < feed->work->waiters_due_ms)
        feed->work->waiters_due_ms = waiter->deadline_ms;
    append(&feed->work->waiters_tail, waiter);
}

void feed_look_at_waiters(struct feed *feed, const struct feed_rules *rules, uint64_t now_ms)
{
    struct feed_waiter *waiter = feed->work->waiters;

    feed->work->waiters = NULL;
    feed->work->waiters_tail = &feed->work->waiters;
    feed->work->wanted_from = feed->work->wanted_to = feed->work->page_from = feed->work->page_to = 0;
    feed->work->looked_from = feed->held_from;
    feed->work->are_waiters_due = feed->work->are_events_awaited = false;
    while (waiter) {
        struct feed_waiter *next = waiter->next;
        put(feed, rules, waiter, now_ms);
        waiter = next;
    }
}

void feed_wait(struct feed *feed, const struct feed_rules *rules, struct feed_waiter *waiter, uint64_t now_ms)
{
    waiter->came_ms = now_ms;
    waiter->is_from_empty = false;
    waiter->extent_tries = 0;
    waiter->tries = 0;
    waiter->tried_ms = 0;
    if (!feed_wake(feed)) {
        waiter->verdict = FEED_TIMED_OUT;
        waiter->next = feed->ready;
        feed->ready = waiter;
        return;
    }
    put(feed, rules, waiter, now_ms);
}

/* Nothing has happened to the room since it was judged. */
static bool still_holds(const struct feed *feed, const struct feed_waiter *waiter)
{
    size_t bytes;

    if (!same_epoch(waiter->since.epoch, feed->position.epoch) || waiter->since.seq > feed->position.seq)
        return false;
    if (waiter->since.seq == feed->position.seq || feed->held_from <= waiter->since.seq + 1)
        return true;
    return waiter->is_catching_up && count_held(feed, waiter->since.seq + 1, 1, SIZE_MAX, &bytes) == 1;
}

bool feed_next_answer(struct feed *feed, struct feed_action *action)
{
    struct feed_waiter *waiter;

    while ((waiter = feed->ready)) {
        feed->ready = waiter->next;
        if (!feed->ready && feed->work)
            feed->work->ready_tail = &feed->ready;
        waiter->next = NULL;
        if (waiter->verdict != FEED_RECOVERED || still_holds(feed, waiter)) {
            *action = (struct feed_action){
                .kind = FEED_ANSWER, .waiter = waiter, .verdict = (enum feed_verdict)waiter->verdict};
            return true;
        }
        /* The room has changed since it was judged: once more. */
        if (!feed->work->waiters || waiter->deadline_ms < feed->work->waiters_due_ms)
            feed->work->waiters_due_ms = waiter->deadline_ms;
        append(&feed->work->waiters_tail, waiter);
        feed->work->are_waiters_due = true;
    }
    return false;
}

struct feed_waiter *feed_take_waiters(struct feed *feed)
{
    struct feed_waiter *all = feed->ready;

    if (feed->work) {
        *feed->work->ready_tail = feed->work->waiters;
        all = feed->ready;
        feed->work->waiters = NULL;
        feed->work->ready_tail = &feed->ready;
        feed->work->waiters_tail = &feed->work->waiters;
    }
    feed->ready = NULL;
    return all;
}
