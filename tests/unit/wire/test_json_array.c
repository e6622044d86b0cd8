#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <roomcast/wire/json_array.h>

/* "a|b|END" for [a, b]. */
static void assert_elements(const char *text, const char *expected)
{
    struct json_array array;
    struct slice element;
    char got[256] = "";
    enum json_array_step step;

    assert_true(json_array_open(&array, slice_of(text)));
    while ((step = json_array_next(&array, &element)) == JSON_ARRAY_ELEMENT) {
        strncat(got, element.data, element.len);
        strcat(got, "|");
    }
    strcat(got, step == JSON_ARRAY_END ? "END" : "BROKEN");
    assert_string_equal(got, expected);
}

static void json_array_gives_the_original_bytes(void **state)
{
    (void)state;
    assert_elements("[]", "END");
    assert_elements(" [ ] \n", "END");
    assert_elements("[1]", "1|END");
    assert_elements("[ {\"a\" : [1, 2.50]} ,\t\"x\" , null ]", "{\"a\" : [1, 2.50]}|\"x\"|null|END");
    assert_elements("[\"],[\\\"]\\\\\",{\"}\":\"{\"}]", "\"],[\\\"]\\\\\"|{\"}\":\"{\"}|END");
    assert_elements("[[[]],[{}]]", "[[]]|[{}]|END");
}

static void json_array_finds_broken_arrays(void **state)
{
    (void)state;
    assert_elements("[", "BROKEN");
    assert_elements("[1", "BROKEN");
    assert_elements("[1,", "1|BROKEN");
    assert_elements("[,1]", "BROKEN");
    assert_elements("[1,,2]", "1|BROKEN");
    assert_elements("[1] x", "1|BROKEN");
    assert_elements("[1]]", "1|BROKEN");
    assert_elements("[\"abc]", "BROKEN");
    assert_elements("[\"abc\\", "BROKEN");
    assert_elements("[{\"a\":1]", "BROKEN");
    /* RFC 8259 has no trailing comma: ']' after ',' is an empty element. */
    assert_elements("[1,]", "1|BROKEN");
}

static void json_array_is_not_opened_by_anything_else(void **state)
{
    (void)state;
    struct json_array array;

    assert_false(json_array_open(&array, slice_of("")));
    assert_false(json_array_open(&array, slice_of("  ")));
    assert_false(json_array_open(&array, slice_of("{\"a\":[]}")));
}

static void json_array_survives_any_bytes(void **state)
{
    (void)state;
    static const char alphabet[] = "[]{}\",\\ a\0";
    unsigned random = 1;

    for (unsigned round = 0; round < 20000; round++) {
        char text[24];
        struct json_array array;
        struct slice element;

        text[0] = '[';
        for (size_t i = 1; i < sizeof text; i++) {
            random = random * 1103515245u + 12345u;
            text[i] = alphabet[(random >> 16) % (sizeof alphabet - 1)];
        }
        assert_true(json_array_open(&array, (struct slice){text, sizeof text}));
        while (json_array_next(&array, &element) == JSON_ARRAY_ELEMENT) {
            assert_true(element.len > 0);
            assert_true(element.data > text && element.data + element.len <= text + sizeof text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_array_gives_the_original_bytes),
        cmocka_unit_test(json_array_finds_broken_arrays),
        cmocka_unit_test(json_array_is_not_opened_by_anything_else),
        cmocka_unit_test(json_array_survives_any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
