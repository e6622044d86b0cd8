/* Who is written to next (core/write_schedule.h). */
#include <roomcast/core/write_schedule.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TURN 64

static struct write_schedule schedule;

static int set_up(void **state)
{
    (void)state;
    write_schedule_init(&schedule);
    return 0;
}

static void add_many(struct write_place *places, uint32_t count, uint32_t audience)
{
    for (uint32_t i = 0; i < count; i++)
        write_schedule_add(&schedule, &places[i], audience);
}

static uint32_t count_of(struct write_place *const *taken, uint32_t count, const struct write_place *places,
                         uint32_t places_count)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++)
        found += taken[i] >= places && taken[i] < places + places_count;
    return found;
}

static void nothing_is_taken_from_an_empty_schedule(void **state)
{
    (void)state;
    struct write_place *taken[TURN];
    assert_true(write_schedule_is_empty(&schedule));
    assert_int_equal(write_schedule_take(&schedule, taken, TURN), 0);
}

static void a_line_is_served_first_come_first_served(void **state)
{
    (void)state;
    static struct write_place places[100];
    struct write_place *taken[TURN];
    memset(places, 0, sizeof places);
    add_many(places, 100, 100);
    assert_int_equal(write_schedule_take(&schedule, taken, TURN), TURN);
    for (uint32_t i = 0; i < TURN; i++)
        assert_ptr_equal(taken[i], &places[i]);
    write_schedule_add(&schedule, &places[0], 100); /* it has something again: behind the others */
    assert_int_equal(write_schedule_take(&schedule, taken, TURN), 37);
    assert_ptr_equal(taken[0], &places[TURN]);
    assert_ptr_equal(taken[36], &places[0]);
    assert_true(write_schedule_is_empty(&schedule));
}

static void a_small_room_passes_a_large_one_that_waits_already(void **state)
{
    (void)state;
    static struct write_place large[10000], small[10];
    struct write_place *taken[TURN];
    memset(large, 0, sizeof large);
    memset(small, 0, sizeof small);
    add_many(large, 10000, 10000);
    add_many(small, 10, 10);
    assert_int_equal(write_schedule_take(&schedule, taken, TURN), TURN);
    assert_int_equal(count_of(taken, TURN, small, 10), 10);
}

static void no_line_is_left_out_however_much_waits_before_it(void **state)
{
    (void)state;
    static struct write_place places[WRITE_LINES][1000];
    struct write_place *taken[TURN];
    memset(places, 0, sizeof places);
    add_many(places[0], 1000, WRITE_ALONE);
    for (uint32_t line = 1; line < WRITE_LINES - 1; line++)
        add_many(places[line], 1000, 1u << (line - 1));
    add_many(places[WRITE_LINES - 1], 1000, WRITE_BEHIND);
    assert_int_equal(write_schedule_take(&schedule, taken, TURN), TURN);
    for (uint32_t line = 0; line < WRITE_LINES; line++)
        assert_true(count_of(taken, TURN, places[line], 1000) >= 1);
    assert_true(count_of(taken, TURN, places[0], 1000) > TURN / 4); /* the first has the largest share */
}

/* `many` sessions wait with `few` behind them in another line: a turn is full as long as anybody waits. */
static void assert_turn_is_full(uint32_t many_audience, uint32_t few_audience)
{
    static struct write_place many[2 * TURN], few[2];
    struct write_place *taken[TURN];
    memset(many, 0, sizeof many);
    memset(few, 0, sizeof few);
    write_schedule_init(&schedule);
    add_many(many, 2 * TURN, many_audience);
    add_many(few, 2, few_audience);
    assert_int_equal(write_schedule_take(&schedule, taken, TURN), TURN);
    assert_int_equal(count_of(taken, TURN, few, 2), 2);
    assert_int_equal(count_of(taken, TURN, many, 2 * TURN), TURN - 2);
    assert_int_equal(write_schedule_take(&schedule, taken, TURN), TURN);
    assert_int_equal(write_schedule_take(&schedule, taken, TURN), 2);
    assert_true(write_schedule_is_empty(&schedule));
}

static void what_a_line_does_not_use_of_its_share_goes_to_the_others(void **state)
{
    (void)state;
    assert_turn_is_full(10, 10000);
    assert_turn_is_full(10000, 10);
    assert_turn_is_full(10000, WRITE_BEHIND);
    assert_turn_is_full(WRITE_ALONE, WRITE_BEHIND);
    assert_turn_is_full(WRITE_BEHIND, WRITE_ALONE);
}

static void a_session_of_two_rooms_waits_in_the_line_of_the_smaller(void **state)
{
    (void)state;
    static struct write_place large[1000];
    struct write_place member = {.waits = false}, *taken[TURN];
    memset(large, 0, sizeof large);
    add_many(large, 1000, 1000);
    write_schedule_add(&schedule, &member, 1000);
    write_schedule_add(&schedule, &member, 3);
    write_schedule_add(&schedule, &member, 1000); /* does not set it back */
    assert_int_equal(write_schedule_take(&schedule, taken, TURN), TURN);
    assert_ptr_equal(taken[0], &member);
    while (write_schedule_take(&schedule, taken, TURN) > 0)
        assert_int_equal(count_of(taken, TURN, &member, 1), 0); /* it stood in one line only */
}

