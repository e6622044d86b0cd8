#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "template.h"

static void expect(const char *template, const char *wanted, size_t len)
{
    const struct template_values values = {
        .room = SLICE_LITERAL("r1"), .payload = SLICE_LITERAL("hello"), .id = 7};
    struct buffer out;

    buffer_init(&out, 1024);
    template_expand(template, &values, &out);
    assert_false(buffer_failed(&out));
    assert_int_equal(out.len, len);
    assert_memory_equal(out.data, wanted, len);
    buffer_fini(&out);
}
#define EXPECT(template, wanted) expect(template, wanted, sizeof(wanted) - 1)

static void placeholders_become_values(void **state)
{
    (void)state;
    EXPECT("{\"sub\":\"{room}\",\"id\":{id}}", "{\"sub\":\"r1\",\"id\":7}");
    EXPECT("{payload}{payload}", "hellohello");
}

static void escapes_make_protocols_with_lines_possible(void **state)
{
    (void)state;
    EXPECT("PUB {room} {length}\\r\\n{payload}\\r\\n", "PUB r1 5\r\nhello\r\n");
    EXPECT("a\\0b\\\\c\\t", "a\0b\\c\t");
}

static void without_values_only_escapes_are_expanded(void **state)
{
    (void)state;
    struct buffer out;

    buffer_init(&out, 1024);
    template_expand("PONG {id}\\r\\n", NULL, &out);
    assert_true(slice_equal(buffer_slice(&out), SLICE_LITERAL("PONG {id}\r\n")));
    buffer_fini(&out);
}

static void other_braces_and_backslashes_stand_for_themselves(void **state)
{
    (void)state;
    EXPECT("{rooms} {} {room", "{rooms} {} {room");
    EXPECT("\\q \\", "\\q \\");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(placeholders_become_values),
        cmocka_unit_test(escapes_make_protocols_with_lines_possible),
        cmocka_unit_test(without_values_only_escapes_are_expanded),
        cmocka_unit_test(other_braces_and_backslashes_stand_for_themselves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
