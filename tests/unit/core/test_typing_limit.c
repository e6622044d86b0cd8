#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <roomcast/base/random.h>
#include <roomcast/core/typing_limit.h>

static struct room_key user(const char *name)
{
    struct room_key key;
    assert_int_equal(room_key_for_user(slice_of(name), &key), ERR_OK);
    return key;
}

static void a_user_may_start_once_per_interval(void **state)
{
    (void)state;
    struct typing_limit limit;
    struct room_key anna = user("anna"), bert = user("bert");
    typing_limit_init(&limit);
    assert_true(typing_limit_pass(&limit, &anna, true, 2000, 10000));
    assert_false(typing_limit_pass(&limit, &anna, true, 2000, 11999));
    assert_true(typing_limit_pass(&limit, &bert, true, 2000, 11999));
    assert_true(typing_limit_pass(&limit, &anna, true, 2000, 12000));
    typing_limit_fini(&limit);
}

static void the_stop_of_a_start_passes_once(void **state)
{
    (void)state;
    struct typing_limit limit;
    struct room_key anna = user("anna");
    typing_limit_init(&limit);
    assert_false(typing_limit_pass(&limit, &anna, false, 2000, 10000));
    assert_true(typing_limit_pass(&limit, &anna, true, 2000, 10000));
    assert_true(typing_limit_pass(&limit, &anna, false, 2000, 10001));
    assert_false(typing_limit_pass(&limit, &anna, false, 2000, 10002));
    typing_limit_fini(&limit);
}

static void users_who_stopped_are_forgotten(void **state)
{
    (void)state;
    struct typing_limit limit;
    typing_limit_init(&limit);
    for (int i = 0; i < 5000; i++) {
        char name[16];
        snprintf(name, sizeof name, "u%d", i);
        struct room_key key = user(name);
        assert_true(typing_limit_pass(&limit, &key, true, 2000, 10000 + (uint64_t)i * 100));
        assert_true(typing_limit_pass(&limit, &key, false, 2000, 10000 + (uint64_t)i * 100));
        assert_true(limit.count <= 64);
    }
    typing_limit_fini(&limit);
}

static void users_who_never_stop_do_not_silence_the_room(void **state)
{
    (void)state;
    struct typing_limit limit;
    typing_limit_init(&limit);
    for (int i = 0; i < TYPING_USERS_MAX; i++) {
        char name[16];
        snprintf(name, sizeof name, "u%d", i);
        struct room_key key = user(name);
        assert_true(typing_limit_pass(&limit, &key, true, 2000, 10000));
    }
    struct room_key late = user("late");
    assert_false(typing_limit_pass(&limit, &late, true, 2000, 10000));
    assert_true(typing_limit_pass(&limit, &late, true, 2000, 70001));
    typing_limit_fini(&limit);
}

int main(void)
{
    if (random_init() != ERR_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_user_may_start_once_per_interval),
        cmocka_unit_test(the_stop_of_a_start_passes_once),
        cmocka_unit_test(users_who_stopped_are_forgotten),
        cmocka_unit_test(users_who_never_stop_do_not_silence_the_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
