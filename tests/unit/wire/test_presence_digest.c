#include "wire_test.h"

#include <stdlib.h>

#include <roomcast/wire/presence_digest.h>

#include "protobuf_text.h"
#include <mutate.h>

static struct uuid chat_number(unsigned number)
{
    struct uuid uuid = {{0}};

    uuid.bytes[14] = (unsigned char)(number >> 8);
    uuid.bytes[15] = (unsigned char)number;
    return uuid;
}

static void a_digest_survives_the_way_there_and_back(void **state)
{
    (void)state;
    struct presence_digest_room rooms[] = {{chat_number(1), 7}, {chat_number(2), UINT64_MAX}};
    struct presence_digest in = {.node = SLICE_LITERAL("roomcast-0.k3x9k3x9"),
                                 .counter = UINT64_MAX,
                                 .buckets = PRESENCE_BUCKETS,
                                 .is_partial = true,
                                 .rooms = rooms,
                                 .rooms_count = COUNT(rooms)};
    struct presence_digest_owned out;
    struct buffer bytes;

    buffer_init(&bytes, PRESENCE_DIGEST_MAX_BYTES);
    assert_int_equal(presence_digest_encode(&in, &bytes), ERR_OK);
    assert_int_equal(presence_digest_decode(buffer_slice(&bytes), &out), ERR_OK);
    buffer_fini(&bytes);
    assert_slice(out.digest.node, "roomcast-0.k3x9k3x9");
    assert_true(out.digest.counter == UINT64_MAX && out.digest.is_partial);
    assert_int_equal(out.digest.first_bucket, 0);
    assert_int_equal(out.digest.buckets, PRESENCE_BUCKETS);
    assert_int_equal(out.digest.rooms_count, 2);
    assert_true(uuid_equal(&out.digest.rooms[1].chat, &rooms[1].chat));
    assert_int_equal(out.digest.rooms[0].version, 7);
    assert_true(out.digest.rooms[1].version == UINT64_MAX);
    presence_digest_release(&out);
    assert_null(out.rooms);
}

/* Releases must agree, or each would take the other's chats for gone. */
static void the_buckets_of_chats_are_pinned(void **state)
{
    (void)state;
    struct uuid chat;

    assert_int_equal(uuid_parse(SLICE_LITERAL(CHAT), &chat), ERR_OK);
    assert_int_equal(presence_bucket(&chat), 2646);
    chat = chat_number(0);
    assert_int_equal(presence_bucket(&chat), 108);
}

static void the_largest_digest_fits(void **state)
{
    (void)state;
    static struct presence_digest_room rooms[PRESENCE_DIGEST_ROOMS_MAX + 1];
    struct presence_digest in = {
        .node = SLICE_LITERAL("n"), .buckets = PRESENCE_BUCKETS, .rooms = rooms, .rooms_count = COUNT(rooms)};
    struct presence_digest_owned out;
    struct buffer bytes;

    for (unsigned i = 0; i < COUNT(rooms); i++)
        rooms[i] = (struct presence_digest_room){chat_number(i), UINT64_MAX};
    buffer_init(&bytes, PRESENCE_DIGEST_MAX_BYTES);
    assert_int_equal(presence_digest_encode(&in, &bytes), ERR_RANGE);
    in.rooms_count--;
    assert_int_equal(presence_digest_encode(&in, &bytes), ERR_OK);
    assert_int_equal(presence_digest_decode(buffer_slice(&bytes), &out), ERR_OK);
    assert_int_equal(out.digest.rooms_count, PRESENCE_DIGEST_ROOMS_MAX);
    presence_digest_release(&out);
    buffer_fini(&bytes);
}

