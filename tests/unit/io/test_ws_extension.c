/* Which offers of permessage-deflate are taken. */
#include "ws_extension.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define PLAIN  "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
#define WINDOW PLAIN "; server_max_window_bits=12"

/* What is answered to the header; NULL when nothing was agreed on. */
static const char *answer(const char *list)
{
    struct ws_deflate_offer offer = {.acceptable = false};
    ws_extension_find_deflate(slice_of(list), &offer);
    return offer.acceptable ? ws_extension_answer(&offer) : NULL;
}

static void expect_all(const char *const *lists, size_t count, const char *expected)
{
    for (size_t at = 0; at < count; at++) {
        const char *got = answer(lists[at]);
        if (expected ? !got || strcmp(got, expected) != 0 : got != NULL)
            fail_msg("%s: %s", lists[at], got ? got : "declined");
    }
}

#define EXPECT_ALL(lists, expected) expect_all(lists, sizeof lists / sizeof lists[0], expected)

static void what_can_be_met_is_taken(void **state)
{
    (void)state;
    static const char *const lists[] = {
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits", /* browsers */
        "permessage-deflate;client_max_window_bits=8",
        "permessage-deflate; client_max_window_bits=\"15\"",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        " ,\t, permessage-deflate\t;\tclient_no_context_takeover ,",
        "x-webkit-deflate-frame, permessage-deflate",
        "foo; bar=\"a, permessage-deflate; \\\" b\"; baz, permessage-deflate",
    };
    EXPECT_ALL(lists, PLAIN);
}

static void a_window_that_suffices_is_named_in_the_answer(void **state)
{
    (void)state;
    static const char *const lists[] = {
        "permessage-deflate; server_max_window_bits=12",
        "permessage-deflate; client_max_window_bits; server_max_window_bits=15",
        "permessage-deflate; server_max_window_bits=\"13\"",
    };
    EXPECT_ALL(lists, WINDOW);
}

static void what_cannot_be_met_is_declined(void **state)
{
    (void)state;
    static const char *const lists[] = {
        "",
        "x-webkit-deflate-frame",
        "Permessage-Deflate",
        "permessage-deflate2",
        "permessage-deflate; server_max_window_bits=11", /* smaller than ours */
        "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; server_max_window_bits", /* section 7.1.2.1: it needs a value */
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=012",
        "permessage-deflate; server_max_window_bits=+12",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=99999999999999999999",
        "permessage-deflate; client_max_window_bits=\"\"",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover=true",
        "permessage-deflate; unknown",
        "permessage-deflate; client_max_window_bits; client_max_window_bits", /* section 7.1: not twice */
        "permessage-deflate; unknown; unknown",
    };
    EXPECT_ALL(lists, NULL);
}

static void what_is_malformed_is_declined(void **state)
{
    (void)state;
    static const char *const lists[] = {
        ";",
        "=",
        "permessage-deflate;",
        "permessage-deflate; ",
        "permessage-deflate; =1",
        "permessage-deflate; client_max_window_bits=",
        "permessage-deflate; client_max_window_bits=\"15",
        "permessage-deflate; client_max_window_bits=\"15\\",
        "permessage-deflate client_max_window_bits",
        "permessage-deflate; client_max_window_bits=15 15",
        "permessage-deflate/1",
        "foo(), permessage-deflate",
    };
    EXPECT_ALL(lists, NULL);
}

static void offers_are_tried_in_order(void **state)
{
    (void)state;
    assert_string_equal(answer("permessage-deflate; server_max_window_bits=10, permessage-deflate"), PLAIN);
    assert_string_equal(answer("permessage-deflate; unknown, permessage-deflate; server_max_window_bits=14"),
                        WINDOW);
    assert_string_equal(answer("permessage-deflate; server_max_window_bits=14, permessage-deflate"), WINDOW);
    assert_string_equal(answer("permessage-deflate, permessage-deflate; server_max_window_bits=14"), PLAIN);
}

static void lines_are_one_list(void **state)
{
    (void)state;
    struct ws_deflate_offer offer = {.acceptable = false};
    ws_extension_find_deflate(slice_of("permessage-deflate; server_max_window_bits=9"), &offer);
    assert_false(offer.acceptable);
    ws_extension_find_deflate(slice_of("permessage-deflate"), &offer);
    assert_string_equal(ws_extension_answer(&offer), PLAIN);
    ws_extension_find_deflate(slice_of("permessage-deflate; server_max_window_bits=12"), &offer);
    assert_string_equal(ws_extension_answer(&offer), PLAIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_can_be_met_is_taken),
        cmocka_unit_test(a_window_that_suffices_is_named_in_the_answer),
        cmocka_unit_test(what_cannot_be_met_is_declined),
        cmocka_unit_test(what_is_malformed_is_declined),
        cmocka_unit_test(offers_are_tried_in_order),
        cmocka_unit_test(lines_are_one_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
