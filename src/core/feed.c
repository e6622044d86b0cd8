#include "feed_internal.h"

#include <assert.h>
#include <stdio.h>

void feed_init(struct feed *feed, uint64_t now_ms)
{
    *feed = (struct feed){.is_settled = false};
    history_init(&feed->history);
    feed->waiters_tail = &feed->waiters;
    feed->ready_tail = &feed->ready;
    feed_want_head(feed, now_ms);
}

struct feed_waiter *feed_fini(struct feed *feed)
{
    history_fini(&feed->history);
    return feed_take_waiters(feed);
}

bool feed_has_gap(const struct feed *feed)
{
    return feed->is_settled && feed->known > feed->position.seq;
}

bool feed_is_valid(const struct feed *feed)
{
    if (!feed->is_settled)
        return feed->position.seq == 0 && !feed->has_loss;
    return feed->known >= feed->position.seq && feed->held_from <= feed->position.seq + 1 &&
           (feed->gap_since_ms != 0) == feed_has_gap(feed) &&
           (feed->epoch[0] == '\0' ? feed->position.seq == 0 : same_epoch(feed->epoch, feed->position.epoch));
}

void feed_want_head(struct feed *feed, uint64_t at_ms)
{
    if (!feed->head.is_wanted || at_ms < feed->head.at_ms)
        feed->head.at_ms = at_ms;
    feed->head.is_wanted = true;
}

void feed_suspect(struct feed *feed, uint64_t now_ms, uint64_t delay_ms)
{
    feed->is_verified = false;
    feed->head.ask_id = 0; /* its answer may be older than what was missed */
    feed->head.failures = 0;
    feed->head.is_wanted = false;
    feed_want_head(feed, now_ms + delay_ms);
}

/* --- epochs and places --- */

static void begin_epoch(struct feed *feed, const char *epoch)
{
    history_clear(&feed->history);
    snprintf(feed->epoch, sizeof feed->epoch, "%s", epoch);
    feed->known = feed->gone = 0;
    feed->held_from = 1;
    feed->next_for = 0;
    feed->has_conflict = false;
    feed->before = (struct position){.seq = 0};
}

/* The room's numbering starts anew, at 1, just behind where we are. */
static void enter_epoch(struct feed *feed, const char *epoch)
{
    struct position before = feed->position;

    begin_epoch(feed, epoch);
    feed->before = before;
    snprintf(feed->position.epoch, sizeof feed->position.epoch, "%s", epoch);
    feed->position.seq = 0;
    feed->position_stream_seq = 0;
    feed->gap_since_ms = 0;
}

/* The room is now taken to stand at `event`, whatever was before. */
static void stand_at(struct feed *feed, const struct feed_event *event)
{
    feed->position = event->position;
    feed->position_stream_seq = event->stream_seq;
    if (feed->known < event->position.seq)
        feed->known = event->position.seq;
    feed->held_from = history_held_from(&feed->history, event->position.seq, 1);
    feed->gap_since_ms = 0;
}

void feed_note_gap(struct feed *feed, uint64_t now_ms)
{
    if (!feed_has_gap(feed))
        feed->gap_since_ms = 0;
    else if (feed->gap_since_ms == 0)
        feed->gap_since_ms = now_ms > 0 ? now_ms : 1;
}

bool feed_keep(struct feed *feed, const struct feed_event *event)
{
    uint64_t seq = event->position.seq;

    if (feed->known < seq)
        feed->known = seq;
    if (history_reach(&feed->history, seq) != ERR_OK)
        return false;
    struct history_slot *slot = history_slot(&feed->history, seq);
    if (!slot->frame)
        history_put(&feed->history, event);
    history_locate(&feed->history, seq, &event->trail);
    feed->held_from = history_held_from(&feed->history, feed->held_from - 1, 1);
    return true;
}

/* An event of another epoch than ours is the room's next one for sure: the relay says that what we delivered
 * last stood just before it; or that nothing stood there any more, and nothing can have been stored since the
 * leader said that we are at the end. */
static bool follows_on(const struct feed *feed, const struct feed_rules *rules,
                       const struct feed_event *event, uint64_t now_ms)
{
    if (event->position.seq != 1 || feed_has_gap(feed))
        return false;
    if (event->trail.count > 0)
        return event->trail.seqs[0] == feed->position_stream_seq;
    return feed->is_verified && now_ms - feed->verified_ms <= 2 * rules->verify_every_ms;
}

/* --- live events --- */

/* False: the event is of an epoch that cannot be placed now. */
static bool place_epoch(struct feed *feed, const struct feed_rules *rules, const struct feed_event *event,
                        uint64_t now_ms)
{
    const char *epoch = event->position.epoch;

    if (same_epoch(feed->epoch, epoch))
        return true;
    if (!feed->is_settled)
        begin_epoch(feed, epoch); /* what is held of an earlier one is read again if it is wanted */
    else if (feed->epoch[0] == '\0' || follows_on(feed, rules, event, now_ms))
        enter_epoch(feed, epoch);
    else
        return false;
    return true;
}

