#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <roomcast/base/shared_text.h>

static void it_lives_until_its_last_holder_lets_go(void **state)
{
    (void)state;
    char original[] = "{\"sub\":\"anna\"}";
    struct shared_text *first = shared_text_new(slice_of(original)), *second = shared_text_ref(first);
    memset(original, 'x', sizeof original - 1);
    shared_text_unref(&first);
    assert_null(first);
    assert_true(slice_equal(shared_text_slice(second), SLICE_LITERAL("{\"sub\":\"anna\"}")));
    shared_text_unref(&second); /* the sanitizer would tell of one too many or too few */
}

static void nothing_is_held_and_let_go_like_anything_else(void **state)
{
    (void)state;
    struct shared_text *none = NULL;
    assert_null(shared_text_ref(none));
    shared_text_unref(&none);
    struct shared_text *empty = shared_text_new((struct slice){NULL, 0});
    assert_int_equal(shared_text_slice(empty).len, 0);
    shared_text_unref(&empty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_lives_until_its_last_holder_lets_go),
        cmocka_unit_test(nothing_is_held_and_let_go_like_anything_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
