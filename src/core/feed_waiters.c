#include "feed_internal.h"

#include <assert.h>

#include <roomcast/base/metrics.h>

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
    feed->are_events_awaited = true;
    if (waiter->tries == 0 || feed->verified_ms > waiter->tried_ms) {
        if (waiter->tries++ == AHEAD_TRIES)
            return FEED_UNPROVEN;
        waiter->tried_ms = now_ms;
    }
    if (feed->head.ask_id == 0)
        feed_want_head(feed, now_ms + AHEAD_PAUSE_MS);
    return PENDING;
}

static int look_behind(struct feed *feed, const struct feed_rules *rules, const struct feed_waiter *waiter)
{
    uint64_t from = waiter->since.seq + 1;

    if (feed->held_from <= from)
        return FEED_RECOVERED;
    if (feed->position.seq - waiter->since.seq > rules->max_events || from <= feed->gone ||
        feed->history.bytes > rules->max_bytes || !feed_reach(feed, from) ||
        !feed_reach(feed, feed->position.seq))
        return FEED_UNPROVEN;
    if (feed->wanted_from == 0 || from < feed->wanted_from)
        feed->wanted_from = from;
    if (feed->wanted_to < from)
        feed->wanted_to = from;
    return PENDING;
}

/* One that is catching up takes in slowly anyway: a page at a time is enough. */
static int look_at_page(struct feed *feed, const struct feed_rules *rules, const struct feed_waiter *waiter)
{
    uint64_t from = waiter->since.seq + 1, left = feed->position.seq - waiter->since.seq;
    size_t bytes;
    uint32_t held = count_held(feed, from, PAGE_EVENTS, &bytes);

    if (held == left || held == PAGE_EVENTS || bytes >= PAGE_BYTES)
        return FEED_RECOVERED;
    if (left > rules->max_events || from <= feed->gone || !feed_reach(feed, from) ||
        !feed_reach(feed, feed->position.seq))
        return held > 0 ? FEED_RECOVERED : FEED_UNPROVEN;
    struct history_slot *slot = history_slot(&feed->history, from);
    if (slot->stream_seq == 0)
        slot->stream_seq = waiter->next_stream_seq;
    if (feed->page_from == 0 || from < feed->page_from) {
        feed->page_from = from;
        feed->page_to = left < PAGE_EVENTS ? feed->position.seq : from + PAGE_EVENTS - 1;
    }
    return PENDING;
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
    bool is_asked = feed->head.ask_id != 0 &&
                    (!waiter->has_since || feed->head.sent_ms + rules->fresh_ms >= waiter->came_ms);

    if (!is_asked)
        feed_want_head(feed, now_ms); /* now, also when it was to be asked later: somebody waits */
}

/* --- rooms that hold nothing --- */

static bool knows_extent(struct feed *feed, const struct feed_rules *rules, uint64_t since_ms)
{
    if (!rules->extent || rules->extent->asked_ms >= since_ms)
        return true;
    feed->wants_extent = true;
    return false;
}

/* What the room's emptiness is told by must have been known before the leader was asked for the room: an
 * event that was stored in between would be taken for an old one. */
static bool knows_how_empty(struct feed *feed, const struct feed_rules *rules,
                            const struct feed_waiter *waiter)
{
    uint64_t fresh_ms = waiter->came_ms > EXTENT_FRESH_MS ? waiter->came_ms - EXTENT_FRESH_MS : 1;

    bool may_be_unknown = !waiter->has_since; /* who resumes must not be left with less than it had */

    if (!position_is_empty(&feed->position) || !rules->extent ||
        (feed->empty_extent.asked_ms >= fresh_ms && (feed->empty_extent.is_known || may_be_unknown)))
        return true;
    if (!knows_extent(feed, rules, fresh_ms))
        return false;
    if (rules->extent->is_known || may_be_unknown)
        feed_want_head(feed, 0); /* now it is known: the leader is asked once more */
    else
        feed->wants_extent = true;
    return false;
}

/* Whatever was stored since the room was seen empty is still in the stream, or was taken away by the room's
 * own limit, which takes the oldest first. */
