#include "sim.h"

#include <stdio.h>
#include <string.h>

#define STORE_TIMEOUT_MS 2000u

struct sim_relay_event {
    struct lane_event event; /* first */
    unsigned room, number;
    char id[24];
    bool is_added;
};

static void drive(struct sim *sim, struct sim_relay_lane *lane);

static unsigned room_of(const struct sim_relay_lane *lane)
{
    return (unsigned)(lane - lane->relay->lanes);
}

/* --- the head --- */

/* As the lane does it for what it has stored itself, and here across a take-over too: a subject's last
 * message never stands before one that it had, nor does a number go back or move. */
static bool is_rollback(const struct sim_confirmed *known, const struct feed_event *head)
{
    if (head->stream_seq < known->stream_seq)
        return true;
    return strcmp(head->position.epoch, known->position.epoch) == 0 &&
           (head->position.seq < known->position.seq ||
            (head->position.seq == known->position.seq && head->stream_seq != known->stream_seq));
}

static void confirm(struct sim *sim, unsigned room, const struct position *position, uint64_t stream_seq)
{
    sim->confirmed[room] = (struct sim_confirmed){.position = *position, .stream_seq = stream_seq};
}

struct head_answer {
    struct sim_relay_lane *lane;
    uint64_t request;
    enum sim_found found;
    struct sim_record *record;
};

static void on_head(struct sim *sim, void *object, uint64_t is_lost)
{
    struct head_answer *answer = object;
    struct sim_relay_lane *lane = answer->lane;
    struct lane_head head = {.kind = LANE_HEAD_NONE};
    char epoch[EPOCH_LEN_MAX + 1], id[24];

    if (!lane->relay->is_alive || lane->request != answer->request)
        return;
    lane->request = 0;
    snprintf(epoch, sizeof epoch, "e%u", ++sim->epochs);
    if (is_lost || answer->found == SIM_UNAVAILABLE) {
        head.kind = LANE_HEAD_UNAVAILABLE;
    } else if (answer->found == SIM_FOUND) {
        const struct feed_event *event = &answer->record->event;
        bool is_foreign = is_rollback(&sim->confirmed[answer->record->room], event);
        head.kind = is_foreign ? LANE_HEAD_FOREIGN : LANE_HEAD_FOUND;
        head.position = event->position;
        head.stream_seq = event->stream_seq;
        snprintf(id, sizeof id, "event-%u", answer->record->number);
        head.event_id = slice_of(id);
        head.trail = event->trail;
        if (!is_foreign)
            confirm(sim, answer->record->room, &event->position, event->stream_seq);
    }
    lane_on_head(&lane->lane, &head, epoch, sim->now_ms, sim_roll(sim, 1000000));
    drive(sim, lane);
}

static void ask_stream(struct sim *sim, void *object, uint64_t unused)
{
    struct head_answer *answer = object;
    (void)unused;

    answer->found = sim_stream_last(sim, room_of(answer->lane), &answer->record);
    if (!sim_chance(sim, sim->plan.answer_loss))
        sim_in(sim, 1 + sim_roll(sim, 5), on_head, answer, false);
}

static void ask_head(struct sim *sim, struct sim_relay_lane *lane)
{
    struct head_answer *answer = sim_alloc(sim, sizeof *answer);

    answer->lane = lane;
    answer->request = lane->request = ++sim->last_request;
    sim_in(sim, 1 + sim_roll(sim, 5), ask_stream, answer, 0);
    sim_in(sim, STORE_TIMEOUT_MS, on_head, answer, true);
}

/* --- storing --- */

static void on_store_answer(struct sim *sim, struct sim_store *store, enum lane_store_status status,
                            uint64_t stream_seq)
{
    struct sim_relay_lane *lane = &store->relay->lanes[store->room];

    if (!store->relay->is_alive || lane->request != store->request)
        return;
    lane->request = 0;
    if (status == LANE_STORE_STORED)
        confirm(sim, store->room, &store->position, stream_seq);
    /* Its number is not known, but the room reaches that far. */
    if (status == LANE_STORE_DUPLICATE && stream_seq > sim->confirmed[store->room].stream_seq)
        sim->confirmed[store->room].stream_seq = stream_seq;
    lane_on_store(&lane->lane, status, stream_seq, sim->now_ms, sim_roll(sim, 1000000));
    drive(sim, lane);
}

struct store_answer {
    struct sim_store store;
    enum lane_store_status status;
};

static void answer_store(struct sim *sim, void *object, uint64_t stream_seq)
{
    struct store_answer *answer = object;
    on_store_answer(sim, &answer->store, answer->status, stream_seq);
}

void sim_relay_on_store(struct sim *sim, const struct sim_store *store, enum lane_store_status status,
                        uint64_t stream_seq)
{
    struct store_answer *answer = sim_alloc(sim, sizeof *answer);

    *answer = (struct store_answer){.store = *store, .status = status};
    if (!sim_chance(sim, sim->plan.answer_loss))
        sim_in(sim, 1 + sim_roll(sim, 4), answer_store, answer, stream_seq);
}

