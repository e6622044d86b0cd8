#include "feed_internal.h"

#include <assert.h>

#define READS_MAX (2 * TRAIL_MAX) /* under way for one room */
/* How often the leader has to say, CONFIRM_MS apart, that nothing follows: a deposed one that does not know
 * it yet lacks the newest. That something else follows is enough: whoever has that has what is before it. */
#define WORDS_NEEDED 4u
#define SEARCH_MAX   (4 * TRAIL_MAX) /* slots that are looked at below those that are held */

/* --- what is missing --- */

static bool is_missing(const struct history_slot *slot)
{
    return slot && !slot->frame && !slot->is_gone;
}

static bool can_read(const struct history_slot *slot)
{
    return is_missing(slot) && slot->stream_seq != 0 && slot->reading == 0;
}

/* It was read once, and what leads on from it is known; it had to give way to earlier ones. */
static bool was_seen(const struct history_slot *slot)
{
    return slot && (slot->frame || slot->id_hash != 0 || slot->is_gone);
}

static bool wanted_range(const struct feed *feed, uint64_t *ret_from, uint64_t *ret_to)
{
    if (feed->work->wanted_from == 0 || feed->work->wanted_from >= feed->held_from)
        return false;
    uint64_t from = feed->work->wanted_from > feed->gone ? feed->work->wanted_from : feed->gone + 1;
    if (from >= feed->held_from)
        return false;
    *ret_from = from;
    *ret_to = feed->held_from - 1;
    return true;
}

static uint64_t search_floor(uint64_t from, uint64_t to)
{
    return to > SEARCH_MAX && to - SEARCH_MAX > from ? to - SEARCH_MAX : from;
}

/* Behind the position: from the top down, because the trails lead downwards. 0: none. */
static uint64_t find_behind(const struct feed *feed, uint64_t from, uint64_t to)
{
    for (uint64_t seq = to, floor = search_floor(from, to); seq >= floor && seq > 0; seq--) {
        if (can_read(history_slot(&feed->history, seq)))
            return seq;
    }
    return 0;
}

/* In a gap: what is wanted next, if its place is known; else from the top down. */
static uint64_t find_in_gap(struct feed *feed, uint64_t from, uint64_t to)
{
    const struct history_slot *next = history_slot(&feed->history, from);

    if (next && next->stream_seq != 0) {
        for (uint64_t seq = from; seq <= to && seq - from < SEARCH_MAX; seq++) {
            if (can_read(history_slot(&feed->history, seq)))
                return seq;
        }
        return 0;
    }
    while (feed->work->missing_to > from && was_seen(history_slot(&feed->history, feed->work->missing_to)))
        feed->work->missing_to--;
    to = feed->work->missing_to;
    for (uint64_t seq = to, floor = search_floor(from, to); seq >= floor && seq > 0; seq--) {
        const struct history_slot *slot = history_slot(&feed->history, seq);
        if (can_read(slot) && !was_seen(slot))
            return seq;
    }
    return 0;
}

/* Searching goes upwards: it goes on where it was. */
static uint64_t find_lowest_missing(const struct feed *feed, uint64_t from, uint64_t to)
{
    uint64_t start = feed->work->next_for > from && feed->work->next_for <= to ? feed->work->next_for : from;

    for (uint64_t seq = start; seq <= to; seq++) {
        if (is_missing(history_slot(&feed->history, seq)))
            return seq;
    }
    for (uint64_t seq = from; seq < start; seq++) {
        if (is_missing(history_slot(&feed->history, seq)))
            return seq;
    }
    return 0;
}

/* --- asking --- */

static void read(struct feed *feed, uint64_t seq, struct feed_action *action)
{
    struct history_slot *slot = history_slot(&feed->history, seq);
    slot->reading = feed_new_ask_id(feed);
    feed->work->reading++;
    *action = (struct feed_action){
        .kind = FEED_READ,
        .ask = {slot->reading, seq},
        .stream_seq = slot->stream_seq,
        .from_leader = slot->any_copy_failed,
    };
}

/* Where the event just before `seq` is, as far as that is known: what follows there is `seq`, if anything is.
 */
static uint64_t place_before(const struct feed *feed, uint64_t seq)
{
    if (feed->is_settled && seq == feed->position.seq + 1)
        return feed->position_stream_seq;
    const struct history_slot *slot = seq > 1 ? history_slot(&feed->history, seq - 1) : NULL;
    return slot ? slot->stream_seq : 0;
}

