#include "feed_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include <roomcast/core/timer_wheel.h>

void feed_init(struct feed *feed, uint64_t now_ms)
{
    *feed = (struct feed){.verify_at_ms = now_ms};
    history_init(&feed->history);
}

struct feed_waiter *feed_fini(struct feed *feed)
{
    struct feed_waiter *waiters = feed_take_waiters(feed);

    history_fini(&feed->history);
    free(feed->past);
    feed->past = NULL;
    free(feed->work);
    feed->work = NULL;
    return waiters;
}

bool feed_wake(struct feed *feed)
{
    if (feed->work)
        return true;
    feed->work = calloc(1, sizeof *feed->work);
    if (!feed->work)
        return false;
    feed->work->waiters_tail = &feed->work->waiters;
    feed->work->ready_tail = &feed->ready;
    while (*feed->work->ready_tail)
        feed->work->ready_tail = &(*feed->work->ready_tail)->next;
    return true;
}

/* All that its work tells is past. */
static bool has_nothing_to_do(const struct feed *feed, uint64_t now_ms)
{
    const struct feed_work *work = feed->work;
    bool asks = work->head.ask_id != 0 || work->head.is_wanted || work->reading > 0 ||
                work->next_ask_id != 0 || work->wants_extent || work->is_extent_asked;
    bool is_troubled = work->has_conflict || work->has_loss || work->was_far || work->retry_at_ms != 0 ||
                       work->extent_at_ms > now_ms;

    return feed->is_settled && !feed_has_gap(feed) && !work->waiters && !feed->ready && !asks && !is_troubled;
}

static void rest(struct feed *feed)
{
    free(feed->work);
    feed->work = NULL;
}

bool feed_has_gap(const struct feed *feed)
{
    return feed->is_settled && feed->known > feed->position.seq;
}

bool feed_is_valid(const struct feed *feed)
{
    const struct feed_work *work = feed->work;

    if (!feed->is_settled)
        return feed->position.seq == 0 && !(work && work->has_loss);
    return feed->known >= feed->position.seq && feed->held_from <= feed->position.seq + 1 &&
           (work && work->gap_since_ms != 0) == feed_has_gap(feed) &&
           (feed_has_epoch(feed) || feed->position.seq == 0);
}

uint32_t feed_new_ask_id(struct feed *feed)
{
    if (++feed->last_ask_id == 0)
        feed->last_ask_id = 1;
    return feed->last_ask_id;
}

void feed_lose(struct feed *feed, enum feed_loss loss)
{
    feed->work->has_loss = true;
    feed->work->loss = loss;
}

void feed_note_gap(struct feed *feed, uint64_t now_ms)
{
    if (!feed_has_gap(feed))
        feed->work->gap_since_ms = 0;
    else if (feed->work->gap_since_ms == 0)
        feed->work->gap_since_ms = now_ms > 0 ? now_ms : 1;
}

/* --- epochs --- */

static struct feed_past *past_of(struct feed *feed)
{
    if (!feed->past)
        feed->past = calloc(1, sizeof *feed->past);
    return feed->past;
}

void feed_note_before(struct feed *feed, const struct position *before, uint64_t begins_at)
{
    struct feed_past *past = past_of(feed);

    if (!past)
        return;
    past->before = *before;
    past->begins_at = begins_at;
}

void feed_begin_epoch(struct feed *feed, const char *epoch)
{
    history_clear(&feed->history);
    snprintf(feed->position.epoch, sizeof feed->position.epoch, "%s", epoch);
    feed->known = feed->gone = 0;
    if (feed->past)
        *feed->past = (struct feed_past){.lead_seq = 0};
    feed->work->missing_to = feed->work->ahead_to = 0;
    feed->held_from = 1;
    feed->work->next_for = 0;
    feed->work->page_from = feed->work->page_to = 0;
    feed->work->has_conflict = false;
}

void feed_enter_epoch(struct feed *feed, const char *epoch, uint64_t seq)
{
    struct position before = feed->position;

    feed_begin_epoch(feed, epoch);
    feed_note_before(feed, &before, seq);
    feed->position.seq = seq;
    feed->position_stream_seq = 0;
    feed->known = seq;
    feed->held_from = seq + 1;
    feed->work->gap_since_ms = 0;
}

/* The trail of an epoch's first events reaches back to what stood before it. That is what we delivered last;
 * or nothing stood there any more, because all has expired, and nothing can have been stored and expired
 * since the leader said that we are at the end. Not so when what we delivered is too young to have expired,
 * and in a stream that was made anew: its numbers are low again. */
