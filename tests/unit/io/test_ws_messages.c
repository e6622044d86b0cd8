/* Frames of clients, proper and not, against ws_server.h over TCP (RFC 6455 sections 5 to 8). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "raw_client.h"
#include "ws_harness.h"

#define WS_CONTROL_TEST_MAX 126 /* one more than the longest payload of a ping */

static struct harness *harness;
static struct raw_client client;

static int set_up(void **state)
{
    (void)state;
    harness = harness_start_default();
    raw_upgrade(&client, harness_port(harness));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    raw_close(&client);
    harness_stop(harness);
    return 0;
}

static void a_message_is_delivered_and_answered(void **state)
{
    (void)state;
    raw_send_message(&client, "echo:h\xC3\xA9llo");
    raw_expect_message(&client, "h\xC3\xA9llo");
    raw_send_message(&client, "");
    struct note note = harness_wait(harness, NOTED_MESSAGE);
    assert_int_equal(note.code, 11);
    assert_int_equal(harness_wait(harness, NOTED_MESSAGE).code, 0);
    harness_finish(harness, &client);
}

static void several_frames_of_one_write_arrive_in_order(void **state)
{
    (void)state;
    raw_send_message(&client, "twice:ab");
    raw_expect_message(&client, "ab");
    raw_expect_message(&client, "ab");
    harness_finish(harness, &client);
}

static void a_fragmented_message_is_put_together_around_a_ping(void **state)
{
    (void)state;
    struct raw_frame frame;
    raw_send_frame(&client, 0x01, "echo:\xE2", 6);
    raw_send_frame(&client, 0x89, "?", 1);
    raw_send_frame(&client, 0x00, "\x82", 1);
    raw_send_frame(&client, 0x00, "", 0);
    raw_send_frame(&client, 0x80, "\xAC!", 2);
    raw_read_frame(&client, &frame);
    assert_int_equal(frame.first, 0x8A);
    raw_expect_message(&client, "\xE2\x82\xAC!");
    harness_finish(harness, &client);
}

static void a_message_of_exactly_the_limit_is_delivered(void **state)
{
    (void)state;
    char *text = malloc(HARNESS_MESSAGE_MAX);
    memset(text, 'm', HARNESS_MESSAGE_MAX);
    raw_send_frame(&client, 0x81, text, HARNESS_MESSAGE_MAX);
    assert_int_equal(harness_wait(harness, NOTED_MESSAGE).code, HARNESS_MESSAGE_MAX);
    raw_send_frame(&client, 0x01, text, HARNESS_MESSAGE_MAX - 1);
    raw_send_frame(&client, 0x80, text, 1);
    assert_int_equal(harness_wait(harness, NOTED_MESSAGE).code, HARNESS_MESSAGE_MAX);
    free(text);
    harness_finish(harness, &client);
}

static void too_big_is_told_once_and_the_rest_is_discarded(void **state)
{
    (void)state;
    char *text = malloc(HARNESS_MESSAGE_MAX);
    memset(text, 'm', HARNESS_MESSAGE_MAX);
    raw_send_frame(&client, 0x01, text, HARNESS_MESSAGE_MAX);
    raw_send_frame(&client, 0x00, text, 1);
    raw_send_frame(&client, 0x00, text, HARNESS_MESSAGE_MAX);
    raw_send_frame(&client, 0x80, text, 1);
    raw_expect_close(&client, 4009);
    raw_send_frame(&client, 0x88, "\x0F\xA9", 2); /* 4009 */
    raw_expect_end(&client, false);
    harness_expect_closed(harness, WS_END_SERVER, 4009);
    assert_int_equal(harness_count(harness, NOTED_TOO_BIG), 1);
    assert_int_equal(harness_count(harness, NOTED_MESSAGE), 0);
    free(text);
}

static void an_announced_length_over_the_limit_is_too_big_at_once(void **state)
{
    (void)state;
    raw_send(&client, "\x81\xFF\x00\x00\x00\x01\x00\x00\x00\x00....", 14);
    raw_expect_close(&client, 4009);
    raw_close(&client);
    harness_expect_closed(harness, WS_END_SERVER, 4009);
    raw_upgrade(&client, harness_port(harness));
    harness_finish(harness, &client);
}