static bool search_for(struct feed *feed, uint64_t seq, struct feed_action *action)
{
    uint64_t after = place_before(feed, seq);

    if (feed->work->next_for == seq && feed->work->next_after > after)
        after = feed->work->next_after;
    if (feed->work->next_for != seq)
        feed->work->next_absences = 0;
    feed->work->next_for = seq;
    feed->work->next_after = after;
    feed->work->next_ask_id = feed_new_ask_id(feed);
    *action = (struct feed_action){
        .kind = FEED_ASK_NEXT, .ask = {feed->work->next_ask_id, seq}, .stream_seq = after};
    return true;
}

/* Nothing leads to what is missing in this stretch: its lowest number is searched for, one by one. */
static bool search_in(struct feed *feed, uint64_t from, uint64_t to, struct feed_action *action)
{
    if (feed->work->next_ask_id != 0 || feed->work->reading > 0)
        return false;
    uint64_t seq = find_lowest_missing(feed, from, to);
    return seq != 0 && search_for(feed, seq, action);
}

static bool read_gap(struct feed *feed, uint64_t now_ms, struct feed_action *action)
{
    uint64_t from = feed->position.seq + 1, to = feed->known;

    if (!feed_reach(feed, from) || !feed_reach(feed, to)) {
        feed->work->retry_at_ms = now_ms + RETRY_MAX_MS;
        return false;
    }
    uint64_t seq = feed->work->reading < READS_MAX ? find_in_gap(feed, from, to) : 0;
    if (seq == 0)
        return search_in(feed, from, to, action);
    read(feed, seq, action);
    return true;
}

static bool read_behind(struct feed *feed, struct feed_action *action)
{
    uint64_t from, to;

    if (!wanted_range(feed, &from, &to))
        return false;
    uint64_t seq = feed->work->reading < READS_MAX ? find_behind(feed, from, to) : 0;
    if (seq == 0)
        return search_in(feed, from, to, action);
    read(feed, seq, action);
    return true;
}

static uint64_t lowest_missing(const struct feed *feed, uint64_t from, uint64_t to)
{
    for (uint64_t seq = from; seq <= to; seq++) {
        if (is_missing(history_slot(&feed->history, seq)))
            return seq;
    }
    return 0;
}

/* A page for one that is catching up: from the bottom up, and no more than that. */
static bool read_page(struct feed *feed, struct feed_action *action)
{
    uint64_t from = feed->work->page_from > feed->gone ? feed->work->page_from : feed->gone + 1;

    if (feed->work->page_from == 0 || from > feed->work->page_to)
        return false;
    for (uint64_t seq = from; seq <= feed->work->page_to && feed->work->reading < READS_MAX; seq++) {
        if (!can_read(history_slot(&feed->history, seq)))
            continue;
        read(feed, seq, action);
        return true;
    }
    return search_in(feed, from, feed->work->page_to, action);
}

bool feed_next_read(struct feed *feed, const struct feed_rules *rules, uint64_t now_ms, bool may_read,
                    struct feed_action *action)
{
    if (feed->work->retry_at_ms > now_ms)
        return false;
    feed->work->retry_at_ms = 0;
    if (!feed->is_settled || !may_read)
        return false;
    if (gap_is_far(feed, rules)) {
        feed->work->was_far = true;
        return feed->work->next_ask_id == 0 && search_for(feed, feed->position.seq + 1, action);
    }
    if (feed->work->was_far) {
        feed->work->was_far = false;
        feed_want_head(feed, now_ms); /* its trail leads down to here */
        if (feed_next_head(feed, rules, now_ms, action))
            return true;
    }
    return (feed_has_gap(feed) && read_gap(feed, now_ms, action)) || read_behind(feed, action) ||
           read_page(feed, action);
}

bool feed_wants_reads(const struct feed *feed, uint64_t now_ms)
{
    uint64_t from, to;

    return feed->work && feed->is_settled && feed->work->retry_at_ms <= now_ms &&
           feed->work->next_ask_id == 0 && feed->work->reading == 0 &&
           (feed_has_gap(feed) || wanted_range(feed, &from, &to) || feed->work->page_from != 0);
}

/* --- what cannot be had --- */

