/* Lanes against a store that loses answers, swallows or delays requests, fences and refuses, with a second
 * relay writing the same room; or, with one relay, a store that forgets what it had acknowledged. Seeded and
 * in virtual time; the delivery promises are checked after every step. ROOMCAST_SEED=<n> runs one seed only.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <roomcast/core/lane.h>

#include "seeded.h"

#define EVENTS  60
#define WRITERS 2
#define SEEDS   3000
#define STEPS   200000
#define HISTORY 400

struct stored {
    unsigned event;
    struct position position;
    uint64_t stream_seq;
    unsigned writer;
    bool foreign;
    struct trail trail;
};
struct request {
    bool pending;
    unsigned event, writer;
    struct position position;
    uint64_t expect_last;
    struct trail trail;
};
struct writer {
    struct lane lane;
    struct lane_event events[EVENTS];
    char ids[EVENTS][16];
    unsigned added;    /* this relay was given the events below */
    unsigned finished; /* in order: all below are */
    bool asking, storing;
    struct request request;
    struct request late; /* left unanswered, still on its way */
    uint64_t wait_until;
};
struct world {
    struct stored log[EVENTS + 8];
    unsigned log_count, checked, foreign;
    bool forgets;       /* this store may forget */
    unsigned forgot_at; /* the log was cut to this length; UINT32_MAX: not since an epoch was begun for it */
    bool forgotten[EVENTS];         /* that event was stored and is no more */
    struct stored history[HISTORY]; /* all that was ever stored */
    unsigned history_count;
    int where[EVENTS]; /* index in log, -1 */
    bool refused[EVENTS];
    bool fence_first;
    int last_event[WRITERS]; /* stored by that writer, -1 */
    uint64_t stream_seq, now, random;
    unsigned epochs, trouble; /* trouble: per cent of faults */
    struct writer writers[WRITERS];
};

static uint32_t roll(struct world *world, uint32_t bound)
{
    world->random = world->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(world->random >> 33) % bound;
}

static uint64_t subject_last(const struct world *world)
{
    return world->log_count ? world->log[world->log_count - 1].stream_seq : 0;
}

/* As JetStream decides: some releases look at the message id first, newer ones at the fence. */
static enum lane_store_status apply(struct world *world, const struct request *request, uint64_t *ret_seq)
{
    bool known = world->where[request->event] >= 0;
    bool fenced = request->expect_last != subject_last(world);

    *ret_seq = known ? world->log[world->where[request->event]].stream_seq : 0;
    if (known && !(fenced && world->fence_first))
        return LANE_STORE_DUPLICATE;
    if (fenced)
        return LANE_STORE_FENCED;
    world->stream_seq += 1 + roll(world, 3); /* other rooms share the stream */
    world->where[request->event] = (int)world->log_count;
    world->log[world->log_count++] = (struct stored){.event = request->event,
                                                     .position = request->position,
                                                     .stream_seq = world->stream_seq,
                                                     .writer = request->writer,
                                                     .trail = request->trail};
    assert_true(world->history_count < HISTORY);
    world->history[world->history_count++] = world->log[world->log_count - 1];
    *ret_seq = world->stream_seq;
    return LANE_STORE_STORED;
}

/* Where the messages before `index` stand, as far back as the last foreign one. */
static void check_trail(const struct world *world, unsigned index)
{
    const struct trail *trail = &world->log[index].trail;
    uint32_t count = 0;

    for (unsigned i = index; i > 0 && count < TRAIL_MAX; i--) {
        assert_true(count < trail->count);
        assert_int_equal(trail->seqs[count++], world->log[i - 1].stream_seq);
        if (world->log[i - 1].foreign)
            break;
    }
    assert_int_equal(trail->count, count);
}

/* One relay alone never gives a number to two events, whatever the store forgets. */
static void check_history(const struct world *world)
{
    for (unsigned i = 0; world->forgets && i < world->history_count; i++)
        for (unsigned j = 0; j < i; j++)
            if (position_equal(&world->history[i].position, &world->history[j].position))
                assert_int_equal(world->history[i].event, world->history[j].event);
}