static void each_of_several_pings_in_one_segment_is_answered(void **state)
{
    (void)state;
    unsigned char bytes[64 * 1024];
    size_t len = 0;
    for (unsigned at = 0; at < 400; at++) {
        char payload[WS_CONTROL_TEST_MAX];
        memset(payload, 'a' + (int)(at % 26), sizeof payload);
        len += raw_make_frame(bytes + len, 0x89, payload, at % sizeof payload);
    }
    raw_send(&client, bytes, len);
    for (unsigned at = 0; at < 400; at++) {
        struct raw_frame frame;
        raw_read_frame(&client, &frame);
        assert_int_equal(frame.first, 0x8A);
        assert_int_equal(frame.len, at % WS_CONTROL_TEST_MAX);
        if (frame.len > 0)
            assert_int_equal(frame.payload[frame.len - 1], 'a' + at % 26);
    }
    harness_finish(harness, &client);
}

static void a_pong_reaches_the_handler(void **state)
{
    (void)state;
    raw_send_frame(&client, 0x8A, "", 0);
    raw_send_frame(&client, 0x8A, "abc", 3);
    harness_wait(harness, NOTED_PONG);
    harness_wait(harness, NOTED_PONG);
    harness_finish(harness, &client);
}

static void a_ping_before_a_message_that_closes_is_answered_before_the_close(void **state)
{
    (void)state;
    unsigned char bytes[128];
    struct raw_frame frame;
    size_t len = raw_make_frame(bytes, 0x89, "p", 1);
    len += raw_make_frame(bytes + len, 0x81, "close:4001:bye", 14);
    raw_send(&client, bytes, len);
    raw_read_frame(&client, &frame);
    assert_int_equal(frame.first, 0x8A);
    raw_expect_close(&client, 4001);
    raw_send_frame(&client, 0x88, "\x0F\xA1", 2);
    harness_expect_closed(harness, WS_END_SERVER, 4001);
}

static void a_binary_message_is_answered_1003(void **state)
{
    (void)state;
    raw_send_frame(&client, 0x82, "x", 1);
    harness_expect_fault(harness, &client, 1003);
}

struct bad_bytes {
    const char *what;
    const char *bytes;
    size_t len;
    unsigned code;
};
#define BAD(what, bytes, code)                                                                               \
    {                                                                                                        \
        what, bytes, sizeof(bytes) - 1, code                                                                 \
    }
#define MASK0 "\0\0\0\0"

/* Each on a connection of its own, and followed by a message that must not be delivered. */
static void malformed_frames_are_answered_by_their_code(void **state)
{
    (void)state;
    static const struct bad_bytes rows[] = {
        BAD("unmasked text", "\x81\x02hi", 1002),
        BAD("unmasked empty ping", "\x89\x00", 1002),
        BAD("unmasked close", "\x88\x02\x03\xE8", 1002),
        BAD("RSV1", "\xC1\x82" MASK0 "hi", 1002),
        BAD("RSV2", "\xA1\x82" MASK0 "hi", 1002),
        BAD("RSV3", "\x91\x82" MASK0 "hi", 1002),
        BAD("opcode 3", "\x83\x80" MASK0, 1002),
        BAD("opcode 11", "\x8B\x80" MASK0, 1002),
        BAD("opcode 15", "\x8F\x80" MASK0, 1002),
        BAD("continuation of nothing", "\x80\x80" MASK0, 1002),
        BAD("text inside a fragmented text", "\x01\x80" MASK0 "\x81\x80" MASK0, 1002),
        BAD("binary inside a fragmented text", "\x01\x80" MASK0 "\x82\x80" MASK0, 1002),
        BAD("fragmented ping", "\x09\x80" MASK0, 1002),
        BAD("ping of 126 bytes", "\x89\xFE", 1002),
        BAD("close of 64-bit length", "\x88\xFF", 1002),
        BAD("length 125 in 16 bits", "\x81\xFE\x00\x7D" MASK0, 1002),
        BAD("length 65535 in 64 bits", "\x81\xFF\0\0\0\0\0\0\xFF\xFF" MASK0, 1002),
        BAD("length above 63 bits", "\x81\xFF\x80\0\0\0\0\0\0\0" MASK0, 1002),
        BAD("close body of one byte", "\x88\x81" MASK0 "\x03", 1002),
        BAD("close code 0", "\x88\x82" MASK0 "\x00\x00", 1002),
        BAD("close code 999", "\x88\x82" MASK0 "\x03\xE7", 1002),
        BAD("close code 1004", "\x88\x82" MASK0 "\x03\xEC", 1002),
        BAD("close code 1005", "\x88\x82" MASK0 "\x03\xED", 1002),
        BAD("close code 1006", "\x88\x82" MASK0 "\x03\xEE", 1002),
        BAD("close code 1015", "\x88\x82" MASK0 "\x03\xF7", 1002),
        BAD("close code 2999", "\x88\x82" MASK0 "\x0B\xB7", 1002),
        BAD("close code 5000", "\x88\x82" MASK0 "\x13\x88", 1002),
        BAD("close reason not UTF-8", "\x88\x83" MASK0 "\x03\xE8\xFF", 1007),
        BAD("close reason cut", "\x88\x83" MASK0 "\x03\xE8\xC3", 1007),
        BAD("text not UTF-8", "\x81\x81" MASK0 "\xFF", 1007),
        BAD("overlong", "\x81\x82" MASK0 "\xC0\xAF", 1007),
        BAD("surrogate", "\x81\x83" MASK0 "\xED\xA0\x80", 1007),
        BAD("beyond U+10FFFF", "\x81\x84" MASK0 "\xF4\x90\x80\x80", 1007),
        BAD("character cut by the end", "\x81\x82" MASK0 "a\xC3", 1007),
        BAD("wrong byte in the next fragment", "\x01\x81" MASK0 "\xE2\x00\x81" MASK0 "a", 1007),
        BAD("character cut over fragments", "\x01\x81" MASK0 "\xE2\x80\x81" MASK0 "\x82", 1007),
        BAD("wrong byte before the frame is complete", "\x81\xFE\x10\x00" MASK0 "ab\xFF", 1007),
    };
    for (size_t at = 0; at < sizeof rows / sizeof rows[0]; at++) {
        raw_send(&client, rows[at].bytes, rows[at].len);
        raw_expect_close(&client, rows[at].code);
        raw_send_message(&client, "after the fault");
        raw_expect_end(&client, false);
        harness_expect_closed(harness, WS_END_FAULT, rows[at].code);
        assert_int_equal(harness_count(harness, NOTED_MESSAGE), 0);
        raw_close(&client);
        raw_upgrade(&client, harness_port(harness));
    }
    harness_finish(harness, &client);
}