static void step_to(struct feed *feed, uint64_t seq)
{
    feed->position.seq = seq;
    feed->position_stream_seq = 0;
    if (feed->known < seq)
        feed->known = seq;
    feed->held_from = seq + 1;
    feed->work->has_loss = true;
    feed->work->are_waiters_due = true;
}

void feed_step_over_gone(struct feed *feed)
{
    while (feed_has_gap(feed)) {
        uint64_t next = feed->position.seq + 1;
        const struct history_slot *slot = history_slot(&feed->history, next);
        if (slot ? !slot->is_gone : next > feed->gone)
            return;
        if (slot)
            step_to(feed, next);
        else if (next < feed->history.first && feed->history.first <= feed->gone && feed->history.count > 0)
            step_to(feed, feed->history.first - 1);
        else
            step_to(feed, feed->gone);
    }
}

uint64_t feed_hole_end(const struct feed *feed, uint64_t seq)
{
    const struct history *history = &feed->history;

    while (seq < feed->known) {
        if (history->count == 0 || seq >= history_last(history))
            return feed->known;
        if (seq + 1 < history->first)
            seq = history->first - 1;
        else if (history_slot(history, seq + 1)->frame)
            return seq;
        else
            seq++;
    }
    return seq;
}

static void note_gone(struct feed *feed, uint64_t seq, enum feed_loss loss)
{
    if (feed->gone < seq)
        feed->gone = seq;
    if (seq > feed->position.seq)
        feed->work->loss = loss;
    feed->work->are_waiters_due = true;
}

void feed_give_up(struct feed *feed, uint64_t seq, enum feed_loss loss)
{
    note_gone(feed, seq, loss);
    /* The window may not reach down to where a far gap begins, or up to where it ends: `gone` tells. */
    uint64_t top = seq < history_last(&feed->history) ? seq : history_last(&feed->history);
    for (uint64_t i = top; i > 0; i--) {
        struct history_slot *slot = history_slot(&feed->history, i);
        if (!slot || slot->frame)
            break;
        slot->is_gone = true;
    }
}

/* --- answers --- */

static void fail(struct feed *feed, uint64_t now_ms, uint32_t jitter)
{
    feed->work->retry_at_ms = now_ms + retry_delay_ms(feed->work->read_failures++, jitter);
}

/* It is not there; whether it is elsewhere, or at all, is asked. */
static void search_later(struct history_slot *slot)
{
    slot->stream_seq = 0;
    slot->any_copy_failed = false;
}

/* For good, and it alone: those before it may be fine. */
static void on_unreadable(struct feed *feed, struct history_slot *slot, uint64_t seq)
{
    slot->is_gone = true;
    note_gone(feed, seq, FEED_LOSS_EXPIRED);
}

/* False: it cannot be kept now, for want of memory. */
static bool take_in(struct feed *feed, const struct feed_rules *rules, const struct feed_event *event)
{
    bool kept = feed_keep(feed, rules, event);
    const struct history_slot *slot = history_slot(&feed->history, event->position.seq);

    return kept || (slot && slot->id_hash != 0);
}

/* Looking at all waiters for every event would make many of them expensive: some events at a time, while all
 * goes well. */
static void note_progress(struct feed *feed, const struct feed_rules *rules, enum feed_answer_kind kind)
{
    bool serves = feed->held_from <= feed->work->wanted_to;
    bool is_step = kind != FEED_FOUND || feed->held_from <= feed->work->wanted_from ||
                   feed->held_from + TRAIL_MAX <= feed->work->looked_from;
    bool has_page =
        feed->work->page_from != 0 && lowest_missing(feed, feed->work->page_from, feed->work->page_to) == 0;

    if (feed->work->waiters && ((serves && is_step) || has_page || feed->history.bytes > rules->max_bytes))
        feed->work->are_waiters_due = true;
}

static bool is_wanted(const struct feed *feed, uint64_t seq, const struct feed_event *event)
{
    return event->position.seq == seq && same_epoch(event->position.epoch, feed->position.epoch);
}

/* The leader has another event than we had under this number. */
static void on_conflict(struct feed *feed, uint64_t now_ms)
{
    feed->work->has_conflict = true;
    feed_want_head(feed, now_ms);
    feed->work->retry_at_ms = now_ms + CONFIRM_MS;
}

