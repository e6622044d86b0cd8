/* What waits for the hub is bounded. */
#include "hub_fixture.h"

#include "held_hub.h"

static int release_and_stop(void **state)
{
    release_hub();
    return stop(state);
}

static void typing_is_dropped_and_counted_while_too_many_requests_wait_and_nothing_else_is(void **state)
{
    (void)state;
    join(0, 1, "anna");
    int64_t dropped = metrics_get(METRIC_TYPING_DROPPED), limited = metrics_get(METRIC_TYPING_LIMITED);
    hold_hub(world.hub);
    for (uint32_t i = 0; i <= HUB_BUSY_REQUESTS; i++)
        ask(HUB_TYPING, 0, 1, "anna", true);
    assert_int_equal(metrics_get(METRIC_TYPING_DROPPED), dropped);
    for (int i = 0; i < 3; i++)
        ask(HUB_TYPING, 0, 1, "anna", true);
    assert_int_equal(metrics_get(METRIC_TYPING_DROPPED), dropped + 3);
    ask(HUB_POSITION, 0, 1, "anna", false);
    assert_int_equal(inbox_count(&world.hub->requests), HUB_BUSY_REQUESTS + 2);
    release_hub();

    struct hub_request *answer = next_answer(0);
    assert_int_equal(answer->status, ERR_OK);
    hub_request_free(&answer);
    /* Once they are worked on it passes again: the first was published, all others are too soon after it. */
    ask(HUB_TYPING, 0, 1, "anna", true);
    ask(HUB_POSITION, 0, 1, "anna", false);
    answer = next_answer(0);
    hub_request_free(&answer);
    assert_int_equal(metrics_get(METRIC_TYPING_DROPPED), dropped + 3);
    assert_int_equal(metrics_get(METRIC_TYPING_LIMITED), limited + HUB_BUSY_REQUESTS + 1);
}

int main(void)
{
    if (random_init() != ERR_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            typing_is_dropped_and_counted_while_too_many_requests_wait_and_nothing_else_is, start,
            release_and_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
