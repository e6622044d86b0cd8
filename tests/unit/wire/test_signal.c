#include "wire_test.h"

#include <stdlib.h>

#include <roomcast/wire/signal.h>

#include "protobuf_text.h"
#include <mutate.h>

/* Encodes and decodes; the caller releases. */
static struct signal_owned round_trip(const struct signal_message *in)
{
    struct signal_owned owned;
    struct buffer out;

    buffer_init(&out, SIGNAL_MAX_BYTES);
    assert_int_equal(signal_encode(in, &out), ERR_OK);
    assert_int_equal(signal_decode(buffer_slice(&out), &in->room, &owned), ERR_OK);
    buffer_fini(&out);
    assert_int_equal(owned.signal.kind, in->kind);
    assert_true(room_key_equal(&owned.signal.room, &in->room));
    assert_true(slice_equal(owned.signal.node, in->node));
    return owned;
}

static void every_kind_survives_the_way_there_and_back(void **state)
{
    (void)state;
    struct signal_message in = {.room = chat_key(CHAT), .node = SLICE_LITERAL("roomcast-0")};
    const struct slice users[] = {SLICE_LITERAL("u-1"), SLICE_LITERAL("J\xc3\xbcrgen")};

    for (int on = 0; on <= 1; on++) {
        in.user = SLICE_LITERAL("u-1");
        in.on = on;
        in.kind = SIGNAL_TYPING;
        struct signal_owned owned = round_trip(&in);
        assert_slice(owned.signal.user, "u-1");
        assert_int_equal(owned.signal.on, on);
        signal_release(&owned);
        in.kind = SIGNAL_PRESENCE_CHANGE;
        owned = round_trip(&in);
        assert_slice(owned.signal.user, "u-1");
        assert_int_equal(owned.signal.on, on);
        signal_release(&owned);
    }
    in.kind = SIGNAL_PRESENCE_QUERY;
    struct signal_owned query = round_trip(&in);
    signal_release(&query);
    in.kind = SIGNAL_PRESENCE_SNAPSHOT;
    in.users = users;
    in.users_count = COUNT(users);
    struct signal_owned snapshot = round_trip(&in);
    assert_int_equal(snapshot.signal.users_count, 2);
    assert_slice(snapshot.signal.users[0], "u-1");
    assert_slice(snapshot.signal.users[1], "J\xc3\xbcrgen");
    signal_release(&snapshot);
    assert_null(snapshot.users);
    in.users_count = 0;
    snapshot = round_trip(&in);
    assert_int_equal(snapshot.signal.users_count, 0);
    signal_release(&snapshot);
}

static void versions_pages_and_who_is_leaving_survive_too(void **state)
{
    (void)state;
    struct signal_message in = {.room = chat_key(CHAT), .node = SLICE_LITERAL("roomcast-0")};
    const struct slice users[] = {SLICE_LITERAL("u-1")};
    const struct signal_leaving leaving[] = {{SLICE_LITERAL("u-2"), 1200}, {SLICE_LITERAL("u-3"), 0}};

    in.kind = SIGNAL_PRESENCE_CHANGE;
    in.user = SLICE_LITERAL("u-1");
    in.previous = 6;
    in.version = UINT64_MAX;
    struct signal_owned change = round_trip(&in);
    assert_int_equal(change.signal.previous, 6);
    assert_true(change.signal.version == UINT64_MAX);
    signal_release(&change);
    in.kind = SIGNAL_PRESENCE_QUERY;
    in.to = SLICE_LITERAL("roomcast-1");
    struct signal_owned query = round_trip(&in);
    assert_slice(query.signal.to, "roomcast-1");
    signal_release(&query);
    in.kind = SIGNAL_PRESENCE_SNAPSHOT;
    in.users = users;
    in.users_count = COUNT(users);
    in.leaving = leaving;
    in.leaving_count = COUNT(leaving);
    in.page = 2;
    in.pages = 3;
    in.wants_answer = true;
    struct signal_owned snapshot = round_trip(&in);
    assert_int_equal(snapshot.signal.users_count, 1);
    assert_int_equal(snapshot.signal.leaving_count, 2);
    assert_slice(snapshot.signal.leaving[0].user, "u-2");
    assert_int_equal(snapshot.signal.leaving[0].left_ms, 1200);
    assert_slice(snapshot.signal.leaving[1].user, "u-3");
    assert_true(snapshot.signal.version == UINT64_MAX);
    assert_int_equal(snapshot.signal.page, 2);
    assert_int_equal(snapshot.signal.pages, 3);
    assert_true(snapshot.signal.wants_answer);
    signal_release(&snapshot);
    assert_null(snapshot.leaving);
}

