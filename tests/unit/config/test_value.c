#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "pattern.h"
#include "rule.h"
#include "value.h"

/* A row of any type whose field is the named one of struct config. */
#define ROW(of_type, of_field, least, most, of_unit)                                                         \
    (&(struct option){.key = "test.key",                                                                     \
                      .type = (of_type),                                                                     \
                      .min = (least),                                                                        \
                      .max = (most),                                                                         \
                      .unit = (of_unit),                                                                     \
                      .offset = offsetof(struct config, of_field)})

static struct config config;

static bool parse(const struct option *option, const char *text)
{
    value_free(option, &config);
    return value_parse(option, text, &config);
}

static void whole_numbers_are_taken_within_their_range(void **state)
{
    (void)state;
    const struct option *option = ROW(OPTION_INT, workers, 1, 100, "threads");

    assert_true(parse(option, "1"));
    assert_int_equal(config.workers, 1);
    assert_true(parse(option, "100"));
    assert_int_equal(config.workers, 100);
    static const char *const wrong[] = {"",
                                        "0",
                                        "101",
                                        "-1",
                                        "+1",
                                        " 1",
                                        "1 ",
                                        "1.0",
                                        "0x10",
                                        "1k",
                                        "1e1",
                                        "abc",
                                        "18446744073709551617",
                                        "99999999999999999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(parse(option, wrong[i]));
    assert_int_equal(config.workers, 100);
}

static void largest_number_is_exact(void **state)
{
    (void)state;
    assert_true(parse(ROW(OPTION_INT, workers, 0, UINT64_MAX, "x"), "18446744073709551615"));
    assert_true(config.workers == UINT64_MAX);
}

static void decimals_are_taken_as_thousandths_within_their_range(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t value;
    } right[] = {{"1.05", 1050}, {"1.2", 1200},   {"2", 2000},
                 {"10", 10000},  {"9.999", 9999}, {"01.100", 1100}};
    static const char *const wrong[] = {"",
                                        "1",
                                        "1.049",
                                        "10.001",
                                        ".",
                                        "2.",
                                        "1.",
                                        ".5",
                                        "1.2345",
                                        "1.2.3",
                                        "-1.2",
                                        "+1.2",
                                        " 1.2",
                                        "1,2",
                                        "1.2x",
                                        "1e1",
                                        "x",
                                        "1. 2",
                                        "18446744073709551.617",
                                        "000000000000000000000000000000001.2"};
    const struct option *option = ROW(OPTION_DECIMAL, workers, 1050, 10000, "");

    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
        assert_true(parse(option, right[i].text));
        assert_int_equal(config.workers, right[i].value);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (parse(option, wrong[i]))
            fail_msg("%s was taken", wrong[i]);
    }
    assert_int_equal(config.workers, 1100);
}

static void check_range(const struct option *option, const char *expected)
{
    struct buffer out;

    buffer_init(&out, 1000);
    rule_range(option, &out);
    assert_string_equal(buffer_text(&out), expected);
    buffer_fini(&out);
}

static void the_range_of_a_decimal_reads_as_it_is_written(void **state)
{
    (void)state;
    check_range(ROW(OPTION_DECIMAL, workers, 1050, 10000, ""), "1.05 to 10");
    check_range(ROW(OPTION_DECIMAL, workers, 1, 2100, ""), "0.001 to 2.1");
    check_range(ROW(OPTION_DECIMAL, workers, 0, 1234, ""), "0 to 1.234");
}

static void text_is_bounded_in_bytes_and_has_no_controls(void **state)
{
    (void)state;
    const struct option *option = ROW(OPTION_TEXT, redis_url, 1, 4, "");

    assert_true(parse(option, "abcd"));
    assert_string_equal(config.redis_url, "abcd");
    assert_false(parse(option, ""));
    assert_false(parse(option, "abcde"));
    assert_false(parse(option, "a\nb"));
    assert_false(parse(option, "a\xff"));
    assert_true(parse(ROW(OPTION_TEXT, redis_url, 0, 4, ""), ""));
    value_free(option, &config);
    assert_null(config.redis_url);
}

static void secrets_may_hold_any_bytes_but_are_bounded(void **state)
{
    (void)state;
    const struct option *option = ROW(OPTION_SECRET, relay_api_key, 0, 8, "");

    assert_true(parse(option, "\x01\n\xff"));
    assert_false(parse(option, "123456789"));
    value_free(option, &config);
}

static void choices_give_their_index(void **state)
{
    (void)state;
    const struct option *option = ROW(OPTION_CHOICE, log_level, 0, 0, "debug|info|warn");

    assert_true(parse(option, "debug"));
    assert_int_equal(config.log_level, 0);
    assert_true(parse(option, "warn"));
    assert_int_equal(config.log_level, 2);
    assert_false(parse(option, ""));
    assert_false(parse(option, "war"));
    assert_false(parse(option, "warning"));
    assert_false(parse(option, "debug|info"));
    assert_false(parse(option, "INFO"));
}

static void booleans_are_true_or_false(void **state)
{
    (void)state;
    struct option *option = ROW(OPTION_BOOL, workers, 0, 0, "");
    bool *field = (bool *)&config.workers;

    assert_true(parse(option, "true"));
    assert_true(*field);
    assert_true(parse(option, "false"));
    assert_false(*field);
    assert_false(parse(option, "yes"));
    assert_false(parse(option, ""));
}

