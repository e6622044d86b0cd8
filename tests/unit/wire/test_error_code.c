#include "wire_test.h"

#include <roomcast/wire/error_code.h>

static void codes_read_as_they_stand_in_the_table(void **state)
{
    (void)state;
    assert_string_equal(error_code_text(ERROR_CODE_FORBIDDEN), "FORBIDDEN");
    assert_false(error_code_temporary(ERROR_CODE_FORBIDDEN));
    assert_string_equal(error_code_text(ERROR_CODE_RATE_LIMITED), "RATE_LIMITED");
    assert_true(error_code_temporary(ERROR_CODE_RATE_LIMITED));
}

static void every_code_has_a_name_and_a_meaning_of_its_own(void **state)
{
    (void)state;
    for (unsigned code = 0; code < ERROR_CODE_COUNT; code++) {
        assert_true(strlen(error_code_text(code)) > 0);
        assert_true(strlen(error_code_meaning(code)) > 0);
        enum error_code found = ERROR_CODE_COUNT;
        assert_true(error_code_find(slice_of(error_code_text(code)), &found) && found == code);
        for (unsigned other = 0; other < code; other++) {
            assert_string_not_equal(error_code_text(code), error_code_text(other));
            assert_string_not_equal(error_code_meaning(code), error_code_meaning(other));
        }
    }
}

static void what_is_no_code_is_not_found(void **state)
{
    (void)state;
    enum error_code found;
    assert_false(error_code_find(slice_of(""), &found));
    assert_false(error_code_find(slice_of("FORBIDDE"), &found));
    assert_false(error_code_find(slice_of("forbidden"), &found));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_read_as_they_stand_in_the_table),
        cmocka_unit_test(every_code_has_a_name_and_a_meaning_of_its_own),
        cmocka_unit_test(what_is_no_code_is_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