/* Contiguous within an epoch, new epochs only behind foreign bytes or where the store forgot, each relay's
 * events in the order in which they came to it. Once each: apply() refuses nothing but by the message id, and
 * where[] is set once. */
static void check_log(struct world *world)
{
    for (; world->checked < world->log_count; world->checked++) {
        const struct stored *now = &world->log[world->checked];
        const struct stored *before = world->checked ? now - 1 : NULL;

        if (now->foreign)
            continue;
        assert_true((int)now->event > world->last_event[now->writer]);
        world->last_event[now->writer] = (int)now->event;
        check_trail(world, world->checked);
        /* A late request may slip in between the forgetting and its being noticed. */
        bool anew = now->position.seq == 1 && world->checked >= world->forgot_at;
        if (!before || before->foreign || anew) {
            assert_int_equal(now->position.seq, 1);
            world->forgot_at = anew ? UINT32_MAX : world->forgot_at;
            continue;
        }
        assert_string_equal(now->position.epoch, before->position.epoch);
        assert_int_equal(now->position.seq, before->position.seq + 1);
    }
    for (unsigned w = 0; w < WRITERS; w++)
        assert_true(lane_is_valid(&world->writers[w].lane));
}

static void finish(struct world *world, struct writer *writer, const struct lane_action *action)
{
    unsigned event = (unsigned)(action->event - writer->events);

    assert_int_equal(event, writer->finished);
    writer->finished++;
    if (action->outcome == LANE_OUTCOME_REFUSED)
        assert_true(world->refused[event]);
    else
        assert_true(world->where[event] >= 0 || world->forgotten[event]);
}

static void take_actions(struct world *world, struct writer *writer)
{
    for (;;) {
        struct lane_action action = lane_next(&writer->lane, world->now);

        switch (action.kind) {
        case LANE_NOTHING:
            return;
        case LANE_WAIT:
            writer->wait_until = action.until_ms;
            return;
        case LANE_ASK_LAST:
            assert_false(writer->asking || writer->storing);
            writer->asking = true;
            break;
        case LANE_STORE:
            assert_false(writer->asking || writer->storing); /* one in flight */
            writer->storing = true;
            writer->request = (struct request){
                .pending = true,
                .event = (unsigned)(action.event - writer->events),
                .writer = (unsigned)(writer - world->writers),
                .position = action.position,
                .expect_last = action.expect_last,
                .trail = action.trail,
            };
            break;
        case LANE_FINISHED:
            finish(world, writer, &action);
            break;
        }
    }
}

static void answer_head(struct world *world, struct writer *writer)
{
    char epoch[EPOCH_LEN_MAX + 1];
    struct lane_head head = {.kind = LANE_HEAD_NONE};

    snprintf(epoch, sizeof epoch, "e%u", world->epochs++);
    if (roll(world, 100) < world->trouble) {
        head.kind = LANE_HEAD_UNAVAILABLE;
    } else if (world->log_count) {
        const struct stored *last = &world->log[world->log_count - 1];

        head.kind = last->foreign ? LANE_HEAD_FOREIGN : LANE_HEAD_FOUND;
        head.position = last->position;
        head.stream_seq = last->stream_seq;
        head.trail = last->trail;
        if (!last->foreign)
            head.event_id = slice_of(world->writers[0].ids[last->event]);
    }
    writer->asking = false;
    lane_on_head(&writer->lane, &head, epoch, world->now, roll(world, 1000000));
}

static void answer_store(struct world *world, struct writer *writer)
{
    struct request *request = &writer->request;
    enum lane_store_status status;
    uint64_t seq = 0;

    writer->storing = false;
    if (world->refused[request->event]) {
        status = LANE_STORE_REFUSED;
    } else if (roll(world, 100) >= world->trouble) {
        status = apply(world, request, &seq);
    } else {
        switch (roll(world, 4)) {
        case 0: /* the answer is lost */
            (void)apply(world, request, &seq);
            status = LANE_STORE_UNKNOWN;
            break;
        case 1: /* swallowed */
            status = LANE_STORE_UNKNOWN;
            break;
        case 2: /* delayed beyond the time limit */
            writer->late = *request;
            status = LANE_STORE_UNKNOWN;
            break;
        default:
            status = LANE_STORE_UNAVAILABLE;
            break;
        }
    }
    lane_on_store(&writer->lane, status, seq, world->now, roll(world, 1000000));
}

