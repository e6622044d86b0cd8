/* A hub that is cut off from the bus while it misses events. */
#include "hub_fixture.h"

#include "faulty_bus.h"

#define REPAIR_S 1

static void be_impatient(struct config *config)
{
    config->rooms_repair_s = REPAIR_S;
}

static int start_cuttable(void **state)
{
    (void)state;
    return start_behind(be_impatient, faulty_bus_new);
}

/* None comes within `ms`, presence left aside. */
static void expect_no_event(unsigned ms)
{
    uint64_t until_ms = clock_monotonic_ms() + ms;
    for (uint64_t now_ms; (now_ms = clock_monotonic_ms()) < until_ms;) {
        struct hub_output *output = next_output(0, (unsigned)(until_ms - now_ms));
        if (!output)
            return;
        assert_int_equal(output->kind, HUB_OUTPUT_FRAME);
        assert_int_equal(((struct hub_frame *)output)->what, HUB_SIGNAL);
        free_output(output);
    }
}

/* Event 3 comes, and 2 does not. */
static void miss_one(void)
{
    join(0, 9, "anna");
    publish(9, 1);
    expect_event(0, 1, true);
    faulty_bus_set_up(world.hub_bus, false);
    publish(9, 3);
}

static void clients_are_not_told_of_a_loss_while_the_node_is_cut_off(void **state)
{
    (void)state;
    int64_t lost = metrics_get(METRIC_LOST_TIMEOUT);
    miss_one();
    expect_no_event(REPAIR_S * 1000 + 500);
    assert_int_equal(metrics_get(METRIC_LOST_TIMEOUT), lost);
    publish(9, 2); /* as when it is found in the stream afterwards */
    expect_event(0, 2, true);
    expect_event(0, 3, true);
    faulty_bus_set_up(world.hub_bus, true);
    publish(9, 4);
    expect_event(0, 4, true);
}

static void a_loss_that_the_stream_proves_is_told_when_the_node_is_back(void **state)
{
    (void)state;
    int64_t lost = metrics_get(METRIC_GAPS_LOST);
    miss_one();
    expect_no_event(100);
    faulty_bus_set_up(world.hub_bus, true);
    expect_frame(0, "POSITION_LOST");
    expect_event(0, 3, true);
    assert_int_equal(metrics_get(METRIC_GAPS_LOST), lost + 1);
}

int main(void)
{
    if (random_init() != ERR_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(clients_are_not_told_of_a_loss_while_the_node_is_cut_off,
                                        start_cuttable, stop),
        cmocka_unit_test_setup_teardown(a_loss_that_the_stream_proves_is_told_when_the_node_is_back,
                                        start_cuttable, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