static void on_found(struct feed *feed, const struct feed_rules *rules, struct history_slot *slot,
                     uint64_t seq, const struct feed_event *event, uint64_t now_ms, uint32_t jitter)
{
    bool is_it = is_wanted(feed, seq, event);

    feed->work->read_failures = 0;
    if (is_it && !feed_contradicts(feed, event)) {
        if (!take_in(feed, rules, event))
            fail(feed, now_ms, jitter);
    } else if (!slot->any_copy_failed) {
        slot->any_copy_failed = true; /* a replica that holds something else */
    } else if (is_it) {
        on_conflict(feed, now_ms);
    } else {
        search_later(slot);
    }
}

static void on_read(struct feed *feed, const struct feed_rules *rules, struct feed_ask ask,
                    enum feed_answer_kind kind, const struct feed_event *event, uint64_t now_ms,
                    uint32_t jitter)
{
    struct history_slot *slot = history_slot(&feed->history, ask.seq);

    if (!slot || slot->reading != ask.id)
        return;
    slot->reading = 0;
    if (slot->frame)
        return; /* it came live meanwhile */
    if (kind == FEED_FOUND)
        on_found(feed, rules, slot, ask.seq, event, now_ms, jitter);
    else if (kind == FEED_UNAVAILABLE) {
        slot->any_copy_failed = !slot->any_copy_failed; /* somebody else may answer */
        fail(feed, now_ms, jitter);
    } else if (!slot->any_copy_failed)
        slot->any_copy_failed = true;
    else if (kind == FEED_NONE)
        search_later(slot);
    else
        on_unreadable(feed, slot, ask.seq);
}

void feed_on_read(struct feed *feed, const struct feed_rules *rules, struct feed_ask ask,
                  enum feed_answer_kind kind, const struct feed_event *event, uint64_t now_ms,
                  uint32_t jitter)
{
    assert(feed->work && feed->work->reading > 0);
    feed->work->reading--;
    on_read(feed, rules, ask, kind, event, now_ms, jitter);
    note_progress(feed, rules, kind);
    feed_note_gap(feed, now_ms);
    assert(feed_is_valid(feed));
}

/* The leader's first event behind the one before `seq` is number `found`, or there is none (0): what lies
 * between does not exist any more. */
static void on_next_found(struct feed *feed, const struct feed_rules *rules, uint64_t seq,
                          const struct feed_event *event, uint64_t now_ms, uint32_t jitter)
{
    uint64_t found = event->position.seq;

    feed->work->next_absences = 0;
    if (!same_epoch(event->position.epoch, feed->position.epoch) || found < seq) {
        feed->work->next_after = event->stream_seq; /* an older one: on from there */
        return;
    }
    if (feed_contradicts(feed, event)) {
        on_conflict(feed, now_ms);
        return;
    }
    if (found <= feed->position.seq + rules->max_events && !take_in(feed, rules, event))
        fail(feed, now_ms, jitter);
    if (found > seq)
        feed_give_up(feed, found - 1, FEED_LOSS_EXPIRED);
}

static void on_next_none(struct feed *feed, uint64_t seq, uint64_t now_ms)
{
    if (++feed->work->next_absences < WORDS_NEEDED) {
        feed->work->retry_at_ms = now_ms + CONFIRM_MS;
        return;
    }
    feed->work->next_absences = 0;
    feed_give_up(feed, feed_hole_end(feed, seq), FEED_LOSS_EXPIRED);
    feed_want_head(feed, now_ms); /* what was known of its end may be wrong as well */
}

void feed_on_next(struct feed *feed, const struct feed_rules *rules, struct feed_ask ask,
                  enum feed_answer_kind kind, const struct feed_event *event, uint64_t now_ms,
                  uint32_t jitter)
{
    if (!feed->work || ask.id != feed->work->next_ask_id)
        return;
    feed->work->next_ask_id = 0;
    if (feed->work->next_for != ask.seq)
        return; /* another epoch has begun */
    if (kind != FEED_UNAVAILABLE)
        feed->work->read_failures = 0;
    switch (kind) {
    case FEED_FOUND:
        on_next_found(feed, rules, ask.seq, event, now_ms, jitter);
        break;
    case FEED_UNREADABLE:
        feed->work->next_after = event->stream_seq;
        break;
    case FEED_NONE:
        on_next_none(feed, ask.seq, now_ms);
        break;
    case FEED_UNAVAILABLE:
        fail(feed, now_ms, jitter);
        break;
    }
    note_progress(feed, rules, kind);
    feed_note_gap(feed, now_ms);
    assert(feed_is_valid(feed));
}