static void write_foreign(struct world *world)
{
    if (world->foreign >= 3 || world->log_count == 0)
        return;
    world->foreign++;
    world->stream_seq++;
    world->log[world->log_count++] = (struct stored){.foreign = true, .stream_seq = world->stream_seq};
}

/* The newest messages are gone, and the store's memory of their ids with them. */
static void forget(struct world *world)
{
    unsigned keep = world->log_count - roll(world, world->log_count < 5 ? world->log_count + 1 : 5);

    for (unsigned i = keep; i < world->log_count; i++)
        if (!world->log[i].foreign) {
            world->where[world->log[i].event] = -1;
            world->forgotten[world->log[i].event] = true;
        }
    world->log_count = world->checked = keep;
    world->forgot_at = keep;
    world->last_event[0] = -1;
    for (unsigned i = 0; i < keep; i++)
        if (!world->log[i].foreign)
            world->last_event[0] = (int)world->log[i].event;
}

static void step(struct world *world)
{
    struct writer *writer = &world->writers[roll(world, WRITERS)];
    uint64_t ignored;

    world->now += roll(world, 40);
    switch (roll(world, 6)) {
    case 0:
        if (writer->added < EVENTS) {
            lane_add(&writer->lane, &writer->events[writer->added]);
            writer->added++;
        }
        break;
    case 1:
        if (writer->late.pending) {
            (void)apply(world, &writer->late, &ignored);
            writer->late.pending = false;
        }
        break;
    case 2:
        if (roll(world, 300) < world->trouble / 10)
            write_foreign(world);
        else if (world->forgets && roll(world, 40) == 0)
            forget(world);
        break;
    default:
        if (writer->asking)
            answer_head(world, writer);
        else if (writer->storing)
            answer_store(world, writer);
        else
            world->now = writer->wait_until > world->now ? writer->wait_until : world->now;
    }
    take_actions(world, writer);
    check_log(world);
}

static void begin(struct world *world, uint64_t seed)
{
    memset(world, 0, sizeof *world);
    world->random = seed * 7919 + 17;
    world->trouble = roll(world, 60);
    world->fence_first = seed % 4 >= 2;
    world->forgets = seed % 2 && seed % 3 == 0; /* with one relay only */
    world->forgot_at = UINT32_MAX;
    for (unsigned e = 0; e < EVENTS; e++) {
        world->where[e] = -1;
        world->refused[e] = roll(world, 20) == 0;
    }
    for (unsigned w = 0; w < WRITERS; w++) {
        struct writer *writer = &world->writers[w];

        lane_init(&writer->lane);
        /* In every other run a second relay is given a tail of the same events, as by a claim. */
        writer->added = writer->finished = w == 0 ? 0 : seed % 2 ? EVENTS : roll(world, EVENTS);
        world->last_event[w] = -1;
        for (unsigned e = 0; e < EVENTS; e++) {
            snprintf(writer->ids[e], sizeof writer->ids[e], "event-%u", e);
            writer->events[e].id = slice_of(writer->ids[e]);
        }
    }
}

static bool is_over(const struct world *world)
{
    for (unsigned w = 0; w < WRITERS; w++)
        if (world->writers[w].finished < EVENTS)
            return false;
    return true;
}

static void run(uint64_t seed)
{
    static struct world world;
    unsigned steps = 0;

    begin(&world, seed);
    while (!is_over(&world)) {
        assert_true(steps++ < STEPS);
        step(&world);
    }
    for (unsigned e = 0; e < EVENTS; e++)
        assert_true(world.refused[e] ? world.where[e] < 0 : world.where[e] >= 0 || world.forgotten[e]);
    check_history(&world);
}

static void lanes_store_once_and_in_order(void **state)
{
    (void)state;
    seeded_runs(SEEDS, run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lanes_store_once_and_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