static void lists_are_split_at_commas_and_trimmed(void **state)
{
    (void)state;
    const struct option *option = ROW(OPTION_LIST, nats_url, 1, 5, "");

    assert_true(parse(option, "a, bc ,def"));
    assert_int_equal(config.nats_url.count, 3);
    assert_string_equal(config.nats_url.items[0], "a");
    assert_string_equal(config.nats_url.items[1], "bc");
    assert_string_equal(config.nats_url.items[2], "def");
    assert_false(parse(option, ""));
    assert_false(parse(option, "a,,b"));
    assert_false(parse(option, "a,"));
    assert_false(parse(option, "abcdef"));
    assert_false(parse(option, "a\tb"));
    assert_true(parse(ROW(OPTION_LIST, nats_url, 0, 5, ""), ""));
    assert_int_equal(config.nats_url.count, 0);
    value_free(option, &config);
}

static void lists_are_bounded_in_elements(void **state)
{
    (void)state;
    const struct option *option = ROW(OPTION_LIST, nats_url, 1, 5, "");
    char text[2 * LIST_ITEMS_MAX + 2];

    for (size_t i = 0; i <= LIST_ITEMS_MAX; i++)
        memcpy(text + 2 * i, "x,", 2);
    text[sizeof text - 1] = '\0';
    assert_false(parse(option, text));
    text[2 * LIST_ITEMS_MAX - 1] = '\0';
    assert_true(parse(option, text));
    assert_int_equal(config.nats_url.count, LIST_ITEMS_MAX);
    value_free(option, &config);
}

static void names_that_become_part_of_other_names_have_a_pattern(void **state)
{
    (void)state;
    assert_true(pattern_allows("node.name", "Node-1.example_x"));
    assert_false(pattern_allows("node.name", "node 1"));
    assert_false(pattern_allows("node.name", "n\xC3\xB6"
                                             "de"));
    assert_true(pattern_allows("nats.prefix", "acme.room-cast_1"));
    assert_false(pattern_allows("nats.prefix", "acme..x"));
    assert_false(pattern_allows("nats.prefix", ".acme"));
    assert_false(pattern_allows("nats.prefix", "acme."));
    assert_false(pattern_allows("nats.prefix", "acme.*"));
    assert_false(pattern_allows("nats.prefix", "acme.>"));
    assert_true(pattern_allows("stream.name", "Events_1-a"));
    assert_false(pattern_allows("stream.name", "events.1"));
    assert_true(pattern_allows("redis.stream", "any thing.*"));
}

/* A default that its own rule refuses would make every start fail. */
static void every_default_is_allowed_by_its_own_rule(void **state)
{
    (void)state;
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        if (i == OPTION_node_name)
            continue;
        if (!value_parse(&options[i], options[i].fallback, &config))
            fail_msg("the default of %s is refused", options[i].key);
        value_free(&options[i], &config);
    }
}

static void check_rule(const struct option *option, const char *expected)
{
    struct buffer out;

    buffer_init(&out, 1000);
    rule_text(option, &out);
    assert_string_equal(buffer_text(&out), expected);
    buffer_fini(&out);
}

static void rules_say_what_is_allowed(void **state)
{
    (void)state;
    check_rule(ROW(OPTION_INT, workers, 1, 9, "rooms"), "must be a whole number from 1 to 9 (rooms)");
    check_rule(ROW(OPTION_DECIMAL, workers, 1050, 10000, ""),
               "must be a number from 1.05 to 10 with at most three digits behind the point");
    check_rule(ROW(OPTION_CHOICE, workers, 0, 0, "a|b|c"), "must be one of a, b, c");
    check_rule(ROW(OPTION_BOOL, workers, 0, 0, ""), "must be true or false");
    check_rule(ROW(OPTION_TEXT, redis_url, 2, 9, ""), "must be 2 to 9 bytes without control characters");
    check_rule(ROW(OPTION_SECRET, redis_url, 0, 9, ""), "must be at most 9 bytes");
    check_rule(ROW(OPTION_LIST, nats_url, 0, 9, ""),
               "must be a comma-separated list of at most 256 elements of 1 to 9 bytes");
    check_rule(&options[OPTION_stream_name], "must be 1 to 64 bytes of letters, digits, '_' and '-'");
    check_rule(&options[OPTION_listen],
               "must be host:port or [IPv6 address]:port, the port from 0 (any free one) to 65535");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers_are_taken_within_their_range),
        cmocka_unit_test(largest_number_is_exact),
        cmocka_unit_test(decimals_are_taken_as_thousandths_within_their_range),
        cmocka_unit_test(the_range_of_a_decimal_reads_as_it_is_written),
        cmocka_unit_test(text_is_bounded_in_bytes_and_has_no_controls),
        cmocka_unit_test(secrets_may_hold_any_bytes_but_are_bounded),
        cmocka_unit_test(choices_give_their_index),
        cmocka_unit_test(booleans_are_true_or_false),
        cmocka_unit_test(lists_are_split_at_commas_and_trimmed),
        cmocka_unit_test(lists_are_bounded_in_elements),
        cmocka_unit_test(names_that_become_part_of_other_names_have_a_pattern),
        cmocka_unit_test(every_default_is_allowed_by_its_own_rule),
        cmocka_unit_test(rules_say_what_is_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
