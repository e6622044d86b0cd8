#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <roomcast/core/memory_pressure.h>

#define MAX 1000000u

static enum memory_stage after(enum memory_stage stage, unsigned permille)
{
    return memory_stage_next(stage, (uint64_t)MAX / 1000 * permille, MAX);
}

static void each_stage_begins_at_its_share_of_the_ceiling(void **state)
{
    (void)state;
    assert_int_equal(after(MEMORY_CALM, 0), MEMORY_CALM);
    assert_int_equal(after(MEMORY_CALM, 849), MEMORY_CALM);
    assert_int_equal(after(MEMORY_CALM, 850), MEMORY_SHRINKING);
    assert_int_equal(after(MEMORY_SHRINKING, 899), MEMORY_SHRINKING);
    assert_int_equal(after(MEMORY_SHRINKING, 900), MEMORY_REFUSING);
    assert_int_equal(after(MEMORY_REFUSING, 949), MEMORY_REFUSING);
    assert_int_equal(after(MEMORY_REFUSING, 950), MEMORY_CLOSING);
    assert_int_equal(after(MEMORY_CLOSING, 2000), MEMORY_CLOSING);
}

static void a_stage_ends_five_points_below_its_beginning(void **state)
{
    (void)state;
    assert_int_equal(after(MEMORY_CLOSING, 900), MEMORY_CLOSING);
    assert_int_equal(after(MEMORY_CLOSING, 899), MEMORY_REFUSING);
    assert_int_equal(after(MEMORY_REFUSING, 850), MEMORY_REFUSING);
    assert_int_equal(after(MEMORY_REFUSING, 849), MEMORY_SHRINKING);
    assert_int_equal(after(MEMORY_SHRINKING, 800), MEMORY_SHRINKING);
    assert_int_equal(after(MEMORY_SHRINKING, 799), MEMORY_CALM);
}

static void stages_are_passed_over_when_the_use_jumps(void **state)
{
    (void)state;
    assert_int_equal(after(MEMORY_CALM, 990), MEMORY_CLOSING);
    assert_int_equal(after(MEMORY_CLOSING, 100), MEMORY_CALM);
    assert_int_equal(after(MEMORY_CLOSING, 820), MEMORY_SHRINKING);
}

static void without_a_ceiling_nothing_is_short(void **state)
{
    (void)state;
    assert_int_equal(memory_stage_next(MEMORY_CALM, UINT64_MAX, 0), MEMORY_CALM);
    assert_int_equal(memory_stage_next(MEMORY_CLOSING, 1, 0), MEMORY_CALM);
}

static void the_largest_numbers_do_not_overflow(void **state)
{
    (void)state;
    assert_int_equal(memory_stage_next(MEMORY_CALM, UINT64_MAX, UINT64_MAX), MEMORY_CLOSING);
    assert_int_equal(memory_stage_next(MEMORY_CALM, UINT64_MAX / 2, UINT64_MAX), MEMORY_CALM);
}

static void what_is_too_much_is_what_is_above_the_end_of_closing(void **state)
{
    (void)state;
    assert_int_equal(memory_excess(900000, MAX), 0);
    assert_int_equal(memory_excess(0, MAX), 0);
    assert_int_equal(memory_excess(960000, MAX), 60000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_stage_begins_at_its_share_of_the_ceiling),
        cmocka_unit_test(a_stage_ends_five_points_below_its_beginning),
        cmocka_unit_test(stages_are_passed_over_when_the_use_jumps),
        cmocka_unit_test(without_a_ceiling_nothing_is_short),
        cmocka_unit_test(what_is_too_much_is_what_is_above_the_end_of_closing),
        cmocka_unit_test(the_largest_numbers_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
