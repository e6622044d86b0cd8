#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ws_wire.h"

static struct buffer server_frame(unsigned char first, size_t len)
{
    struct buffer out;
    buffer_init(&out, 1 << 20);
    buffer_append_char(&out, (char)first);
    if (len < 126) {
        buffer_append_char(&out, (char)len);
    } else if (len < 65536) {
        const unsigned char head[] = {126, (unsigned char)(len >> 8), (unsigned char)len};
        buffer_append(&out, head, sizeof head);
    } else {
        const unsigned char head[] = {
            127, 0, 0, 0, 0, 0, (unsigned char)(len >> 16), (unsigned char)(len >> 8), (unsigned char)len};
        buffer_append(&out, head, sizeof head);
    }
    for (size_t i = 0; i < len; i++)
        buffer_append_char(&out, 'x');
    return out;
}

static void a_frame_is_found_whole_and_at_no_earlier_byte(void **state)
{
    (void)state;
    static const size_t lens[] = {0, 1, 125, 126, 65535, 65536};
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        struct buffer frame = server_frame(0x81, lens[i]);
        struct ws_frame_view view;
        size_t step = lens[i] > 1000 ? 997 : 1;
        for (size_t len = 0; len < frame.len; len += step)
            assert_int_equal(ws_parse_frame((struct slice){frame.data, len}, &view), WS_PARTIAL);
        assert_int_equal(ws_parse_frame(buffer_slice(&frame), &view), WS_PARSED);
        assert_int_equal(view.len, frame.len);
        assert_int_equal(view.payload.len, lens[i]);
        assert_int_equal(view.opcode, WS_TEXT);
        buffer_fini(&frame);
    }
}

static void a_partial_frame_says_how_long_it_will_be(void **state)
{
    (void)state;
    struct buffer frame = server_frame(0x82, 300);
    struct ws_frame_view view;

    assert_int_equal(ws_parse_frame((struct slice){frame.data, 3}, &view), WS_PARTIAL);
    assert_int_equal(view.len, 0);
    assert_int_equal(ws_parse_frame((struct slice){frame.data, 4}, &view), WS_PARTIAL);
    assert_int_equal(view.len, 304);
    buffer_fini(&frame);
}

static void what_a_server_must_not_send_is_a_fault(void **state)
{
    (void)state;
    static const char masked[] = "\x81\x80\0\0\0\0", fragment[] = "\x01\x00", reserved[] = "\xa1\x00";
    struct ws_frame_view view;

    assert_int_equal(ws_parse_frame((struct slice){masked, 6}, &view), WS_FAULT);
    assert_int_equal(ws_parse_frame((struct slice){fragment, 2}, &view), WS_FAULT);
    assert_int_equal(ws_parse_frame((struct slice){reserved, 2}, &view), WS_FAULT);
}

static void a_compressed_frame_is_told_from_a_plain_one(void **state)
{
    (void)state;
    struct ws_frame_view view;

    assert_int_equal(ws_parse_frame(SLICE_LITERAL("\xc1\x01x"), &view), WS_PARSED);
    assert_true(view.is_deflated && view.opcode == WS_TEXT);
    assert_int_equal(ws_parse_frame(SLICE_LITERAL("\x81\x01x"), &view), WS_PARSED);
    assert_false(view.is_deflated);
}

static void our_frames_are_masked_and_of_every_length(void **state)
{
    (void)state;
    static char payload[70000];
    static const struct {
        size_t len, head;
    } rows[] = {{0, 6}, {125, 6}, {126, 8}, {65535, 8}, {65536, 14}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buffer out;
        buffer_init(&out, 1 << 20);
        ws_append_frame(&out, WS_TEXT, (struct slice){payload, rows[i].len});
        assert_int_equal(out.len, rows[i].head + rows[i].len);
        assert_int_equal((unsigned char)out.data[1] & 0x80, 0x80);
        buffer_fini(&out);
    }
}

static void only_a_true_upgrade_is_taken(void **state)
{
    (void)state;
    static const char good[] =
        "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
                      other_key[] = "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: AAAA\r\n\r\n",
                      refused[] = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
    struct ws_agreed agreed = {.len = 0};

    assert_int_equal(ws_read_answer(slice_of(good), &agreed), WS_ANSWER_UPGRADED);
    assert_int_equal(agreed.len, sizeof good - 1);
    assert_false(agreed.is_deflating);
    assert_int_equal(ws_read_answer((struct slice){good, sizeof good - 3}, &agreed), WS_ANSWER_PARTIAL);
    assert_int_equal(ws_read_answer(slice_of(other_key), &agreed), WS_ANSWER_REFUSED);
    assert_int_equal(ws_read_answer(slice_of(refused), &agreed), WS_ANSWER_REFUSED);
}

static struct ws_agreed agree(const char *extensions)
{
    char head[512];
    struct ws_agreed agreed;

    snprintf(head, sizeof head,
             "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
             "sec-websocket-extensions: %s\r\n\r\n",
             extensions);
    assert_int_equal(ws_read_answer(slice_of(head), &agreed), WS_ANSWER_UPGRADED);
    return agreed;
}

static void the_server_says_whether_it_compresses_and_takes_its_context_over(void **state)
{
    (void)state;
    struct ws_agreed agreed = agree("permessage-deflate; server_no_context_takeover");

    assert_true(agreed.is_deflating && !agreed.is_taken_over);
    agreed = agree("permessage-deflate; client_no_context_takeover");
    assert_true(agreed.is_deflating && agreed.is_taken_over);
    assert_false(agree("x-webkit-deflate-frame").is_deflating);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_is_found_whole_and_at_no_earlier_byte),
        cmocka_unit_test(a_partial_frame_says_how_long_it_will_be),
        cmocka_unit_test(what_a_server_must_not_send_is_a_fault),
        cmocka_unit_test(a_compressed_frame_is_told_from_a_plain_one),
        cmocka_unit_test(the_server_says_whether_it_compresses_and_takes_its_context_over),
        cmocka_unit_test(our_frames_are_masked_and_of_every_length),
        cmocka_unit_test(only_a_true_upgrade_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
