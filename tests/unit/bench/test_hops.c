#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hops.h"

#define US 1000u

static int new_hops(void **state)
{
    struct hops *hops = NULL;
    assert_int_equal(hops_new(2, 4, &hops), ERR_OK);
    *state = hops;
    return 0;
}

static int free_hops(void **state)
{
    struct hops *hops = *state;
    hops_free(&hops);
    assert_null(hops);
    return 0;
}

/* An event that is sent at `at_us`; the members have it 1,000, 1,010, 1,020 and 1,030 us later. */
static void pass(struct hops *hops, uint32_t room, uint32_t number, uint64_t at_us)
{
    const struct marker event = {.room = room, .number = number};

    hops_sent(hops, &event, at_us * US);
    hops_added(hops, &event, (at_us + 100) * US);
    hops_on_bus(hops, &event, (at_us + 700) * US);
    for (uint64_t i = 0; i < 4; i++)
        hops_received(hops, &event, (at_us + 1000 + 10 * i) * US);
}

static void assert_times(const struct hops *hops, enum hop hop, uint64_t count, uint64_t sum_us,
                         uint64_t max_us)
{
    assert_int_equal(hops->times[hop].count, count);
    assert_int_equal(hops->sums_ns[hop], sum_us * US);
    assert_int_equal(hops->times[hop].max, max_us * US);
}

static void each_hop_lies_between_two_moments(void **state)
{
    struct hops *hops = *state;

    pass(hops, 1, 1, 5000);
    hops_settle(hops);
    assert_times(hops, HOP_XADD, 1, 100, 100);
    assert_times(hops, HOP_RELAY, 1, 600, 600);
    assert_times(hops, HOP_NODE, 1, 300, 300);
    assert_times(hops, HOP_BROKER, 1, 900, 900);
    assert_times(hops, HOP_FANOUT_MEDIAN, 1, 10, 10);
    assert_times(hops, HOP_FANOUT, 1, 30, 30);
    assert_times(hops, HOP_TOTAL, 1, 1030, 1030);
}

static void an_event_that_did_not_come_everywhere_is_counted_apart(void **state)
{
    struct hops *hops = *state;
    const struct marker nowhere = {.room = 0, .number = 1}, not_on_bus = {.room = 1, .number = 1};

    hops_sent(hops, &nowhere, 1);
    hops_sent(hops, &not_on_bus, 1);
    hops_added(hops, &not_on_bus, 2);
    for (int i = 0; i < 4; i++)
        hops_received(hops, &not_on_bus, 3);
    pass(hops, 0, 2, 5000);
    hops_settle(hops);
    assert_int_equal(hops->incomplete, 2);
    assert_int_equal(hops->times[HOP_TOTAL].count, 1);
}

/* The thread that watches NATS may run later than the member that already has the event. */
static void a_moment_that_is_noticed_late_makes_no_negative_time(void **state)
{
    struct hops *hops = *state;
    const struct marker event = {.room = 0, .number = 1};

    hops_sent(hops, &event, 10);
    hops_on_bus(hops, &event, 70);
    for (int i = 0; i < 4; i++)
        hops_received(hops, &event, 60);
    hops_added(hops, &event, 80);
    hops_settle(hops);
    assert_int_equal(hops->times[HOP_RELAY].max, 0);
    assert_int_equal(hops->times[HOP_NODE].max, 0);
    assert_int_equal(hops->times[HOP_TOTAL].max, 50);
}

static void what_was_before_the_measurement_does_not_count(void **state)
{
    struct hops *hops = *state;
    const struct marker event = {.room = 0, .number = 1};

    pass(hops, 0, 1, 5000);
    hops_clear(hops);
    hops_on_bus(hops, &event, 7);
    hops_received(hops, &event, 7);
    hops_settle(hops);
    assert_int_equal(hops->times[HOP_TOTAL].count, 0);
    assert_int_equal(hops->incomplete, 0);
}

static void an_event_is_settled_when_its_place_is_needed(void **state)
{
    struct hops *hops = *state;
    const uint32_t many = HOPS_EVENTS; /* of two rooms: twice the places */

    for (uint32_t number = 1; number <= many; number++)
        for (uint32_t room = 0; room < 2; room++)
            pass(hops, room, number, 5000 + number);
    assert_int_equal(hops->times[HOP_TOTAL].count, HOPS_EVENTS);
    hops_settle(hops);
    assert_int_equal(hops->times[HOP_TOTAL].count, 2 * HOPS_EVENTS);
    assert_int_equal(hops->incomplete, 0);
}

static const struct report_row *row(const struct report *report, const char *name)
{
    for (size_t i = 0; i < report->count; i++)
        if (strcmp(report->rows[i].name, name) == 0)
            return &report->rows[i];
    fail_msg("%s is not reported", name);
    return NULL;
}

static void shares_are_of_the_whole_way(void **state)
{
    static struct report report;
    struct hops *hops = *state;

    pass(hops, 0, 1, 5000);
    pass(hops, 0, 2, 9000);
    hops_settle(hops);
    hops_report(hops, &report);
    assert_float_equal(row(&report, "hop_relay_percent")->real, 100 * 600.0 / 1030, 1e-3);
    assert_float_equal(row(&report, "hop_total_percent")->real, 100, 1e-3);
    double sum = row(&report, "hop_xadd_percent")->real + row(&report, "hop_broker_percent")->real +
                 row(&report, "hop_fanout_percent")->real;
    assert_float_equal(sum, 100, 1e-3);
    assert_int_equal(row(&report, "hop_events")->count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_hop_lies_between_two_moments, new_hops, free_hops),
        cmocka_unit_test_setup_teardown(an_event_that_did_not_come_everywhere_is_counted_apart, new_hops,
                                        free_hops),
        cmocka_unit_test_setup_teardown(a_moment_that_is_noticed_late_makes_no_negative_time, new_hops,
                                        free_hops),
        cmocka_unit_test_setup_teardown(what_was_before_the_measurement_does_not_count, new_hops, free_hops),
        cmocka_unit_test_setup_teardown(an_event_is_settled_when_its_place_is_needed, new_hops, free_hops),
        cmocka_unit_test_setup_teardown(shares_are_of_the_whole_way, new_hops, free_hops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
