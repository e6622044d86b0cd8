/* One message compressed, one message inflated (RFC 7692 section 7.2). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <roomcast/io/deflate.h>

#include "seeded.h"

#define MAX 70000 /* bytes of a message that comes in */

static struct deflater *deflater;
static struct inflater *inflater;

static int set_up(void **state)
{
    (void)state;
    assert_int_equal(deflater_new(6, &deflater), ERR_OK);
    assert_int_equal(inflater_new(MAX, &inflater), ERR_OK);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    deflater_free(&deflater);
    inflater_free(&inflater);
    assert_null(deflater);
    assert_null(inflater);
    return 0;
}

static void expect_message(const void *deflated, size_t len, struct slice expected)
{
    struct slice message;
    assert_int_equal(inflater_run(inflater, (struct slice){deflated, len}, &message), ERR_OK);
    assert_int_equal(message.len, expected.len);
    assert_true(slice_equal(message, expected));
}

static enum err inflate_bytes(const void *deflated, size_t len)
{
    struct slice message;
    return inflater_run(inflater, (struct slice){deflated, len}, &message);
}

static void the_examples_of_rfc_7692_are_read(void **state)
{
    (void)state;
    const struct slice hello = SLICE_LITERAL("Hello");
    expect_message("\xf2\x48\xcd\xc9\xc9\x07\x00", 7, hello);                          /* 7.2.3.1 */
    expect_message("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", 11, hello);         /* 7.2.3.3 */
    expect_message("\xf3\x48\xcd\xc9\xc9\x07\x00\x00", 8, hello);                      /* 7.2.3.4 */
    expect_message("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", 13, hello); /* 7.2.3.5 */
    expect_message("\x00", 1, SLICE_LITERAL(""));                                      /* 7.2.3.6 */
}

static void a_message_ends_with_its_flush_and_without_its_tail(void **state)
{
    (void)state;
    char text[100];
    struct slice deflated;
    memset(text, 'a', sizeof text);
    assert_true(deflater_run(deflater, (struct slice){text, sizeof text}, &deflated));
    assert_true(deflated.len < 12);
    assert_int_equal(deflated.data[deflated.len - 1], 0); /* the flush without its 00 00 ff ff */
    expect_message(deflated.data, deflated.len, (struct slice){text, sizeof text});
}

static void a_sender_may_refer_to_its_messages_before_when_that_was_agreed_on(void **state)
{
    (void)state;
    static const char *const hellos[] = {"\xf2\x48\xcd\xc9\xc9\x07\x00",
                                         "\xf2\x00\x11\x00\x00"}; /* 7.2.3.2 */
    static const size_t lens[] = {7, 5};
    struct inflater *own;
    struct slice message;

    assert_int_equal(inflater_new(MAX, &own), ERR_OK);
    inflater_take_over(own);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(inflater_run(own, (struct slice){hellos[i], lens[i]}, &message), ERR_OK);
        assert_true(slice_equal(message, SLICE_LITERAL("Hello")));
    }
    inflater_free(&own);
}

static void nothing_is_taken_over_from_the_message_before(void **state)
{
    (void)state;
    /* 7.2.3.2: the second "Hello" of a sender that refers back to the first. */
    expect_message("\xf2\x48\xcd\xc9\xc9\x07\x00", 7, SLICE_LITERAL("Hello"));
    assert_int_equal(inflate_bytes("\xf2\x00\x11\x00\x00", 5), ERR_SYNTAX);
    expect_message("\xf2\x48\xcd\xc9\xc9\x07\x00", 7, SLICE_LITERAL("Hello"));

    const struct slice text =
        SLICE_LITERAL("{\"type\":\"ping\",\"as\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}");
    struct slice deflated;
    assert_true(deflater_run(deflater, text, &deflated));
    size_t first = deflated.len;
    assert_true(deflater_run(deflater, text, &deflated));
    assert_int_equal(deflated.len, first);
    expect_message(deflated.data, deflated.len, text);
}

