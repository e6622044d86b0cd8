#include "feed_internal.h"

#include <assert.h>

void feed_want_head(struct feed *feed, uint64_t at_ms)
{
    if (!feed->work->head.is_wanted || at_ms < feed->work->head.at_ms)
        feed->work->head.at_ms = at_ms;
    feed->work->head.is_wanted = true;
}

void feed_suspect(struct feed *feed, uint64_t now_ms, uint64_t delay_ms)
{
    feed->is_verified = false;
    if (!feed->work) {
        if (now_ms + delay_ms < feed->verify_at_ms)
            feed->verify_at_ms = now_ms + delay_ms;
        return;
    }
    feed->work->head.ask_id = 0; /* its answer may be older than what was missed */
    feed->work->head.failures = 0;
    feed->work->head.not_before_ms = 0;
    feed_want_head(feed, now_ms + delay_ms); /* or sooner: trouble after trouble must not put it off */
}

/* --- what it says --- */

/* The room is now taken to stand at `event`, whatever was before. */
static void stand_at(struct feed *feed, const struct feed_event *event)
{
    feed->position = event->position;
    feed->position_stream_seq = event->stream_seq;
    feed_know(feed, event->position.seq);
    feed->held_from = history_held_from(&feed->history, event->position.seq, 1);
    feed->work->gap_since_ms = 0;
}

/* Keeps of the window what is near the event. */
static void fit_window(struct feed *feed, const struct feed_rules *rules, uint64_t seq)
{
    history_forget_below(&feed->history, seq > rules->max_events ? seq - rules->max_events : 1);
    history_forget_above(&feed->history, seq + rules->max_events);
}

/* False: what came live meanwhile shows that this is not the room's end. */
static bool settle(struct feed *feed, const struct feed_rules *rules, enum feed_answer_kind kind,
                   const struct feed_event *event)
{
    feed->is_settled = true;
    if (kind == FEED_FOUND) {
        bool is_other = !same_epoch(feed->position.epoch, event->position.epoch);
        bool is_old = is_other && feed_has_epoch(feed);
        is_old = is_old || feed->work->has_conflict;
        if (is_other || feed->work->has_conflict)
            feed_begin_epoch(feed, event->position.epoch);
        fit_window(feed, rules, event->position.seq);
        (void)feed_keep(feed, rules, event);
        stand_at(feed, event);
        return !is_old;
    }
    if (!feed_has_epoch(feed))
        memcpy(feed->position.epoch, EPOCH_EMPTY, sizeof EPOCH_EMPTY);
    if (kind == FEED_UNREADABLE) {
        /* No event for us; the first that came since, or that says that it follows on that, is. */
        feed->position.seq = feed->history.count > 0 ? feed->history.first - 1 : 0;
        feed->position_stream_seq = feed->history.count > 0 ? 0 : event->stream_seq;
    } else if (feed_has_epoch(feed)) { /* empty when it was asked: what has come since begins at 1 */
        feed_note_before(feed, &(struct position){.epoch = EPOCH_EMPTY}, 0);
    }
    feed->held_from = feed->position.seq + 1;
    fit_window(feed, rules, feed->position.seq);
    return true;
}

/* The stream holds something else than what was delivered: the room stands where the stream says. */
static void start_over(struct feed *feed, const struct feed_rules *rules, const struct feed_event *event,
                       enum feed_loss loss, uint64_t now_ms)
{
    uint64_t known = loss == FEED_LOSS_CONFLICT ? feed->known : 0;

    feed_begin_epoch(feed, event->position.epoch);
    (void)feed_keep(feed, rules, event);
    stand_at(feed, event);
    if (loss == FEED_LOSS_CONFLICT) {
        /* Whose last event stands before this one may have had others than the stream has. */
        feed->gone = event->position.seq;
        feed->held_from = event->position.seq + 1;
    }
    if (known > event->position.seq) /* later ones have come already; they are read again */
        feed_want_head(feed, now_ms + AHEAD_PAUSE_MS);
    feed_lose(feed, loss);
}

/* It knows less than we do: a leader that does not know yet that it is none, or a stream that has lost what
 * we have delivered. */
static bool is_behind(const struct feed *feed, const struct feed_event *event)
{
    if (same_epoch(feed->position.epoch, event->position.epoch))
        return event->position.seq < feed->position.seq && !feed_contradicts(feed, event);
    return event->stream_seq < feed->position_stream_seq;
}

static void compare(struct feed *feed, const struct feed_rules *rules, const struct feed_event *event,
                    uint64_t now_ms)
{
    uint64_t before;

    if (!same_epoch(feed->position.epoch, event->position.epoch)) {
        if (!feed_follows_on(feed, rules, event, now_ms, &before)) {
            start_over(feed, rules, event, FEED_LOSS_EPOCH, now_ms);
            return;
        }
        feed_enter_epoch(feed, event->position.epoch, before);
    } else if (feed->work->has_conflict || feed_contradicts(feed, event)) {
        start_over(feed, rules, event, FEED_LOSS_CONFLICT, now_ms);
        return;
    }
    /* A stream that has lost events goes on with a new epoch: the relay finds that out. */
    if (event->position.seq == feed->position.seq) {
        feed->position_stream_seq = event->stream_seq;
    } else if (event->position.seq > feed->position.seq) {
        feed_know(feed, event->position.seq);
        if (!gap_is_far(feed, rules))
            (void)feed_keep(feed, rules, event);
    }
}

