/* The frame decoder by itself: what it says does not depend on how the bytes are cut. */
#include "ws_frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <roomcast/base/text.h>

#include "raw_client.h"
#include "ws_utf8.h"

#define MAX    300 /* bytes of a message */
#define ROUNDS 3000

/* A fixed sequence: the same test each time. */
static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* Feeds `bytes` in pieces of at most `most` and writes each event down. Returns whether it ended in a fault.
 */
static bool transcribe(const unsigned char *bytes, size_t len, size_t most, bool takes_deflated,
                       struct buffer *out)
{
    struct ws_decoder decoder;
    struct ws_event event = {.kind = WS_EVENT_NONE};
    unsigned char piece[4096];
    ws_decoder_init(&decoder, MAX, takes_deflated);
    while (len > 0 && event.kind != WS_EVENT_FAULT) {
        size_t piece_len = len < most ? len : most;
        unsigned char *at = piece;
        memcpy(piece, bytes, piece_len);
        bytes += piece_len;
        len -= piece_len;
        do {
            ws_decoder_next(&decoder, &at, &piece_len, &event);
            if (event.kind == WS_EVENT_NONE)
                break;
            buffer_appendf(out, "%d/%u:", event.kind, event.code);
            buffer_append_slice(out, event.payload);
            buffer_append_char(out, '\n');
        } while (event.kind != WS_EVENT_FAULT);
    }
    ws_decoder_fini(&decoder);
    return event.kind == WS_EVENT_FAULT;
}

static size_t random_frames(uint32_t *seed, unsigned char *bytes)
{
    static const unsigned char firsts[] = {0x81, 0x81, 0x01, 0x00, 0x80, 0x89, 0x8A, 0x88, 0xC1, 0x41};
    size_t len = 0;
    for (unsigned count = next_random(seed) % 8; count > 0; count--) {
        unsigned char payload[400];
        unsigned first = firsts[next_random(seed) % sizeof firsts];
        size_t payload_len = next_random(seed) % (first & 0x08 ? 125 : sizeof payload);
        for (size_t at = 0; at < payload_len; at++)
            payload[at] = (unsigned char)('a' + next_random(seed) % 26);
        if (first == 0x88)
            payload_len = 0;
        len += raw_make_frame(bytes + len, first, payload, payload_len);
    }
    if (len > 0 && next_random(seed) % 4 == 0) /* and sometimes something is wrong with it */
        bytes[next_random(seed) % len] ^= (unsigned char)(1u << next_random(seed) % 8);
    return len;
}

static void how_the_bytes_are_cut_makes_no_difference(void **state)
{
    (void)state;
    uint32_t seed = 1;
    unsigned faults = 0, texts = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned char bytes[4096];
        struct buffer whole, cut;
        size_t len = random_frames(&seed, bytes);
        buffer_init(&whole, SIZE_MAX / 2);
        buffer_init(&cut, SIZE_MAX / 2);
        bool deflated = round % 2;
        bool fault = transcribe(bytes, len, sizeof bytes, deflated, &whole);
        assert_int_equal(transcribe(bytes, len, 1, deflated, &cut), fault);
        assert_true(slice_equal(buffer_slice(&whole), buffer_slice(&cut)));
        buffer_clear(&cut);
        transcribe(bytes, len, 1 + next_random(&seed) % 64, deflated, &cut);
        assert_true(slice_equal(buffer_slice(&whole), buffer_slice(&cut)));
        faults += fault;
        texts += whole.len > 0 && whole.data[0] == '0' + WS_EVENT_TEXT;
        buffer_fini(&whole);
        buffer_fini(&cut);
    }
    assert_true(faults > ROUNDS / 10 && texts > ROUNDS / 10); /* both were really tried */
}

static void a_message_goes_on_being_skipped_until_its_last_frame(void **state)
{
    (void)state;
    unsigned char bytes[2048], payload[MAX] = {0};
    struct buffer out;
    size_t len = raw_make_frame(bytes, 0x01, payload, MAX);
    len += raw_make_frame(bytes + len, 0x00, payload, 1);
    len += raw_make_frame(bytes + len, 0x89, "p", 1);
    len += raw_make_frame(bytes + len, 0x00, payload, MAX);
    len += raw_make_frame(bytes + len, 0x80, payload, 0);
    len += raw_make_frame(bytes + len, 0x81, "next", 4);
    buffer_init(&out, 1000);
    transcribe(bytes, len, sizeof bytes, false, &out);
    char expected[64];
    snprintf(expected, sizeof expected, "%d/0:\n%d/0:p\n%d/0:next\n", WS_EVENT_TOO_BIG, WS_EVENT_PING,
             WS_EVENT_TEXT);
    assert_string_equal(buffer_text(&out), expected);
    buffer_fini(&out);
}

static void a_compressed_message_is_handed_out_as_it_came(void **state)
{
    (void)state;
    unsigned char bytes[2048], payload[MAX + 1] = {0};
    struct buffer out;
    size_t len = raw_make_frame(bytes, 0xC1, "\xFF\xFE", 2);
    len += raw_make_frame(bytes + len, 0x41, "\xC3", 1);
    len += raw_make_frame(bytes + len, 0x80, "\x28", 1);
    len += raw_make_frame(bytes + len, 0x81, "text", 4);
    len += raw_make_frame(bytes + len, 0xC1, payload, MAX + 1); /* the limit is the same */
    len += raw_make_frame(bytes + len, 0x81, "\xFF", 1);
    buffer_init(&out, 1000);
    transcribe(bytes, len, sizeof bytes, true, &out);
    char expected[64];
    snprintf(expected, sizeof expected, "%d/0:\xFF\xFE\n%d/0:\xC3\x28\n%d/0:text\n%d/0:\n%d/1007:\n",
             WS_EVENT_DEFLATED, WS_EVENT_DEFLATED, WS_EVENT_TEXT, WS_EVENT_TOO_BIG, WS_EVENT_FAULT);
    assert_string_equal(buffer_text(&out), expected);
    buffer_fini(&out);
}

