#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <roomcast/core/departures.h>

static struct room_key user(unsigned number)
{
    struct room_key key;
    char name[16];
    snprintf(name, sizeof name, "user-%u", number);
    assert_int_equal(room_key_for_user(slice_of(name), &key), ERR_OK);
    return key;
}

static void add(struct departures *departures, unsigned number, uint64_t due_ms)
{
    struct room_key key = user(number);
    assert_int_equal(departures_add(departures, &key, due_ms), ERR_OK);
}

static bool cancel(struct departures *departures, unsigned number)
{
    struct room_key key = user(number);
    return departures_cancel(departures, &key);
}

static void expect_taken(struct departures *departures, uint64_t now_ms, unsigned number)
{
    struct room_key key = user(number), taken;
    assert_true(departures_take(departures, now_ms, &taken));
    assert_true(room_key_equal(&taken, &key));
}

static void users_leave_in_turn_once_they_are_due(void **state)
{
    (void)state;
    struct departures departures = {.first = NULL};
    struct room_key taken;
    assert_int_equal(departures_due_ms(&departures), 0);
    add(&departures, 1, 100);
    add(&departures, 2, 200);
    assert_int_equal(departures_due_ms(&departures), 100);
    assert_false(departures_take(&departures, 99, &taken));
    expect_taken(&departures, 100, 1);
    assert_false(departures_take(&departures, 199, &taken));
    expect_taken(&departures, 1000, 2);
    assert_false(departures_take(&departures, 1000, &taken));
}

static void who_comes_back_in_time_never_left(void **state)
{
    (void)state;
    struct departures departures = {.first = NULL};
    for (unsigned i = 0; i < 5; i++)
        add(&departures, i, 100 + i);
    assert_true(cancel(&departures, 0));
    assert_true(cancel(&departures, 2));
    assert_true(cancel(&departures, 4));
    assert_false(cancel(&departures, 2));
    assert_int_equal(departures_due_ms(&departures), 101);
    add(&departures, 5, 200);
    expect_taken(&departures, 300, 1);
    expect_taken(&departures, 300, 3);
    expect_taken(&departures, 300, 5);
    assert_int_equal(departures_due_ms(&departures), 0);
}

static void each_connection_of_a_user_leaves_for_itself(void **state)
{
    (void)state;
    struct departures departures = {.first = NULL};
    add(&departures, 1, 100);
    add(&departures, 2, 110);
    add(&departures, 1, 120);
    add(&departures, 1, 130);
    assert_true(cancel(&departures, 1));
    assert_int_equal(departures_due_ms(&departures), 110);
    expect_taken(&departures, 500, 2);
    expect_taken(&departures, 500, 1);
    assert_int_equal(departures_due_ms(&departures), 130);
    assert_true(cancel(&departures, 1));
    assert_false(cancel(&departures, 1));
}

static void what_is_left_can_be_cleared(void **state)
{
    (void)state;
    struct departures departures = {.first = NULL};
    for (unsigned i = 0; i < 1000; i++)
        add(&departures, i % 300, i);
    departures_clear(&departures);
    assert_int_equal(departures_due_ms(&departures), 0);
    assert_false(cancel(&departures, 7));
    add(&departures, 7, 1);
    departures_clear(&departures);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(users_leave_in_turn_once_they_are_due),
        cmocka_unit_test(who_comes_back_in_time_never_left),
        cmocka_unit_test(each_connection_of_a_user_leaves_for_itself),
        cmocka_unit_test(what_is_left_can_be_cleared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
