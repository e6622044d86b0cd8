#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <roomcast/base/metrics.h>

#include "event_age.h"

static void a_bucket_counts_everything_up_to_its_bound(void **state)
{
    (void)state;
    event_age_note(1000, 1001);
    event_age_note(1000, 1005);
    event_age_note(1000, 61000);
    assert_int_equal(metrics_get(METRIC_EVENT_AGE_1), 1);
    assert_int_equal(metrics_get(METRIC_EVENT_AGE_2), 1);
    assert_int_equal(metrics_get(METRIC_EVENT_AGE_5), 2);
    assert_int_equal(metrics_get(METRIC_EVENT_AGE_1000), 2);
    assert_int_equal(metrics_get(METRIC_EVENT_AGE_ANY), 3);
    assert_int_equal(metrics_get(METRIC_EVENT_AGE_COUNT), 3);
    assert_int_equal(metrics_get(METRIC_EVENT_AGE_SUM), 60006);
}

static void clocks_that_disagree_make_no_negative_age(void **state)
{
    (void)state;
    int64_t before = metrics_get(METRIC_EVENT_AGE_1), sum = metrics_get(METRIC_EVENT_AGE_SUM);

    event_age_note(1000, 900);
    assert_int_equal(metrics_get(METRIC_EVENT_AGE_1), before + 1);
    assert_int_equal(metrics_get(METRIC_EVENT_AGE_SUM), sum);
}

static void an_event_without_a_time_has_no_age(void **state)
{
    (void)state;
    int64_t before = metrics_get(METRIC_EVENT_AGE_COUNT);

    event_age_note(0, 900);
    assert_int_equal(metrics_get(METRIC_EVENT_AGE_COUNT), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_counts_everything_up_to_its_bound),
        cmocka_unit_test(clocks_that_disagree_make_no_negative_age),
        cmocka_unit_test(an_event_without_a_time_has_no_age),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
