#include <roomcast/core/lane.h>

#include <assert.h>
#include <stdio.h>
#include <string.h>

void lane_init(struct lane *lane)
{
    *lane = (struct lane){.state = LANE_IDLE};
    lane->last = &lane->first;
}

struct lane_event *lane_fini(struct lane *lane)
{
    struct lane_event *events = lane->first;

    if (lane->done) {
        lane->done->next = events;
        events = lane->done;
    }
    lane_init(lane);
    return events;
}

bool lane_is_valid(const struct lane *lane)
{
    bool queued = lane->first != NULL;

    if ((lane->count > 0) != queued || (lane->done != NULL) != (lane->state == LANE_DONE))
        return false;
    if (lane->head_known && (lane->head.epoch[0] == '\0' || lane->head.seq >= SEQ_MAX ||
                             (lane->head.seq && !lane->head_stream_seq) ||
                             (lane->trail.count ? lane->trail.seqs[0] : 0) != lane->head_stream_seq))
        return false;
    switch (lane->state) {
    case LANE_IDLE:
        return !queued;
    case LANE_ASK:
    case LANE_ASKING:
        return queued && !lane->head_known;
    case LANE_READY:
    case LANE_STORING:
        return queued && lane->head_known;
    case LANE_WAITING:
        return queued && lane->failures > 0;
    case LANE_DONE:
        return lane->failures == 0 && lane->fences == 0 && !lane->tried;
    }
    return false;
}

/* Where a lane goes when nothing is awaited. */
static void settle(struct lane *lane)
{
    if (!lane->first)
        lane->state = LANE_IDLE;
    else
        lane->state = lane->head_known ? LANE_READY : LANE_ASK;
}

/* The first event leaves the queue. */
static void finish(struct lane *lane, enum lane_outcome outcome)
{
    struct lane_event *event = lane->first;

    lane->first = event->next;
    if (!lane->first)
        lane->last = &lane->first;
    lane->count--;
    event->next = NULL;
    lane->done = event;
    lane->done_outcome = outcome;
    lane->done_epoch = LANE_EPOCH_GOES_ON;
    lane->tried = false;
    lane->failures = 0;
    lane->fences = 0;
    lane->state = LANE_DONE;
}

/* Doubles from the first to the longest wait; the upper half of each is random, so that the lanes of an
 * outage do not come back as one. */
static void back_off(struct lane *lane, uint64_t now_ms, uint32_t jitter)
{
    uint64_t wait = LANE_BACKOFF_MAX_MS;

    if (lane->failures < 16 && ((uint64_t)LANE_BACKOFF_FIRST_MS << lane->failures) < wait)
        wait = (uint64_t)LANE_BACKOFF_FIRST_MS << lane->failures;
    if (lane->failures < 16)
        lane->failures++;
    lane->wait_until_ms = now_ms + wait / 2 + jitter % (wait / 2 + 1);
    lane->state = LANE_WAITING;
}

void lane_add(struct lane *lane, struct lane_event *event)
{
    event->next = NULL;
    *lane->last = event;
    lane->last = &event->next;
    lane->count++;
    if (lane->state == LANE_IDLE)
        settle(lane);
    assert(lane_is_valid(lane));
}

static struct lane_action store_first(struct lane *lane)
{
    struct lane_action action = {.kind = LANE_STORE, .event = lane->first, .position = lane->head};

    action.position.seq++;
    action.expect_last = lane->head_stream_seq;
    action.trail = lane->trail;
    lane->state = LANE_STORING;
    return action;
}

static struct lane_action hand_back(struct lane *lane)
{
    struct lane_action action = {
        .kind = LANE_FINISHED, .event = lane->done, .outcome = lane->done_outcome, .epoch = lane->done_epoch};

    lane->done = NULL;
    settle(lane);
    return action;
}

struct lane_action lane_next(struct lane *lane, uint64_t now_ms)
{
    struct lane_action action = {.kind = LANE_NOTHING};

    if (lane->state == LANE_WAITING && now_ms >= lane->wait_until_ms)
        settle(lane);
    switch (lane->state) {
    case LANE_ASK:
        lane->state = LANE_ASKING;
        action.kind = LANE_ASK_LAST;
        break;
    case LANE_READY:
        action = store_first(lane);
        break;
    case LANE_WAITING:
        action.kind = LANE_WAIT;
        action.until_ms = lane->wait_until_ms;
        break;
    case LANE_DONE:
        action = hand_back(lane);
        break;
    case LANE_IDLE:
    case LANE_ASKING:
    case LANE_STORING:
        break;
    }
    assert(lane_is_valid(lane));
    return action;
}

/* `confirmed` stays: the epoch is real only when its first event is stored. */
static void start_epoch(struct lane *lane, enum lane_epoch why, const char *epoch)
{
    lane->head = (struct position){.seq = 0};
    snprintf(lane->head.epoch, sizeof lane->head.epoch, "%s", epoch);
    lane->epoch = why;
}

/* The subject's last message stands at `stream_seq` (0: it has none), and `trail` is what led to it. */
static void set_head(struct lane *lane, uint64_t stream_seq, const struct trail *trail)
{
    lane->head_known = true;
    lane->head_stream_seq = stream_seq;
    lane->trail = *trail;
    if (stream_seq)
        trail_push(&lane->trail, stream_seq);
}