bool feed_follows_on(const struct feed *feed, const struct feed_rules *rules, const struct feed_event *event,
                     uint64_t now_ms, uint64_t *ret_before)
{
    const struct trail *trail = &event->trail;
    uint64_t seq = event->position.seq, place = feed->position_stream_seq;
    bool is_empty = !feed_has_epoch(feed), reaches_back = trail->count >= seq;

    *ret_before = 0;
    if (feed_has_gap(feed))
        return false;
    if (is_empty && place != 0) { /* it held something that could not be read */
        *ret_before = seq - 1;
        return trail->count > 0 && trail->seqs[0] == place;
    }
    if (reaches_back)
        return place != 0 && trail->seqs[seq - 1] == place;
    if (!feed->has_end || now_ms > feed->end_ms + feed_trust_ms(rules))
        return false;
    return is_empty || (trail->count == seq - 1 && event->stream_seq > place &&
                        now_ms > feed->moved_ms + feed_trust_ms(rules));
}

/* --- what is kept --- */

void feed_know(struct feed *feed, uint64_t seq)
{
    if (seq <= feed->known)
        return;
    feed->known = seq;
    feed->work->missing_to = seq;
}

/* 0: no event of the epoch was. */
static uint64_t lowest_seen(const struct feed *feed)
{
    return feed->past ? feed->past->lead_seq : 0;
}

/* Where the event of that number is, as far as that is known; 0: it is not. */
static uint64_t known_place(const struct feed *feed, uint64_t seq)
{
    const struct history_slot *slot = history_slot(&feed->history, seq);

    if (slot && slot->stream_seq != 0)
        return slot->stream_seq;
    uint64_t lead_seq = lowest_seen(feed);
    bool is_led_to = lead_seq > seq && lead_seq - seq <= feed->past->lead.count;
    return is_led_to ? feed->past->lead.seqs[lead_seq - seq - 1] : 0;
}

bool feed_contradicts(const struct feed *feed, const struct feed_event *event)
{
    const struct history_slot *slot = history_slot(&feed->history, event->position.seq);
    uint64_t place = known_place(feed, event->position.seq);

    if (slot && slot->id_hash != 0)
        return slot->id_hash != event->id_hash;
    if (place != 0 && place != event->stream_seq)
        return true;
    /* Its number is before our position, and its place behind it. */
    return feed->is_settled && event->position.seq < feed->position.seq && feed->position_stream_seq != 0 &&
           event->stream_seq > feed->position_stream_seq;
}

/* The highest number whose event is held though its turn has not come; 0: none is. */
static uint64_t highest_ahead(struct feed *feed)
{
    const struct history *history = &feed->history;
    uint64_t lowest = history->first > feed->position.seq ? history->first : feed->position.seq + 1;

    if (feed->work->ahead_to > history_last(history))
        feed->work->ahead_to = history_last(history);
    for (; history->count > 0 && feed->work->ahead_to >= lowest; feed->work->ahead_to--) {
        if (history_slot(history, feed->work->ahead_to)->frame)
            return feed->work->ahead_to;
    }
    return 0;
}

/* What waits must not grow without limit either. The latest give way: they are wanted last, and can be read
 * again. What is wanted next always gets its place. */
static bool make_room(struct feed *feed, const struct feed_rules *rules, uint64_t seq, size_t len)
{
    if (feed->is_settled && seq <= feed->position.seq + 1)
        return true;
    while (feed->history.bytes + len > rules->max_bytes && feed->history.bytes > 0) {
        if (feed_evict(feed))
            continue;
        uint64_t top = highest_ahead(feed);
        if (top <= seq)
            return false;
        history_drop_frame(&feed->history, top);
    }
    return true;
}

bool feed_reach(struct feed *feed, uint64_t seq)
{
    bool is_lower = feed->history.count == 0 || seq < feed->history.first;

    if (history_reach(&feed->history, seq) != ERR_OK)
        return false;
    uint64_t lead_seq = lowest_seen(feed);
    if (is_lower && lead_seq > 0 && !history_locate(&feed->history, lead_seq, &feed->past->lead))
        feed->work->has_conflict = true;
    return true;
}

/* What the event tells of those before it. */
static void learn_past(struct feed *feed, const struct feed_event *event)
{
    struct feed_past *past = past_of(feed);
    uint64_t seq = event->position.seq;

    if (!past)
        return;
    if (seq == 1)
        past->first_stream_seq = event->trail.count == 0 ? event->stream_seq : 0;
    if (past->lead_seq == 0 || seq < past->lead_seq || past->lead_seq < feed->history.first) {
        past->lead_seq = seq;
        past->lead = event->trail;
    }
}