static void a_snapshot_as_large_as_the_limit_allows_comes_back(void **state)
{
    (void)state;
    static struct slice users[SIGNAL_MAX_BYTES / 4];
    struct signal_message in = {.kind = SIGNAL_PRESENCE_SNAPSHOT,
                                .room = chat_key(CHAT),
                                .node = SLICE_LITERAL("n"),
                                .users = users,
                                .users_count = COUNT(users)};

    for (size_t i = 0; i < COUNT(users); i++)
        users[i] = SLICE_LITERAL("7");
    struct signal_owned owned = round_trip(&in);
    assert_int_equal(owned.signal.users_count, COUNT(users));
    signal_release(&owned);
}

static void encoding_keeps_the_rules(void **state)
{
    (void)state;
    struct signal_message good = {.room = chat_key(CHAT),
                                  .node = SLICE_LITERAL("n"),
                                  .kind = SIGNAL_TYPING,
                                  .user = SLICE_LITERAL("u")};
    struct signal_message bad;
    struct slice users[] = {SLICE_LITERAL("u"), SLICE_LITERAL("")};
    struct buffer out;

    buffer_init(&out, SIGNAL_MAX_BYTES);
    bad = good, bad.node.len = 0;
    assert_int_equal(signal_encode(&bad, &out), ERR_RANGE);
    bad = good, bad.user.len = 0;
    assert_int_equal(signal_encode(&bad, &out), ERR_RANGE);
    bad = good, bad.user = SLICE_LITERAL("a\0b");
    assert_int_equal(signal_encode(&bad, &out), ERR_RANGE);
    bad = good, bad.room = user_key("u");
    assert_int_equal(signal_encode(&bad, &out), ERR_RANGE);
    bad = good, bad.kind = SIGNAL_PRESENCE_SNAPSHOT, bad.users = users, bad.users_count = COUNT(users);
    assert_int_equal(signal_encode(&bad, &out), ERR_RANGE);
    bad.users_count = 1, bad.page = 1;
    assert_int_equal(signal_encode(&bad, &out), ERR_RANGE);
    bad.pages = 2, bad.page = 3;
    assert_int_equal(signal_encode(&bad, &out), ERR_RANGE);
    bad = good, bad.kind = SIGNAL_PRESENCE_QUERY, bad.to = SLICE_LITERAL("n\n");
    assert_int_equal(signal_encode(&bad, &out), ERR_RANGE);
    assert_int_equal(out.len, 0);
    buffer_fini(&out);
}

static void a_snapshot_that_is_too_big_is_refused(void **state)
{
    (void)state;
    static struct slice users[SIGNAL_MAX_BYTES / 3];
    struct signal_message in = {.kind = SIGNAL_PRESENCE_SNAPSHOT,
                                .room = chat_key(CHAT),
                                .node = SLICE_LITERAL("n"),
                                .users = users,
                                .users_count = COUNT(users)};
    struct buffer out;

    for (size_t i = 0; i < COUNT(users); i++)
        users[i] = SLICE_LITERAL("7");
    buffer_init(&out, 2 * SIGNAL_MAX_BYTES);
    assert_int_equal(signal_encode(&in, &out), ERR_TOO_BIG);
    buffer_fini(&out);
}

/* Decodes a signal made by hand: head, then `kind_field` with `kind` as its message. */
static enum err decode(uint64_t version, const char *node, const char *chat, unsigned kind_field,
                       struct slice kind)
{
    struct room_key room = chat_key(CHAT);
    struct signal_owned owned = {.message = &owned};
    struct buffer out;

    buffer_init(&out, SIGNAL_MAX_BYTES);
    pb_number(&out, 1, version);
    pb_text(&out, 2, node);
    pb_text(&out, 3, chat);
    if (kind_field)
        pb_bytes(&out, kind_field, kind);
    enum err err = signal_decode(buffer_slice(&out), &room, &owned);
    if (err)
        assert_ptr_equal(owned.message, &owned);
    else
        signal_release(&owned);
    buffer_fini(&out);
    return err;
}

#define TYPING SLICE_LITERAL("\x0a\x01u\x10\x01")

