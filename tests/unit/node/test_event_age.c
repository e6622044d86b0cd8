#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <roomcast/base/metrics.h>

#include "event_age.h"

static void both_ages_are_noted(void **state)
{
    (void)state;
    event_age_note(&(struct event_times){.occurred_ms = 900, .relayed_ms = 1000}, 1001);
    assert_int_equal(metrics_observed(HISTOGRAM_EVENT_RELAYED), 1);
    assert_int_equal(metrics_observed_sum_us(HISTOGRAM_EVENT_RELAYED), 1000);
    assert_int_equal(metrics_observed(HISTOGRAM_EVENT_OCCURRED), 1);
    assert_int_equal(metrics_observed_sum_us(HISTOGRAM_EVENT_OCCURRED), 101000);
}

static void clocks_that_disagree_make_no_negative_age(void **state)
{
    (void)state;
    uint64_t before = metrics_observed(HISTOGRAM_EVENT_RELAYED),
             sum_us = metrics_observed_sum_us(HISTOGRAM_EVENT_RELAYED);

    event_age_note(&(struct event_times){.relayed_ms = 1000}, 900);
    assert_int_equal(metrics_observed(HISTOGRAM_EVENT_RELAYED), before + 1);
    assert_int_equal(metrics_observed_sum_us(HISTOGRAM_EVENT_RELAYED), sum_us);
}

static void an_event_without_a_time_has_no_age(void **state)
{
    (void)state;
    uint64_t relayed = metrics_observed(HISTOGRAM_EVENT_RELAYED),
             occurred = metrics_observed(HISTOGRAM_EVENT_OCCURRED);

    event_age_note(&(struct event_times){0}, 900);
    assert_int_equal(metrics_observed(HISTOGRAM_EVENT_RELAYED), relayed);
    assert_int_equal(metrics_observed(HISTOGRAM_EVENT_OCCURRED), occurred);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ages_are_noted),
        cmocka_unit_test(clocks_that_disagree_make_no_negative_age),
        cmocka_unit_test(an_event_without_a_time_has_no_age),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
