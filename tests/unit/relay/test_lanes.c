/* Lanes on a loop thread over an in-process bus. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/metrics.h>
#include <roomcast/base/random.h>
#include <roomcast/wire/envelope.h>

#include "faulty_bus.h"
#include "lanes.h"
#include "relay_fixture.h"

static const struct event_rule rule = {"message.created", "chat.message.posted", ROUTE_TO_CHAT};

struct bench {
    struct bus *bus;
    struct loop *loop;
    struct loop_wake *end;
    struct tenure tenure;
    struct lanes *lanes;
    pthread_t thread;
    atomic_uint outcomes[3];
};

static void end_loop(void *context)
{
    loop_stop(((struct bench *)context)->loop);
}

static void *run_loop(void *context)
{
    loop_run(context);
    return NULL;
}

static void start_lanes(struct bench *bench)
{
    const struct lanes_options options = {.loop = bench->loop,
                                          .bus = bench->bus,
                                          .prefix = "t",
                                          .tenure = &bench->tenure,
                                          .store_timeout_ms = 1000};

    assert_int_equal(lanes_new(&options, &bench->lanes), ERR_OK);
    assert_int_equal(pthread_create(&bench->thread, NULL, run_loop, bench->loop), 0);
}

static void stop_lanes(struct bench *bench)
{
    loop_wake_send(bench->end);
    pthread_join(bench->thread, NULL);
    lanes_free(&bench->lanes);
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    const struct bus_memory_options memory = {.prefix = "t", .max_bytes = 64u << 20};
    const struct bus_callbacks callbacks = {.on_event = NULL};
    struct bus *inner = NULL;

    assert_non_null(bench);
    assert_int_equal(bus_memory_new(&memory, &callbacks, &inner), ERR_OK);
    bench->bus = faulty_bus_new(inner);
    tenure_init(&bench->tenure);
    tenure_begin(&bench->tenure);
    tenure_extend(&bench->tenure, UINT64_MAX);
    assert_int_equal(loop_new(&bench->loop), ERR_OK);
    assert_int_equal(loop_wake_new(bench->loop, end_loop, bench, &bench->end), ERR_OK);
    start_lanes(bench);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;

    stop_lanes(bench);
    bus_free(&bench->bus);
    loop_free(&bench->loop);
    assert_int_equal(metrics_get(METRIC_RELAY_IN_FLIGHT), 0);
    assert_int_equal(metrics_get(METRIC_RELAY_LANES), 0);
    free(bench);
    return 0;
}

static void on_done(struct relay_event *event)
{
    struct bench *bench = event->context;

    atomic_fetch_add(&bench->outcomes[event->outcome], 1);
    relay_event_free(&event);
}

static void submit(struct bench *bench, unsigned room, const char *id)
{
    struct domain_event domain = {.rule = &rule};
    char user[16];
    int len = snprintf(user, sizeof user, "user-%u", room);
    struct slice text = SLICE_LITERAL("{\"payload\":{}}");

    domain.payload = (struct slice){text.data + 11, 2};
    assert_int_equal(room_key_for_user((struct slice){user, (size_t)len}, &domain.room), ERR_OK);
    struct relay_event *event = relay_event_new(&domain, text, slice_of(id), slice_of("test"));
    assert_non_null(event);
    event->tenure = 1;
    event->context = bench;
    event->done = on_done;
    lanes_submit(bench->lanes, event);
}

static void wait_outcomes(struct bench *bench, enum event_outcome outcome, unsigned count)
{
    uint64_t deadline = clock_monotonic_ms() + FIXTURE_WAIT;

    while (atomic_load(&bench->outcomes[outcome]) < count && not_yet(deadline))
        ;
    assert_int_equal(atomic_load(&bench->outcomes[outcome]), count);
}

static void lanes_forget_the_oldest_idle_rooms(void **state)
{
    struct bench *bench = *state;
    unsigned rooms = LANES_IDLE_MAX + 500;
    char id[32];

    for (unsigned room = 0; room < rooms; room++) {
        snprintf(id, sizeof id, "first-%u", room);
        submit(bench, room, id);
    }
    wait_outcomes(bench, EVENT_STORED, rooms);
    uint64_t deadline = clock_monotonic_ms() + FIXTURE_WAIT;
    while (metrics_get(METRIC_RELAY_LANES) > LANES_IDLE_MAX && not_yet(deadline))
        ;
    assert_int_equal(metrics_get(METRIC_RELAY_LANES), LANES_IDLE_MAX);
    for (unsigned room = 0; room < rooms; room += 100) { /* forgotten and remembered ones go on alike */
        snprintf(id, sizeof id, "second-%u", room);
        submit(bench, room, id);
    }
    wait_outcomes(bench, EVENT_STORED, rooms + (rooms + 99) / 100);
}