static void encoding_keeps_the_rules(void **state)
{
    (void)state;
    struct presence_digest_room room = {chat_number(1), 1}, none = {chat_number(1), 0};
    unsigned bucket = presence_bucket(&room.chat);
    const struct presence_digest good = {
        .node = SLICE_LITERAL("n"), .first_bucket = bucket, .buckets = 1, .rooms = &room, .rooms_count = 1};
    struct presence_digest bad[7];
    struct buffer bytes;

    for (size_t i = 0; i < COUNT(bad); i++)
        bad[i] = good;
    bad[0].node.len = 0;
    bad[1].node = SLICE_LITERAL("n\n");
    bad[2].buckets = 0;
    bad[3].buckets = PRESENCE_BUCKETS + 1;
    bad[4].buckets = PRESENCE_BUCKETS - bucket + 1;
    bad[5].rooms = &none;
    bad[6].first_bucket = bucket + 1;
    buffer_init(&bytes, PRESENCE_DIGEST_MAX_BYTES);
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(presence_digest_encode(&bad[i], &bytes), ERR_RANGE);
    assert_int_equal(bytes.len, 0);
    assert_int_equal(presence_digest_encode(&good, &bytes), ERR_OK);
    buffer_fini(&bytes);
}

static enum err decode(uint64_t version, uint64_t buckets, struct slice chat)
{
    struct presence_digest_owned owned;
    struct buffer out, room;

    buffer_init(&room, 256);
    pb_bytes(&room, 1, chat);
    pb_number(&room, 2, 5);
    buffer_init(&out, PRESENCE_DIGEST_MAX_BYTES);
    pb_number(&out, 1, version);
    pb_text(&out, 2, "n");
    pb_number(&out, 5, buckets);
    pb_bytes(&out, 7, buffer_slice(&room));
    pb_bytes(&out, 15, SLICE_LITERAL("of a newer release"));
    enum err err = presence_digest_decode(buffer_slice(&out), &owned);
    if (!err)
        presence_digest_release(&owned);
    buffer_fini(&room);
    buffer_fini(&out);
    return err;
}

static void decoding_trusts_nothing(void **state)
{
    (void)state;
    struct presence_digest_owned owned;
    struct slice chat = SLICE_LITERAL("0123456789abcdef");

    assert_int_equal(decode(1, PRESENCE_BUCKETS, chat), ERR_OK);
    assert_int_equal(decode(2, PRESENCE_BUCKETS, chat), ERR_VERSION);
    assert_int_equal(decode(0, PRESENCE_BUCKETS, chat), ERR_RANGE);
    assert_int_equal(decode(1, 0, chat), ERR_RANGE);
    assert_int_equal(decode(1, PRESENCE_BUCKETS, SLICE_LITERAL("0123456789abcde")), ERR_RANGE);
    char *huge = calloc(1, PRESENCE_DIGEST_MAX_BYTES + 1);
    assert_non_null(huge);
    assert_int_equal(presence_digest_decode((struct slice){huge, PRESENCE_DIGEST_MAX_BYTES + 1}, &owned),
                     ERR_TOO_BIG);
    assert_int_equal(presence_digest_decode((struct slice){huge, PRESENCE_DIGEST_MAX_BYTES}, &owned),
                     ERR_SYNTAX);
    free(huge);
}

static void feed(struct slice input)
{
    struct presence_digest_owned owned;
    struct buffer again;

    if (presence_digest_decode(input, &owned))
        return;
    buffer_init(&again, PRESENCE_DIGEST_MAX_BYTES);
    assert_int_equal(presence_digest_encode(&owned.digest, &again), ERR_OK);
    buffer_fini(&again);
    presence_digest_release(&owned);
}

static void damaged_digests_are_refused_or_whole(void **state)
{
    (void)state;
    struct presence_digest_room rooms[] = {{chat_number(1), 7}, {chat_number(2), 300}};
    struct presence_digest in = {.node = SLICE_LITERAL("n"),
                                 .counter = 300,
                                 .buckets = PRESENCE_BUCKETS,
                                 .rooms = rooms,
                                 .rooms_count = COUNT(rooms)};
    struct buffer bytes;

    buffer_init(&bytes, 4096);
    assert_int_equal(presence_digest_encode(&in, &bytes), ERR_OK);
    struct slice seed = buffer_slice(&bytes);
    mutate_each(&seed, 1, 8000, feed);
    buffer_fini(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_digest_survives_the_way_there_and_back),
        cmocka_unit_test(the_buckets_of_chats_are_pinned),
        cmocka_unit_test(the_largest_digest_fits),
        cmocka_unit_test(encoding_keeps_the_rules),
        cmocka_unit_test(decoding_trusts_nothing),
        cmocka_unit_test(damaged_digests_are_refused_or_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
