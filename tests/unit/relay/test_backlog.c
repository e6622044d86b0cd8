#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdlib.h>

#include "backlog.h"

static void assert_next(struct backlog *backlog, const char *source, const char *text)
{
    struct backlog_item *item = backlog_take(backlog);

    assert_non_null(item);
    assert_true(slice_equal(item->source, slice_of(source)));
    assert_true(slice_equal(item->text, slice_of(text)));
    free(item);
}

static void backlog_gives_back_in_order(void **state)
{
    (void)state;
    struct backlog backlog;

    backlog_init(&backlog, 10, 100);
    assert_null(backlog_take(&backlog));
    assert_true(backlog_add(&backlog, slice_of("a"), slice_of("one")));
    assert_true(backlog_add(&backlog, slice_of(""), slice_of("")));
    assert_next(&backlog, "a", "one");
    assert_true(backlog_add(&backlog, slice_of("b"), slice_of("two")));
    assert_next(&backlog, "", "");
    assert_next(&backlog, "b", "two");
    assert_null(backlog_take(&backlog));
    assert_int_equal(backlog.bytes, 0);
    backlog_fini(&backlog);
}

static void backlog_is_bounded_in_number_and_bytes(void **state)
{
    (void)state;
    struct backlog backlog;

    backlog_init(&backlog, 2, 10);
    assert_true(backlog_add(&backlog, slice_of("s"), slice_of("12345")));
    assert_false(backlog_add(&backlog, slice_of("s"), slice_of("1234")));
    assert_true(backlog_add(&backlog, slice_of("s"), slice_of("123")));
    assert_false(backlog_add(&backlog, slice_of(""), slice_of("")));
    assert_int_equal(backlog.count, 2);
    assert_next(&backlog, "s", "12345");
    assert_true(backlog_add(&backlog, slice_of("s"), slice_of("12345")));
    backlog_fini(&backlog);
    assert_int_equal(backlog.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(backlog_gives_back_in_order),
        cmocka_unit_test(backlog_is_bounded_in_number_and_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