static void lanes_end_with_events_waiting(void **state)
{
    struct bench *bench = *state;

    faulty_bus_set_up(bench->bus, false);
    for (unsigned i = 0; i < 100; i++) {
        char id[32];
        snprintf(id, sizeof id, "event-%u", i);
        submit(bench, i % 7, id);
    }
    stop_lanes(bench);
    assert_int_equal(atomic_load(&bench->outcomes[EVENT_ABANDONED]), 100);
    start_lanes(bench); /* for teardown */
}

static void lanes_end_their_backoff_when_the_bus_is_back(void **state)
{
    struct bench *bench = *state;
    uint64_t deadline = clock_monotonic_ms() + FIXTURE_WAIT;

    submit(bench, 0, "known"); /* with a known head, stores are tried, not the head */
    wait_outcomes(bench, EVENT_STORED, 1);
    faulty_bus_set_up(bench->bus, false);
    submit(bench, 0, "waits");
    while (faulty_bus_stores(bench->bus) < 8 && not_yet(deadline)) /* the next wait is 1.6 s or more */
        ;
    faulty_bus_set_up(bench->bus, true);
    uint64_t start = clock_monotonic_ms();
    lanes_hurry(bench->lanes);
    wait_outcomes(bench, EVENT_STORED, 2);
    assert_true(clock_monotonic_ms() - start < 1500);
}

/* What stands in the stream behind one place of it. */
struct found {
    sem_t answered;
    struct room_key room;
    uint64_t stream_seq; /* 0: nothing */
    struct trail trail;
};

static void on_found(void *context, const struct bus_last_result *result)
{
    struct found *found = context;
    struct envelope_owned owned;

    found->stream_seq = 0;
    if (result->status == BUS_LAST_FOUND && envelope_decode(result->data, &found->room, &owned) == ERR_OK) {
        found->stream_seq = result->stream_seq;
        found->trail = owned.envelope.trail;
        envelope_release(&owned);
    }
    sem_post(&found->answered);
}

/* Every envelope of the room names the places of those before it. */
static void assert_trails(struct bench *bench, const char *user, unsigned count)
{
    struct found found = {.stream_seq = 0};
    uint64_t seqs[TRAIL_MAX] = {0};
    char subject[64];

    snprintf(subject, sizeof subject, "t.ev.user.%s", user);
    sem_init(&found.answered, 0, 0);
    assert_int_equal(room_key_for_user(slice_of(user), &found.room), ERR_OK);
    for (unsigned i = 0; i < count; i++) {
        bus_next(bench->bus, subject, seqs[0], 1000, on_found, &found);
        sem_wait(&found.answered);
        assert_true(found.stream_seq > 0);
        assert_int_equal(found.trail.count, i < TRAIL_MAX ? i : TRAIL_MAX);
        assert_memory_equal(found.trail.seqs, seqs, found.trail.count * sizeof *seqs);
        memmove(seqs + 1, seqs, (TRAIL_MAX - 1) * sizeof *seqs);
        seqs[0] = found.stream_seq;
    }
    sem_destroy(&found.answered);
}

static void lanes_tell_where_the_events_before_are(void **state)
{
    struct bench *bench = *state;
    char id[32];

    for (unsigned life = 0; life < 3; life++) {
        for (unsigned i = 0; i < 14; i++) {
            snprintf(id, sizeof id, "event-%u-%u", life, i);
            submit(bench, i % 2, id);
        }
        wait_outcomes(bench, EVENT_STORED, 14 * (life + 1));
        stop_lanes(bench);
        start_lanes(bench);
    }
    assert_trails(bench, "user-0", 21);
    assert_trails(bench, "user-1", 21);
}

int main(void)
{
#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_BENCH(lanes_forget_the_oldest_idle_rooms),
        WITH_BENCH(lanes_end_with_events_waiting),
        WITH_BENCH(lanes_tell_where_the_events_before_are),
        WITH_BENCH(lanes_end_their_backoff_when_the_bus_is_back),
    };
    if (random_init() != ERR_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
