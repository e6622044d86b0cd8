#include "feed_internal.h"

#include <assert.h>

#include <roomcast/base/metrics.h>

#define AHEAD_TRIES    3u   /* how often a leader that is behind a client is asked again */
#define AHEAD_PAUSE_MS 200u /* before it is */

#define PAGE_EVENTS 256u          /* for a session that is catching up: at most, ... */
#define PAGE_BYTES  (256u * 1024) /* ... or until it is so large */

enum { PENDING = -1 };

/* --- from the history --- */

/* How many events from `from` on are there without a hole, up to `max`; `ret_bytes`: how large they are. */
static uint32_t count_held(const struct feed *feed, uint64_t from, uint32_t max, size_t *ret_bytes)
{
    const struct history_slot *slot;
    uint32_t count = 0;

    *ret_bytes = 0;
    while (count < max && from + count <= feed->position.seq &&
           (slot = history_slot(&feed->history, from + count)) && slot->frame) {
        *ret_bytes += slot->frame->len;
        count++;
    }
    return count;
}

struct replay *feed_replay(const struct feed *feed, const struct position *since, uint32_t max)
{
    struct position first = *since;
    size_t bytes;

    first.seq++;
    struct replay *replay = replay_new(&first, count_held(feed, first.seq, max, &bytes));
    if (!replay)
        return NULL;
    replay->bytes = bytes;
    for (uint32_t i = 0; i < replay->count; i++)
        replay->frames[i] = frame_ref(history_slot(&feed->history, first.seq + i)->frame);
    metrics_change(METRIC_REPLAY_BYTES, (int64_t)replay->bytes);
    return replay;
}

/* --- one waiter --- */

/* The leader is behind the client: it may not know yet that it leads no more, so it is asked again. */
static int look_ahead(struct feed *feed, struct feed_waiter *waiter, uint64_t now_ms)
{
    if (waiter->is_catching_up)
        return FEED_UNPROVEN;
    if (waiter->tries == 0 || feed->verified_ms > waiter->tried_ms) {
        if (waiter->tries++ == AHEAD_TRIES)
            return FEED_UNPROVEN;
        waiter->tried_ms = now_ms;
    }
    feed_want_head(feed, now_ms + AHEAD_PAUSE_MS);
    return PENDING;
}

static int look_behind(struct feed *feed, const struct feed_rules *rules, const struct feed_waiter *waiter)
{
    uint64_t since = waiter->since.seq;

    if (feed->held_from <= since + 1)
        return FEED_RECOVERED;
    if (feed->position.seq - since > rules->max_events || since < feed->gone ||
        feed->history.bytes > rules->max_bytes || history_reach(&feed->history, since + 1) != ERR_OK)
        return FEED_UNPROVEN;
    if (feed->wanted_from == 0 || since + 1 < feed->wanted_from)
        feed->wanted_from = since + 1;
    return PENDING;
}

/* One that is catching up takes in slowly anyway: a page at a time is enough. */
static int look_at_page(struct feed *feed, const struct feed_rules *rules, struct feed_waiter *waiter)
{
    uint64_t from = waiter->since.seq + 1, left = feed->position.seq - waiter->since.seq;
    size_t bytes;
    uint32_t held = count_held(feed, from, PAGE_EVENTS, &bytes);

    if (held == left || held == PAGE_EVENTS || bytes >= PAGE_BYTES)
        return FEED_RECOVERED;
    if (left > rules->max_events || waiter->since.seq < feed->gone)
        return held > 0 ? FEED_RECOVERED : FEED_UNPROVEN;
    if (history_reach(&feed->history, from) != ERR_OK)
        return FEED_UNPROVEN;
    struct history_slot *slot = history_slot(&feed->history, from);
    if (slot->stream_seq == 0)
        slot->stream_seq = waiter->next_stream_seq;
    if (feed->page_from == 0 || from < feed->page_from) {
        feed->page_from = from;
        feed->page_to = left < PAGE_EVENTS ? feed->position.seq : from + PAGE_EVENTS - 1;
    }
    return PENDING;
}

static int judge(struct feed *feed, const struct feed_rules *rules, struct feed_waiter *waiter,
                 uint64_t now_ms)
{
    if (!feed->is_settled)
        return PENDING;
    if (!waiter->is_catching_up) {
        /* What the leader said must be of now: the last event may have been stored and not republished. */
        if (!feed->is_verified ||
            (waiter->has_since && feed->verified_ms + rules->fresh_ms < waiter->came_ms)) {
            feed_want_head(feed, feed->is_verified ? now_ms : feed->head.at_ms);
            return PENDING;
        }
        if (!waiter->has_since)
            return FEED_AT_POSITION;
        if (feed_has_gap(feed))
            return PENDING;
    }
    /* A session that has been in the room all the time, while its numbering began anew. */
    if (waiter->is_catching_up && feed->before.epoch[0] != '\0' &&
        position_equal(&waiter->since, &feed->before)) {
        waiter->since = feed->position;
        waiter->since.seq = 0;
    }
    if (!same_epoch(waiter->since.epoch, feed->position.epoch))
        return FEED_UNPROVEN;
    if (waiter->since.seq > feed->position.seq)
        return look_ahead(feed, waiter, now_ms);
    if (waiter->since.seq == feed->position.seq)
        return FEED_RECOVERED;
    return waiter->is_catching_up ? look_at_page(feed, rules, waiter) : look_behind(feed, rules, waiter);
}

/* --- all of them --- */

static void append(struct feed_waiter ***tail, struct feed_waiter *waiter)
{
    waiter->next = NULL;
    **tail = waiter;
    *tail = &waiter->next;
}

void feed_look_at_waiters(struct feed *feed, const struct feed_rules *rules, uint64_t now_ms)
{
    struct feed_waiter *waiter = feed->waiters;

    feed->waiters = NULL;
    feed->waiters_tail = &feed->waiters;
    feed->wanted_from = feed->page_from = feed->page_to = 0;
    feed->are_waiters_due = false;
    while (waiter) {
        struct feed_waiter *next = waiter->next;
        int verdict = judge(feed, rules, waiter, now_ms);
        if (verdict == PENDING && waiter->deadline_ms <= now_ms)
            verdict = FEED_TIMED_OUT;
        waiter->verdict = verdict;
        append(verdict == PENDING ? &feed->waiters_tail : &feed->ready_tail, waiter);
        waiter = next;
    }
}

void feed_wait(struct feed *feed, const struct feed_rules *rules, struct feed_waiter *waiter, uint64_t now_ms)
{
    waiter->came_ms = now_ms;
    waiter->tries = 0;
    waiter->tried_ms = 0;
    waiter->verdict = judge(feed, rules, waiter, now_ms);
    append(waiter->verdict == PENDING ? &feed->waiters_tail : &feed->ready_tail, waiter);
}

struct feed_waiter *feed_take_waiters(struct feed *feed)
{
    struct feed_waiter *all = feed->ready;

    *feed->ready_tail = feed->waiters;
    all = feed->ready;
    feed->ready = feed->waiters = NULL;
    feed->ready_tail = &feed->ready;
    feed->waiters_tail = &feed->waiters;
    return all;
}
