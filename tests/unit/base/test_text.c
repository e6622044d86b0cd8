#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <roomcast/base/text.h>

static void decode_gives_length_and_code_point(void **state)
{
    (void)state;
    uint32_t point = 0;

    assert_int_equal(text_decode(SLICE_LITERAL("a"), &point), 1);
    assert_int_equal(point, 'a');
    assert_int_equal(text_decode(SLICE_LITERAL("\xC3\xA9x"), &point), 2);
    assert_int_equal(point, 0xE9);
    assert_int_equal(text_decode(SLICE_LITERAL("\xE2\x82\xAC"), &point), 3);
    assert_int_equal(point, 0x20AC);
    assert_int_equal(text_decode(SLICE_LITERAL("\xF4\x8F\xBF\xBF"), &point), 4);
    assert_int_equal(point, 0x10FFFF);
}

static void decode_refuses_everything_rfc_3629_refuses(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "\x80",
        "\xC3",
        "\xC3(",
        "\xC0\xAF",
        "\xE0\x80\x80",
        "\xED\xA0\x80",
        "\xF4\x90\x80\x80",
        "\xF8\x88\x80\x80\x80",
        "\xFF",
    };
    uint32_t point = 7;

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(text_decode(slice_of(wrong[i]), &point), 0);
    assert_int_equal(point, 7);
}

static void escape_takes_one_character_and_leaves_harmless_ones_alone(void **state)
{
    (void)state;
    char unit[TEXT_UNIT_SIZE];

    assert_int_equal(text_escape(SLICE_LITERAL("\xF0\x9F\x98\x80z"), unit), 4);
    assert_string_equal(unit, "\xF0\x9F\x98\x80");
    assert_int_equal(text_escape(SLICE_LITERAL("\"z"), unit), 1);
    assert_string_equal(unit, "\\\"");
    assert_int_equal(text_escape(SLICE_LITERAL("\0"), unit), 1);
    assert_string_equal(unit, "\\u0000");
    assert_int_equal(text_escape(SLICE_LITERAL("\xE2\x80\xA9"), unit), 3);
    assert_string_equal(unit, "\\u2029");
    assert_int_equal(text_escape(SLICE_LITERAL("\xE2\x80"), unit), 1);
    assert_string_equal(unit, "\xEF\xBF\xBD");
}

static void plain_text_has_no_controls_no_line_ends_and_no_bad_bytes(void **state)
{
    (void)state;
    assert_true(text_is_plain(SLICE_LITERAL("")));
    assert_true(text_is_plain(SLICE_LITERAL("\"caf\xC3\xA9\" \\")));
    assert_false(text_is_plain(SLICE_LITERAL("a\nb")));
    assert_false(text_is_plain(SLICE_LITERAL("a\0b")));
    assert_false(text_is_plain(SLICE_LITERAL("a\x7F")));
    assert_false(text_is_plain(SLICE_LITERAL("a\xC2\x9B")));
    assert_false(text_is_plain(SLICE_LITERAL("a\xC3")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decode_gives_length_and_code_point),
        cmocka_unit_test(decode_refuses_everything_rfc_3629_refuses),
        cmocka_unit_test(escape_takes_one_character_and_leaves_harmless_ones_alone),
        cmocka_unit_test(plain_text_has_no_controls_no_line_ends_and_no_bad_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