static enum feed_offer look_back(struct feed *feed, const struct feed_event *event, uint64_t now_ms)
{
    const struct history_slot *slot = history_slot(&feed->history, event->position.seq);

    if (!slot || slot->id_hash == 0 || slot->id_hash == event->id_hash)
        return FEED_DUPLICATE;
    feed->has_conflict = true;
    feed_want_head(feed, now_ms);
    return FEED_DROPPED;
}

enum feed_offer feed_on_live(struct feed *feed, const struct feed_rules *rules,
                             const struct feed_event *event, uint64_t now_ms)
{
    uint64_t seq = event->position.seq;
    bool had_gap = feed_has_gap(feed);

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
    if (feed->known < seq)
        feed->known = seq;
    bool kept = !gap_is_far(feed, rules) && feed_keep(feed, event);
    feed_note_gap(feed, now_ms);
    if (!kept)
        return FEED_DROPPED;
    return seq > feed->position.seq + 1 && feed->is_settled && !had_gap ? FEED_GAP : FEED_TAKEN;
}

/* --- the head --- */

static void settle(struct feed *feed, enum feed_answer_kind kind, const struct feed_event *event)
{
    feed->is_settled = true;
    if (kind == FEED_FOUND) {
        if (!same_epoch(feed->epoch, event->position.epoch))
            begin_epoch(feed, event->position.epoch);
        (void)feed_keep(feed, event);
        stand_at(feed, event);
        return;
    }
    /* Empty when it was asked; what has come since begins at 1. */
    char first[EPOCH_LEN_MAX + 1];
    memcpy(first, feed->epoch, sizeof first);
    snprintf(feed->position.epoch, sizeof feed->position.epoch, "%s", first[0] ? first : EPOCH_EMPTY);
    feed->before = (struct position){.epoch = EPOCH_EMPTY};
    feed->held_from = 1;
}

static void lose(struct feed *feed, enum feed_loss loss)
{
    feed->has_loss = true;
    feed->loss = loss;
}

/* The stream holds something else than what was delivered: the room stands where the stream says. */
static void start_over(struct feed *feed, const struct feed_event *event, enum feed_loss loss)
{
    begin_epoch(feed, event->position.epoch);
    (void)feed_keep(feed, event);
    stand_at(feed, event);
    lose(feed, loss);
}

/* The head is behind us or where we are: is it the event that was delivered under that number? */
static bool contradicts(const struct feed *feed, const struct feed_event *event)
{
    const struct history_slot *slot = history_slot(&feed->history, event->position.seq);
    return feed->has_conflict || (slot && slot->id_hash != 0 && slot->id_hash != event->id_hash);
}

static void compare_head(struct feed *feed, const struct feed_rules *rules, const struct feed_event *event,
                         uint64_t now_ms)
{
    if (!same_epoch(feed->epoch, event->position.epoch)) {
        if (feed->epoch[0] == '\0' || follows_on(feed, rules, event, now_ms))
            enter_epoch(feed, event->position.epoch);
        else
            start_over(feed, event, FEED_LOSS_EPOCH);
    } else if (contradicts(feed, event)) {
        start_over(feed, event, FEED_LOSS_CONFLICT);
    }
    /* One that is behind us is of a leader that does not know yet that it is none, or has lost events that we
     * have delivered: the relay finds that out. */
    if (event->position.seq == feed->position.seq) {
        feed->position_stream_seq = event->stream_seq;
    } else if (event->position.seq > feed->position.seq) {
        if (feed->known < event->position.seq)
            feed->known = event->position.seq;
        if (!gap_is_far(feed, rules))
            (void)feed_keep(feed, event);
    }
}

void feed_on_head(struct feed *feed, const struct feed_rules *rules, struct feed_ask ask,
                  enum feed_answer_kind kind, const struct feed_event *event, uint64_t now_ms,
                  uint32_t jitter)
{
    if (ask.id != feed->head.ask_id)
        return;
    feed->head.ask_id = 0;
    if (kind == FEED_UNAVAILABLE || kind == FEED_UNREADABLE) {
        feed->head.is_wanted = false;
        feed_want_head(feed, now_ms + retry_delay_ms(feed->head.failures++, jitter));
        return;
    }
    feed->head.failures = 0;
    feed->head.is_wanted = false;
    feed->head.verify_at_ms =
        now_ms + rules->verify_every_ms * 3 / 4 + jitter % (rules->verify_every_ms / 2 + 1);
    if (!feed->is_settled)
        settle(feed, kind, event);
    else if (kind == FEED_FOUND)
        compare_head(feed, rules, event, now_ms);
    feed->has_conflict = false;
    feed->is_verified = true;
    feed->verified_ms = feed->head.sent_ms;
    feed->are_waiters_due = true;
    feed_note_gap(feed, now_ms);
    assert(feed_is_valid(feed));
}

/* --- going out --- */

