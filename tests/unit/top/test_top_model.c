#include "top_test.h"

#include <string.h>

static int set_up(void **state)
{
    static struct top_model model;
    top_model_init(&model);
    *state = &model;
    return 0;
}

static int tear_down(void **state)
{
    top_model_fini(*state);
    return 0;
}

static void hear(struct top_model *model, struct heartbeat beat, uint64_t now_ms)
{
    top_model_hear(model, &beat, now_ms);
}

static void rates_are_the_growth_between_two_beats(void **state)
{
    struct top_model *model = *state;
    struct heartbeat beat = node_beat("a", 1);
    hear(model, beat, 10000);
    assert_false(model->rows[0].has_rates);
    beat.number = 2;
    beat.events_total = 100;
    beat.deliveries_total = 5000;
    beat.accepted_total = 4;
    beat.age_ms_total = 250;
    beat.age_count = 100;
    hear(model, beat, 12000);
    assert_true(model->rows[0].has_rates);
    assert_float_equal(model->rows[0].rates.events, 50, 0.001);
    assert_float_equal(model->rows[0].rates.deliveries, 2500, 0.001);
    assert_float_equal(model->rows[0].rates.accepted, 2, 0.001);
    assert_float_equal(model->rows[0].rates.age_ms, 2.5, 0.001);
}

static void a_beat_out_of_turn_does_not_make_the_rates_jump(void **state)
{
    struct top_model *model = *state;
    struct heartbeat beat = node_beat("a", 1);
    hear(model, beat, 10000);
    beat.number = 2;
    beat.events_total = 10;
    hear(model, beat, 10010);
    assert_false(model->rows[0].has_rates);
    beat.number = 3;
    beat.events_total = 100;
    hear(model, beat, 11000);
    assert_float_equal(model->rows[0].rates.events, 100, 0.001);
}

static void a_counter_that_went_back_does_not_grow(void **state)
{
    struct top_model *model = *state;
    struct heartbeat beat = node_beat("a", 1);
    beat.events_total = 100;
    beat.age_ms_total = 100;
    hear(model, beat, 10000);
    beat.number = 2;
    beat.events_total = 1;
    beat.age_ms_total = 1;
    beat.age_count = 5;
    hear(model, beat, 11000);
    assert_float_equal(model->rows[0].rates.events, 0, 0.001);
    assert_true(model->rows[0].rates.age_ms < 0);
}

static void an_older_beat_changes_nothing(void **state)
{
    struct top_model *model = *state;
    struct heartbeat beat = node_beat("a", 5);
    hear(model, beat, 10000);
    beat.number = 4;
    beat.connections = 7;
    hear(model, beat, 11000);
    assert_int_equal(model->count, 1);
    assert_int_equal(model->rows[0].beat.connections, 1000);
    assert_int_equal(model->rows[0].heard_ms, 10000);
}

static void what_a_process_answers_replaces_its_beat_and_an_older_beat_does_not_come_back(void **state)
{
    struct top_model *model = *state;
    struct heartbeat beat = node_beat("a", 5);
    hear(model, beat, 10000);
    beat.connections = 7;
    top_model_refresh(model, &beat, 11000);
    assert_int_equal(model->rows[0].beat.connections, 7);
    assert_int_equal(model->rows[0].heard_ms, 11000);
    beat.number = 4;
    beat.connections = 9;
    top_model_refresh(model, &beat, 12000);
    assert_int_equal(model->rows[0].beat.connections, 7);
    beat.number = 5;
    hear(model, beat, 12000); /* the same one, told by another process */
    assert_int_equal(model->rows[0].beat.connections, 7);
}

static void a_beat_that_is_told_late_turns_no_clock_back(void **state)
{
    struct top_model *model = *state;
    struct heartbeat beat = node_beat("a", 5);
    hear(model, beat, 10000);
    beat.number = 6;
    beat.events_total = 100;
    hear(model, beat, 9000);
    assert_int_equal(model->rows[0].heard_ms, 10000);
    assert_false(model->rows[0].has_rates);
    beat.number = 7;
    hear(model, beat, 12000);
    assert_float_equal(model->rows[0].rates.events, 50, 0.001);
}

static void who_is_silent_is_marked_after_three_intervals_and_dropped_after_ten(void **state)
{
    struct top_model *model = *state;
    hear(model, node_beat("a", 1), 10000);
    assert_int_equal(top_row_condition(&model->rows[0], 10000 + 3 * INTERVAL), TOP_FRESH);
    assert_int_equal(top_row_condition(&model->rows[0], 10001 + 3 * INTERVAL), TOP_SILENT);
    top_model_expire(model, 10000 + 10 * INTERVAL);
    assert_int_equal(model->count, 1);
    top_model_expire(model, 10001 + 10 * INTERVAL);
    assert_int_equal(model->count, 0);
}

static void who_said_that_it_leaves_goes_sooner_and_is_never_silent(void **state)
{
    struct top_model *model = *state;
    struct heartbeat beat = node_beat("a", 1);
    hear(model, beat, 10000);
    beat.number = 2;
    beat.state = HEARTBEAT_LEAVING;
    hear(model, beat, 11000);
    assert_int_equal(top_row_condition(&model->rows[0], 11000 + 3 * INTERVAL), TOP_LEFT);
    top_model_expire(model, 11001 + 3 * INTERVAL);
    assert_int_equal(model->count, 0);
}