static void decoding_trusts_nothing(void **state)
{
    (void)state;
    assert_int_equal(decode(1, "n", CHAT, 4, TYPING), ERR_OK);
    assert_int_equal(decode(2, "n", CHAT, 4, TYPING), ERR_VERSION);
    assert_int_equal(decode(0, "n", CHAT, 4, TYPING), ERR_RANGE);
    assert_int_equal(decode(1, "", CHAT, 4, TYPING), ERR_RANGE);
    assert_int_equal(decode(1, "n\n", CHAT, 4, TYPING), ERR_RANGE);
    assert_int_equal(decode(1, "n", OTHER_CHAT, 4, TYPING), ERR_MISMATCH);
    assert_int_equal(decode(1, "n", CHAT_UPPER, 4, TYPING), ERR_MISMATCH);
    assert_int_equal(decode(1, "n", CHAT, 4, SLICE_LITERAL("")), ERR_RANGE);
    assert_int_equal(decode(1, "n", CHAT, 4, SLICE_LITERAL("\x0a\x01\xff")), ERR_RANGE);
    assert_int_equal(decode(1, "n", CHAT, 4, SLICE_LITERAL("\x0a\x09u")), ERR_SYNTAX);
    assert_int_equal(decode(1, "n", CHAT, 5, SLICE_LITERAL("\x0a\x01\x07")), ERR_RANGE);
    assert_int_equal(decode(1, "n", CHAT, 6, SLICE_LITERAL("")), ERR_OK);
    assert_int_equal(decode(1, "n", CHAT, 7, SLICE_LITERAL("\x0a\x01u\x0a\x00")), ERR_RANGE);
}

static void a_kind_of_a_newer_release_is_unknown_and_not_bad(void **state)
{
    (void)state;
    assert_int_equal(decode(1, "n", CHAT, 8, TYPING), ERR_UNKNOWN);
    assert_int_equal(decode(1, "n", CHAT, 0, TYPING), ERR_UNKNOWN);
}

static void sizes_are_limited(void **state)
{
    (void)state;
    struct room_key room = chat_key(CHAT);
    char *huge = calloc(1, SIGNAL_MAX_BYTES + 1);
    struct signal_owned owned;

    assert_non_null(huge);
    assert_int_equal(signal_decode((struct slice){huge, SIGNAL_MAX_BYTES + 1}, &room, &owned), ERR_TOO_BIG);
    assert_int_equal(signal_decode((struct slice){huge, SIGNAL_MAX_BYTES}, &room, &owned), ERR_SYNTAX);
    free(huge);
}

static void feed(struct slice input)
{
    struct room_key room = chat_key(CHAT);
    struct signal_owned owned;
    struct buffer again;

    if (signal_decode(input, &room, &owned))
        return;
    buffer_init(&again, SIGNAL_MAX_BYTES);
    assert_int_equal(signal_encode(&owned.signal, &again), ERR_OK);
    buffer_fini(&again);
    signal_release(&owned);
}

static void damaged_signals_are_refused_or_whole(void **state)
{
    (void)state;
    const struct slice users[] = {SLICE_LITERAL("u-1"), SLICE_LITERAL("u-2")};
    const struct signal_leaving leaving[] = {{SLICE_LITERAL("u-3"), 1200}};
    struct signal_message in = {.previous = 300,
                                .version = 301,
                                .leaving = leaving,
                                .leaving_count = COUNT(leaving),
                                .page = 1,
                                .pages = 2,
                                .room = chat_key(CHAT),
                                .node = SLICE_LITERAL("roomcast-0"),
                                .user = SLICE_LITERAL("u-1"),
                                .users = users,
                                .users_count = COUNT(users)};
    struct buffer encoded[4];
    struct slice seeds[4];

    for (size_t i = 0; i < COUNT(seeds); i++) {
        in.kind = (enum signal_kind)i;
        buffer_init(&encoded[i], 4096);
        assert_int_equal(signal_encode(&in, &encoded[i]), ERR_OK);
        seeds[i] = buffer_slice(&encoded[i]);
    }
    mutate_each(seeds, COUNT(seeds), 8000, feed);
    for (size_t i = 0; i < COUNT(seeds); i++)
        buffer_fini(&encoded[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_survives_the_way_there_and_back),
        cmocka_unit_test(versions_pages_and_who_is_leaving_survive_too),
        cmocka_unit_test(a_snapshot_as_large_as_the_limit_allows_comes_back),
        cmocka_unit_test(encoding_keeps_the_rules),
        cmocka_unit_test(a_snapshot_that_is_too_big_is_refused),
        cmocka_unit_test(decoding_trusts_nothing),
        cmocka_unit_test(a_kind_of_a_newer_release_is_unknown_and_not_bad),
        cmocka_unit_test(sizes_are_limited),
        cmocka_unit_test(damaged_signals_are_refused_or_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
