#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdlib.h>

#include <roomcast/base/buffer.h>

static void buffer_appends_every_kind_of_piece_in_order(void **state)
{
    (void)state;
    struct buffer buffer;

    buffer_init(&buffer, 1000);
    buffer_append(&buffer, "a\0b", 3);
    buffer_append_slice(&buffer, SLICE_LITERAL("|slice|"));
    buffer_append_text(&buffer, "text");
    buffer_append_char(&buffer, '|');
    buffer_append_u64(&buffer, UINT64_MAX);
    buffer_append_i64(&buffer, INT64_MIN);
    buffer_appendf(&buffer, "|%s=%d", "n", 7);
    assert_false(buffer_failed(&buffer));
    assert_true(slice_equal(buffer_slice(&buffer),
                            SLICE_LITERAL("a\0b|slice|text|18446744073709551615-9223372036854775808|n=7")));
    buffer_fini(&buffer);
}

static void buffer_grows_up_to_its_limit_exactly(void **state)
{
    (void)state;
    struct buffer buffer;

    buffer_init(&buffer, 100000);
    for (int i = 0; i < 100000; i++)
        buffer_append_char(&buffer, (char)('a' + i % 26));
    assert_false(buffer_failed(&buffer));
    assert_int_equal(buffer.len, 100000);
    assert_int_equal(strlen(buffer_text(&buffer)), 100000);
    assert_int_equal(buffer.data[99999], 'a' + 99999 % 26);
    buffer_fini(&buffer);
}

static void buffer_refuses_to_grow_past_its_limit(void **state)
{
    (void)state;
    struct buffer buffer;

    buffer_init(&buffer, 4);
    buffer_append_text(&buffer, "abc");
    buffer_append_text(&buffer, "de");
    assert_true(buffer_failed(&buffer));
    assert_int_equal(buffer.len, 3);
    assert_null(buffer_text(&buffer));
    assert_null(buffer_take(&buffer));
    buffer_fini(&buffer);
}

static void buffer_failure_is_sticky_until_cleared(void **state)
{
    (void)state;
    struct buffer buffer;

    buffer_init(&buffer, 4);
    buffer_appendf(&buffer, "%d", 12345);
    buffer_append_char(&buffer, 'x');
    assert_true(buffer_failed(&buffer));
    assert_int_equal(buffer.len, 0);
    buffer_clear(&buffer);
    buffer_append_text(&buffer, "wxyz");
    assert_string_equal(buffer_text(&buffer), "wxyz");
    buffer_fini(&buffer);
}

static void buffer_that_is_cut_has_what_it_had_and_takes_more(void **state)
{
    (void)state;
    struct buffer buffer;

    buffer_init(&buffer, 6);
    buffer_append_text(&buffer, "abc");
    buffer_append_text(&buffer, "de");
    buffer_append_text(&buffer, "fg");
    assert_true(buffer_failed(&buffer));
    buffer_cut(&buffer, 3);
    assert_string_equal(buffer_text(&buffer), "abc");
    buffer_append_text(&buffer, "xyz");
    assert_string_equal(buffer_text(&buffer), "abcxyz");
    buffer_fini(&buffer);
}

static void buffer_length_sums_do_not_overflow(void **state)
{
    (void)state;
    struct buffer buffer;

    buffer_init(&buffer, SIZE_MAX);
    buffer_append_char(&buffer, 'a');
    buffer_append(&buffer, "b", SIZE_MAX - 1);
    assert_true(buffer_failed(&buffer));
    assert_int_equal(buffer.len, 1);
    buffer_fini(&buffer);
}

static void buffer_text_of_nothing_is_empty(void **state)
{
    (void)state;
    struct buffer buffer;

    buffer_init(&buffer, 4);
    assert_string_equal(buffer_text(&buffer), "");
    char *taken = buffer_take(&buffer);
    assert_string_equal(taken, "");
    free(taken);
    buffer_fini(&buffer);
}

static void buffer_take_hands_over_the_storage_and_leaves_an_empty_buffer(void **state)
{
    (void)state;
    struct buffer buffer;

    buffer_init(&buffer, 8);
    buffer_append_text(&buffer, "12345678");
    char *taken = buffer_take(&buffer);
    assert_string_equal(taken, "12345678");
    assert_int_equal(buffer.len, 0);
    buffer_append_text(&buffer, "new");
    assert_string_equal(buffer_text(&buffer), "new");
    free(taken);
    buffer_fini(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffer_appends_every_kind_of_piece_in_order),
        cmocka_unit_test(buffer_grows_up_to_its_limit_exactly),
        cmocka_unit_test(buffer_refuses_to_grow_past_its_limit),
        cmocka_unit_test(buffer_failure_is_sticky_until_cleared),
        cmocka_unit_test(buffer_that_is_cut_has_what_it_had_and_takes_more),
        cmocka_unit_test(buffer_length_sums_do_not_overflow),
        cmocka_unit_test(buffer_text_of_nothing_is_empty),
        cmocka_unit_test(buffer_take_hands_over_the_storage_and_leaves_an_empty_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
