#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <roomcast/core/drain_plan.h>

#define TICK_MS 50

/* Runs a drain of clients that go only when they are sent; the most and the fewest that a tick before the end
 * closes. */
static uint32_t run(uint32_t clients, uint64_t spread_ms, uint32_t *ret_fewest, uint32_t *ret_most)
{
    uint32_t left = clients;
    *ret_fewest = UINT32_MAX;
    *ret_most = 0;
    for (uint64_t elapsed_ms = TICK_MS; elapsed_ms <= spread_ms; elapsed_ms += TICK_MS) {
        uint32_t due = drain_plan_due(clients, left, elapsed_ms, spread_ms);
        assert_true(due <= left);
        left -= due;
        *ret_fewest = due < *ret_fewest ? due : *ret_fewest;
        *ret_most = due > *ret_most ? due : *ret_most;
    }
    return left;
}

static void closes_are_even_within_one_tick_for_any_spread_and_number(void **state)
{
    static const uint32_t numbers[] = {1, 2, 7, 59, 60, 600, 601, 3000, 50000, 10000000};
    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        for (uint64_t spread_ms = TICK_MS; spread_ms <= 3600 * 1000; spread_ms *= 3) {
            uint32_t fewest, most;
            run(numbers[i], spread_ms - spread_ms % TICK_MS, &fewest, &most);
            assert_true(most - fewest <= 1);
        }
    }
}

static void nobody_is_left_at_the_end(void **state)
{
    (void)state;
    uint32_t fewest, most;
    assert_int_equal(run(3001, 20000, &fewest, &most), 0);
    assert_int_equal(drain_plan_due(3001, 12, 20000, 20000), 12);
    assert_int_equal(drain_plan_due(3001, 12, 99999, 20000), 12);
}

static void nobody_goes_in_the_first_moment_when_there_are_few(void **state)
{
    (void)state;
    assert_int_equal(drain_plan_due(3, 3, 1, 60000), 0);
    assert_int_equal(drain_plan_due(3, 3, 9999, 60000), 0);
    assert_int_equal(drain_plan_due(3, 3, 10001, 60000), 1);
    assert_int_equal(drain_plan_due(1, 1, 29999, 60000), 0);
    assert_int_equal(drain_plan_due(1, 1, 30001, 60000), 1);
}

static void who_has_left_by_himself_counts_as_sent_away(void **state)
{
    (void)state;
    assert_int_equal(drain_plan_due(100, 100, 5000, 10000), 50);
    assert_int_equal(drain_plan_due(100, 60, 5000, 10000), 10);
    assert_int_equal(drain_plan_due(100, 50, 5000, 10000), 0);
    assert_int_equal(drain_plan_due(100, 0, 5000, 10000), 0);
}

static void who_came_after_the_beginning_goes_with_the_others(void **state)
{
    (void)state;
    assert_int_equal(drain_plan_due(0, 3, 5000, 10000), 3);
    assert_int_equal(drain_plan_due(100, 103, 0, 10000), 3);
}

static void without_a_spread_everybody_is_due_at_once(void **state)
{
    (void)state;
    assert_int_equal(drain_plan_due(3000, 3000, 0, 0), 3000);
}

static void a_spread_leaves_time_for_the_last_ones_before_the_end(void **state)
{
    (void)state;
    assert_int_equal(drain_plan_spread(30000, 45000), 30000);
    assert_int_equal(drain_plan_spread(40000, 45000), 40000);
    assert_int_equal(drain_plan_spread(60000, 45000), 40000);
    assert_int_equal(drain_plan_spread(30000, 1000), 500);
    assert_int_equal(drain_plan_spread(0, 45000), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closes_are_even_within_one_tick_for_any_spread_and_number),
        cmocka_unit_test(nobody_is_left_at_the_end),
        cmocka_unit_test(nobody_goes_in_the_first_moment_when_there_are_few),
        cmocka_unit_test(who_has_left_by_himself_counts_as_sent_away),
        cmocka_unit_test(who_came_after_the_beginning_goes_with_the_others),
        cmocka_unit_test(without_a_spread_everybody_is_due_at_once),
        cmocka_unit_test(a_spread_leaves_time_for_the_last_ones_before_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