/* What was stored before the question is known now. An empty room says so only while nothing can have been
 * stored and expired since the last time. */
static void note_end(struct feed *feed, const struct feed_rules *rules, enum feed_answer_kind kind,
                     const struct feed_event *event)
{
    bool is_end = false;

    if (kind == FEED_FOUND)
        is_end = event->position.seq >= feed->position.seq;
    else if (kind == FEED_NONE)
        is_end = !feed_has_epoch(feed) ||
                 (feed->has_end && feed->work->head.sent_ms <= feed->end_ms + feed_trust_ms(rules));
    if (!is_end)
        return;
    feed->has_end = true;
    feed->end_ms = feed->work->head.sent_ms;
}

static void note_empty(struct feed *feed)
{
    const struct feed_extent *extent = &feed->work->head_extent;

    feed->is_empty_known = extent->is_known;
    feed->empty_asked_ms = extent->asked_ms;
    feed->empty = (struct position_empty){.created_s = extent->created_s, .last_seq = extent->last_seq};
}

void feed_on_head(struct feed *feed, const struct feed_rules *rules, struct feed_ask ask,
                  enum feed_answer_kind kind, const struct feed_event *event, uint64_t now_ms,
                  uint32_t jitter)
{
    if (!feed->work || ask.id != feed->work->head.ask_id)
        return;
    feed->work->head.ask_id = 0;
    if (kind == FEED_UNAVAILABLE) {
        feed->work->head.not_before_ms = now_ms + retry_delay_ms(feed->work->head.failures++, jitter);
        feed_want_head(feed, feed->work->head.not_before_ms);
        return;
    }
    feed->work->head.failures = 0;
    feed->work->head.not_before_ms = 0;
    bool is_end = true;
    struct position before = feed->position;
    if (!feed->is_settled) {
        is_end = settle(feed, rules, kind, event);
    } else if (kind == FEED_FOUND && !is_behind(feed, event)) {
        feed->behind = 0;
        compare(feed, rules, event, now_ms);
    } else if (kind == FEED_FOUND && ++feed->behind <= AHEAD_TRIES) {
        is_end = false;
    } else if (kind == FEED_FOUND) {
        compare(feed, rules, event, now_ms);
    } else if (kind == FEED_NONE && feed->is_in_stream && ++feed->behind <= AHEAD_TRIES) {
        is_end = false; /* all has expired, or it was deposed before there was anything */
    }
    if (!position_equal(&before, &feed->position))
        feed->moved_ms = now_ms;
    if (is_end) /* or something came while it was asked */
        feed->is_in_stream = kind != FEED_NONE || feed_has_gap(feed);
    if (kind == FEED_NONE)
        note_empty(feed);
    feed_note_gap(feed, now_ms);
    feed->verify_at_ms = now_ms + rules->verify_every_ms * 3 / 4 + jitter % (rules->verify_every_ms / 2 + 1);
    if (is_end) {
        feed->work->has_conflict = false;
        feed->is_verified = true;
        feed->verified_ms = feed->work->head.sent_ms;
        note_end(feed, rules, kind, event);
    } else {
        feed_want_head(feed, now_ms + AHEAD_PAUSE_MS);
    }
    feed->work->are_waiters_due = feed->work->waiters != NULL;
    assert(feed_is_valid(feed));
}

/* --- asking --- */

bool feed_next_head(struct feed *feed, const struct feed_rules *rules, uint64_t now_ms,
                    struct feed_action *action)
{
    uint64_t due_ms = feed_head_due(feed);

    if (due_ms == 0 || due_ms > now_ms)
        return false;
    feed->work->head.is_wanted = false;
    feed->work->head_extent = rules->extent ? *rules->extent : (struct feed_extent){.is_known = false};
    feed->work->head.ask_id = feed_new_ask_id(feed);
    feed->work->head.sent_ms = now_ms;
    feed->verify_at_ms = now_ms + rules->verify_every_ms; /* its answer says better */
    *action = (struct feed_action){.kind = FEED_ASK_HEAD, .ask = {.id = feed->work->head.ask_id}};
    return true;
}

uint64_t feed_head_due(const struct feed *feed)
{
    const struct feed_work *work = feed->work;
    uint64_t due_ms = feed->verify_at_ms;

    if (work && work->head.ask_id != 0)
        return 0;
    if (work && work->head.is_wanted && work->head.at_ms < due_ms)
        due_ms = work->head.at_ms;
    if (work && due_ms < work->head.not_before_ms)
        due_ms = work->head.not_before_ms;
    return due_ms > 0 ? due_ms : 1;
}