static void binary_messages_are_handed_out_where_they_are_taken(void **state)
{
    (void)state;
    struct ws_decoder decoder;
    struct ws_event event;
    unsigned char bytes[64], *at = bytes;
    size_t len = raw_make_frame(bytes, 0x02, "\xFF", 1);
    len += raw_make_frame(bytes + len, 0x80, "\xFE", 1);
    len += raw_make_frame(bytes + len, 0xC2, "deflated", 8);
    len += raw_make_frame(bytes + len, 0x81, "text", 4);
    ws_decoder_init(&decoder, MAX, true);
    decoder.takes_binary = true;
    ws_decoder_next(&decoder, &at, &len, &event);
    assert_int_equal(event.kind, WS_EVENT_BINARY);
    assert_true(slice_equal(event.payload, SLICE_LITERAL("\xFF\xFE")));
    ws_decoder_next(&decoder, &at, &len, &event);
    assert_int_equal(event.kind, WS_EVENT_DEFLATED);
    assert_true(event.is_binary && slice_equal(event.payload, SLICE_LITERAL("deflated")));
    ws_decoder_next(&decoder, &at, &len, &event);
    assert_int_equal(event.kind, WS_EVENT_TEXT);
    ws_decoder_next(&decoder, &at, &len, &event);
    assert_int_equal(event.kind, WS_EVENT_NONE);
    ws_decoder_fini(&decoder);
}

static bool is_utf8(struct slice text)
{
    uint32_t point;
    while (text.len > 0) {
        size_t len = text_decode(text, &point);
        if (len == 0)
            return false;
        text = (struct slice){text.data + len, text.len - len};
    }
    return true;
}

/* Against the decoder of base/text.h: all of one to three bytes, and those of four that stand at an edge. */
static void utf8_is_what_the_base_layer_says_it_is(void **state)
{
    (void)state;
    for (uint32_t number = 0; number < 1u << 24; number++) {
        const unsigned char bytes[5] = {(unsigned char)(number >> 16), (unsigned char)(number >> 8),
                                        (unsigned char)number, 0x80, 'a'};
        size_t len = bytes[0] >= 0xF0 ? 5 : bytes[0] >= 0xE0 ? 3 : 2;
        struct ws_utf8 utf8;
        ws_utf8_init(&utf8);
        bool valid = ws_utf8_feed(&utf8, bytes, len) && ws_utf8_complete(&utf8);
        if (valid != is_utf8((struct slice){(const char *)bytes, len}))
            fail_msg("%02x %02x %02x", bytes[0], bytes[1], bytes[2]);
    }
}

static void a_close_reason_is_cut_between_characters(void **state)
{
    (void)state;
    unsigned char frame[WS_CLOSE_FRAME_MAX];
    char reason[200];
    memset(reason, 'a', sizeof reason);
    memcpy(reason + 121, "\xE2\x82\xAC", 4);
    assert_int_equal(ws_close_frame(frame, 4001, reason), 2 + 2 + 121);
    assert_memory_equal(frame, "\x88\x7B\x0F\xA1", 4);
    assert_int_equal(ws_close_frame(frame, WS_CLOSE_NO_CODE, NULL), 2);
    assert_int_equal(ws_close_frame(frame, 1000, NULL), 4);
}

static enum ws_event_kind first_of(bool from_server, const char *bytes, size_t len, char *text)
{
    struct ws_decoder decoder;
    struct ws_event event;
    unsigned char copy[64], *at = copy;

    memcpy(copy, bytes, len);
    ws_decoder_init(&decoder, MAX, false);
    decoder.from_server = from_server;
    ws_decoder_next(&decoder, &at, &len, &event);
    snprintf(text, 64, "%.*s", SLICE_FMT(event.payload));
    ws_decoder_fini(&decoder);
    return event.kind;
}

static void a_server_masks_nothing_and_a_client_everything(void **state)
{
    static const char plain[] = "\x81\x03"
                                "abc",
                      masked[] = "\x81\x83\x01\x01\x01\x01`cb";
    char text[64];

    (void)state;
    assert_int_equal(first_of(true, plain, sizeof plain - 1, text), WS_EVENT_TEXT);
    assert_string_equal(text, "abc");
    assert_int_equal(first_of(false, masked, sizeof masked - 1, text), WS_EVENT_TEXT);
    assert_string_equal(text, "abc");
    assert_int_equal(first_of(true, masked, sizeof masked - 1, text), WS_EVENT_FAULT);
    assert_int_equal(first_of(false, plain, sizeof plain - 1, text), WS_EVENT_FAULT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(how_the_bytes_are_cut_makes_no_difference),
        cmocka_unit_test(a_message_goes_on_being_skipped_until_its_last_frame),
        cmocka_unit_test(a_compressed_message_is_handed_out_as_it_came),
        cmocka_unit_test(binary_messages_are_handed_out_where_they_are_taken),
        cmocka_unit_test(utf8_is_what_the_base_layer_says_it_is),
        cmocka_unit_test(a_close_reason_is_cut_between_characters),
        cmocka_unit_test(a_server_masks_nothing_and_a_client_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