/* What is too far behind to be replayed is forgotten; waiters keep what they need. */
static void trim(struct feed *feed, const struct feed_rules *rules)
{
    uint64_t keep = feed->position.seq > rules->max_events ? feed->position.seq - rules->max_events + 1 : 1;

    if (feed->wanted_from != 0 && feed->wanted_from < keep)
        keep = feed->wanted_from;
    if (feed->page_from != 0 && feed->page_from < keep)
        keep = feed->page_from;
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

    if (!slot || !slot->frame)
        return false;
    feed->position.seq++;
    feed->position_stream_seq = slot->stream_seq;
    feed->gap_since_ms = 0; /* a step forward */
    feed_note_gap(feed, now_ms);
    if (!feed_has_gap(feed))
        feed->are_waiters_due = feed->waiters != NULL;
    trim(feed, rules);
    slot = history_slot(&feed->history, feed->position.seq);
    assert(slot && slot->frame); /* the newest is never evicted */
    *action = (struct feed_action){.kind = FEED_DELIVER, .frame = slot->frame};
    return true;
}

static bool answer(struct feed *feed, struct feed_action *action)
{
    struct feed_waiter *waiter = feed->ready;

    if (!waiter)
        return false;
    feed->ready = waiter->next;
    if (!feed->ready)
        feed->ready_tail = &feed->ready;
    waiter->next = NULL;
    *action = (struct feed_action){
        .kind = FEED_ANSWER, .waiter = waiter, .verdict = (enum feed_verdict)waiter->verdict};
    return true;
}

static bool tell_loss(struct feed *feed, struct feed_action *action)
{
    if (!feed->has_loss)
        return false;
    feed->has_loss = false;
    *action = (struct feed_action){.kind = FEED_LOST, .loss = feed->loss};
    return true;
}

static bool ask_head(struct feed *feed, uint64_t now_ms, struct feed_action *action)
{
    if (feed->is_settled && feed->head.verify_at_ms <= now_ms && !feed->head.is_wanted)
        feed_want_head(feed, now_ms);
    if (!feed->head.is_wanted || feed->head.ask_id != 0 || feed->head.at_ms > now_ms)
        return false;
    if (++feed->last_ask_id == 0)
        feed->last_ask_id = 1;
    feed->head.ask_id = feed->last_ask_id;
    feed->head.sent_ms = now_ms;
    *action = (struct feed_action){.kind = FEED_ASK_HEAD, .ask = {.id = feed->head.ask_id}};
    return true;
}

/* Something is missing for too long: on without it. */
static void give_up_in_time(struct feed *feed, const struct feed_rules *rules, uint64_t now_ms)
{
    if (feed->gap_since_ms == 0 || now_ms - feed->gap_since_ms < rules->repair_timeout_ms)
        return;
    uint64_t seq = feed->position.seq + 1;
    const struct history_slot *above;
    while (seq < feed->known && !((above = history_slot(&feed->history, seq + 1)) && above->frame))
        seq++;
    feed_give_up(feed, seq, FEED_LOSS_TIMEOUT);
    feed->gap_since_ms = 0;
}

struct feed_action feed_next(struct feed *feed, const struct feed_rules *rules, uint64_t now_ms,
                             unsigned may_read)
{
    struct feed_action action = {.kind = FEED_NOTHING};

    if (answer(feed, &action))
        return action;
    give_up_in_time(feed, rules, now_ms);
    feed_step_over_gone(feed);
    feed_note_gap(feed, now_ms);
    if (tell_loss(feed, &action) || deliver(feed, rules, now_ms, &action))
        return action;
    if (feed->waiters && (feed->are_waiters_due || feed->waiters->deadline_ms <= now_ms))
        feed_look_at_waiters(feed, rules, now_ms);
    if (answer(feed, &action) || ask_head(feed, now_ms, &action) ||
        feed_next_read(feed, rules, now_ms, may_read > 0, &action))
        return action;
    while (feed->history.bytes > rules->max_bytes &&
           feed_evict(feed)) /* what a waiter that has gone wanted */
        continue;
    assert(feed_is_valid(feed));
    return action;
}

static void sooner(uint64_t *due_ms, uint64_t candidate_ms)
{
    if (candidate_ms != 0 && (*due_ms == 0 || candidate_ms < *due_ms))
        *due_ms = candidate_ms;
}

uint64_t feed_due(const struct feed *feed, const struct feed_rules *rules)
{
    uint64_t due_ms = feed->retry_at_ms;

    if (feed->head.is_wanted && feed->head.ask_id == 0)
        sooner(&due_ms, feed->head.at_ms ? feed->head.at_ms : 1);
    else if (feed->is_settled && feed->head.ask_id == 0)
        sooner(&due_ms, feed->head.verify_at_ms);
    if (feed->waiters)
        sooner(&due_ms, feed->waiters->deadline_ms);
    if (feed->gap_since_ms)
        sooner(&due_ms, feed->gap_since_ms + rules->repair_timeout_ms);
    return due_ms;
}

bool feed_evict(struct feed *feed)
{
    struct history *history = &feed->history;

    if (feed->waiters || feed->ready)
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