static bool holds_all_since(const struct feed_rules *rules, const struct position_empty *empty)
{
    const struct feed_extent *extent = rules->extent;

    return extent && extent->created_s == empty->created_s && extent->last_seq >= empty->last_seq &&
           extent->first_seq <= empty->last_seq + 1;
}

/* The client saw the room empty. Then it has missed all of the present epoch, if that was the first since:
 * nothing stood before its first event. Judged anew each time, since the room may have begun, or begun anew,
 * in between. True: `ret_verdict` is it; false: on with `since`, which now is the beginning of the epoch. */
static bool judge_from_empty(struct feed *feed, const struct feed_rules *rules, struct feed_waiter *waiter,
                             int *ret_verdict)
{
    /* Not before the leader was asked for the room: else what expired in between would not show. */
    uint64_t asked_ms = feed->verified_ms > waiter->came_ms ? feed->verified_ms : waiter->came_ms;
    bool is_known = knows_extent(feed, rules, asked_ms) && (!rules->extent || rules->extent->is_known);

    if (!is_known) { /* nobody could say: again, as long as the waiter has time */
        feed->wants_extent = true;
        *ret_verdict = PENDING;
        return true;
    }
    if (!holds_all_since(rules, &waiter->empty)) {
        *ret_verdict = FEED_UNPROVEN;
        return true;
    }
    waiter->since = feed->position;
    waiter->since.seq = 0;
    return false;
}

/* Is the epoch the first that the room has had since the client saw it empty, and of the same stream? */
static int judge_beginning(struct feed *feed, const struct feed_rules *rules, struct feed_waiter *waiter,
                           uint64_t now_ms)
{
    if (!rules->extent || !feed->is_in_stream || feed->begin != FEED_BEGIN_EMPTY ||
        feed->begin_stream_seq <= waiter->empty.last_seq)
        return FEED_UNPROVEN;
    if (feed->begin_stream_seq <= rules->extent->last_seq)
        return FEED_RECOVERED;
    /* It came after the stream was asked, or one was asked that does not know yet that it leads no more; or
     * it is of an earlier stream. */
    if (waiter->extent_tries++ == AHEAD_TRIES)
        return FEED_UNPROVEN;
    if (waiter->extent_tries > 1)
        feed->extent_at_ms = now_ms + AHEAD_PAUSE_MS;
    waiter->came_ms = now_ms;
    feed->wants_extent = true;
    return PENDING;
}

/* A session that has been in the room all the time, while its numbering began, or began anew. */
static void follow_epoch(const struct feed *feed, struct feed_waiter *waiter)
{
    const struct position *since = &waiter->since;
    bool was_empty = position_is_empty(since);
    bool is_before = was_empty ? position_is_empty(&feed->before) : position_equal(since, &feed->before);

    if (was_empty && position_is_empty(&feed->position)) {
        waiter->since = feed->position;
    } else if (feed->before.epoch[0] != '\0' && is_before) {
        waiter->since = feed->position;
        waiter->since.seq = feed->begins_at;
    }
}

static int judge(struct feed *feed, const struct feed_rules *rules, struct feed_waiter *waiter,
                 uint64_t now_ms)
{
    if (!feed->is_settled)
        return PENDING;
    if (!waiter->is_catching_up) {
        if (is_word_too_old(feed, rules, waiter)) {
            want_word(feed, rules, waiter, now_ms);
            return PENDING;
        }
        if (!knows_how_empty(feed, rules, waiter))
            return PENDING;
        if (!waiter->has_since)
            return FEED_AT_POSITION;
        if (feed_has_gap(feed)) {
            feed->are_events_awaited = true;
            return PENDING;
        }
    }
    int verdict;
    if (waiter->is_catching_up)
        follow_epoch(feed, waiter);
    else if (position_is_empty(&waiter->since) && !waiter->is_from_empty &&
             !(waiter->is_from_empty = position_parse_empty(&waiter->since, &waiter->empty)))
        return FEED_UNPROVEN;
    if (waiter->is_from_empty && judge_from_empty(feed, rules, waiter, &verdict))
        return verdict;
    if (!same_epoch(waiter->since.epoch, feed->position.epoch))
        return FEED_UNPROVEN;
    if (waiter->since.seq > feed->position.seq)
        return look_ahead(feed, waiter, now_ms);
    if (waiter->since.seq == feed->position.seq)
        return FEED_RECOVERED;
    if (waiter->is_catching_up)
        return look_at_page(feed, rules, waiter);
    verdict = look_behind(feed, rules, waiter);
    return verdict == FEED_RECOVERED && waiter->is_from_empty ? judge_beginning(feed, rules, waiter, now_ms)
                                                              : verdict;
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
    uint64_t wanted_from = feed->wanted_from, wanted_to = feed->wanted_to;

    waiter->verdict = judge(feed, rules, waiter, now_ms);
    if (waiter->verdict == PENDING && waiter->deadline_ms <= now_ms) {
        waiter->verdict = FEED_TIMED_OUT;
        feed->wanted_from = wanted_from; /* nothing is read for it any more */
        feed->wanted_to = wanted_to;
    }
    if (waiter->verdict != PENDING) {
        append(&feed->ready_tail, waiter);
        return;
    }
    if (!feed->waiters || waiter->deadline_ms < feed->waiters_due_ms)
        feed->waiters_due_ms = waiter->deadline_ms;
    append(&feed->waiters_tail, waiter);
}

