/* What the hub keeps for replay while memory is short. */
#include "hub_channel.h"
#include "hub_fixture.h"

#define ROOMS  3
#define EVENTS 40

/* The hub is between two turns. */
static int64_t kept(void)
{
    pthread_mutex_lock(&world.hub->lock);
    pthread_mutex_unlock(&world.hub->lock);
    return metrics_get(METRIC_HISTORY_BYTES);
}

static void wait_until_kept_is(bool (*good)(int64_t bytes))
{
    uint64_t deadline_ms = clock_monotonic_ms() + SOON_MS;
    while (!good(kept())) {
        if (clock_monotonic_ms() > deadline_ms)
            fail_msg("%lld bytes are kept", (long long)kept());
        sched_yield();
    }
}

static int64_t full; /* kept of all rooms */

/* The newest event of each room stays. */
static bool is_newest_only(int64_t bytes)
{
    return bytes < 2 * full / EVENTS;
}

static bool is_half(int64_t bytes)
{
    return bytes <= full / 2;
}

static void fill(uint64_t from, uint64_t to)
{
    for (unsigned room = 1; room <= ROOMS; room++) {
        for (uint64_t seq = from; seq <= to; seq++) {
            publish(room, seq);
            expect_event(0, seq, true);
        }
    }
}

static int start_full(void **state)
{
    int result = start(state);
    for (unsigned room = 1; room <= ROOMS; room++)
        join(0, room, "anna");
    fill(1, EVENTS);
    full = kept();
    return result;
}

static void expect_resumed(unsigned room, uint64_t since)
{
    struct room_key key = chat(room), name = user("bert");
    struct hub_request *request = hub_request_new(HUB_JOIN, 1, &key, &name);
    assert_non_null(request);
    request->waiter.has_since = true;
    request->waiter.since = (struct position){.epoch = "e1", .seq = since};
    hub_ask(world.hub, request);
    struct hub_request *answer = next_answer(1);
    assert_int_equal(answer->status, ERR_OK);
    assert_true(answer->is_recovered);
    assert_int_equal(answer->position.seq, EVENTS);
    assert_non_null(answer->replay);
    hub_request_free(&answer);
}

static void the_history_shrinks_to_its_limit_and_no_further(void **state)
{
    (void)state;
    assert_true(full > 0);
    int64_t shed = metrics_get(METRIC_MEMORY_SHED_HISTORY);
    hub_limit_history(world.hub, (uint64_t)full / 2);
    wait_until_kept_is(is_half);
    assert_true(kept() >= full / 2 - full / EVENTS);
    int64_t half = metrics_get(METRIC_MEMORY_SHED_HISTORY) - shed;
    assert_in_range(half, ROOMS * EVENTS / 2, ROOMS * EVENTS / 2 + 2);
    hub_limit_history(world.hub, 0);
    wait_until_kept_is(is_newest_only);
    assert_int_equal(metrics_get(METRIC_MEMORY_SHED_HISTORY) - shed, ROOMS * (EVENTS - 1));
}

static void what_was_dropped_is_read_from_the_stream_by_who_resumes(void **state)
{
    (void)state;
    hub_limit_history(world.hub, 0);
    wait_until_kept_is(is_newest_only);
    int64_t fetched = metrics_get(METRIC_EVENTS_FETCHED);
    expect_resumed(2, 5);
    assert_true(metrics_get(METRIC_EVENTS_FETCHED) - fetched >= EVENTS - 5 - 1);
}

static void live_events_are_delivered_meanwhile_and_the_history_grows_again_afterwards(void **state)
{
    (void)state;
    hub_limit_history(world.hub, 0);
    wait_until_kept_is(is_newest_only);
    fill(EVENTS + 1, 2 * EVENTS);
    wait_until_kept_is(is_newest_only);
    hub_limit_history(world.hub, UINT64_MAX);
    int64_t shed = metrics_get(METRIC_MEMORY_SHED_HISTORY);
    fill(2 * EVENTS + 1, 3 * EVENTS);
    assert_true(kept() >= full);
    assert_int_equal(metrics_get(METRIC_MEMORY_SHED_HISTORY), shed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start_full, stop)

int main(void)
{
    if (random_init() != ERR_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        TEST(the_history_shrinks_to_its_limit_and_no_further),
        TEST(what_was_dropped_is_read_from_the_stream_by_who_resumes),
        TEST(live_events_are_delivered_meanwhile_and_the_history_grows_again_afterwards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
