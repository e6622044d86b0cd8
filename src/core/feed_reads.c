#include "feed_internal.h"

#include <assert.h>

#define READS_MAX  (2 * TRAIL_MAX) /* under way for one room */
#define SEARCH_MAX (4 * TRAIL_MAX) /* slots that are looked at below those that are held */

/* --- what is missing --- */

static bool is_missing(const struct history_slot *slot)
{
    return slot && !slot->frame && !slot->is_gone;
}

static bool can_read(const struct history_slot *slot)
{
    return is_missing(slot) && slot->stream_seq != 0 && slot->reading == 0;
}

/* The numbers whose events are wanted and not yet there lie in [ret_from, ret_to]; two stretches at most. */
static bool gap_range(const struct feed *feed, const struct feed_rules *rules, uint64_t *ret_from,
                      uint64_t *ret_to)
{
    if (!feed_has_gap(feed) || gap_is_far(feed, rules))
        return false;
    *ret_from = feed->position.seq + 1;
    *ret_to = feed->known;
    return true;
}

static bool wanted_range(const struct feed *feed, uint64_t *ret_from, uint64_t *ret_to)
{
    if (feed->wanted_from == 0 || feed->wanted_from >= feed->held_from)
        return false;
    *ret_from = feed->wanted_from > feed->gone ? feed->wanted_from : feed->gone + 1;
    *ret_to = feed->held_from - 1;
    return *ret_from <= *ret_to;
}

static bool page_range(const struct feed *feed, uint64_t *ret_from, uint64_t *ret_to)
{
    *ret_from = feed->page_from > feed->gone ? feed->page_from : feed->gone + 1;
    *ret_to = feed->page_to;
    return feed->page_from != 0 && *ret_from <= *ret_to;
}

/* From the top down, because the trails lead downwards. 0: none. */
static uint64_t find_readable(const struct feed *feed, uint64_t from, uint64_t to)
{
    for (uint64_t seq = to; seq >= from && seq > 0; seq--) {
        if (can_read(history_slot(&feed->history, seq)))
            return seq;
    }
    return 0;
}

static uint64_t find_lowest_missing(const struct feed *feed, uint64_t from, uint64_t to)
{
    for (uint64_t seq = from; seq <= to; seq++) {
        if (is_missing(history_slot(&feed->history, seq)))
            return seq;
    }
    return 0;
}

/* --- asking --- */

static uint32_t new_ask_id(struct feed *feed)
{
    if (++feed->last_ask_id == 0)
        feed->last_ask_id = 1;
    return feed->last_ask_id;
}

static bool read_in(struct feed *feed, uint64_t from, uint64_t to, struct feed_action *action)
{
    uint64_t seq = feed->reading < READS_MAX ? find_readable(feed, from, to) : 0;

    if (seq == 0)
        return false;
    struct history_slot *slot = history_slot(&feed->history, seq);
    slot->reading = new_ask_id(feed);
    feed->reading++;
    *action = (struct feed_action){
        .kind = FEED_READ,
        .ask = {slot->reading, seq},
        .stream_seq = slot->stream_seq,
        .from_leader = slot->any_copy_failed,
    };
    return true;
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

    if (feed->next_for == seq && feed->next_after > after)
        after = feed->next_after;
    feed->next_for = seq;
    feed->next_after = after;
    feed->next_ask_id = new_ask_id(feed);
    *action =
        (struct feed_action){.kind = FEED_ASK_NEXT, .ask = {feed->next_ask_id, seq}, .stream_seq = after};
    return true;
}

/* Nothing leads to what is missing in this stretch: its lowest number is searched for, one by one. */
static bool search_in(struct feed *feed, uint64_t from, uint64_t to, struct feed_action *action)
{
    if (feed->next_ask_id != 0 || feed->reading > 0)
        return false;
    uint64_t seq = find_lowest_missing(feed, from, to);
    return seq != 0 && search_for(feed, seq, action);
}

bool feed_next_read(struct feed *feed, const struct feed_rules *rules, uint64_t now_ms, bool may_read,
                    struct feed_action *action)
{
    uint64_t from, to;

