#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <roomcast/core/close_reason.h>

#define CLOSE_TEXT_MAX 123 /* bytes: a control frame's 125 (RFC 6455 section 5.5) less the code's two */

static const struct {
    const char *name, *label;
} metrics[] = {
#define METRIC_ROW(id, kind, program, name, label, help) [METRIC_##id] = {name, label},
#include <roomcast/base/metrics_table.h>
#undef METRIC_ROW
};

static void every_code_is_unique_and_in_a_range_of_the_protocol(void **state)
{
    (void)state;
    for (int reason = 0; reason < CLOSE_REASON_COUNT; reason++) {
        unsigned code = close_reason_row(reason)->code;
        assert_in_range(code, 4000, 4299);
        for (int other = 0; other < reason; other++)
            assert_int_not_equal(close_reason_row(other)->code, code);
    }
}

static void every_text_fits_into_a_close_frame(void **state)
{
    (void)state;
    for (int reason = 0; reason < CLOSE_REASON_COUNT; reason++)
        assert_in_range(strlen(close_reason_row(reason)->text), 1, CLOSE_TEXT_MAX);
}

static void every_metric_is_labelled_with_the_code_it_counts(void **state)
{
    (void)state;
    for (int reason = 0; reason < CLOSE_REASON_COUNT; reason++) {
        const struct close_reason_row *row = close_reason_row(reason);
        char label[32];
        snprintf(label, sizeof label, "code=\"%u\"", row->code);
        assert_string_equal(metrics[row->metric].name, "roomcast_closes_total");
        assert_string_equal(metrics[row->metric].label, label);
    }
}

static void the_range_of_the_code_says_whether_the_client_may_come_back(void **state)
{
    (void)state;
    assert_false(close_reason_may_reconnect(CLOSE_PROTOCOL_VIOLATION));
    assert_false(close_reason_may_reconnect(CLOSE_MESSAGE_TOO_BIG));
    assert_true(close_reason_may_reconnect(CLOSE_OVERLOADED)); /* 4100, the first that may */
    assert_true(close_reason_may_reconnect(CLOSE_SLOW_CONSUMER));
    assert_true(close_reason_may_reconnect(CLOSE_DRAINING));
    assert_true(close_reason_may_reconnect(CLOSE_NO_PONG));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_is_unique_and_in_a_range_of_the_protocol),
        cmocka_unit_test(every_text_fits_into_a_close_frame),
        cmocka_unit_test(every_metric_is_labelled_with_the_code_it_counts),
        cmocka_unit_test(the_range_of_the_code_says_whether_the_client_may_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
