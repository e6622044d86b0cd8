/* Makes tokens for the tests of the verifier, above all wrong ones. */
#ifndef ROOMCAST_TESTS_TOKEN_TEST_H
#define ROOMCAST_TESTS_TOKEN_TEST_H

#include "wire_test.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include <roomcast/wire/token.h>

#define NOW    1700000000u
#define SECRET "0123456789abcdef0123456789abcdef"
#define HS256  "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"

static inline void assert_user(const struct token_claims *claims, const char *name)
{
    struct room_key user = token_claims_user(claims);
    assert_int_equal(user.route, ROUTE_TO_USER);
    assert_string_equal(user.name, name);
}

static inline struct token_options hmac_options(void)
{
    return (struct token_options){
        .hmac_secret = SLICE_LITERAL(SECRET),
        .issuer = "",
        .audience = "",
        .user_claim = "sub",
        .chats_claim = "chats",
        .leeway_s = 30,
    };
}

static inline struct token_options pem_options(const char *pem)
{
    struct token_options options = hmac_options();

    options.hmac_secret = (struct slice){NULL, 0};
    options.public_key_pem = slice_of(pem);
    return options;
}

static inline struct token_verifier *new_verifier(const struct token_options *options)
{
    struct token_verifier *verifier;
    char problem[256];

    if (token_verifier_new(options, &verifier, problem))
        fail_msg("%s", problem);
    return verifier;
}

/* base64url of `bytes` behind the text `*token`, which grows. */
static inline void append_base64url(char **token, const void *bytes, size_t len)
{
    size_t have = *token ? strlen(*token) : 0;
    size_t need = sodium_base64_ENCODED_LEN(len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);

    *token = realloc(*token, have + need + 1);
    assert_non_null(*token);
    sodium_bin2base64(*token + have, need, bytes, len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

static inline char *append_dot(char *token)
{
    size_t len = strlen(token);

    token = realloc(token, len + 2);
    assert_non_null(token);
    memcpy(token + len, ".", 2);
    return token;
}

/* "header.claims", not signed yet. The caller frees. */
static inline char *unsigned_token(struct slice header, struct slice claims)
{
    char *token = NULL;

    append_base64url(&token, header.data, header.len);
    token = append_dot(token);
    append_base64url(&token, claims.data, claims.len);
    return token;
}

static inline char *hmac_token_bytes(struct slice header, struct slice claims, struct slice key)
{
    unsigned char mac[crypto_auth_hmacsha256_BYTES];
    crypto_auth_hmacsha256_state hmac;
    char *token = unsigned_token(header, claims);

    crypto_auth_hmacsha256_init(&hmac, (const unsigned char *)key.data, key.len);
    crypto_auth_hmacsha256_update(&hmac, (const unsigned char *)token, strlen(token));
    crypto_auth_hmacsha256_final(&hmac, mac);
    token = append_dot(token);
    append_base64url(&token, mac, sizeof mac);
    return token;
}

/* An HS256 token with any header and claims text. */
static inline char *hmac_token(const char *header, const char *claims)
{
    return hmac_token_bytes(slice_of(header), slice_of(claims), SLICE_LITERAL(SECRET));
}

static inline char *eddsa_token(const char *header, const char *claims, const unsigned char *secret_key)
{
    unsigned char signature[crypto_sign_BYTES];
    char *token = unsigned_token(slice_of(header), slice_of(claims));

    crypto_sign_detached(signature, NULL, (const unsigned char *)token, strlen(token), secret_key);
    token = append_dot(token);
    append_base64url(&token, signature, sizeof signature);
    return token;
}

/* Verifies and frees the token; the claims are released when `ret_claims` is NULL. */
static inline enum err verify_at(const struct token_verifier *verifier, char *token, uint64_t now,
                                 struct token_claims *ret_claims)
{
    struct token_claims claims = {.chats_count = 77};
    const char *reason = NULL;
    enum err err = token_verify(verifier, slice_of(token), now, &claims, &reason);

    free(token);
    if (err) {
        assert_non_null(reason);
        assert_int_equal(claims.chats_count, 77);
    } else if (ret_claims) {
        *ret_claims = claims;
    } else {
        token_claims_release(&claims);
    }
    return err;
}

static inline enum err verify(const struct token_verifier *verifier, char *token)
{
    return verify_at(verifier, token, NOW, NULL);
}

#endif
