/* permessage-deflate against ws_server.h over TCP: what is agreed on, and compressed messages of clients,
 * proper and not (RFC 7692). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <roomcast/io/deflate.h>

#include "raw_client.h"
#include "ws_harness.h"

#define HELLO     "\xf2\x48\xcd\xc9\xc9\x07\x00" /* "Hello", RFC 7692 section 7.2.3.1 */
#define HELLO_LEN 7

static struct harness *harness;
static struct raw_client client;
static struct deflater *deflater;

static void open_offering(const char *header, char answer[4096])
{
    char request[4096];
    snprintf(request, sizeof request, "GET /ws HTTP/1.1\r\n" RAW_UPGRADE "%s\r\n", header);
    raw_open(&client, harness_port(harness));
    raw_send_text(&client, request);
    assert_int_equal(raw_read_answer(&client, answer, 4096), 101);
    harness_wait(harness, NOTED_OPEN);
}

static int set_up_closed(void **state)
{
    (void)state;
    harness = harness_start_deflating();
    assert_int_equal(deflater_new(6, &deflater), ERR_OK);
    return 0;
}

static int set_up(void **state)
{
    char answer[4096];
    set_up_closed(state);
    open_offering("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n", answer);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    raw_close(&client);
    harness_stop(harness);
    deflater_free(&deflater);
    return 0;
}

static struct slice deflate_text(struct slice text)
{
    struct slice deflated;
    assert_true(deflater_run(deflater, text, &deflated));
    return deflated;
}

static void the_answer_forbids_taking_over_in_both_directions(void **state)
{
    (void)state;
    char answer[4096];
    open_offering("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9\r\n"
                  "sec-websocket-extensions: foo, permessage-deflate; server_max_window_bits=15\r\n",
                  answer);
    assert_non_null(strstr(answer,
                           "\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; "
                           "client_no_context_takeover; server_max_window_bits=12\r\n"));
    harness_finish(harness, &client);
}

static void a_bad_offer_opens_without_compression(void **state)
{
    (void)state;
    char answer[4096];
    open_offering("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9, ;;=\r\n", answer);
    assert_null(strstr(answer, "Extensions"));
    raw_send_message(&client, "echo:plain");
    raw_expect_message(&client, "plain");
    raw_send_frame(&client, 0xC1, HELLO, HELLO_LEN);
    harness_expect_fault(harness, &client, 1002);
}

