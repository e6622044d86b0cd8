#include "wire_test.h"

#include <stdlib.h>

static void every_spelling_of_a_chat_gives_one_key(void **state)
{
    (void)state;
    struct room_key a = chat_key(CHAT), b = chat_key(CHAT_UPPER);

    assert_memory_equal(&a, &b, sizeof a);
    assert_true(room_key_equal(&a, &b));
    assert_slice(room_key_name(&b), CHAT);
    assert_int_equal(a.route, ROUTE_TO_CHAT);
}

static void a_chat_is_a_uuid(void **state)
{
    (void)state;
    struct room_key untouched = chat_key(OTHER_CHAT), key = untouched;

    assert_int_equal(room_key_for_chat_text(SLICE_LITERAL(""), &key), ERR_SYNTAX);
    assert_int_equal(room_key_for_chat_text(SLICE_LITERAL("general"), &key), ERR_SYNTAX);
    assert_int_equal(room_key_for_chat_text(SLICE_LITERAL("{" CHAT "}"), &key), ERR_SYNTAX);
    assert_memory_equal(&key, &untouched, sizeof key);
}

static void a_user_id_that_is_a_uuid_is_lower_case_and_any_other_is_kept(void **state)
{
    (void)state;
    struct room_key uuid = user_key(CHAT_UPPER), name = user_key("J\xc3\xbcrgen.M@Example");

    assert_slice(room_key_name(&uuid), CHAT);
    assert_slice(room_key_name(&name), "J\xc3\xbcrgen.M@Example");
}

static void a_user_and_a_chat_of_one_name_are_two_rooms(void **state)
{
    (void)state;
    struct room_key chat = chat_key(CHAT), user = user_key(CHAT);

    assert_false(room_key_equal(&chat, &user));
}

static void keys_are_zero_behind_the_name(void **state)
{
    (void)state;
    struct room_key key;
    static const char zeroes[sizeof key.name];

    memset(&key, 0xa5, sizeof key);
    assert_int_equal(room_key_for_user(SLICE_LITERAL("7"), &key), ERR_OK);
    assert_memory_equal(key.name + 1, zeroes, sizeof key.name - 1);
}

static void user_ids_out_of_bounds_are_refused(void **state)
{
    (void)state;
    char longest[USER_ID_MAX + 1];
    struct room_key untouched = user_key("x"), key = untouched;

    memset(longest, 'u', sizeof longest);
    assert_int_equal(room_key_for_user((struct slice){longest, USER_ID_MAX + 1}, &key), ERR_RANGE);
    assert_int_equal(room_key_for_user((struct slice){NULL, 0}, &key), ERR_RANGE);
    assert_int_equal(room_key_for_user(SLICE_LITERAL("a\0b"), &key), ERR_RANGE);
    assert_int_equal(room_key_for_user(SLICE_LITERAL("a\nb"), &key), ERR_RANGE);
    assert_int_equal(room_key_for_user(SLICE_LITERAL("a\xff"), &key), ERR_RANGE);
    assert_memory_equal(&key, &untouched, sizeof key);
    assert_int_equal(room_key_for_user((struct slice){longest, USER_ID_MAX}, &key), ERR_OK);
    assert_int_equal(key.len, USER_ID_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_spelling_of_a_chat_gives_one_key),
        cmocka_unit_test(a_chat_is_a_uuid),
        cmocka_unit_test(a_user_id_that_is_a_uuid_is_lower_case_and_any_other_is_kept),
        cmocka_unit_test(a_user_and_a_chat_of_one_name_are_two_rooms),
        cmocka_unit_test(keys_are_zero_behind_the_name),
        cmocka_unit_test(user_ids_out_of_bounds_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