static void any_message_comes_back_as_it_was(void **state)
{
    (void)state;
    uint64_t seed = 7;
    unsigned smaller = 0;
    static char text[MAX];
    for (unsigned round = 0; round < 400; round++) {
        size_t len = seeded_below(&seed, round % 10 == 0 ? sizeof text : 3000);
        uint64_t letters = 1 + seeded_below(&seed, 255);
        for (size_t at = 0; at < len; at++)
            text[at] = (char)seeded_below(&seed, letters);
        struct slice deflated;
        if (!deflater_run(deflater, (struct slice){text, len}, &deflated))
            continue;
        assert_true(deflated.len < len);
        expect_message(deflated.data, deflated.len, (struct slice){text, len});
        smaller++;
    }
    assert_true(smaller > 200);
}

static void what_would_not_become_smaller_is_left_as_it_is(void **state)
{
    (void)state;
    uint64_t seed = 3;
    char text[5000];
    struct slice deflated;
    for (size_t at = 0; at < sizeof text; at++)
        text[at] = (char)seeded_below(&seed, 256);
    assert_false(deflater_run(deflater, (struct slice){text, sizeof text}, &deflated));
    assert_false(deflater_run(deflater, SLICE_LITERAL("{}"), &deflated));
    assert_false(deflater_run(deflater, SLICE_LITERAL(""), &deflated));
}

static void a_bomb_is_never_made_larger_than_the_limit(void **state)
{
    (void)state;
    static char zeros[MAX + 1];
    struct slice deflated, message;
    assert_true(deflater_run(deflater, (struct slice){zeros, MAX}, &deflated));
    assert_true(deflated.len < 200);
    expect_message(deflated.data, deflated.len, (struct slice){zeros, MAX});
    assert_true(deflater_run(deflater, (struct slice){zeros, MAX + 1}, &deflated));
    assert_int_equal(inflater_run(inflater, deflated, &message), ERR_TOO_BIG);
    expect_message("\xf2\x48\xcd\xc9\xc9\x07\x00", 7, SLICE_LITERAL("Hello")); /* and it works on */
}

static void what_is_cut_or_wrong_is_refused(void **state)
{
    (void)state;
    assert_int_equal(inflate_bytes("\xff\xff\xff", 3), ERR_SYNTAX);             /* no such block */
    assert_int_equal(inflate_bytes("\x00\x09\x00\xf6\xff\x48", 6), ERR_SYNTAX); /* a stored block cut short */
    assert_int_equal(inflate_bytes("\x00\x05\x00\x00\x00", 5), ERR_SYNTAX); /* its length and no complement */
    assert_int_equal(inflate_bytes("\xf2\x48\xcd\xc9\xc9\x07", 6), ERR_SYNTAX); /* Hello without its flush */
    assert_int_equal(inflate_bytes("\xf3\x48\xcd\xc9\xc9\x07\x00", 7),
                     ERR_SYNTAX); /* final, nothing behind */
}

/* A cut message may by chance be a whole one; it never becomes more than it was. */
static void a_message_cut_anywhere_yields_a_beginning_or_nothing(void **state)
{
    (void)state;
    const struct slice text = SLICE_LITERAL("{\"type\":\"subscribe.chat\",\"chat_id\":\"22222222-2222-4222-"
                                            "8222-222222222222\",\"id\":\"abcdefgh\"}");
    struct slice deflated, message;
    unsigned refused = 0;
    assert_true(deflater_run(deflater, text, &deflated));
    for (size_t len = 0; len < deflated.len; len++) {
        if (inflater_run(inflater, (struct slice){deflated.data, len}, &message) != ERR_OK)
            refused++;
        else
            assert_true(message.len <= text.len);
    }
    assert_true(refused > deflated.len / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_rfc_7692_are_read),
        cmocka_unit_test(a_message_ends_with_its_flush_and_without_its_tail),
        cmocka_unit_test(a_sender_may_refer_to_its_messages_before_when_that_was_agreed_on),
        cmocka_unit_test(nothing_is_taken_over_from_the_message_before),
        cmocka_unit_test(any_message_comes_back_as_it_was),
        cmocka_unit_test(what_would_not_become_smaller_is_left_as_it_is),
        cmocka_unit_test(a_bomb_is_never_made_larger_than_the_limit),
        cmocka_unit_test(what_is_cut_or_wrong_is_refused),
        cmocka_unit_test(a_message_cut_anywhere_yields_a_beginning_or_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