bool feed_keep(struct feed *feed, const struct feed_rules *rules, const struct feed_event *event)
{
    uint64_t seq = event->position.seq, missing_to = feed->work->missing_to;
    bool is_next = seq == feed->known + 1;

    feed_know(feed, seq);
    if (!feed_reach(feed, seq))
        return false;
    struct history_slot *slot = history_slot(&feed->history, seq);
    bool kept = slot->frame || make_room(feed, rules, seq, frame_held_bytes(event->frame));
    slot = history_slot(&feed->history, seq); /* making room may have moved it */
    if (!slot)
        return false;
    if (kept && !slot->frame)
        history_put(&feed->history, event);
    slot->stream_seq = event->stream_seq;
    slot->id_hash = event->id_hash;
    if (!history_locate(&feed->history, seq, &event->trail))
        feed->work->has_conflict = true;
    learn_past(feed, event);
    if (is_next)
        feed->work->missing_to = missing_to; /* as long as it stood above no hole, it does not now */
    if (feed->work->ahead_to < seq)
        feed->work->ahead_to = seq;
    feed->held_from = history_held_from(&feed->history, feed->held_from - 1, 1);
    return kept;
}

/* --- live events --- */

/* False: the event is of an epoch that cannot be placed now. */
static bool place_epoch(struct feed *feed, const struct feed_rules *rules, const struct feed_event *event,
                        uint64_t now_ms)
{
    const char *epoch = event->position.epoch;
    uint64_t before;

    if (same_epoch(feed->position.epoch, epoch))
        return true;
    if (!feed->is_settled)
        feed_begin_epoch(feed, epoch); /* what is held of an earlier one is read again if it is wanted */
    else if (feed_follows_on(feed, rules, event, now_ms, &before))
        feed_enter_epoch(feed, epoch, before);
    else
        return false;
    return true;
}

static enum feed_offer look_back(struct feed *feed, const struct feed_event *event, uint64_t now_ms)
{
    if (!feed_contradicts(feed, event))
        return FEED_DUPLICATE;
    feed->work->has_conflict = true; /* nothing more is delivered until the leader has said which is right */
    feed_want_head(feed, now_ms);
    return FEED_DROPPED;
}

enum feed_offer feed_on_live(struct feed *feed, const struct feed_rules *rules,
                             const struct feed_event *event, uint64_t now_ms)
{
    uint64_t seq = event->position.seq;
    bool had_gap = feed_has_gap(feed);

    if (!feed_wake(feed)) {
        feed_suspect(feed, now_ms, RETRY_FIRST_MS); /* nothing may follow that would show what is missing */
        return FEED_DROPPED;
    }
    if (!place_epoch(feed, rules, event, now_ms)) {
        feed_want_head(feed, now_ms);
        return FEED_DROPPED;
    }
    const struct history_slot *slot = history_slot(&feed->history, seq);
    if ((feed->is_settled && seq <= feed->position.seq) || (slot && slot->frame))
        return look_back(feed, event, now_ms);
    if (!feed->is_settled && feed->history.count > 0) {
        if (seq + rules->max_events < feed->history.first)
            return FEED_DROPPED;
        if (seq > rules->max_events)
            history_forget_below(&feed->history, seq - rules->max_events);
    }
    feed->is_in_stream = true;
    bool is_far = feed->is_settled && seq > feed->position.seq + rules->max_events;
    if (is_far)
        feed_know(feed, seq);
    bool kept = !is_far && feed_keep(feed, rules, event);
    feed_note_gap(feed, now_ms);
    if (!kept)
        return FEED_DROPPED;
    return seq > feed->position.seq + 1 && feed->is_settled && !had_gap ? FEED_GAP : FEED_TAKEN;
}

/* --- going out --- */

void feed_trim(struct feed *feed, const struct feed_rules *rules)
{
    uint64_t keep = feed->position.seq > rules->max_events ? feed->position.seq - rules->max_events + 1 : 1;

    if ((feed->work->wanted_from != 0 && feed->work->wanted_from < keep) ||
        (feed->work->page_from != 0 && feed->work->page_from < keep))
        feed->work->are_waiters_due = true; /* some wait for too much by now */
    history_forget_below(&feed->history, keep);
    if (feed->held_from < keep)
        feed->held_from = keep;
    while (feed->history.bytes > rules->max_bytes && feed_evict(feed))
        continue;
}

static bool deliver(struct feed *feed, const struct feed_rules *rules, uint64_t now_ms,
                    struct feed_action *action)
{
    const struct history_slot *slot =
        feed_has_gap(feed) ? history_slot(&feed->history, feed->position.seq + 1) : NULL;

    if (!slot || !slot->frame || feed->work->has_conflict)
        return false;
    feed->position.seq++;
    feed->moved_ms = now_ms;
    feed->position_stream_seq = slot->stream_seq;
    feed->work->gap_since_ms = 0; /* a step forward */
    feed_note_gap(feed, now_ms);
    if (!feed_has_gap(feed) && feed->work->are_events_awaited)
        feed->work->are_waiters_due = true;
    feed_trim(feed, rules);
    slot = history_slot(&feed->history, feed->position.seq);
    assert(slot && slot->frame); /* the newest is never evicted */
    *action = (struct feed_action){.kind = FEED_DELIVER, .frame = slot->frame};
    return true;
}

