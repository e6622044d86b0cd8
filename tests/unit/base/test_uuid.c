#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <roomcast/base/random.h>
#include <roomcast/base/uuid.h>

static void uuid_parses_any_case_and_formats_lower_case(void **state)
{
    (void)state;
    struct uuid uuid;
    char text[UUID_TEXT_SIZE];

    assert_int_equal(uuid_parse(SLICE_LITERAL("0123ABCD-4567-89ef-FEDC-ba9876543210"), &uuid), ERR_OK);
    assert_memory_equal(uuid.bytes, "\x01\x23\xab\xcd\x45\x67\x89\xef\xfe\xdc\xba\x98\x76\x54\x32\x10", 16);
    uuid_format(&uuid, text);
    assert_string_equal(text, "0123abcd-4567-89ef-fedc-ba9876543210");
}

static void uuid_refuses_every_other_form_and_leaves_the_output_alone(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "0123abcd-4567-89ef-fedc-ba987654321",
        "0123abcd-4567-89ef-fedc-ba98765432100",
        "0123abcd456789effedcba9876543210",
        "{0123abcd-4567-89ef-fedc-ba9876543210}",
        "urn:uuid:0123abcd-4567-89ef-fedc-ba9876543210",
        "0123abcd-4567-89ef-fedcba-9876543210",
        "0123abcd-4567-89ef-fedc-ba987654321g",
        "0123abcd_4567_89ef_fedc_ba9876543210",
        " 123abcd-4567-89ef-fedc-ba9876543210",
    };
    struct uuid untouched = {{1, 2, 3}}, uuid = untouched;

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(uuid_parse(slice_of(wrong[i]), &uuid), ERR_SYNTAX);
        assert_true(uuid_equal(&uuid, &untouched));
    }
}

static void uuid_does_not_read_past_the_slice_or_stop_at_nul(void **state)
{
    (void)state;
    struct uuid uuid;
    char text[] = "0123abcd-4567-89ef-fedc-ba9876543210";

    assert_int_equal(uuid_parse((struct slice){text, 35}, &uuid), ERR_SYNTAX);
    text[20] = '\0';
    assert_int_equal(uuid_parse((struct slice){text, 36}, &uuid), ERR_SYNTAX);
    assert_int_equal(uuid_parse((struct slice){NULL, 0}, &uuid), ERR_SYNTAX);
}

static void generated_uuids_are_version_4_and_differ(void **state)
{
    (void)state;
    struct uuid a, b;
    char text[UUID_TEXT_SIZE];

    for (int i = 0; i < 100; i++) {
        uuid_generate_random(&a);
        uuid_generate_random(&b);
        assert_false(uuid_equal(&a, &b));
        uuid_format(&a, text);
        assert_int_equal(text[14], '4');
        assert_non_null(strchr("89ab", text[19]));
    }
}

static int start(void **state)
{
    (void)state;
    return random_init() == ERR_OK ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uuid_parses_any_case_and_formats_lower_case),
        cmocka_unit_test(uuid_refuses_every_other_form_and_leaves_the_output_alone),
        cmocka_unit_test(uuid_does_not_read_past_the_slice_or_stop_at_nul),
        cmocka_unit_test(generated_uuids_are_version_4_and_differ),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
