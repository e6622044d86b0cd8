#include "wire_test.h"

#include <stdlib.h>

#include <roomcast/wire/token_use.h>

#include "protobuf_text.h"
#include <mutate.h>

static struct token_claims claims_of(const char *user, const char *id, uint64_t expires_at)
{
    struct room_key key;

    assert_int_equal(room_key_for_user(slice_of(user), &key), ERR_OK);
    return (struct token_claims){
        .user = room_key_store(&key), .id = id ? strdup(id) : NULL, .expires_at = expires_at};
}

static struct token_use use_of(const char *user, const char *id, uint64_t expires_at)
{
    struct token_claims claims = claims_of(user, id, expires_at);
    struct token_use use;
    const char *reason;

    assert_int_equal(token_use_of(&claims, &use, &reason), ERR_OK);
    token_claims_release(&claims);
    return use;
}

static bool same(const struct token_use *a, const struct token_use *b)
{
    return memcmp(a->id, b->id, sizeof a->id) == 0;
}

/* Nodes of all releases must agree: BLAKE2b of 16 bytes, as Python's hashlib.blake2b gives it. */
static void the_id_of_a_token_is_pinned(void **state)
{
    (void)state;
    static const unsigned char pinned[TOKEN_USE_ID_BYTES] = {0xc8, 0x0d, 0x07, 0x5a, 0x19, 0xcd, 0xa2, 0xb7,
                                                             0x74, 0xdd, 0xbd, 0x30, 0x44, 0xa3, 0x0d, 0x36};
    struct token_use use = use_of("anna", "4f1c-1", 2000);

    assert_memory_equal(use.id, pinned, sizeof pinned);
    assert_int_equal(use.expires_at, 2000);
}

static void tokens_are_told_apart_by_user_and_jti_and_nothing_else(void **state)
{
    (void)state;
    struct token_use use = use_of("anna", "1", 2000), later = use_of("anna", "1", 3000);
    struct token_use other_id = use_of("anna", "2", 2000), other_user = use_of("ben", "1", 2000);
    struct token_use moved = use_of("ann", "a1", 2000);

    assert_true(same(&use, &later));
    assert_false(same(&use, &other_id));
    assert_false(same(&use, &other_user));
    assert_false(same(&use, &moved));
}

static void a_token_without_jti_or_exp_is_none_for_one_use(void **state)
{
    (void)state;
    struct token_claims no_id = claims_of("anna", NULL, 2000), no_expiry = claims_of("anna", "1", 0);
    struct token_use use;
    const char *reason = NULL;

    assert_int_equal(token_use_of(&no_id, &use, &reason), ERR_MISSING);
    assert_non_null(strstr(reason, "jti"));
    assert_int_equal(token_use_of(&no_expiry, &use, &reason), ERR_MISSING);
    assert_non_null(strstr(reason, "exp"));
    token_claims_release(&no_id);
    token_claims_release(&no_expiry);
}

static void a_use_survives_the_way_there_and_back(void **state)
{
    (void)state;
    struct token_use in = use_of("anna", "1", UINT64_MAX), out, none = {.expires_at = 0};
    struct buffer bytes;

    buffer_init(&bytes, TOKEN_USE_MAX_BYTES);
    assert_int_equal(token_use_encode(&none, &bytes), ERR_RANGE);
    assert_int_equal(bytes.len, 0);
    assert_int_equal(token_use_encode(&in, &bytes), ERR_OK);
    assert_int_equal(token_use_decode(buffer_slice(&bytes), &out), ERR_OK);
    buffer_fini(&bytes);
    assert_true(same(&in, &out));
    assert_true(out.expires_at == UINT64_MAX);
}

static enum err decode(uint64_t version, const char *id, uint64_t expires_at)
{
    struct token_use use;
    struct buffer out;

    buffer_init(&out, TOKEN_USE_MAX_BYTES);
    pb_number(&out, 1, version);
    pb_text(&out, 2, id);
    pb_number(&out, 3, expires_at);
    pb_text(&out, 15, "of a newer release");
    enum err err = token_use_decode(buffer_slice(&out), &use);
    buffer_fini(&out);
    return err;
}

static void decoding_trusts_nothing(void **state)
{
    (void)state;
    static char huge[TOKEN_USE_MAX_BYTES + 1];
    struct token_use use;

    assert_int_equal(decode(1, "0123456789abcdef", 5), ERR_OK);
    assert_int_equal(decode(2, "0123456789abcdef", 5), ERR_VERSION);
    assert_int_equal(decode(0, "0123456789abcdef", 5), ERR_RANGE);
    assert_int_equal(decode(1, "0123456789abcdef", 0), ERR_RANGE);
    assert_int_equal(decode(1, "0123456789abcde", 5), ERR_RANGE);
    assert_int_equal(decode(1, "0123456789abcdef0", 5), ERR_RANGE);
    assert_int_equal(token_use_decode((struct slice){huge, sizeof huge}, &use), ERR_TOO_BIG);
    assert_int_equal(token_use_decode((struct slice){huge, sizeof huge - 1}, &use), ERR_SYNTAX);
}

static void feed(struct slice input)
{
    struct token_use use;
    struct buffer again;

    if (token_use_decode(input, &use))
        return;
    buffer_init(&again, TOKEN_USE_MAX_BYTES);
    assert_int_equal(token_use_encode(&use, &again), ERR_OK);
    buffer_fini(&again);
}

static void damaged_uses_are_refused_or_whole(void **state)
{
    (void)state;
    struct token_use in = use_of("anna", "1", 2000);
    struct buffer bytes;

    buffer_init(&bytes, TOKEN_USE_MAX_BYTES);
    assert_int_equal(token_use_encode(&in, &bytes), ERR_OK);
    struct slice seed = buffer_slice(&bytes);
    mutate_each(&seed, 1, 8000, feed);
    buffer_fini(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_id_of_a_token_is_pinned),
        cmocka_unit_test(tokens_are_told_apart_by_user_and_jti_and_nothing_else),
        cmocka_unit_test(a_token_without_jti_or_exp_is_none_for_one_use),
        cmocka_unit_test(a_use_survives_the_way_there_and_back),
        cmocka_unit_test(decoding_trusts_nothing),
        cmocka_unit_test(damaged_uses_are_refused_or_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
