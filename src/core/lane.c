#include <roomcast/core/lane.h>

#include <assert.h>
#include <stdio.h>

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
                             (lane->head.seq && !lane->head_stream_seq)))
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
    lane->state = LANE_STORING;
    return action;
}

static struct lane_action hand_back(struct lane *lane)
{
    struct lane_action action = {.kind = LANE_FINISHED, .event = lane->done, .outcome = lane->done_outcome};

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

static void start_epoch(struct lane *lane, const char *epoch, uint64_t stream_seq)
{
    lane->head = (struct position){.seq = 0};
    snprintf(lane->head.epoch, sizeof lane->head.epoch, "%s", epoch);
    lane->head_stream_seq = stream_seq;
    lane->head_known = true;
}

/* A store of ours whose answer was lost counts as ours; without one, somebody stored the event before. */
static enum lane_outcome outcome_of_found(const struct lane *lane)
{
    return lane->tried ? LANE_OUTCOME_STORED : LANE_OUTCOME_DUPLICATE;
}

static void on_head_found(struct lane *lane, const struct lane_head *head, const char *new_epoch)
{
    if (head->position.seq >= SEQ_MAX) {
        start_epoch(lane, new_epoch, head->stream_seq);
    } else {
        lane->head = head->position;
        lane->head_stream_seq = head->stream_seq;
        lane->head_known = true;
    }
    if (slice_equal(head->event_id, lane->first->id))
        finish(lane, outcome_of_found(lane));
    else
        settle(lane);
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
        start_epoch(lane, new_epoch, 0);
        settle(lane);
        break;
    case LANE_HEAD_FOREIGN:
        /* What stands there was numbered by somebody else or not at all: going on from a guess could make two
         * events share a number, so the numbering starts anew and every client reloads. */
        start_epoch(lane, new_epoch, head->stream_seq);
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
    lane->head.seq++;
    lane->head_stream_seq = stream_seq;
    /* The last number of an epoch: the next event asks, and starts a new one. */
    if (lane->head.seq >= SEQ_MAX || stream_seq == 0)
        lane->head_known = false;
    finish(lane, LANE_OUTCOME_STORED);
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
        /* The copy in the store has a number of its own, and others may follow it. */
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