static void it_is_shared_while_events_of_different_audiences_wait(void **state)
{
    (void)state;
    struct write_place small = {.waits = false}, large = {.waits = false}, reply = {.waits = false},
                       behind = {.waits = false};
    write_schedule_add(&schedule, &large, 10000);
    write_schedule_add(&schedule, &reply, WRITE_ALONE);
    write_schedule_add(&schedule, &behind, WRITE_BEHIND);
    assert_false(write_schedule_is_shared(&schedule));
    write_schedule_add(&schedule, &small, 10);
    assert_true(write_schedule_is_shared(&schedule));
    write_schedule_remove(&schedule, &large);
    assert_false(write_schedule_is_shared(&schedule));
}

static void whoever_is_removed_is_not_taken(void **state)
{
    (void)state;
    struct write_place places[3] = {{.waits = false}}, *taken[TURN];
    add_many(places, 3, 3);
    write_schedule_remove(&schedule, &places[1]);
    write_schedule_remove(&schedule, &places[1]);
    assert_int_equal(write_schedule_take(&schedule, taken, TURN), 2);
    assert_ptr_equal(taken[0], &places[0]);
    assert_ptr_equal(taken[1], &places[2]);
    add_many(places, 1, 3);
    write_schedule_remove(&schedule, &places[0]);
    assert_true(write_schedule_is_empty(&schedule));
}

static void any_audience_has_a_line(void **state)
{
    (void)state;
    static const uint32_t audiences[] = {WRITE_ALONE, 1, 2, 3, 1000, 1u << 22, 1u << 31, WRITE_BEHIND};
    enum { COUNT = sizeof audiences / sizeof audiences[0] };
    struct write_place places[COUNT] = {{.waits = false}}, *taken[TURN];
    for (uint32_t i = 0; i < COUNT; i++)
        write_schedule_add(&schedule, &places[i], audiences[i]);
    assert_int_equal(write_schedule_take(&schedule, taken, TURN), COUNT);
    assert_ptr_equal(taken[0], &places[0]);
    assert_ptr_equal(taken[COUNT - 1], &places[COUNT - 1]);
}

static void what_is_put_off_is_taken_when_it_is_due_and_not_before(void **state)
{
    (void)state;
    struct write_place first = {0}, second = {0}, *taken[TURN];
    assert_int_equal(write_schedule_release(&schedule, 1000), 0);
    write_schedule_put_off(&schedule, &first, 10, 1005);
    write_schedule_put_off(&schedule, &second, 10, 1008);
    write_schedule_put_off(&schedule, &first, 10, 1009); /* another event: it is due as it was */
    assert_int_equal(write_schedule_release(&schedule, 1000), 5);
    assert_int_equal(write_schedule_release(&schedule, 1004), 1);
    assert_true(write_schedule_is_empty(&schedule));
    assert_int_equal(write_schedule_release(&schedule, 1005), 3);
    assert_int_equal(write_schedule_take(&schedule, taken, TURN), 1);
    assert_ptr_equal(taken[0], &first);
    assert_int_equal(write_schedule_release(&schedule, 1100), 0);
    assert_int_equal(write_schedule_take(&schedule, taken, TURN), 1);
    assert_ptr_equal(taken[0], &second);
}

static void who_has_something_that_does_not_wait_is_put_off_no_longer(void **state)
{
    (void)state;
    struct write_place puts_off = {0}, other = {0}, *taken[TURN];
    write_schedule_put_off(&schedule, &puts_off, 10, 1005);
    write_schedule_put_off(&schedule, &other, 10, 1005);
    write_schedule_add(&schedule, &puts_off, WRITE_ALONE);
    write_schedule_put_off(&schedule, &puts_off, 10, 1006);
    assert_int_equal(write_schedule_take(&schedule, taken, TURN), 1);
    assert_ptr_equal(taken[0], &puts_off);
    write_schedule_remove(&schedule, &other); /* it has ended */
    assert_int_equal(write_schedule_release(&schedule, 1000), 0);
    assert_true(write_schedule_is_empty(&schedule));
}

static void putting_off_stands_the_clock_running_over(void **state)
{
    (void)state;
    struct write_place place = {0};
    uint64_t now_ms = (UINT64_C(1) << 32) - 2;
    write_schedule_put_off(&schedule, &place, 1, now_ms + 5);
    assert_int_equal(write_schedule_release(&schedule, now_ms), 5);
    assert_int_equal(write_schedule_release(&schedule, now_ms + 5), 0);
    assert_false(write_schedule_is_empty(&schedule));
    write_schedule_remove(&schedule, &place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_is_taken_from_an_empty_schedule, set_up),
        cmocka_unit_test_setup(a_line_is_served_first_come_first_served, set_up),
        cmocka_unit_test_setup(a_small_room_passes_a_large_one_that_waits_already, set_up),
        cmocka_unit_test_setup(no_line_is_left_out_however_much_waits_before_it, set_up),
        cmocka_unit_test_setup(what_a_line_does_not_use_of_its_share_goes_to_the_others, set_up),
        cmocka_unit_test_setup(a_session_of_two_rooms_waits_in_the_line_of_the_smaller, set_up),
        cmocka_unit_test_setup(it_is_shared_while_events_of_different_audiences_wait, set_up),
        cmocka_unit_test_setup(whoever_is_removed_is_not_taken, set_up),
        cmocka_unit_test_setup(any_audience_has_a_line, set_up),
        cmocka_unit_test_setup(what_is_put_off_is_taken_when_it_is_due_and_not_before, set_up),
        cmocka_unit_test_setup(who_has_something_that_does_not_wait_is_put_off_no_longer, set_up),
        cmocka_unit_test_setup(putting_off_stands_the_clock_running_over, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
