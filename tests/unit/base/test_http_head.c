#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <roomcast/base/http_head.h>

#define HEAD                                                                                                 \
    "HTTP/1.1 200 OK: fine\r\nA-Length: 1\r\nLength: \t 22 \t\r\nlength: 3\r\nEmpty:\r\nColon: a:b\r\n"      \
    "Last: z\r\n\r\n"

static void expect(struct slice head, const char *name, const char *value)
{
    struct slice found = http_head_find(head, name);

    assert_int_equal(found.data != NULL, value != NULL);
    if (value)
        assert_true(slice_equal(found, slice_of(value)));
}

static void the_first_header_of_a_name_is_found_in_any_case_and_trimmed(void **state)
{
    (void)state;
    expect(SLICE_LITERAL(HEAD), "LENGTH", "22");
    expect(SLICE_LITERAL(HEAD), "Empty", "");
    expect(SLICE_LITERAL(HEAD), "Colon", "a:b");
    expect(SLICE_LITERAL(HEAD), "last", "z");
    expect(SLICE_LITERAL(HEAD), "ength", NULL);
    expect(SLICE_LITERAL(HEAD), "Lengths", NULL);
}

static void a_head_that_is_cut_anywhere_is_not_read_beyond(void **state)
{
    static const char text[] = HEAD;
    (void)state;

    for (size_t len = 0; len < sizeof text; len++) {
        char *copy = test_malloc(len + 1);
        memcpy(copy, text, len);
        (void)http_head_find((struct slice){copy, len}, "Last");
        test_free(copy);
    }
    expect((struct slice){NULL, 0}, "Last", NULL);
    expect(SLICE_LITERAL("Last: z"), "Last", NULL);
    expect(SLICE_LITERAL("Last:\n"), "Last", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_header_of_a_name_is_found_in_any_case_and_trimmed),
        cmocka_unit_test(a_head_that_is_cut_anywhere_is_not_read_beyond),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
