/* A hub that has no memory for handing events to its workers. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

static atomic_bool no_memory;

#define calloc(count, size) (atomic_load(&no_memory) ? NULL : calloc((count), (size)))
#include "hub_channel.c"
#undef calloc

#include "hub_fixture.h"

static int start_alone(void **state)
{
    int result = start(state);
    world.config.presence_max_members = 0; /* no signal goes to the workers beside what is looked at */
    atomic_store(&no_memory, false);
    return result;
}

static int stop_with_memory(void **state)
{
    atomic_store(&no_memory, false);
    return stop(state);
}

static void wait_until_metric(enum metric metric, int64_t value)
{
    uint64_t deadline_ms = clock_monotonic_ms() + SOON_MS;
    while (metrics_get(metric) < value && clock_monotonic_ms() < deadline_ms)
        sched_yield();
    assert_int_equal(metrics_get(metric), value);
}

/* The hub has ended its turn. */
static void expect_nothing(unsigned worker)
{
    pthread_mutex_lock(&world.hub->lock);
    size_t count = inbox_count(&world.workers[worker].outlet.inbox);
    pthread_mutex_unlock(&world.hub->lock);
    assert_null(world.workers[worker].first);
    assert_int_equal(count, 0);
}

static void without_memory_events_wait_and_are_delivered_in_order_when_there_is_some(void **state)
{
    (void)state;
    join(0, 1, "anna");
    join(1, 1, "bert");
    int64_t received = metrics_get(METRIC_EVENTS_RECEIVED), left_out = metrics_get(METRIC_EVENTS_LEFT_OUT);
    atomic_store(&no_memory, true);
    for (uint64_t seq = 1; seq <= 5; seq++)
        publish(1, seq);
    wait_until_metric(METRIC_EVENTS_RECEIVED, received + 5);
    for (unsigned worker = 0; worker < WORKERS; worker++) {
        expect_event(worker, 1, true); /* for one there is always memory */
        expect_nothing(worker);
    }

    atomic_store(&no_memory, false);
    for (unsigned worker = 0; worker < WORKERS; worker++) {
        for (uint64_t seq = 2; seq <= 5; seq++)
            expect_event(worker, seq, true);
    }
    assert_int_equal(metrics_get(METRIC_EVENTS_LEFT_OUT), left_out);
}

static void who_asks_without_memory_is_answered_between_the_events_of_its_position_and_the_next(void **state)
{
    (void)state;
    join(0, 1, "anna");
    int64_t received = metrics_get(METRIC_EVENTS_RECEIVED);
    atomic_store(&no_memory, true);
    for (uint64_t seq = 1; seq <= 5; seq++)
        publish(1, seq);
    wait_until_metric(METRIC_EVENTS_RECEIVED, received + 5);
    ask(HUB_POSITION, 0, 1, "anna", false);
    atomic_store(&no_memory, false);
    uint64_t events = 0, answers = 0;
    while (events < 5 || answers < 1) {
        struct hub_output *output = next_output(0, SOON_MS);
        assert_non_null(output);
        if (output->kind == HUB_OUTPUT_ANSWER) {
            assert_int_equal(((struct hub_request *)output)->status, ERR_OK);
            assert_int_equal(((struct hub_request *)output)->position.seq, events);
            answers++;
        } else {
            assert_int_equal(((struct hub_frame *)output)->position.seq, ++events);
        }
        free_output(output);
    }
}

static void signals_for_which_there_is_no_memory_are_dropped_and_counted(void **state)
{
    (void)state;
    join(0, 1, "anna");
    join(1, 1, "bert");
    int64_t dropped = metrics_get(METRIC_SIGNALS_DROPPED);
    atomic_store(&no_memory, true);
    publish(1, 1);
    expect_event(0, 1, true);
    expect_event(1, 1, true);
    ask(HUB_TYPING, 0, 1, "anna", true);
    wait_until_metric(METRIC_SIGNALS_DROPPED, dropped + WORKERS);
    expect_nothing(0);
    expect_nothing(1);
    atomic_store(&no_memory, false);
    publish(1, 2);
    expect_event(1, 2, true);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start_alone, stop_with_memory)

int main(void)
{
    if (random_init() != ERR_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        TEST(without_memory_events_wait_and_are_delivered_in_order_when_there_is_some),
        TEST(who_asks_without_memory_is_answered_between_the_events_of_its_position_and_the_next),
        TEST(signals_for_which_there_is_no_memory_are_dropped_and_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