void feed_look_at_waiters(struct feed *feed, const struct feed_rules *rules, uint64_t now_ms)
{
    struct feed_waiter *waiter = feed->waiters;

    feed->waiters = NULL;
    feed->waiters_tail = &feed->waiters;
    feed->wanted_from = feed->wanted_to = feed->page_from = feed->page_to = 0;
    feed->are_waiters_due = feed->are_events_awaited = false;
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
    put(feed, rules, waiter, now_ms);
}

struct position feed_told_position(const struct feed *feed)
{
    struct position position = feed->position;

    if (position_is_empty(&position))
        position_format_empty(&(struct position_empty){.created_s = feed->empty_extent.is_known
                                                                        ? feed->empty_extent.created_s
                                                                        : 0,
                                                       .last_seq = feed->empty_extent.last_seq},
                              &position);
    return position;
}

bool feed_next_extent(struct feed *feed, uint64_t now_ms, struct feed_action *action)
{
    if (!feed->wants_extent || feed->is_extent_asked || now_ms < feed->extent_at_ms)
        return false;
    feed->wants_extent = false;
    feed->is_extent_asked = true;
    *action = (struct feed_action){.kind = FEED_ASK_EXTENT};
    return true;
}

void feed_on_extent(struct feed *feed, const struct feed_rules *rules, uint64_t now_ms)
{
    feed->is_extent_asked = false;
    feed->extent_at_ms = rules->extent->is_known ? 0 : now_ms + EXTENT_PAUSE_MS;
    feed->are_waiters_due = feed->waiters != NULL;
}

/* Nothing has happened to the room since it was judged. */
static bool still_holds(const struct feed *feed, const struct feed_waiter *waiter)
{
    size_t bytes;

    if (!same_epoch(waiter->since.epoch, feed->position.epoch) || waiter->since.seq > feed->position.seq)
        return false;
    if (waiter->since.seq == feed->position.seq || feed->held_from <= waiter->since.seq + 1)
        return true;
    return waiter->is_catching_up && count_held(feed, waiter->since.seq + 1, 1, &bytes) == 1;
}

bool feed_next_answer(struct feed *feed, struct feed_action *action)
{
    struct feed_waiter *waiter;

    while ((waiter = feed->ready)) {
        feed->ready = waiter->next;
        if (!feed->ready)
            feed->ready_tail = &feed->ready;
        waiter->next = NULL;
        if (waiter->verdict != FEED_RECOVERED || still_holds(feed, waiter)) {
            *action = (struct feed_action){
                .kind = FEED_ANSWER, .waiter = waiter, .verdict = (enum feed_verdict)waiter->verdict};
            return true;
        }
        /* The room has changed since it was judged: once more. */
        if (!feed->waiters || waiter->deadline_ms < feed->waiters_due_ms)
            feed->waiters_due_ms = waiter->deadline_ms;
        append(&feed->waiters_tail, waiter);
        feed->are_waiters_due = true;
    }
    return false;
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
