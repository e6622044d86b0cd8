#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <roomcast/base/slice.h>

static void a_number_is_read_up_to_its_limit_and_nothing_is_written_beyond_it(void **state)
{
    static const char *const wrong[] = {"", "-1", "+1", " 1", "1 ", "1x", "101", "4294967297", "0000000001"};
    unsigned number = 7;
    (void)state;

    assert_true(slice_parse_number(SLICE_LITERAL("0"), 100, &number));
    assert_int_equal(number, 0);
    assert_true(slice_parse_number(SLICE_LITERAL("100"), 100, &number));
    assert_int_equal(number, 100);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(slice_parse_number(slice_of(wrong[i]), 100, &number));
        assert_int_equal(number, 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_is_read_up_to_its_limit_and_nothing_is_written_beyond_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