    if (feed->retry_at_ms > now_ms || !feed->is_settled || !may_read)
        return false;
    feed->retry_at_ms = 0;
    if (gap_is_far(feed, rules))
        return feed->next_ask_id == 0 && search_for(feed, feed->position.seq + 1, action);
    if (gap_range(feed, rules, &from, &to)) {
        if (history_reach(&feed->history, from) != ERR_OK) {
            feed->retry_at_ms = now_ms + RETRY_MAX_MS;
            return false;
        }
        return read_in(feed, from, to, action) || search_in(feed, from, to, action);
    }
    if (wanted_range(feed, &from, &to)) {
        uint64_t near = to > SEARCH_MAX && to - SEARCH_MAX > from ? to - SEARCH_MAX : from;
        return read_in(feed, near, to, action) || search_in(feed, from, to, action);
    }
    if (page_range(feed, &from, &to))
        return read_in(feed, from, to, action) || search_in(feed, from, to, action);
    return false;
}

bool feed_wants_reads(const struct feed *feed, uint64_t now_ms)
{
    return feed->is_settled && feed->retry_at_ms <= now_ms && feed->next_ask_id == 0 && feed->reading == 0 &&
           (feed_has_gap(feed) || feed->page_from != 0 ||
            (feed->wanted_from != 0 && feed->wanted_from < feed->held_from));
}

/* --- what cannot be had --- */

static void step_to(struct feed *feed, uint64_t seq)
{
    feed->position.seq = seq;
    feed->position_stream_seq = 0;
    if (feed->known < seq)
        feed->known = seq;
    feed->held_from = seq + 1;
    feed->has_loss = true;
    feed->are_waiters_due = true;
}

void feed_step_over_gone(struct feed *feed)
{
    const struct history_slot *next;

    while (feed_has_gap(feed) && (next = history_slot(&feed->history, feed->position.seq + 1)) &&
           next->is_gone)
        step_to(feed, feed->position.seq + 1);
}

static void note_gone(struct feed *feed, uint64_t seq, enum feed_loss loss)
{
    if (feed->gone < seq)
        feed->gone = seq;
    if (seq > feed->position.seq)
        feed->loss = loss;
    feed->are_waiters_due = true;
}

void feed_give_up(struct feed *feed, uint64_t seq, enum feed_loss loss)
{
    note_gone(feed, seq, loss);
    for (uint64_t i = seq; i > 0; i--) {
        struct history_slot *slot = history_slot(&feed->history, i);
        if (!slot || slot->frame)
            break;
        slot->is_gone = true;
    }
    /* The window may not reach down to where a far gap begins. */
    if (seq > feed->position.seq && !history_slot(&feed->history, feed->position.seq + 1))
        step_to(feed, seq);
}

/* --- answers --- */

static void fail(struct feed *feed, uint64_t now_ms, uint32_t jitter)
{
    feed->retry_at_ms = now_ms + retry_delay_ms(feed->read_failures++, jitter);
}

/* How often the leader has to say, CONFIRM_MS apart, that an event is not there: a deposed one that does not
 * know it yet lacks the newest. */
static unsigned words_needed(const struct feed *feed, uint64_t seq)
{
    return seq + TRAIL_MAX < feed->known ? 2 : 4;
}

static void on_absence(struct feed *feed, struct history_slot *slot, uint64_t seq, uint64_t now_ms)
{
    if (++slot->asked_leader < words_needed(feed, seq)) {
        feed->retry_at_ms = now_ms + CONFIRM_MS;
        return;
    }
    feed_give_up(feed, seq, FEED_LOSS_EXPIRED);
}

/* For good, and it alone: those before it may be fine. */
static void on_unreadable(struct feed *feed, struct history_slot *slot, uint64_t seq)
{
    slot->is_gone = true;
    note_gone(feed, seq, FEED_LOSS_EXPIRED);
}

static bool is_wanted(const struct feed *feed, const struct history_slot *slot, uint64_t seq,
                      const struct feed_event *event)
{
    return event->position.seq == seq && same_epoch(event->position.epoch, feed->epoch) &&
           (slot->id_hash == 0 || slot->id_hash == event->id_hash);
}

