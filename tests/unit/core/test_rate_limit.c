#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <roomcast/core/rate_limit.h>

static const struct rate_limit_rule rule = {.count = 20, .period_ms = 1000, .burst = 40};

static unsigned take_all(struct rate_limit *limit, uint64_t now_ms)
{
    unsigned taken = 0;
    while (rate_limit_take(limit, &rule, now_ms))
        taken++;
    return taken;
}

static void a_full_bucket_gives_the_burst(void **state)
{
    (void)state;
    struct rate_limit limit;
    rate_limit_init(&limit, &rule, 5000);
    assert_int_equal(take_all(&limit, 5000), 40);
}

static void it_refills_at_the_rate_and_never_beyond_the_burst(void **state)
{
    (void)state;
    struct rate_limit limit;
    rate_limit_init(&limit, &rule, 5000);
    take_all(&limit, 5000);
    assert_int_equal(take_all(&limit, 5049), 0);
    assert_int_equal(take_all(&limit, 5050), 1);
    assert_int_equal(take_all(&limit, 6050), 20);
    assert_int_equal(take_all(&limit, 1000000), 40);
}

static void many_small_steps_gain_as_much_as_one_large_one(void **state)
{
    (void)state;
    struct rate_limit limit;
    struct rate_limit_rule slow = {.count = 1, .period_ms = 60000, .burst = 1};
    rate_limit_init(&limit, &slow, 0);
    assert_true(rate_limit_take(&limit, &slow, 0));
    for (uint64_t now_ms = 1; now_ms < 59900; now_ms++)
        assert_false(rate_limit_take(&limit, &slow, now_ms));
    bool refilled = false;
    for (uint64_t now_ms = 59900; now_ms < 61500 && !refilled; now_ms++)
        refilled = rate_limit_take(&limit, &slow, now_ms);
    assert_true(refilled);
}

static void it_works_across_the_wrap_of_its_clock(void **state)
{
    (void)state;
    struct rate_limit limit;
    uint64_t before_ms = UINT32_MAX - 10;
    rate_limit_init(&limit, &rule, before_ms);
    take_all(&limit, before_ms);
    assert_int_equal(take_all(&limit, before_ms + 1000), 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_bucket_gives_the_burst),
        cmocka_unit_test(it_refills_at_the_rate_and_never_beyond_the_burst),
        cmocka_unit_test(many_small_steps_gain_as_much_as_one_large_one),
        cmocka_unit_test(it_works_across_the_wrap_of_its_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