static void compressed_and_plain_messages_may_alternate(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        struct slice deflated = deflate_text(SLICE_LITERAL("echo:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
        raw_send_frame(&client, 0xC1, deflated.data, deflated.len);
        raw_expect_message(&client, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
        raw_send_message(&client, "echo:plain");
        raw_expect_message(&client, "plain");
    }
    raw_send_frame(&client, 0xC1, "\x00", 1); /* an empty message */
    harness_finish(harness, &client);
    for (unsigned round = 0; round < 6; round++)
        harness_wait(harness, NOTED_MESSAGE);
    assert_int_equal(harness_wait(harness, NOTED_MESSAGE).code, 0);
}

static void a_compressed_message_in_pieces_is_put_together_around_a_ping(void **state)
{
    (void)state;
    struct raw_frame frame;
    raw_send_frame(&client, 0x41, HELLO, 3);
    raw_send_frame(&client, 0x89, "?", 1);
    raw_send_frame(&client, 0x00, "", 0);
    raw_send_frame(&client, 0x80, &HELLO[3], HELLO_LEN - 3);
    raw_read_frame(&client, &frame);
    assert_int_equal(frame.first, 0x8A);
    assert_string_equal(harness_wait(harness, NOTED_MESSAGE).text, "Hello");
    harness_finish(harness, &client);
}

/* All connections share one state: what one has begun must not be seen by another. */
static void pieces_of_two_clients_do_not_mix(void **state)
{
    (void)state;
    struct raw_client first = client;
    char answer[4096];
    open_offering("Sec-WebSocket-Extensions: permessage-deflate\r\n", answer);
    raw_send_frame(&first, 0x41, HELLO, 4);
    raw_send_frame(&client, 0xC1, HELLO, HELLO_LEN);
    assert_string_equal(harness_wait(harness, NOTED_MESSAGE).text, "Hello");
    raw_send_frame(&first, 0x80, &HELLO[4], HELLO_LEN - 4);
    assert_string_equal(harness_wait(harness, NOTED_MESSAGE).text, "Hello");
    harness_finish(harness, &client);
    raw_close(&client);
    client = first;
    harness_finish(harness, &client);
}

static void a_bomb_is_too_big_and_the_client_told_so(void **state)
{
    (void)state;
    static char zeros[16 * 1024 * 1024];
    struct slice bomb = deflate_text((struct slice){zeros, sizeof zeros});
    assert_true(bomb.len < HARNESS_MESSAGE_MAX);
    raw_send_frame(&client, 0xC1, bomb.data, bomb.len);
    harness_wait(harness, NOTED_TOO_BIG);
    raw_expect_close(&client, 4009);
    raw_send_frame(&client, 0x88, "\x0F\xA9", 2);
    raw_expect_end(&client, false);
    harness_expect_closed(harness, WS_END_SERVER, 4009);
    assert_int_equal(harness_count(harness, NOTED_MESSAGE), 0);
}

static void the_limit_is_on_the_message_before_and_after(void **state)
{
    (void)state;
    static char text[HARNESS_MESSAGE_MAX + 1];
    memset(text, 'x', sizeof text);
    struct slice deflated = deflate_text((struct slice){text, HARNESS_MESSAGE_MAX});
    raw_send_frame(&client, 0xC1, deflated.data, deflated.len);
    assert_int_equal(harness_wait(harness, NOTED_MESSAGE).code, HARNESS_MESSAGE_MAX);
    raw_send_frame(&client, 0xC1, text, sizeof text);
    harness_wait(harness, NOTED_TOO_BIG);
    raw_expect_close(&client, 4009);
    raw_send_frame(&client, 0x88, "\x0F\xA9", 2);
    raw_expect_end(&client, false);
    harness_expect_closed(harness, WS_END_SERVER, 4009);
}

static void rsv1_stands_on_the_first_frame_of_a_message_only(void **state)
{
    (void)state;
    raw_send_frame(&client, 0x41, HELLO, 3);
    raw_send_frame(&client, 0xC0, &HELLO[3], HELLO_LEN - 3);
    harness_expect_fault(harness, &client, 1002);
}

static void a_control_frame_is_never_compressed(void **state)
{
    (void)state;
    raw_send_frame(&client, 0xC9, "", 0);
    harness_expect_fault(harness, &client, 1002);
}

static void the_other_reserved_bits_stay_forbidden(void **state)
{
    (void)state;
    raw_send_frame(&client, 0xE1, HELLO, HELLO_LEN);
    harness_expect_fault(harness, &client, 1002);
}

static void a_compressed_binary_message_is_unsupported_like_a_plain_one(void **state)
{
    (void)state;
    raw_send_frame(&client, 0xC2, HELLO, HELLO_LEN);
    harness_expect_fault(harness, &client, 1003);
}

static void what_cannot_be_inflated_is_answered_1007(void **state)
{
    (void)state;
    raw_send_frame(&client, 0xC1, HELLO, HELLO_LEN - 1);
    harness_expect_fault(harness, &client, 1007);
}

static void inflated_text_that_is_not_utf8_is_answered_1007(void **state)
{
    (void)state;
    struct slice deflated =
        deflate_text(SLICE_LITERAL("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xE2\x82"));
    raw_send_frame(&client, 0xC1, deflated.data, deflated.len);
    harness_expect_fault(harness, &client, 1007);
    assert_int_equal(harness_count(harness, NOTED_MESSAGE), 0);
}

#define OPEN_TEST(name)   cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define CLOSED_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_closed, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLOSED_TEST(the_answer_forbids_taking_over_in_both_directions),
        CLOSED_TEST(a_bad_offer_opens_without_compression),
        OPEN_TEST(compressed_and_plain_messages_may_alternate),
        OPEN_TEST(a_compressed_message_in_pieces_is_put_together_around_a_ping),
        OPEN_TEST(pieces_of_two_clients_do_not_mix),
        OPEN_TEST(a_bomb_is_too_big_and_the_client_told_so),
        OPEN_TEST(the_limit_is_on_the_message_before_and_after),
        OPEN_TEST(rsv1_stands_on_the_first_frame_of_a_message_only),
        OPEN_TEST(a_control_frame_is_never_compressed),
        OPEN_TEST(the_other_reserved_bits_stay_forbidden),
        OPEN_TEST(a_compressed_binary_message_is_unsupported_like_a_plain_one),
        OPEN_TEST(what_cannot_be_inflated_is_answered_1007),
        OPEN_TEST(inflated_text_that_is_not_utf8_is_answered_1007),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
