#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <string.h>

#include "options.h"

/* Every name of every option in one spelling, each followed by a newline. */
static void check_unique(option_spelling *spelling)
{
    char name[OPTION_NAME_SIZE];

    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        for (int file = 0; file <= (options[i].type == OPTION_SECRET); file++) {
            bool found_file = !file;
            spelling(&options[i], file, name);
            assert_true(strlen(name) < OPTION_NAME_SIZE - 1);
            assert_ptr_equal(option_find(name, spelling, &found_file), &options[i]);
            assert_int_equal(found_file, file);
        }
    }
}

static void every_name_means_one_option_in_each_spelling(void **state)
{
    (void)state;
    check_unique(option_key);
    check_unique(option_variable);
    check_unique(option_flag);
}

static void names_follow_from_the_key(void **state)
{
    (void)state;
    char name[OPTION_NAME_SIZE];
    const struct option *option = &options[OPTION_relay_api_key];

    option_variable(option, false, name);
    assert_string_equal(name, "ROOMCAST_RELAY_API_KEY");
    option_variable(option, true, name);
    assert_string_equal(name, "ROOMCAST_RELAY_API_KEY_FILE");
    option_flag(option, true, name);
    assert_string_equal(name, "relay-api-key-file");
}

/* --print-config and the sample open each YAML mapping once. */
static void rows_of_one_group_stand_together(void **state)
{
    (void)state;
    for (size_t i = 0; i < OPTIONS_COUNT; i++) {
        struct slice group = option_group(&options[i]);
        size_t first = 0;
        while (!slice_equal(option_group(&options[first]), group))
            first++;
        assert_true(group.len == 0 || first == i || slice_equal(option_group(&options[i - 1]), group));
    }
}

static void groups_are_what_stands_before_the_first_dot(void **state)
{
    (void)state;
    assert_true(slice_equal(option_group(&options[OPTION_nats_url]), SLICE_LITERAL("nats")));
    assert_int_equal(option_group(&options[OPTION_listen]).len, 0);
    assert_true(option_is_group("nats"));
    assert_false(option_is_group("nat"));
    assert_false(option_is_group("nats.url"));
    assert_false(option_is_group("listen"));
}

static void nearest_name_is_found_for_slips_and_not_for_other_words(void **state)
{
    (void)state;
    static const char *const extras[] = {"events", NULL};
    char storage[OPTION_NAME_SIZE], longest[200];

    assert_string_equal(option_nearest("limits.room", option_key, extras, storage), "limits.rooms");
    assert_string_equal(option_nearest("lsiten", option_key, extras, storage), "listen");
    assert_string_equal(option_nearest("event", option_key, extras, storage), "events");
    assert_string_equal(option_nearest("relay-apikey-file", option_flag, extras, storage),
                        "relay-api-key-file");
    assert_null(option_nearest("banana", option_key, extras, storage));
    assert_null(option_nearest("", option_key, extras, storage));
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_null(option_nearest(longest, option_key, extras, storage));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_means_one_option_in_each_spelling),
        cmocka_unit_test(names_follow_from_the_key),
        cmocka_unit_test(rows_of_one_group_stand_together),
        cmocka_unit_test(groups_are_what_stands_before_the_first_dot),
        cmocka_unit_test(nearest_name_is_found_for_slips_and_not_for_other_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
