/* What the bucket promises at its edges: fractions, wrap-around, the largest numbers, every stretch of time.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <roomcast/core/rate_limit.h>

#include "seeded.h"

#define WRAP (UINT64_C(1) << 32) /* ms: where the clock inside the limit starts over */

static uint32_t take_all(struct rate_limit *limit, const struct rate_limit_rule *rule, uint64_t now_ms)
{
    uint32_t taken = 0;

    while (rate_limit_take(limit, rule, now_ms))
        taken++;
    return taken;
}

/* One and a half thousandths per millisecond: what rounding would eat, if each refusal rounded. */
static void asking_too_often_does_not_slow_the_refill(void **state)
{
    (void)state;
    const struct rate_limit_rule rule = {.count = 90, .period_ms = 60000, .burst = 1};
    struct rate_limit limit;
    uint32_t taken = 0;

    rate_limit_init(&limit, &rule, 0);
    for (uint64_t now = 0; now < 600 * 1000; now++)
        taken += rate_limit_take(&limit, &rule, now);
    assert_in_range(taken, 898, 901);
}

static void slow_rates_gain_too(void **state)
{
    (void)state;
    const struct rate_limit_rule rule = {.count = 1, .period_ms = 86400 * 1000, .burst = 1};
    struct rate_limit limit;

    rate_limit_init(&limit, &rule, 0);
    assert_true(rate_limit_take(&limit, &rule, 0));
    for (uint64_t now = 0; now < rule.period_ms; now += 1000)
        assert_false(rate_limit_take(&limit, &rule, now));
    assert_true(rate_limit_take(&limit, &rule, rule.period_ms));
}

static void wrap_of_the_clock_neither_gives_nor_takes(void **state)
{
    (void)state;
    const struct rate_limit_rule rule = {.count = 10, .period_ms = 1000, .burst = 20};
    struct rate_limit limit;

    rate_limit_init(&limit, &rule, WRAP - 500);
    assert_int_equal(take_all(&limit, &rule, WRAP - 500), 20);
    assert_int_equal(take_all(&limit, &rule, WRAP - 1), 4);
    assert_int_equal(take_all(&limit, &rule, WRAP), 1); /* 4.99 were earned before */
    assert_int_equal(take_all(&limit, &rule, WRAP + 500), 5);
    assert_int_equal(take_all(&limit, &rule, WRAP + 60000), 20);
}

static void full_bucket_is_full_after_a_whole_turn_of_the_clock(void **state)
{
    (void)state;
    const struct rate_limit_rule rule = {.count = 10, .period_ms = 1000, .burst = 20};
    struct rate_limit limit;

    rate_limit_init(&limit, &rule, 5);
    assert_int_equal(take_all(&limit, &rule, WRAP + 5), 20);
    assert_int_equal(take_all(&limit, &rule, 2 * WRAP + 5 + 1000), 10); /* an empty one may seem younger */
}

static void largest_rules_and_pauses_do_not_overflow(void **state)
{
    (void)state;
    const struct rate_limit_rule rule = {.count = UINT32_MAX, .period_ms = 1, .burst = UINT32_MAX};
    const struct rate_limit_rule slow = {.count = UINT32_MAX, .period_ms = UINT32_MAX, .burst = UINT32_MAX};
    struct rate_limit limit;

    for (uint64_t pause = 1; pause < WRAP; pause *= 2) {
        rate_limit_init(&limit, &rule, 0);
        limit.level = 0;
        assert_true(rate_limit_take(&limit, &rule, pause));
        assert_true(limit.level >= UINT32_MAX / 1000 * 1000 - 1000);
        rate_limit_init(&limit, &slow, 0);
        limit.level = 0;
        assert_true(rate_limit_take(&limit, &slow, pause)); /* one per millisecond */
        assert_true(limit.level <= (pause - 1) * 1000);
    }
}

static void rule_that_became_smaller_caps_what_was_saved(void **state)
{
    (void)state;
    const struct rate_limit_rule before = {.count = 10, .period_ms = 1000, .burst = 20};
    const struct rate_limit_rule after = {.count = 10, .period_ms = 1000, .burst = 3};
    struct rate_limit limit;

    rate_limit_init(&limit, &before, 0);
    assert_int_equal(take_all(&limit, &after, 0), 3);
}

/* The promise, over every stretch of a random run: at most the burst and what the stretch earns. */
static void no_stretch_of_time_gives_more_than_burst_and_rate(void **state)
{
    (void)state;
    enum { TAKES = 1500 };
    static uint64_t at[TAKES];

    for (uint64_t run = 1; run <= 12; run++) {
        uint64_t seed = run;
        const struct rate_limit_rule rule = {.count = 1 + (uint32_t)seeded_below(&seed, 100),
                                             .period_ms = 1 + (uint32_t)seeded_below(&seed, 5000),
                                             .burst = 1 + (uint32_t)seeded_below(&seed, 20)};
        uint64_t now = WRAP - 1000, longest = 1 + 2 * rule.period_ms / rule.count;
        struct rate_limit limit;
        uint32_t taken = 0;

        rate_limit_init(&limit, &rule, now);
        while (taken < TAKES) {
            now += seeded_below(&seed, longest + 1);
            if (rate_limit_take(&limit, &rule, now))
                at[taken++] = now;
        }
        for (uint32_t from = 0; from < TAKES; from++) {
            for (uint32_t to = from; to < TAKES; to++) {
                uint64_t earned = (at[to] - at[from]) * rule.count; /* tokens, times the period */
                if ((uint64_t)(to - from + 1) * rule.period_ms >
                    (uint64_t)rule.burst * rule.period_ms + earned)
                    fail_msg("run %u: %u tokens in %u ms", (unsigned)run, to - from + 1,
                             (unsigned)(at[to] - at[from]));
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asking_too_often_does_not_slow_the_refill),
        cmocka_unit_test(slow_rates_gain_too),
        cmocka_unit_test(wrap_of_the_clock_neither_gives_nor_takes),
        cmocka_unit_test(full_bucket_is_full_after_a_whole_turn_of_the_clock),
        cmocka_unit_test(largest_rules_and_pauses_do_not_overflow),
        cmocka_unit_test(rule_that_became_smaller_caps_what_was_saved),
        cmocka_unit_test(no_stretch_of_time_gives_more_than_burst_and_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
