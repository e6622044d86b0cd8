/* What can be told from what the stream holds of all rooms: whether anything has come and gone in a room that
 * was seen empty, and whether who answers for the stream leads it. */
#include "feed_internal.h"

static bool knows_extent(struct feed *feed, const struct feed_rules *rules, uint64_t since_ms)
{
    if (!rules->extent || rules->extent->asked_ms >= since_ms)
        return true;
    feed->work->wants_extent = true;
    return false;
}

/* What the room's emptiness is told by must have been known before the leader was asked for the room: an
 * event that was stored in between would be taken for an old one. */
bool feed_knows_how_empty(struct feed *feed, const struct feed_rules *rules, const struct feed_waiter *waiter)
{
    uint64_t fresh_ms = waiter->came_ms > EXTENT_FRESH_MS ? waiter->came_ms - EXTENT_FRESH_MS : 1;

    bool may_be_unknown = !waiter->has_since; /* who resumes must not be left with less than it had */

    if (!position_is_empty(&feed->position) || !rules->extent ||
        (feed->empty_asked_ms >= fresh_ms && (feed->is_empty_known || may_be_unknown)))
        return true;
    if (!knows_extent(feed, rules, fresh_ms))
        return false;
    if (rules->extent->is_known || may_be_unknown)
        feed_want_head(feed, 0); /* now it is known: the leader is asked once more */
    else
        feed->work->wants_extent = true;
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
bool feed_judge_from_empty(struct feed *feed, const struct feed_rules *rules, struct feed_waiter *waiter,
                           int *ret_verdict)
{
    /* Not before the leader was asked for the room: else what expired in between would not show. */
    uint64_t asked_ms = feed->verified_ms > waiter->came_ms ? feed->verified_ms : waiter->came_ms;
    bool is_known = knows_extent(feed, rules, asked_ms) && (!rules->extent || rules->extent->is_known);

    if (!is_known) { /* nobody could say: again, as long as the waiter has time */
        feed->work->wants_extent = true;
        *ret_verdict = FEED_PENDING;
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
int feed_judge_beginning(struct feed *feed, const struct feed_rules *rules, struct feed_waiter *waiter,
                         uint64_t now_ms)
{
    uint64_t first_stream_seq = feed->past ? feed->past->first_stream_seq : 0;

    if (!rules->extent || !feed->is_in_stream || first_stream_seq <= waiter->empty.last_seq)
        return FEED_UNPROVEN;
    if (first_stream_seq <= rules->extent->last_seq)
        return FEED_RECOVERED;
    /* It came after the stream was asked, or one was asked that does not know yet that it leads no more; or
     * it is of an earlier stream. */
    if (waiter->extent_tries > AHEAD_TRIES)
        return FEED_UNPROVEN;
    if (waiter->extent_tries++ > 0)
        feed->work->extent_at_ms = now_ms + AHEAD_PAUSE_MS;
    waiter->came_ms = now_ms;
    feed->work->wants_extent = true;
    return FEED_PENDING;
}

bool feed_is_led(struct feed *feed, const struct feed_rules *rules, const struct feed_waiter *waiter,
                 uint64_t now_ms)
{
    if (!rules->extent)
        return true;
    if (!knows_extent(feed, rules, waiter->came_ms))
        return false;
    if (rules->extent->is_known && rules->extent->has_quorum)
        return true;
    if (!feed->work->wants_extent) /* looking at it more often must not put the question off */
        feed->work->extent_at_ms = now_ms + EXTENT_PAUSE_MS;
    feed->work->wants_extent = true;
    return false;
}

struct position feed_told_position(const struct feed *feed)
{
    struct position position = feed->position;

    if (position_is_empty(&position)) {
        struct position_empty empty = feed->empty;
        if (!feed->is_empty_known)
            empty.created_s = 0;
        position_format_empty(&empty, &position);
    }
    return position;
}

bool feed_next_extent(struct feed *feed, uint64_t now_ms, struct feed_action *action)
{
    if (!feed->work->wants_extent || feed->work->is_extent_asked || now_ms < feed->work->extent_at_ms)
        return false;
    feed->work->wants_extent = false;
    feed->work->is_extent_asked = true;
    *action = (struct feed_action){.kind = FEED_ASK_EXTENT};
    return true;
}

void feed_on_extent(struct feed *feed, const struct feed_rules *rules, uint64_t now_ms)
{
    if (!feed->work)
        return;
    feed->work->is_extent_asked = false;
    feed->work->extent_at_ms = rules->extent->is_known ? 0 : now_ms + EXTENT_PAUSE_MS;
    feed->work->are_waiters_due = feed->work->waiters != NULL;
}