static void give_up_store(struct sim *sim, void *object, uint64_t unused)
{
    struct sim_store *store = object;
    (void)unused;

    if (store->relay->is_alive && store->relay->lanes[store->room].request == store->request)
        sim->counts->stores_unanswered++;
    on_store_answer(sim, store, LANE_STORE_UNKNOWN, 0);
}

static void arrive(struct sim *sim, void *object, uint64_t unused)
{
    (void)unused;
    sim_stream_store(sim, object);
}

static void send_store(struct sim *sim, struct sim_relay_lane *lane, const struct lane_action *action)
{
    struct sim_store *store = sim_alloc(sim, sizeof *store);

    *store = (struct sim_store){.room = room_of(lane),
                                .number = ((struct sim_relay_event *)action->event)->number,
                                .position = action->position,
                                .trail = action->trail,
                                .expect_last = action->expect_last,
                                .relay = lane->relay,
                                .request = ++sim->last_request};
    lane->request = store->request;
    if (sim_chance(sim, sim->plan.answer_loss / 2)) { /* swallowed, or late */
        if (sim_roll(sim, 2))
            sim_in(sim, STORE_TIMEOUT_MS / 2 + sim_roll(sim, STORE_TIMEOUT_MS), arrive, store, 0);
    } else {
        sim_in(sim, 1 + sim_roll(sim, 5), arrive, store, 0);
    }
    sim_in(sim, STORE_TIMEOUT_MS, give_up_store, store, 0);
}

/* --- the lane --- */

static void wake(struct sim *sim, void *object, uint64_t at_ms)
{
    struct sim_relay_lane *lane = object;

    if (lane->relay->is_alive && lane->wait_ms == at_ms)
        drive(sim, lane);
}

static void drive(struct sim *sim, struct sim_relay_lane *lane)
{
    for (;;) {
        struct lane_action action = lane_next(&lane->lane, sim->now_ms);
        SIM_CHECK(sim, lane_is_valid(&lane->lane));
        switch (action.kind) {
        case LANE_NOTHING:
            return;
        case LANE_ASK_LAST:
            ask_head(sim, lane);
            break;
        case LANE_STORE:
            send_store(sim, lane, &action);
            break;
        case LANE_WAIT:
            lane->wait_ms = action.until_ms;
            sim_in(sim, action.until_ms - sim->now_ms, wake, lane, action.until_ms);
            return;
        case LANE_FINISHED:
            sim->redis.is_acknowledged[((struct sim_relay_event *)action.event)->number] = true;
            break;
        }
    }
}

/* --- the relay --- */

void sim_relay_read(struct sim *sim)
{
    struct sim_relay *relay = sim->relay;

    for (; relay->is_alive && relay->read < sim->redis.count; relay->read++) {
        struct sim_relay_event *event = &relay->events[relay->read];
        if (sim->redis.is_acknowledged[relay->read])
            continue;
        event->number = relay->read;
        event->room = sim->redis.room[relay->read];
        snprintf(event->id, sizeof event->id, "event-%u", event->number);
        event->event.id = slice_of(event->id);
        lane_add(&relay->lanes[event->room].lane, &event->event);
        drive(sim, &relay->lanes[event->room]);
    }
}

static void read_later(struct sim *sim, void *object, uint64_t unused)
{
    (void)unused;
    if (object == sim->relay)
        sim_relay_read(sim);
}

void sim_relay_start(struct sim *sim)
{
    struct sim_relay *relay = sim_alloc(sim, sizeof *relay);

    relay->is_alive = true;
    relay->events = sim_alloc(sim, EVENTS_MAX * sizeof *relay->events);
    for (unsigned room = 0; room < ROOMS; room++) {
        relay->lanes[room].relay = relay;
        lane_init(&relay->lanes[room].lane);
    }
    sim->relay = relay;
    sim_relay_read(sim);
}

static void take_over(struct sim *sim, void *object, uint64_t unused)
{
    (void)object;
    (void)unused;
    sim_say(sim, "relay   takes over");
    if (sim->plan.forgets)
        memset(sim->confirmed, 0, sizeof sim->confirmed);
    sim_relay_start(sim);
}

void sim_relay_kill(struct sim *sim)
{
    if (!sim->relay->is_alive)
        return;
    sim_say(sim, "relay   is killed");
    sim->counts->relay_kills++;
    sim->relay->is_alive = false;
    sim_in(sim, 300 + sim_roll(sim, 5000), take_over, NULL, 0);
}

void sim_publish(struct sim *sim, unsigned room)
{
    struct sim_redis *redis = &sim->redis;

    if (redis->count == EVENTS_MAX)
        return;
    redis->room[redis->count++] = room;
    sim->counts->published++;
    sim_in(sim, sim_roll(sim, 3), read_later, sim->relay, 0);
}
