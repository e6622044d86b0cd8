#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <roomcast/base/err.h>

static void err_name_is_the_code_in_lower_case_without_its_prefix(void **state)
{
    (void)state;
    assert_string_equal(err_name(ERR_SYNTAX), "syntax");
    assert_string_equal(err_name(ERR_TOO_BIG), "too_big");
    assert_string_equal(err_name(ERR_OK), "ok");
}

static void every_error_has_a_name_a_text_and_a_category(void **state)
{
    (void)state;
    for (int err = 0; err < ERR_COUNT; err++) {
        assert_true(err_name((enum err)err)[0] != '\0');
        assert_true(err_text((enum err)err)[0] != '\0');
        assert_int_equal(err_category((enum err)err) == ERR_CATEGORY_NONE, err == ERR_OK);
    }
}

static void categories_follow_the_table(void **state)
{
    (void)state;
    assert_int_equal(err_category(ERR_FORBIDDEN), ERR_CATEGORY_PEER);
    assert_int_equal(err_category(ERR_TIMEOUT), ERR_CATEGORY_RETRY);
    assert_int_equal(err_category(ERR_CONFIG), ERR_CATEGORY_LOCAL);
    assert_int_equal(err_category(ERR_BUG), ERR_CATEGORY_BUG);
}

static void a_number_that_is_no_error_is_reported_as_a_bug(void **state)
{
    (void)state;
    assert_string_equal(err_name((enum err)ERR_COUNT), "bug");
    assert_int_equal(err_category((enum err)1000), ERR_CATEGORY_BUG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(err_name_is_the_code_in_lower_case_without_its_prefix),
        cmocka_unit_test(every_error_has_a_name_a_text_and_a_category),
        cmocka_unit_test(categories_follow_the_table),
        cmocka_unit_test(a_number_that_is_no_error_is_reported_as_a_bug),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