static bool tell_loss(struct feed *feed, const struct feed_rules *rules, struct feed_action *action)
{
    if (!feed->work->has_loss)
        return false;
    feed->work->has_loss = false;
    feed_trim(feed, rules);
    *action = (struct feed_action){.kind = FEED_LOST, .loss = feed->work->loss};
    return true;
}

/* Something is missing for too long: on without it. */
static void give_up_in_time(struct feed *feed, const struct feed_rules *rules, uint64_t now_ms)
{
    if (feed->work->gap_since_ms == 0 || rules->is_cut_off ||
        now_ms - feed->work->gap_since_ms < rules->repair_timeout_ms)
        return;
    uint64_t seq = feed->position.seq + 1;
    const struct history_slot *slot = history_slot(&feed->history, seq);
    feed->work->gap_since_ms = 0; /* begins anew with the next step */
    if (slot && slot->frame)
        return; /* the leader has yet to say which event is right */
    feed_give_up(feed, feed_hole_end(feed, seq), FEED_LOSS_TIMEOUT);
}

void feed_shift_gap(struct feed *feed, uint64_t cut_ms, uint64_t now_ms)
{
    if (!feed->work || feed->work->gap_since_ms == 0)
        return;
    feed->work->gap_since_ms += cut_ms;
    if (feed->work->gap_since_ms > now_ms)
        feed->work->gap_since_ms = now_ms; /* it began during the cut */
}

struct feed_action feed_next(struct feed *feed, const struct feed_rules *rules, uint64_t now_ms,
                             unsigned may_read)
{
    struct feed_action action = {.kind = FEED_NOTHING};

    if (!feed->work && feed->verify_at_ms <= now_ms && !feed_wake(feed))
        feed->verify_at_ms = now_ms + RETRY_FIRST_MS;
    if (!feed->work) {
        (void)feed_next_answer(feed, &action);
        return action;
    }
    /* A loss goes first, so that those who are answered are not told of what was before. */
    if (tell_loss(feed, rules, &action) || feed_next_answer(feed, &action))
        return action;
    give_up_in_time(feed, rules, now_ms);
    feed_step_over_gone(feed);
    feed_note_gap(feed, now_ms);
    if (tell_loss(feed, rules, &action) || deliver(feed, rules, now_ms, &action))
        return action;
    if (feed->work->has_conflict && feed->work->head.ask_id == 0 && !feed->work->head.is_wanted)
        feed_want_head(feed, now_ms);
    if (feed->work->waiters && (feed->work->are_waiters_due || feed->work->waiters_due_ms <= now_ms))
        feed_look_at_waiters(feed, rules, now_ms);
    if (feed_next_answer(feed, &action) || feed_next_extent(feed, now_ms, &action) ||
        feed_next_head(feed, rules, now_ms, &action) ||
        feed_next_read(feed, rules, now_ms, may_read > 0, &action))
        return action;
    /* What was read for waiters who are gone. */
    if (feed->history.bytes > rules->max_bytes || feed->history.count > 2 * rules->max_events + TRAIL_MAX)
        feed_trim(feed, rules);
    if (has_nothing_to_do(feed, now_ms))
        rest(feed);
    assert(feed_is_valid(feed));
    return action;
}

uint64_t feed_due(const struct feed *feed, const struct feed_rules *rules)
{
    const struct feed_work *work = feed->work;
    uint64_t due_ms = feed_head_due(feed);

    if (!work)
        return due_ms;
    deadline_sooner(&due_ms, work->retry_at_ms);
    if (work->wants_extent && !work->is_extent_asked)
        deadline_sooner(&due_ms, work->extent_at_ms ? work->extent_at_ms : 1);
    if (work->waiters)
        deadline_sooner(&due_ms, work->waiters_due_ms);
    if (work->gap_since_ms && !rules->is_cut_off)
        deadline_sooner(&due_ms, work->gap_since_ms + rules->repair_timeout_ms);
    return due_ms;
}

bool feed_evict(struct feed *feed)
{
    struct history *history = &feed->history;

    if ((feed->work && feed->work->waiters) || feed->ready)
        return false;
    for (uint64_t seq = history->first; history->count > 0 && seq < feed->position.seq; seq++) {
        const struct history_slot *slot = history_slot(history, seq);
        if (!slot)
            return false;
        if (!slot->frame)
            continue;
        history_drop_frame(history, seq);
        if (feed->held_from <= seq)
            feed->held_from = seq + 1;
        if (seq >= TRAIL_MAX)
            history_forget_below(history,
                                 seq + 1 - TRAIL_MAX); /* the places just before are kept: 16 lead on */
        return true;
    }
    return false;
}
