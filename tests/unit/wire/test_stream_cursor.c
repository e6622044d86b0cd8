#include "wire_test.h"

#include <stdlib.h>

#include <roomcast/base/buffer.h>
#include <roomcast/wire/stream_cursor.h>

static struct uuid chat_of(unsigned char number)
{
    struct uuid uuid;
    memset(uuid.bytes, number, sizeof uuid.bytes);
    return uuid;
}

static void check_id(const struct stream_cursor *cursor, const char *id)
{
    struct buffer out;
    buffer_init(&out, 65536);
    stream_cursor_write(cursor, &out);
    assert_string_equal(buffer_text(&out), id);
    buffer_fini(&out);
}

static bool move(struct stream_cursor *cursor, const struct room_key *room, const char *epoch, uint64_t seq)
{
    struct position position = {.seq = seq};
    struct stream_mark scratch;
    strcpy(position.epoch, epoch);
    return stream_cursor_move(cursor, stream_mark_make(room, &position, &scratch));
}

static struct stream_cursor *cursor_of_two(void)
{
    struct stream_cursor *cursor = stream_cursor_new(2);
    struct uuid first = chat_of(0x22), second = chat_of(0xff);
    assert_non_null(cursor);
    assert_false(stream_cursor_has(cursor, &first));
    stream_cursor_add(cursor, &first);
    assert_true(stream_cursor_has(cursor, &first));
    stream_cursor_add(cursor, &second);
    return cursor;
}

static void an_id_holds_every_place_that_is_known_and_no_other(void **state)
{
    (void)state;
    struct stream_cursor *cursor = cursor_of_two();
    struct uuid uuid = chat_of(0xff);
    struct room_key chat, user;
    room_key_for_chat(&uuid, &chat);
    assert_int_equal(room_key_for_user(SLICE_LITERAL("anna"), &user), ERR_OK);
    check_id(cursor, "v1");
    assert_true(move(cursor, &chat, "k3x9", 1042));
    check_id(cursor, "v1~_____________________w.k3x9.1042");
    assert_true(move(cursor, &user, "u7c1", 17));
    check_id(cursor, "v1~.u7c1.17~_____________________w.k3x9.1042");
    uuid = chat_of(0x22);
    room_key_for_chat(&uuid, &chat);
    assert_true(move(cursor, &chat, "0tp4nft00000001", 0));
    check_id(cursor, "v1~.u7c1.17~IiIiIiIiIiIiIiIiIiIiIg.0tp4nft00000001.0~_____________________w.k3x9.1042");
    assert_true(move(cursor, &chat, "new", SEQ_MAX));
    check_id(cursor,
             "v1~.u7c1.17~IiIiIiIiIiIiIiIiIiIiIg.new.9007199254740991~_____________________w.k3x9.1042");
    free(cursor);
}

static void a_message_of_another_chat_or_of_none_moves_nothing(void **state)
{
    (void)state;
    struct stream_cursor *cursor = cursor_of_two();
    struct uuid nil = chat_of(0); /* not to be taken for the notifications */
    struct room_key chat;
    room_key_for_chat(&nil, &chat);
    assert_false(move(cursor, &chat, "a", 1));
    assert_false(stream_cursor_move(cursor, (struct slice){NULL, 0}));
    check_id(cursor, "v1");
    free(cursor);
}

static bool set(struct stream_cursor *cursor, const char *name, const char *epoch, const char *seq)
{
    return stream_cursor_set(cursor, slice_of(name), slice_of(epoch), slice_of(seq));
}

static void a_position_from_outside_is_read_strictly(void **state)
{
    (void)state;
    struct stream_cursor *cursor = cursor_of_two();
    static const char *const epochs[] = {"", "K", "a b", "abcdefghijklmnop", "--", "-a"};
    static const char *const numbers[] = {
        "", "-1", "+1", "1a", " 1", "9007199254740992", "99999999999999999999"};
    for (size_t i = 0; i < COUNT(epochs); i++)
        assert_false(set(cursor, "", epochs[i], "1"));
    for (size_t i = 0; i < COUNT(numbers); i++)
        assert_false(set(cursor, "", "a", numbers[i]));
    check_id(cursor, "v1");
    assert_true(set(cursor, "IiIiIiIiIiIiIiIiIiIiIg", "-", "0"));
    assert_true(set(cursor, "someone else", "a", "1"));
    assert_true(set(cursor, "", "abcdefghijklmno", "9007199254740991"));
    check_id(cursor, "v1~.abcdefghijklmno.9007199254740991~IiIiIiIiIiIiIiIiIiIiIg.-.0");
    free(cursor);
}

/* Else who is cut off before he was told would come back as if he had never been there. */
static void what_is_lost_stays_so_in_every_id_until_it_has_a_position(void **state)
{
    (void)state;
    struct stream_cursor *cursor = cursor_of_two();
    struct uuid uuid = chat_of(0xff);
    struct room_key chat;
    room_key_for_chat(&uuid, &chat);
    assert_true(set(cursor, "", "a", "1"));
    stream_cursor_lose(cursor);
    check_id(cursor, "v1~.-.0~IiIiIiIiIiIiIiIiIiIiIg.-.0~_____________________w.-.0");
    assert_true(move(cursor, &chat, "k", 3));
    check_id(cursor, "v1~.-.0~IiIiIiIiIiIiIiIiIiIiIg.-.0~_____________________w.k.3");
    free(cursor);
}

static void the_longest_id_fits_into_a_header_line_of_8_kib(void **state)
{
    (void)state;
    struct stream_cursor *cursor = stream_cursor_new(STREAM_CHATS_MAX);
    struct buffer out;
    assert_non_null(cursor);
    for (unsigned i = 0; i < STREAM_CHATS_MAX; i++) {
        struct uuid uuid = chat_of((unsigned char)i);
        stream_cursor_add(cursor, &uuid);
    }
    for (unsigned i = 0; i < cursor->count; i++)
        assert_true(set(cursor, cursor->places[i].name, "abcdefghijklmno", "9007199254740991"));
    buffer_init(&out, 65536);
    stream_cursor_write(cursor, &out);
    assert_true(out.len + sizeof "Last-Event-ID: \r\n" <= 8192);
    buffer_fini(&out);
    free(cursor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_holds_every_place_that_is_known_and_no_other),
        cmocka_unit_test(a_message_of_another_chat_or_of_none_moves_nothing),
        cmocka_unit_test(a_position_from_outside_is_read_strictly),
        cmocka_unit_test(what_is_lost_stays_so_in_every_id_until_it_has_a_position),
        cmocka_unit_test(the_longest_id_fits_into_a_header_line_of_8_kib),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
