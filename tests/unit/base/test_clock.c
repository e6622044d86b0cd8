#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <roomcast/base/clock.h>

static void clock_format_is_rfc_3339_with_milliseconds(void **state)
{
    (void)state;
    char text[CLOCK_TEXT_SIZE];

    clock_format(0, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    clock_format(1795428930123, text);
    assert_string_equal(text, "2026-11-23T10:15:30.123Z");
    clock_format(951782400007, text);
    assert_string_equal(text, "2000-02-29T00:00:00.007Z");
}

static void clock_format_stays_in_its_space_for_any_number(void **state)
{
    (void)state;
    char text[CLOCK_TEXT_SIZE];

    clock_format(UINT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59.999Z");
}

static void monotonic_clock_does_not_go_back(void **state)
{
    (void)state;
    uint64_t before_us = clock_monotonic_us();
    uint64_t ms = clock_monotonic_ms();
    uint64_t after_us = clock_monotonic_us();

    assert_true(before_us / 1000 <= ms && ms <= after_us / 1000);
    assert_true(clock_wall_ms() > 1600000000000);
    uint64_t boot_ms = clock_boot_ms();
    assert_true(boot_ms >= ms && clock_boot_ms() >= boot_ms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clock_format_is_rfc_3339_with_milliseconds),
        cmocka_unit_test(clock_format_stays_in_its_space_for_any_number),
        cmocka_unit_test(monotonic_clock_does_not_go_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