static void on_found(struct feed *feed, struct history_slot *slot, uint64_t seq,
                     const struct feed_event *event)
{
    feed->read_failures = 0;
    if (is_wanted(feed, slot, seq, event)) {
        (void)feed_keep(feed, event);
        feed->are_waiters_due = true;
    } else if (!slot->any_copy_failed) {
        slot->any_copy_failed = true; /* a replica that holds something else */
    } else {
        slot->stream_seq = 0; /* it is not there: searched for */
        slot->any_copy_failed = false;
    }
}

void feed_on_read(struct feed *feed, const struct feed_rules *rules, struct feed_ask ask,
                  enum feed_answer_kind kind, const struct feed_event *event, uint64_t now_ms,
                  uint32_t jitter)
{
    (void)rules;
    assert(feed->reading > 0);
    feed->reading--;
    struct history_slot *slot = history_slot(&feed->history, ask.seq);
    if (!slot || slot->reading != ask.id)
        return;
    slot->reading = 0;
    if (slot->frame)
        return; /* it came live meanwhile */
    if (kind == FEED_FOUND)
        on_found(feed, slot, ask.seq, event);
    else if (kind == FEED_UNAVAILABLE) {
        slot->any_copy_failed = !slot->any_copy_failed; /* somebody else may answer */
        fail(feed, now_ms, jitter);
    } else if (!slot->any_copy_failed)
        slot->any_copy_failed = true;
    else if (kind == FEED_NONE)
        on_absence(feed, slot, ask.seq, now_ms);
    else
        on_unreadable(feed, slot, ask.seq);
    feed_note_gap(feed, now_ms);
    assert(feed_is_valid(feed));
}

/* The leader's first event behind the one before `seq` is number `found`, or there is none (0): what lies
 * between does not exist any more. */
static void on_next_found(struct feed *feed, const struct feed_rules *rules, uint64_t seq,
                          const struct feed_event *event)
{
    uint64_t found = event->position.seq;

    feed->next_absences = 0;
    feed->next_after = event->stream_seq;
    if (!same_epoch(event->position.epoch, feed->epoch) || found < seq)
        return; /* an older one: on from there */
    if (found > seq)
        feed_give_up(feed, found - 1, FEED_LOSS_EXPIRED);
    if (found <= feed->position.seq + rules->max_events)
        (void)feed_keep(feed, event);
    feed->are_waiters_due = true;
}

static void on_next_none(struct feed *feed, const struct feed_rules *rules, uint64_t seq, uint64_t now_ms)
{
    uint64_t last = seq;

    if (++feed->next_absences < words_needed(feed, seq)) {
        feed->retry_at_ms = now_ms + CONFIRM_MS;
        return;
    }
    feed->next_absences = 0;
    if (seq > feed->position.seq && gap_is_far(feed, rules)) {
        last = feed->known;
    } else {
        const struct history_slot *above;
        while ((above = history_slot(&feed->history, last + 1)) && !above->frame && last < feed->known)
            last++;
    }
    feed_give_up(feed, last, FEED_LOSS_EXPIRED);
    feed_want_head(feed, now_ms); /* what was known of its end may be wrong as well */
}

void feed_on_next(struct feed *feed, const struct feed_rules *rules, struct feed_ask ask,
                  enum feed_answer_kind kind, const struct feed_event *event, uint64_t now_ms,
                  uint32_t jitter)
{
    if (ask.id != feed->next_ask_id)
        return;
    feed->next_ask_id = 0;
    if (feed->next_for != ask.seq)
        return; /* another epoch has begun */
    if (kind != FEED_UNAVAILABLE)
        feed->read_failures = 0;
    switch (kind) {
    case FEED_FOUND:
        on_next_found(feed, rules, ask.seq, event);
        break;
    case FEED_UNREADABLE:
        feed->next_after = event->stream_seq;
        break;
    case FEED_NONE:
        on_next_none(feed, rules, ask.seq, now_ms);
        break;
    case FEED_UNAVAILABLE:
        fail(feed, now_ms, jitter);
        break;
    }
    feed_note_gap(feed, now_ms);
    assert(feed_is_valid(feed));
}