static void the_peers_close_is_answered_with_its_code(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        size_t len;
        unsigned code;
    } rows[] = {{"", 0, 1005},         {"\x03\xE8", 2, 1000}, {"\x03\xE9going away", 12, 1001},
                {"\x03\xF6", 2, 1014}, {"\x0B\xB8", 2, 3000}, {"\x13\x87", 2, 4999}};
    for (size_t at = 0; at < sizeof rows / sizeof rows[0]; at++) {
        raw_send_frame(&client, 0x88, rows[at].body, rows[at].len);
        raw_expect_close(&client, rows[at].code);
        raw_expect_end(&client, false);
        harness_expect_closed(harness, WS_END_CLIENT, rows[at].code);
        raw_close(&client);
        raw_upgrade(&client, harness_port(harness));
    }
    harness_finish(harness, &client);
}

static void what_follows_the_peers_close_is_ignored(void **state)
{
    (void)state;
    unsigned char bytes[256];
    size_t len = raw_make_frame(bytes, 0x88, "\x03\xE8", 2);
    len += raw_make_frame(bytes + len, 0x81, "echo:no", 7);
    len += raw_make_frame(bytes + len, 0x89, "", 0);
    len += raw_make_frame(bytes + len, 0x88, "\x03\xE9", 2);
    raw_send(&client, bytes, len);
    raw_expect_close(&client, 1000);
    raw_expect_end(&client, false);
    harness_expect_closed(harness, WS_END_CLIENT, 1000);
    assert_int_equal(harness_count(harness, NOTED_MESSAGE), 0);
    assert_int_equal(harness_count(harness, NOTED_CLOSED), 0);
}

int main(void)
{
#define WS_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WS_TEST(a_message_is_delivered_and_answered),
        WS_TEST(several_frames_of_one_write_arrive_in_order),
        WS_TEST(a_fragmented_message_is_put_together_around_a_ping),
        WS_TEST(a_message_of_exactly_the_limit_is_delivered),
        WS_TEST(too_big_is_told_once_and_the_rest_is_discarded),
        WS_TEST(an_announced_length_over_the_limit_is_too_big_at_once),
        WS_TEST(each_of_several_pings_in_one_segment_is_answered),
        WS_TEST(a_pong_reaches_the_handler),
        WS_TEST(a_ping_before_a_message_that_closes_is_answered_before_the_close),
        WS_TEST(a_binary_message_is_answered_1003),
        WS_TEST(malformed_frames_are_answered_by_their_code),
        WS_TEST(the_peers_close_is_answered_with_its_code),
        WS_TEST(what_follows_the_peers_close_is_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
