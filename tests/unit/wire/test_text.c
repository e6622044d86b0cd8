#include "wire_test.h"

#include "text.h"

static void utf8_accepts_the_edges_of_every_sequence_length(void **state)
{
    (void)state;
    static const char *const good[] = {
        "",
        "plain ASCII, longer than eight bytes",
        "\x7f",
        "\xc2\x80",
        "\xdf\xbf",
        "\xe0\xa0\x80",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xef\xbf\xbf",
        "\xf0\x90\x80\x80",
        "\xf4\x8f\xbf\xbf",
        "12345678\xe2\x82\xac 12345678",
    };

    for (size_t i = 0; i < COUNT(good); i++)
        assert_true(text_is_utf8(slice_of(good[i])));
    assert_true(text_is_utf8((struct slice){NULL, 0}));
}

static void utf8_refuses_overlong_forms_surrogates_and_cut_sequences(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x80",         "\xbf",         "\xc0\x80",         "\xc1\xbf",         "\xe0\x9f\xbf",
        "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
        "\xff",         "\xc2",         "\xe2\x82",         "\xf0\x90\x80",     "\xc3(",
        "\xe2(\xa1",    "\xe2\x82(",    "12345678\xff",     "1234567\xc3",
    };

    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(text_is_utf8(slice_of(bad[i])));
}

static void plain_text_has_no_control_characters_of_either_set_and_keeps_the_limit(void **state)
{
    (void)state;
    assert_true(text_fits(SLICE_LITERAL("J\xc3\xbcrgen \xc2\xa0"), 32));
    assert_true(text_fits((struct slice){NULL, 0}, 0));
    assert_false(text_fits(SLICE_LITERAL("12345"), 4));
    assert_false(text_fits(SLICE_LITERAL("a\nb"), 32));
    assert_false(text_fits(SLICE_LITERAL("a\0b"), 32));
    assert_false(text_fits(SLICE_LITERAL("a\x7f"), 32));
    assert_false(text_fits(SLICE_LITERAL("\xc2\x85"), 32));
    assert_false(text_fits(SLICE_LITERAL("\xc2"), 32));
}

static void graphic_text_is_visible_ascii(void **state)
{
    (void)state;
    assert_true(text_is_graphic(SLICE_LITERAL("!~"), 2));
    assert_false(text_is_graphic(SLICE_LITERAL("a b"), 8));
    assert_false(text_is_graphic(SLICE_LITERAL("a\r\nNats: x"), 32));
    assert_false(text_is_graphic(SLICE_LITERAL("\xc3\xbc"), 8));
    assert_false(text_is_graphic(SLICE_LITERAL("abc"), 2));
}

static void epochs_are_1_to_15_lower_case_letters_and_digits(void **state)
{
    (void)state;
    assert_true(text_is_epoch(SLICE_LITERAL("0")));
    assert_true(text_is_epoch(SLICE_LITERAL("abcdefghij12345")));
    assert_false(text_is_epoch(SLICE_LITERAL("abcdefghij123456")));
    assert_false(text_is_epoch(SLICE_LITERAL("")));
    assert_false(text_is_epoch(SLICE_LITERAL("K3x9")));
    assert_false(text_is_epoch(SLICE_LITERAL("k3\0")));
}

static void traceparent_is_of_version_00_and_nothing_else(void **state)
{
    (void)state;
    assert_true(
        text_is_traceparent(SLICE_LITERAL("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")));
    assert_false(
        text_is_traceparent(SLICE_LITERAL("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")));
    assert_false(
        text_is_traceparent(SLICE_LITERAL("00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")));
    assert_false(
        text_is_traceparent(SLICE_LITERAL("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x")));
    assert_false(text_is_traceparent((struct slice){NULL, 0}));
}

static void an_excerpt_is_short_and_harmless(void **state)
{
    (void)state;
    char excerpt[TEXT_EXCERPT_SIZE];

    text_excerpt(SLICE_LITERAL("a\n\xc3\xbc\0b"), excerpt);
    assert_string_equal(excerpt, "a????b");
    text_excerpt(SLICE_LITERAL("1234567890123456789012345678901234567890"), excerpt);
    assert_string_equal(excerpt, "1234567890123456789012345678901234567890");
    text_excerpt(SLICE_LITERAL("12345678901234567890123456789012345678901"), excerpt);
    assert_string_equal(excerpt, "1234567890123456789012345678901234567890...");
    text_excerpt((struct slice){NULL, 0}, excerpt);
    assert_string_equal(excerpt, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_accepts_the_edges_of_every_sequence_length),
        cmocka_unit_test(utf8_refuses_overlong_forms_surrogates_and_cut_sequences),
        cmocka_unit_test(plain_text_has_no_control_characters_of_either_set_and_keeps_the_limit),
        cmocka_unit_test(graphic_text_is_visible_ascii),
        cmocka_unit_test(epochs_are_1_to_15_lower_case_letters_and_digits),
        cmocka_unit_test(traceparent_is_of_version_00_and_nothing_else),
        cmocka_unit_test(an_excerpt_is_short_and_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