static void confirm(struct lane *lane, const struct position *position, uint64_t stream_seq)
{
    lane->confirmed = *position;
    lane->confirmed_stream_seq = stream_seq;
}

/* A subject's last message never stands before one that it had, nor does a number go back or move: the same
 * number elsewhere is another event. */
static bool is_rollback(const struct lane *lane, const struct lane_head *head)
{
    const struct position *known = &lane->confirmed;
    bool moved = lane->confirmed_stream_seq && head->stream_seq != lane->confirmed_stream_seq;

    if (head->stream_seq < lane->confirmed_stream_seq)
        return true;
    return strcmp(head->position.epoch, known->epoch) == 0 &&
           (head->position.seq < known->seq || (head->position.seq == known->seq && moved));
}

/* A store of ours whose answer was lost counts as ours; without one, somebody stored the event before. */
static enum lane_outcome outcome_of_found(const struct lane *lane)
{
    return lane->tried ? LANE_OUTCOME_STORED : LANE_OUTCOME_DUPLICATE;
}

static void on_head_found(struct lane *lane, const struct lane_head *head, const char *new_epoch)
{
    set_head(lane, head->stream_seq, &head->trail);
    if (is_rollback(lane, head)) {
        start_epoch(lane, LANE_EPOCH_ROLLBACK, new_epoch);
    } else {
        confirm(lane, &head->position, head->stream_seq);
        lane->head = head->position;
        if (head->position.seq >= SEQ_MAX)
            start_epoch(lane, LANE_EPOCH_FULL, new_epoch);
    }
    if (!slice_equal(head->event_id, lane->first->id)) {
        settle(lane);
        return;
    }
    bool first = lane->tried && head->position.seq == 1;
    finish(lane, outcome_of_found(lane));
    if (first)
        lane->done_epoch = lane->epoch;
}

void lane_on_head(struct lane *lane, const struct lane_head *head, const char *new_epoch, uint64_t now_ms,
                  uint32_t jitter)
{
    assert(lane->state == LANE_ASKING);
    switch (head->kind) {
    case LANE_HEAD_FOUND:
        on_head_found(lane, head, new_epoch);
        break;
    case LANE_HEAD_NONE:
        set_head(lane, 0, &(struct trail){.count = 0});
        start_epoch(lane, LANE_EPOCH_EMPTY, new_epoch);
        settle(lane);
        break;
    case LANE_HEAD_FOREIGN:
        /* What stands there was numbered by somebody else or not at all: going on from a guess could make two
         * events share a number, so the numbering starts anew and every client reloads. */
        set_head(lane, head->stream_seq, &(struct trail){.count = 0});
        start_epoch(lane, LANE_EPOCH_UNREADABLE, new_epoch);
        settle(lane);
        break;
    case LANE_HEAD_UNAVAILABLE:
        back_off(lane, now_ms, jitter);
        break;
    }
    assert(lane_is_valid(lane));
}

static void on_stored(struct lane *lane, uint64_t stream_seq)
{
    bool first = lane->head.seq == 0;

    lane->head.seq++;
    confirm(lane, &lane->head, stream_seq);
    set_head(lane, stream_seq, &lane->trail);
    /* The last number of an epoch: the next event asks, and starts a new one. */
    if (lane->head.seq >= SEQ_MAX || stream_seq == 0)
        lane->head_known = false;
    finish(lane, LANE_OUTCOME_STORED);
    if (first)
        lane->done_epoch = lane->epoch;
}

void lane_on_store(struct lane *lane, enum lane_store_status status, uint64_t stream_seq, uint64_t now_ms,
                   uint32_t jitter)
{
    assert(lane->state == LANE_STORING);
    switch (status) {
    case LANE_STORE_STORED:
        on_stored(lane, stream_seq);
        break;
    case LANE_STORE_DUPLICATE:
        /* The copy in the store has a number of its own, and others may follow it. When it is our own, the
         * room reaches that far at least; an id stored long ago may be another room's. */
        if (lane->tried && stream_seq > lane->confirmed_stream_seq)
            lane->confirmed_stream_seq = stream_seq;
        lane->head_known = false;
        finish(lane, outcome_of_found(lane));
        break;
    case LANE_STORE_FENCED:
        /* The first time nothing is wrong but our idea of the head; again and again, two writers race or the
         * head is read from a lagging server: then slowly. */
        lane->head_known = false;
        if (lane->fences++ == 0)
            settle(lane);
        else
            back_off(lane, now_ms, jitter);
        break;
    case LANE_STORE_UNKNOWN:
        lane->tried = true;
        lane->head_known = false;
        back_off(lane, now_ms, jitter);
        break;
    case LANE_STORE_UNAVAILABLE:
        back_off(lane, now_ms, jitter);
        break;
    case LANE_STORE_REFUSED:
        finish(lane, LANE_OUTCOME_REFUSED);
        break;
    }
    assert(lane_is_valid(lane));
}

void lane_hurry(struct lane *lane, uint64_t now_ms)
{
    if (lane->state == LANE_WAITING)
        lane->wait_until_ms = now_ms;
}
