#include "wire_test.h"

#include <stdlib.h>

#include <roomcast/wire/envelope.h>

#include "protobuf_text.h"
#include <mutate.h>

static struct envelope sample(void)
{
    return (struct envelope){
        .room = chat_key(CHAT),
        .position = {"k3x9", 1042},
        .event_id = SLICE_LITERAL("e-1"),
        .client_type = SLICE_LITERAL("chat.message.posted"),
        .event_type = SLICE_LITERAL("message.created"),
        .occurred_at = SLICE_LITERAL("2026-11-23T10:15:30.123Z"),
        .payload = SLICE_LITERAL("{\"n\":12345678901234567890,\"t\":\"J\xc3\xbcrgen\"}"),
        .source = SLICE_LITERAL("roomcast:events 1526919030474-55"),
        .correlation_id = SLICE_LITERAL("c-1"),
        .traceparent = SLICE_LITERAL("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        .relayed_at_ms = 1800000000123,
    };
}

/* The encoded fields of sample() that a test does not replace: pass the number of the one to leave out. */
static void write_fields(struct buffer *out, unsigned without)
{
    static const struct {
        unsigned field;
        const char *text;
        uint64_t number;
    } fields[] = {
        {1, NULL, 1},
        {2, "e-1", 0},
        {3, "k3x9", 0},
        {4, NULL, 1042},
        {5, NULL, ROUTE_TO_CHAT},
        {6, CHAT, 0},
        {7, "chat.message.posted", 0},
        {9, "{}", 0},
    };

    for (size_t i = 0; i < COUNT(fields); i++) {
        if (fields[i].field == without)
            continue;
        if (fields[i].text)
            pb_text(out, fields[i].field, fields[i].text);
        else
            pb_number(out, fields[i].field, fields[i].number);
    }
}

static enum err decode(struct slice bytes)
{
    struct room_key room = chat_key(CHAT);
    struct envelope_owned owned = {.message = &owned};
    enum err err = envelope_decode(bytes, &room, &owned);

    if (err)
        assert_ptr_equal(owned.message, &owned);
    else
        envelope_release(&owned);
    return err;
}

/* The result of decoding when one field is replaced. */
static enum err decode_with_text(unsigned field, struct slice text)
{
    struct buffer out;

    buffer_init(&out, ENVELOPE_MAX_BYTES);
    write_fields(&out, field);
    pb_bytes(&out, field, text);
    enum err err = decode(buffer_slice(&out));
    buffer_fini(&out);
    return err;
}

static enum err decode_with_number(unsigned field, uint64_t number)
{
    struct buffer out;

