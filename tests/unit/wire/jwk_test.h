/* Keys made for a run, as JWKs, and tokens that they sign: by OpenSSL itself, not by what is tested. */
#ifndef ROOMCAST_TESTS_JWK_TEST_H
#define ROOMCAST_TESTS_JWK_TEST_H

#include "token_test.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>

#include <roomcast/base/buffer.h>
#include <roomcast/wire/jwks.h>

#define DOCUMENT_MAX (1024u * 1024)

static inline void append_bytes(struct buffer *out, const void *bytes, size_t len)
{
    char text[4096];
    assert_non_null(
        sodium_bin2base64(text, sizeof text, bytes, len, sodium_base64_VARIANT_URLSAFE_NO_PADDING));
    buffer_append_text(out, text);
}

/* A number of the key, as `size` bytes, or as many as it needs when 0. */
static inline void append_number(struct buffer *out, const EVP_PKEY *key, const char *name, int size)
{
    unsigned char bytes[2048];
    BIGNUM *number = NULL;
    assert_int_equal(EVP_PKEY_get_bn_param(key, name, &number), 1);
    if (size == 0)
        size = BN_num_bytes(number);
    assert_int_equal(BN_bn2binpad(number, bytes, size), size);
    append_bytes(out, bytes, (size_t)size);
    BN_free(number);
}

static inline int coordinate_bytes(const EVP_PKEY *key)
{
    return (EVP_PKEY_get_bits(key) + 7) / 8;
}

static inline void append_ec(struct buffer *out, const EVP_PKEY *key)
{
    int size = coordinate_bytes(key);
    buffer_appendf(out, "\"kty\":\"EC\",\"crv\":\"%s\",\"x\":\"",
                   size == 32   ? "P-256"
                   : size == 48 ? "P-384"
                                : "P-521");
    append_number(out, key, OSSL_PKEY_PARAM_EC_PUB_X, size);
    buffer_append_text(out, "\",\"y\":\"");
    append_number(out, key, OSSL_PKEY_PARAM_EC_PUB_Y, size);
    buffer_append_char(out, '"');
}

static inline void append_okp(struct buffer *out, const EVP_PKEY *key)
{
    unsigned char bytes[32];
    size_t len = sizeof bytes;
    assert_int_equal(EVP_PKEY_get_raw_public_key(key, bytes, &len), 1);
    buffer_append_text(out, "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"");
    append_bytes(out, bytes, len);
    buffer_append_char(out, '"');
}

/* One element of "keys"; `more` begins with a comma, or is "". */
static inline void append_jwk(struct buffer *out, const EVP_PKEY *key, const char *more)
{
    if (out->len > 0)
        buffer_append_char(out, ',');
    buffer_append_char(out, '{');
    switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
        buffer_append_text(out, "\"kty\":\"RSA\",\"n\":\"");
        append_number(out, key, OSSL_PKEY_PARAM_RSA_N, 0);
        buffer_append_text(out, "\",\"e\":\"");
        append_number(out, key, OSSL_PKEY_PARAM_RSA_E, 0);
        buffer_append_char(out, '"');
        break;
    case EVP_PKEY_EC:
        append_ec(out, key);
        break;
    default:
        append_okp(out, key);
    }
    buffer_append_text(out, more);
    buffer_append_char(out, '}');
}

/* What the last set of keys was told of those that it did not take. */
static struct {
    unsigned count, faults;
    char reasons[4096];
} skipped_keys;

static inline void note_skipped(void *context, struct slice kid, const char *reason, bool is_fault)
{
    size_t len = strlen(skipped_keys.reasons);
    assert_null(context);
    skipped_keys.count++;
    skipped_keys.faults += is_fault;
    snprintf(skipped_keys.reasons + len, sizeof skipped_keys.reasons - len, "%.*s: %s\n", SLICE_FMT(kid),
             reason);
}

static inline enum err parse_document(struct slice document, struct jwks **ret_jwks)
{
    const struct jwks_skipped skipped = {.tell = note_skipped};
    memset(&skipped_keys, 0, sizeof skipped_keys);
    return jwks_parse(document, &skipped, ret_jwks);
}

static inline struct jwks *parse_good(const char *document)
{
    struct jwks *jwks = NULL;
    assert_int_equal(parse_document(slice_of(document), &jwks), ERR_OK);
    assert_non_null(jwks);
    return jwks;
}

/* A set with these elements. */
static inline struct jwks *set_of(struct buffer *elements)
{
    struct buffer document;
    buffer_init(&document, DOCUMENT_MAX);
    buffer_appendf(&document, "{\"keys\":[%s]}", elements->len > 0 ? buffer_text(elements) : "");
    struct jwks *jwks = parse_good(buffer_text(&document));
    buffer_fini(&document);
    buffer_clear(elements);
    return jwks;
}

static inline struct jwks *set_of_key(const EVP_PKEY *key, const char *more)
{
    struct buffer elements;
    buffer_init(&elements, DOCUMENT_MAX);
    append_jwk(&elements, key, more);
    struct jwks *jwks = set_of(&elements);
    buffer_fini(&elements);
    return jwks;
}

/* JWS wants R and S side by side: RFC 7518 section 3.4. */
static inline size_t flatten(const EVP_PKEY *key, unsigned char *signature, size_t len)
{
    const unsigned char *at = signature;
    int size = coordinate_bytes(key);
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)len);
    assert_non_null(pair);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(pair), signature, size), size);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(pair), signature + size, size), size);
    ECDSA_SIG_free(pair);
    return 2 * (size_t)size;
}

static inline const EVP_MD *digest_of(const char *header)
{
    if (strstr(header, "EdDSA"))
        return NULL;
    return strstr(header, "256\"") ? EVP_sha256() : strstr(header, "384\"") ? EVP_sha384() : EVP_sha512();
}

/* `header`: {"alg":...}. The caller frees. */
static inline char *token_by(EVP_PKEY *key, const char *header)
{
    unsigned char signature[2048];
    size_t len = sizeof signature;
    struct buffer token;
    buffer_init(&token, 65536);
    append_bytes(&token, header, strlen(header));
    buffer_append_char(&token, '.');
    append_bytes(&token, "{\"sub\":\"u\"}", strlen("{\"sub\":\"u\"}"));
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(context, NULL, digest_of(header), NULL, key), 1);
    assert_int_equal(EVP_DigestSign(context, signature, &len, (const unsigned char *)token.data, token.len),
                     1);
    EVP_MD_CTX_free(context);
    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC)
        len = flatten(key, signature, len);
    buffer_append_char(&token, '.');
    append_bytes(&token, signature, len);
    return buffer_take(&token);
}

static inline struct token_options issuer_options(void)
{
    return (struct token_options){
        .has_issuer = true, .issuer = "", .audience = "", .user_claim = "sub", .chats_claim = "chats"};
}

#endif
