#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <roomcast/core/repeats.h>

static void a_number_is_new_once(void **state)
{
    (void)state;
    struct repeats repeats = {.count = 0};
    for (uint64_t id = 1; id <= REPEATS_KEPT; id++)
        assert_false(repeats_note(&repeats, id));
    for (uint64_t id = 1; id <= REPEATS_KEPT; id++)
        assert_true(repeats_note(&repeats, id));
    assert_false(repeats_note(&repeats, UINT64_MAX));
    assert_true(repeats_note(&repeats, UINT64_MAX));
}

static void the_oldest_gives_way(void **state)
{
    (void)state;
    struct repeats repeats = {.count = 0};
    for (uint64_t id = 1; id <= REPEATS_KEPT + 1; id++)
        assert_false(repeats_note(&repeats, id));
    assert_true(repeats_note(&repeats, 2));
    assert_false(repeats_note(&repeats, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_is_new_once),
        cmocka_unit_test(the_oldest_gives_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
