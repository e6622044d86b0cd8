#include "wire_test.h"

#include <stdlib.h>

#include <roomcast/wire/json_text.h>

#include <mutate.h>

static void strings_are_escaped_as_rfc_8259_demands_and_no_more(void **state)
{
    (void)state;
    struct buffer out;

    buffer_init(&out, 256);
    json_append_string(&out, SLICE_LITERAL("a\"b\\c/\b\f\n\r\t\0\x1f\x7f\xc3\xbc"));
    assert_string_equal(buffer_text(&out), "\"a\\\"b\\\\c/\\b\\f\\n\\r\\t\\u0000\\u001f\x7f\xc3\xbc\"");
    buffer_clear(&out);
    json_append_string(&out, (struct slice){NULL, 0});
    assert_string_equal(buffer_text(&out), "\"\"");
    buffer_fini(&out);
}

static void a_string_that_does_not_fit_marks_the_buffer(void **state)
{
    (void)state;
    struct buffer out;

    buffer_init(&out, 4);
    json_append_string(&out, SLICE_LITERAL("abc"));
    assert_true(buffer_failed(&out));
    buffer_fini(&out);
}

static void depth_is_counted_outside_strings(void **state)
{
    (void)state;
    assert_int_equal(json_depth(SLICE_LITERAL("7"), 8), 0);
    assert_int_equal(json_depth(SLICE_LITERAL("{}"), 8), 1);
    assert_int_equal(json_depth(SLICE_LITERAL("[{\"a\":[1,2]},[]]"), 8), 3);
    assert_int_equal(json_depth(SLICE_LITERAL("[\"[[[[\",\"\\\"[[\"]"), 8), 1);
    assert_int_equal(json_depth((struct slice){NULL, 0}, 8), 0);
}

static void depth_works_on_broken_text_and_stops_at_the_limit(void **state)
{
    (void)state;
    size_t size = 4 * 1024 * 1024;
    char *deep = malloc(size);

    assert_non_null(deep);
    memset(deep, '[', size);
    assert_int_equal(json_depth((struct slice){deep, size}, 512), 513);
    assert_int_equal(json_depth((struct slice){deep, 512}, 512), 512);
    assert_int_equal(json_depth(SLICE_LITERAL("]]]}}[[}}"), 8), 2);
    assert_int_equal(json_depth(SLICE_LITERAL("[\"abc"), 8), 1);
    assert_int_equal(json_depth(SLICE_LITERAL("[\"abc\\"), 8), 1);
    assert_int_equal(json_depth(SLICE_LITERAL("[[["), 0), 1);
    free(deep);
}

static void expect_member(const char *text, const char *name, const char *value)
{
    struct slice found = {NULL, 0};

    if (!value) {
        assert_false(json_find_member(slice_of(text), name, &found));
        assert_null(found.data);
        return;
    }
    assert_true(json_find_member(slice_of(text), name, &found));
    assert_slice(found, value);
}

static void the_original_bytes_of_every_kind_of_value_are_found(void **state)
{
    (void)state;
    expect_member("{\"p\":1.50}", "p", "1.50");
    expect_member("{\"p\":123456789012345678901234567890}", "p", "123456789012345678901234567890");
    expect_member(" \r\n{ \"a\" : [ 1 , {\"p\":0} ] ,\t\"p\" : { \"b\" : \"}\" } } ", "p",
                  "{ \"b\" : \"}\" }");
    expect_member("{\"p\":\"a\\\"b,}\",\"q\":true}", "p", "\"a\\\"b,}\"");
    expect_member("{\"q\":null,\"p\":[[],{},[[\"]\"]]]}", "p", "[[],{},[[\"]\"]]]");
    expect_member("{\"p\":-0e1\n}", "p", "-0e1");
    expect_member("{\"p\":\"\"}", "p", "\"\"");
    expect_member("{\"\":7}", "", "7");
}

static void only_members_of_the_top_level_count_and_the_last_one_wins(void **state)
{
    (void)state;
    expect_member("{\"a\":{\"p\":1}}", "p", NULL);
    expect_member("{\"a\":\"p\",\"b\":[\"p\",1]}", "p", NULL);
    expect_member("{\"p\":1,\"p\":2,\"q\":3}", "p", "2");
    expect_member("{}", "p", NULL);
    expect_member("[\"p\",1]", "p", NULL);
    expect_member("\"p\"", "p", NULL);
    expect_member("", "p", NULL);
    expect_member("{\"pp\":1}", "p", NULL);
    expect_member("{\"\":1}", "p", NULL);
}

static void escaped_names_are_compared_decoded(void **state)
{
    (void)state;
    expect_member("{\"\\u0070ayload\":1}", "payload", "1");
    expect_member("{\"pay\\u006Coad\":1,\"x\":2}", "payload", "1");
    expect_member("{\"\\u00fc\":1}", "\xc3\xbc", "1");
    expect_member("{\"\\u20AC\":1}", "\xe2\x82\xac", "1");
    expect_member("{\"\\ud83d\\ude00\":1}", "\xf0\x9f\x98\x80", "1");
    expect_member("{\"a\\/\\\\\\n\\t\\\"\":1}", "a/\\\n\t\"", "1");
    expect_member("{\"p\\u0000\":1}", "p", NULL);
}

static void feed(struct slice input)
{
    struct slice value;

    (void)json_depth(input, 16);
    if (json_find_member(input, "payload", &value)) {
        assert_true(value.data >= input.data);
        assert_true(value.data + value.len <= input.data + input.len);
    }
}

static void broken_text_never_leads_outside_of_it(void **state)
{
    (void)state;
    const struct slice seeds[] = {
        SLICE_LITERAL("{\"a\":[1,{\"b\":\"\\u00e9\"}],\"\\u0070ayload\":{\"x\":[1,2]},\"payload\":\"\\\"\"}"),
        SLICE_LITERAL("{\"payload\":-1.5e+10}"),
        SLICE_LITERAL("{\"\\ud83d\\ude00\":{},\"payload\":[[[]]]}"),
    };

    mutate_each(seeds, COUNT(seeds), 9000, feed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_escaped_as_rfc_8259_demands_and_no_more),
        cmocka_unit_test(a_string_that_does_not_fit_marks_the_buffer),
        cmocka_unit_test(depth_is_counted_outside_strings),
        cmocka_unit_test(depth_works_on_broken_text_and_stops_at_the_limit),
        cmocka_unit_test(the_original_bytes_of_every_kind_of_value_are_found),
        cmocka_unit_test(only_members_of_the_top_level_count_and_the_last_one_wins),
        cmocka_unit_test(escaped_names_are_compared_decoded),
        cmocka_unit_test(broken_text_never_leads_outside_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
