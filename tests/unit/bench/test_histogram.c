#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "histogram.h"

static struct histogram *new_histogram(void)
{
    struct histogram *histogram = calloc(1, sizeof *histogram);
    assert_non_null(histogram);
    return histogram;
}

static void assert_near(uint64_t value, uint64_t wanted)
{
    assert_in_range(value, wanted - wanted / 100, wanted + wanted / 100);
}

static void percentiles_are_within_one_percent(void **state)
{
    (void)state;
    struct histogram *histogram = new_histogram();

    for (uint64_t us = 1; us <= 100000; us++)
        histogram_record(histogram, us * 1000);
    assert_near(histogram_percentile(histogram, 0.5), 50000000);
    assert_near(histogram_percentile(histogram, 0.99), 99000000);
    assert_near(histogram_percentile(histogram, 0.999), 99900000);
    assert_int_equal(histogram_percentile(histogram, 1), 100000000);
    assert_int_equal(histogram->max, 100000000);
    free(histogram);
}

static void small_values_are_exact(void **state)
{
    (void)state;
    struct histogram *histogram = new_histogram();

    for (uint64_t value = 0; value < 256; value++)
        histogram_record(histogram, value);
    assert_int_equal(histogram_percentile(histogram, 0), 0);
    assert_int_equal(histogram_percentile(histogram, 0.5), 127);
    assert_int_equal(histogram_percentile(histogram, 1), 255);
    free(histogram);
}

static void every_value_lies_in_the_bucket_that_stands_for_it(void **state)
{
    (void)state;
    for (uint64_t value = 1; value < HISTOGRAM_MAX; value += value / 3 + 1) {
        struct histogram *histogram = new_histogram();
        histogram_record(histogram, value);
        histogram_record(histogram, HISTOGRAM_MAX);
        uint64_t found = histogram_percentile(histogram, 0.5);
        assert_in_range(found, value - value / 128, value + value / 128 + 1);
        free(histogram);
    }
}

/* Averaging the percentiles of two threads would say 505 ms here. */
static void merged_percentiles_are_those_of_all_values_together(void **state)
{
    (void)state;
    struct histogram *fast = new_histogram(), *slow = new_histogram();

    for (int i = 0; i < 990; i++)
        histogram_record(fast, 10000000);
    for (int i = 0; i < 10; i++)
        histogram_record(slow, 1000000000);
    histogram_merge(fast, slow);
    assert_int_equal(fast->count, 1000);
    assert_near(histogram_percentile(fast, 0.99), 10000000);
    assert_near(histogram_percentile(fast, 0.991), 1000000000);
    assert_int_equal(fast->max, 1000000000);
    free(fast);
    free(slow);
}

static void what_is_too_long_counts_as_the_longest(void **state)
{
    (void)state;
    struct histogram *histogram = new_histogram();

    histogram_record(histogram, UINT64_MAX);
    assert_int_equal(histogram_percentile(histogram, 0.5), HISTOGRAM_MAX);
    histogram_clear(histogram);
    assert_int_equal(histogram_percentile(histogram, 0.5), 0);
    free(histogram);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_within_one_percent),
        cmocka_unit_test(small_values_are_exact),
        cmocka_unit_test(every_value_lies_in_the_bucket_that_stands_for_it),
        cmocka_unit_test(merged_percentiles_are_those_of_all_values_together),
        cmocka_unit_test(what_is_too_long_counts_as_the_longest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
