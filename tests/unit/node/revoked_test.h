/* What the tests of revocations in the node share. */
#ifndef ROOMCAST_TESTS_REVOKED_TEST_H
#define ROOMCAST_TESTS_REVOKED_TEST_H

#include <roomcast/base/clock.h>
#include <roomcast/wire/revocation.h>

#define CHAT "6f1c2b7a-58d3-4e09-9c1e-0d2f4a6b8c1d"

static inline struct room_key user_key(const char *name)
{
    struct room_key user;

    assert_int_equal(room_key_for_user(slice_of(name), &user), ERR_OK);
    return user;
}

/* Of all tokens; `chat` NULL: everywhere. For ever, as a test sees it. */
static inline struct revocation of_user(const char *name, const struct uuid *chat)
{
    struct room_key user = user_key(name);
    struct revocation revocation;

    revocation_of_user(&user, chat, &revocation);
    revocation.at_s = revocation.until_s = REVOCATION_SECONDS_MAX;
    revocation.order = 10;
    return revocation;
}

static inline struct revocation of_token(const char *id)
{
    struct revocation revocation;

    assert_int_equal(revocation_of_token(slice_of(id), &revocation), ERR_OK);
    revocation.at_s = revocation.until_s = REVOCATION_SECONDS_MAX;
    revocation.order = 10;
    return revocation;
}

static inline struct revocation of_chat(unsigned char number)
{
    return (struct revocation){
        .kind = REVOCATION_CHAT,
        .chat = {{[15] = number}},
        .at_s = REVOCATION_SECONDS_MAX,
        .until_s = REVOCATION_SECONDS_MAX,
        .order = 10,
    };
}

#endif