static void the_last_beat_of_a_stranger_makes_no_row(void **state)
{
    struct top_model *model = *state;
    struct heartbeat beat = node_beat("a", 9);
    beat.state = HEARTBEAT_LEAVING;
    hear(model, beat, 10000);
    assert_int_equal(model->count, 0);
}

static void a_node_that_was_restarted_is_shown_once(void **state)
{
    struct top_model *model = *state;
    struct heartbeat beat = node_beat("a", 1);
    hear(model, beat, 10000);
    beat.number = 2;
    beat.state = HEARTBEAT_LEAVING;
    hear(model, beat, 11000);
    struct heartbeat again = node_beat("a", 1);
    strcpy(again.instance, "a.another");
    hear(model, again, 11500);
    assert_int_equal(model->count, 1);
    assert_string_equal(model->rows[0].beat.instance, "a.another");
}

static void sums_count_who_is_there_and_nobody_else(void **state)
{
    struct top_model *model = *state;
    struct heartbeat small = node_beat("b", 1);
    small.connections = 500;
    hear(model, node_beat("gone", 1), 10000);
    hear(model, node_beat("a", 1), 14000);
    hear(model, small, 14000);
    hear(model, relay_beat("r", 1, true), 14000);
    hear(model, relay_beat("s", 1, false), 14000);
    struct top_sum sum;
    top_model_sum(model, 14000, &sum);
    assert_int_equal(sum.nodes, 2);
    assert_int_equal(sum.relays, 2);
    assert_int_equal(sum.active, 1);
    assert_int_equal(sum.silent, 1);
    assert_int_equal(sum.connections, 1500);
    assert_float_equal(sum.mean, 750, 0.001);
}

static const char *name_at(const struct top_model *model, size_t index)
{
    return model->rows[index].beat.name;
}

static void rows_are_sorted_as_asked_and_relays_come_last(void **state)
{
    struct top_model *model = *state;
    struct heartbeat busy = node_beat("c", 1), full = node_beat("b", 1);
    busy.cpu_permille = 900;
    full.connections = 2000;
    hear(model, relay_beat("0", 1, true), 10000);
    hear(model, busy, 10000);
    hear(model, full, 10000);
    hear(model, node_beat("a", 1), 10000);
    const char *const expected[][4] = {
        [TOP_BY_NAME] = {"a", "b", "c", "0"},
        [TOP_BY_CONNECTIONS] = {"b", "a", "c", "0"},
        [TOP_BY_CPU] = {"c", "a", "b", "0"},
    };
    for (int order = TOP_BY_NAME; order <= TOP_BY_CPU; order++) {
        top_model_sort(model, (enum top_order)order);
        for (size_t i = 0; i < 4; i++)
            assert_string_equal(name_at(model, i), expected[order][i]);
    }
}

static void strangers_beyond_the_limit_are_not_taken_in(void **state)
{
    struct top_model *model = *state;
    char name[16];
    for (unsigned i = 0; i < TOP_ROWS_MAX + 5; i++) {
        snprintf(name, sizeof name, "n%u", i);
        hear(model, node_beat(name, 1), 10000);
    }
    assert_int_equal(model->count, TOP_ROWS_MAX);
    assert_int_equal(model->refused, 5);
    hear(model, node_beat("n0", 2), 11000);
    assert_int_equal(model->refused, 5);
}

static void a_look_is_complete_when_all_have_beaten_twice(void **state)
{
    struct top_model *model = *state;
    assert_false(top_model_is_complete(model, 10000, 60000));
    hear(model, node_beat("a", 1), 10100);
    hear(model, node_beat("b", 1), 10900);
    hear(model, node_beat("a", 2), 11100);
    assert_false(top_model_is_complete(model, 10000, 11200));
    hear(model, node_beat("b", 2), 11900);
    assert_true(top_model_is_complete(model, 10000, 11900));
    assert_false(top_model_is_complete(model, 11000, 11900)); /* others may not have had their turn */
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(rates_are_the_growth_between_two_beats),
        TEST(a_beat_out_of_turn_does_not_make_the_rates_jump),
        TEST(a_counter_that_went_back_does_not_grow),
        TEST(an_older_beat_changes_nothing),
        TEST(what_a_process_answers_replaces_its_beat_and_an_older_beat_does_not_come_back),
        TEST(a_beat_that_is_told_late_turns_no_clock_back),
        TEST(who_is_silent_is_marked_after_three_intervals_and_dropped_after_ten),
        TEST(who_said_that_it_leaves_goes_sooner_and_is_never_silent),
        TEST(the_last_beat_of_a_stranger_makes_no_row),
        TEST(a_node_that_was_restarted_is_shown_once),
        TEST(sums_count_who_is_there_and_nobody_else),
        TEST(rows_are_sorted_as_asked_and_relays_come_last),
        TEST(strangers_beyond_the_limit_are_not_taken_in),
        TEST(a_look_is_complete_when_all_have_beaten_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