    buffer_init(&out, 4096);
    write_fields(&out, field);
    pb_number(&out, field, number);
    enum err err = decode(buffer_slice(&out));
    buffer_fini(&out);
    return err;
}

static void an_envelope_survives_the_way_there_and_back(void **state)
{
    (void)state;
    struct envelope in = sample();
    struct envelope_owned owned;
    struct buffer out;

    buffer_init(&out, 4096);
    assert_int_equal(envelope_encode(&in, &out), ERR_OK);
    assert_int_equal(envelope_decode(buffer_slice(&out), &in.room, &owned), ERR_OK);
    const struct envelope *back = &owned.envelope;
    assert_true(room_key_equal(&back->room, &in.room));
    assert_true(position_equal(&back->position, &in.position));
    assert_true(slice_equal(back->event_id, in.event_id));
    assert_true(slice_equal(back->client_type, in.client_type));
    assert_true(slice_equal(back->event_type, in.event_type));
    assert_true(slice_equal(back->occurred_at, in.occurred_at));
    assert_true(slice_equal(back->payload, in.payload));
    assert_true(slice_equal(back->source, in.source));
    assert_true(slice_equal(back->correlation_id, in.correlation_id));
    assert_true(slice_equal(back->traceparent, in.traceparent));
    assert_int_equal(back->relayed_at_ms, in.relayed_at_ms);
    envelope_release(&owned);
    assert_null(owned.message);
    buffer_fini(&out);
}

static void the_bytes_on_the_bus_are_those_of_the_proto_file(void **state)
{
    (void)state;
    struct envelope in = {
        .room = chat_key(CHAT),
        .position = {"k3x9", 1042},
        .event_id = SLICE_LITERAL("e-1"),
        .client_type = SLICE_LITERAL("chat.message.posted"),
        .payload = SLICE_LITERAL("{}"),
    };
    struct buffer by_hand, encoded;

    buffer_init(&by_hand, 4096);
    buffer_init(&encoded, 4096);
    write_fields(&by_hand, 0);
    assert_int_equal(envelope_encode(&in, &encoded), ERR_OK);
    assert_true(slice_equal(buffer_slice(&by_hand), buffer_slice(&encoded)));
    buffer_fini(&by_hand);
    buffer_fini(&encoded);
}

static void an_envelope_of_another_room_is_a_mismatch(void **state)
{
    (void)state;
    struct envelope in = sample();
    struct room_key other = chat_key(OTHER_CHAT), user = user_key(CHAT);
    struct envelope_owned owned;
    struct buffer out;

    buffer_init(&out, 4096);
    assert_int_equal(envelope_encode(&in, &out), ERR_OK);
    assert_int_equal(envelope_decode(buffer_slice(&out), &other, &owned), ERR_MISMATCH);
    assert_int_equal(envelope_decode(buffer_slice(&out), &user, &owned), ERR_MISMATCH);
    buffer_fini(&out);
    assert_int_equal(decode_with_text(6, SLICE_LITERAL(CHAT_UPPER)), ERR_MISMATCH);
    assert_int_equal(decode_with_number(5, 0), ERR_MISMATCH);
    assert_int_equal(decode_with_number(5, 99), ERR_MISMATCH);
}

static void newer_versions_and_unknown_fields_are_told_apart(void **state)
{
    (void)state;
    assert_int_equal(decode_with_number(1, 2), ERR_VERSION);
    assert_int_equal(decode_with_number(1, UINT32_MAX), ERR_VERSION);
    assert_int_equal(decode_with_number(1, 0), ERR_RANGE);
    assert_int_equal(decode_with_text(99, SLICE_LITERAL("of a later release")), ERR_OK);
    assert_int_equal(decode_with_number(100, 7), ERR_OK);
}

static void every_field_keeps_its_rules_when_decoding(void **state)
{
    (void)state;
    char long_text[300];
    struct slice long_slice = {long_text, sizeof long_text};

    memset(long_text, 'x', sizeof long_text);
    assert_int_equal(decode_with_text(2, SLICE_LITERAL("")), ERR_RANGE);
    assert_int_equal(decode_with_text(2, SLICE_LITERAL("a b")), ERR_RANGE);
    assert_int_equal(decode_with_text(2, SLICE_LITERAL("a\r\nb")), ERR_RANGE);
    assert_int_equal(decode_with_text(2, SLICE_LITERAL("\xff")), ERR_RANGE);
    assert_int_equal(decode_with_text(3, SLICE_LITERAL("")), ERR_RANGE);
    assert_int_equal(decode_with_text(3, SLICE_LITERAL("K3")), ERR_RANGE);
    assert_int_equal(decode_with_text(3, SLICE_LITERAL("abcdefghij123456")), ERR_RANGE);
    assert_int_equal(decode_with_number(4, 0), ERR_RANGE);
    assert_int_equal(decode_with_number(4, SEQ_MAX), ERR_OK);
    assert_int_equal(decode_with_number(4, SEQ_MAX + 1), ERR_RANGE);
    assert_int_equal(decode_with_number(4, UINT64_MAX), ERR_RANGE);
    assert_int_equal(decode_with_text(7, SLICE_LITERAL("")), ERR_RANGE);
    assert_int_equal(decode_with_text(7, SLICE_LITERAL("a\xc3")), ERR_RANGE);
    assert_int_equal(decode_with_text(9, SLICE_LITERAL("")), ERR_RANGE);
    assert_int_equal(decode_with_text(9, SLICE_LITERAL("\"\xed\xa0\x80\"")), ERR_RANGE);
    for (unsigned field = 2; field <= 14; field++) {
        if (field == 4 || field == 5 || field == 6 || field == 9 || field == 11)
            continue;
        assert_int_equal(decode_with_text(field, long_slice), ERR_RANGE);
        assert_int_equal(decode_with_text(field, SLICE_LITERAL("a\nb")), ERR_RANGE);
    }
    assert_int_equal(decode_with_text(9, long_slice), ERR_OK);
}

static void encoding_refuses_what_decoding_would_refuse(void **state)
{
    (void)state;
    struct envelope good = sample(), bad;
    struct buffer out;

    buffer_init(&out, 4096);
    bad = good, bad.position.seq = 0;
    assert_int_equal(envelope_encode(&bad, &out), ERR_RANGE);
    bad = good, bad.position.epoch[0] = '\0';
    assert_int_equal(envelope_encode(&bad, &out), ERR_RANGE);
    bad = good, bad.event_id = (struct slice){NULL, 0};
    assert_int_equal(envelope_encode(&bad, &out), ERR_RANGE);
    bad = good, bad.client_type = (struct slice){NULL, 0};
    assert_int_equal(envelope_encode(&bad, &out), ERR_RANGE);
    bad = good, bad.source = SLICE_LITERAL("a\0b");
    assert_int_equal(envelope_encode(&bad, &out), ERR_RANGE);
    bad = good, bad.payload = (struct slice){NULL, 0};
    assert_int_equal(envelope_encode(&bad, &out), ERR_RANGE);
    bad = good, bad.room.len = 0;
    assert_int_equal(envelope_encode(&bad, &out), ERR_RANGE);
    assert_int_equal(out.len, 0);
    buffer_fini(&out);
}

static void sizes_are_limited_in_both_directions(void **state)
{
    (void)state;
    char *huge = malloc(ENVELOPE_MAX_BYTES + 1);
    struct envelope in = sample();
    struct buffer out;

    assert_non_null(huge);
    memset(huge, '1', ENVELOPE_MAX_BYTES + 1);
    assert_int_equal(decode((struct slice){huge, ENVELOPE_MAX_BYTES + 1}), ERR_TOO_BIG);
    buffer_init(&out, 2 * ENVELOPE_MAX_BYTES);
    in.payload = (struct slice){huge, ENVELOPE_MAX_BYTES};
    assert_int_equal(envelope_encode(&in, &out), ERR_TOO_BIG);
    in.payload.len = ENVELOPE_MAX_BYTES + 1;
    assert_int_equal(envelope_encode(&in, &out), ERR_TOO_BIG);
    in.payload.len = ENVELOPE_MAX_BYTES - 1024;
    assert_int_equal(envelope_encode(&in, &out), ERR_OK);
    assert_int_equal(decode(buffer_slice(&out)), ERR_OK);
    buffer_fini(&out);
    buffer_init(&out, 100);
    in.payload = SLICE_LITERAL("{}");
    assert_int_equal(envelope_encode(&in, &out), ERR_TOO_BIG);
    buffer_fini(&out);
    free(huge);
}

static void a_swarm_of_tiny_fields_cannot_exhaust_memory(void **state)
{
    (void)state;
    struct buffer out;

    buffer_init(&out, ENVELOPE_MAX_BYTES);
    write_fields(&out, 0);
    while (out.len < 4 * 1024 * 1024)
        pb_number(&out, 15, 1);
    assert_int_equal(decode(buffer_slice(&out)), ERR_SYNTAX);
    buffer_fini(&out);
}

static void what_is_no_message_is_refused(void **state)
{
    (void)state;
    assert_int_equal(decode((struct slice){NULL, 0}), ERR_RANGE);
    assert_int_equal(decode(SLICE_LITERAL("{\"json\":true}")), ERR_SYNTAX);
    assert_int_equal(decode(SLICE_LITERAL("\x12\xff\xff\xff\xff\x0f")), ERR_SYNTAX);
    assert_int_equal(decode(SLICE_LITERAL("\x12\x05"
                                          "abc")),
                     ERR_SYNTAX);
    assert_int_equal(decode(SLICE_LITERAL("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80")), ERR_SYNTAX);
}

static void feed(struct slice input)
{
    struct room_key room = chat_key(CHAT);
    struct envelope_owned owned;
    struct buffer again;

    if (envelope_decode(input, &room, &owned))
        return;
    /* What was accepted may be sent on. */
    buffer_init(&again, ENVELOPE_MAX_BYTES);
    assert_int_equal(envelope_encode(&owned.envelope, &again), ERR_OK);
    buffer_fini(&again);
    envelope_release(&owned);
}

static void damaged_envelopes_are_refused_or_whole(void **state)
{
    (void)state;
    struct envelope in = sample();
    struct buffer full, small;

    buffer_init(&full, 4096);
    buffer_init(&small, 4096);
    assert_int_equal(envelope_encode(&in, &full), ERR_OK);
    write_fields(&small, 0);
    pb_text(&small, 77, "unknown");
    const struct slice seeds[] = {buffer_slice(&full), buffer_slice(&small)};
    mutate_each(seeds, COUNT(seeds), 8000, feed);
    buffer_fini(&full);
    buffer_fini(&small);
}

static void the_trail_travels_as_distances(void **state)
{
    (void)state;
    struct room_key room = chat_key(CHAT);
    struct envelope in = sample();
    struct envelope_owned owned;
    struct buffer out;

    in.trail = (struct trail){.count = 3, .seqs = {700, 690, 12}};
    buffer_init(&out, ENVELOPE_MAX_BYTES);
    assert_int_equal(envelope_encode(&in, &out), ERR_OK);
    /* Field 15, five bytes: 700, 10, 678. */
    static const unsigned char packed[] = {15 << 3 | 2, 5, 0xbc, 5, 10, 0xa6, 5};
    assert_true(out.len > sizeof packed);
    assert_memory_equal(out.data + out.len - sizeof packed, packed, sizeof packed);
    assert_int_equal(envelope_decode(buffer_slice(&out), &room, &owned), ERR_OK);
    assert_int_equal(owned.envelope.trail.count, 3);
    assert_memory_equal(owned.envelope.trail.seqs, in.trail.seqs, 3 * sizeof(uint64_t));
    envelope_release(&owned);
    buffer_fini(&out);
}

static void a_trail_that_does_not_fall_is_refused_and_a_long_one_is_cut(void **state)
{
    (void)state;
    struct buffer packed, out;
    struct room_key room = chat_key(CHAT);
    struct envelope in = sample();

    in.trail = (struct trail){.count = 2, .seqs = {5, 5}};
    buffer_init(&out, ENVELOPE_MAX_BYTES);
    assert_int_equal(envelope_encode(&in, &out), ERR_RANGE);

    buffer_init(&packed, 4096);
    pb_varint(&packed, 5);
    pb_varint(&packed, 6); /* below zero */
    assert_int_equal(decode_with_text(15, buffer_slice(&packed)), ERR_RANGE);
    buffer_clear(&packed);
    pb_varint(&packed, 5);
    pb_varint(&packed, 0); /* the same again */
    assert_int_equal(decode_with_text(15, buffer_slice(&packed)), ERR_RANGE);

    buffer_clear(&packed);
    pb_varint(&packed, 1000);
    for (unsigned i = 0; i < 2 * TRAIL_MAX; i++)
        pb_varint(&packed, 1);
    buffer_clear(&out);
    write_fields(&out, 0);
    pb_bytes(&out, 15, buffer_slice(&packed));
    struct envelope_owned owned;
    assert_int_equal(envelope_decode(buffer_slice(&out), &room, &owned), ERR_OK);
    assert_int_equal(owned.envelope.trail.count, TRAIL_MAX);
    assert_int_equal(owned.envelope.trail.seqs[TRAIL_MAX - 1], 1000 - (TRAIL_MAX - 1));
    envelope_release(&owned);
    buffer_fini(&packed);
    buffer_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_envelope_survives_the_way_there_and_back),
        cmocka_unit_test(the_bytes_on_the_bus_are_those_of_the_proto_file),
        cmocka_unit_test(an_envelope_of_another_room_is_a_mismatch),
        cmocka_unit_test(newer_versions_and_unknown_fields_are_told_apart),
        cmocka_unit_test(every_field_keeps_its_rules_when_decoding),
        cmocka_unit_test(encoding_refuses_what_decoding_would_refuse),
        cmocka_unit_test(sizes_are_limited_in_both_directions),
        cmocka_unit_test(a_swarm_of_tiny_fields_cannot_exhaust_memory),
        cmocka_unit_test(what_is_no_message_is_refused),
        cmocka_unit_test(the_trail_travels_as_distances),
        cmocka_unit_test(a_trail_that_does_not_fall_is_refused_and_a_long_one_is_cut),
        cmocka_unit_test(damaged_envelopes_are_refused_or_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
