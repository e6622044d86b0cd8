#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include <roomcast/base/rfc3339.h>

static void times_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t ms;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01T01:00:00+01:00", 0},
        {"2026-11-23T10:15:30.123Z", 1795428930123},
        {"2026-11-23T10:15:30.1239999Z", 1795428930123},
        {"2026-11-23T10:15:30.1Z", 1795428930100},
        {"2026-11-23t10:15:30z", 1795428930000},
        {"2026-11-23T05:45:30-04:30", 1795428930000},
        {"2024-02-29T23:59:60Z", 1709251200000},
        {"9999-12-31T23:59:59.999Z", 253402300799999},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t ms;
        assert_int_equal(rfc3339_read(slice_of(rows[i].text), &ms), ERR_OK);
        assert_int_equal(ms, rows[i].ms);
    }
}

static void every_day_is_the_one_that_the_library_says(void **state)
{
    (void)state;
    for (time_t day = 0; day < 400 * 366; day++) {
        struct tm parts;
        char text[32];
        uint64_t ms;
        time_t second = day * 86400;
        gmtime_r(&second, &parts);
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
        assert_int_equal(rfc3339_read(slice_of(text), &ms), ERR_OK);
        assert_int_equal(ms, (uint64_t)second * 1000);
    }
}

static void what_is_no_time_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "now",
        "2026-11-23",
        "2026-11-23T10:15:30",
        "2026-11-23 10:15:30Z",
        "2026-11-23T10:15Z",
        "2026-11-23T10:15:30.Z",
        "2026-11-23T10:15:30Zx",
        "2026-13-23T10:15:30Z",
        "2026-00-23T10:15:30Z",
        "2026-11-31T10:15:30Z",
        "2026-11-00T10:15:30Z",
        "2026-02-29T10:15:30Z",
        "2100-02-29T10:15:30Z",
        "2026-11-23T24:15:30Z",
        "2026-11-23T10:60:30Z",
        "2026-11-23T10:15:61Z",
        "2026-11-23T10:15:30+24:00",
        "2026-11-23T10:15:30+0100",
        "-026-11-23T10:15:30Z",
        "2026-11-23T10:15:30.12a",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        uint64_t ms;
        assert_int_equal(rfc3339_read(slice_of(texts[i]), &ms), ERR_SYNTAX);
    }
    uint64_t ms;
    assert_int_equal(rfc3339_read(SLICE_LITERAL("1969-12-31T23:59:59Z"), &ms), ERR_RANGE);
    assert_int_equal(rfc3339_read(SLICE_LITERAL("0000-01-01T00:00:00Z"), &ms), ERR_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_read),
        cmocka_unit_test(every_day_is_the_one_that_the_library_says),
        cmocka_unit_test(what_is_no_time_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
