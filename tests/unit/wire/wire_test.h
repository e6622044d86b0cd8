/* What the tests of this folder share. */
#ifndef ROOMCAST_TESTS_WIRE_TEST_H
#define ROOMCAST_TESTS_WIRE_TEST_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include <roomcast/base/slice.h>
#include <roomcast/wire/room_key.h>

#define CHAT       "6f1c2b7a-58d3-4e09-9c1e-0d2f4a6b8c1d"
#define CHAT_UPPER "6F1C2B7A-58D3-4E09-9C1E-0D2F4A6B8C1D"
#define OTHER_CHAT "00000000-0000-4000-8000-000000000002"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

#define assert_slice(actual, text)                                                                           \
    do {                                                                                                     \
        struct slice actual_ = (actual);                                                                     \
        assert_int_equal(actual_.len, strlen(text));                                                         \
        if (actual_.len)                                                                                     \
            assert_memory_equal(actual_.data, (text), actual_.len);                                          \
    } while (0)

static inline struct room_key chat_key(const char *uuid)
{
    struct room_key key;

    assert_int_equal(room_key_for_chat_text(slice_of(uuid), &key), ERR_OK);
    return key;
}

static inline struct room_key user_key(const char *user)
{
    struct room_key key;

    assert_int_equal(room_key_for_user(slice_of(user), &key), ERR_OK);
    return key;
}

#endif
