/* One JSON Web Key (RFC 7517 section 4, RFC 7518 section 6, RFC 8037 section 2). */
#include "jwks_keys.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <sodium.h>
#include <stdlib.h>

#include <roomcast/base/text.h>

#define RSA_MAX_BYTES      (TOKEN_RSA_BITS_ISSUED / 8)
#define EXPONENT_MAX_BYTES 4
#define COORDINATE_MAX     66 /* bytes, on P-521 */

static const struct curve {
    const char *crv;   /* RFC 7518 section 6.2.1.1 */
    const char *group; /* OpenSSL's name */
    size_t bytes;      /* of a coordinate */
} curves[] = {{"P-256", "prime256v1", 32}, {"P-384", "secp384r1", 48}, {"P-521", "secp521r1", 66}};

static struct slice text_of(const json_t *json, const char *name)
{
    const json_t *value = json_object_get(json, name);

    return (struct slice){json_string_value(value), json_string_length(value)};
}

static bool is_text(const json_t *json, const char *name, const char *text)
{
    return slice_equal(text_of(json, name), slice_of(text));
}

/* A number or a coordinate: base64url without padding (RFC 7518 section 2). 0: there is none, or more than
 * `size` bytes. */
static size_t decode(const json_t *json, const char *name, unsigned char *bytes, size_t size)
{
    struct slice text = text_of(json, name);
    size_t len = 0;

    if (text.len == 0 || sodium_base642bin(bytes, size, text.data, text.len, NULL, &len, NULL,
                                           sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0)
        return 0;
    return len;
}

static EVP_PKEY *make_key(const char *type, OSSL_PARAM_BLD *builder)
{
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *pkey = NULL;

    if (params && context && EVP_PKEY_fromdata_init(context) == 1)
        (void)EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_PUBLIC_KEY, params);
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    return pkey;
}

static EVP_PKEY *make_rsa(const BIGNUM *modulus, const BIGNUM *exponent)
{
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    EVP_PKEY *pkey = NULL;

    if (builder && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus) == 1 &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent) == 1)
        pkey = make_key("RSA", builder);
    OSSL_PARAM_BLD_free(builder);
    return pkey;
}

static const char *check_rsa(const BIGNUM *modulus, const BIGNUM *exponent)
{
    if (BN_num_bits(modulus) < TOKEN_RSA_BITS_MIN)
        return "an RSA key of fewer than 2048 bits (RFC 7518 section 3.3)";
    /* An even modulus is no product of two large primes. With an exponent of 1 everybody can sign. */
    if (!BN_is_odd(modulus) || !BN_is_odd(exponent) || BN_is_one(exponent))
        return "an RSA key whose numbers cannot be";
    return NULL;
}

static const char *read_rsa(const json_t *json, EVP_PKEY **ret_pkey)
{
    unsigned char n[RSA_MAX_BYTES], e[EXPONENT_MAX_BYTES];
    size_t n_len = decode(json, "n", n, sizeof n), e_len = decode(json, "e", e, sizeof e);

    if (n_len == 0)
        return "an RSA key without a readable modulus (n), or of more than 8192 bits";
    if (e_len == 0)
        return "an RSA key without a readable exponent (e), or with one of more than 32 bits";
    BIGNUM *modulus = BN_bin2bn(n, (int)n_len, NULL), *exponent = BN_bin2bn(e, (int)e_len, NULL);
    const char *why = modulus && exponent ? check_rsa(modulus, exponent) : err_text(ERR_NO_MEMORY);
    if (!why && !(*ret_pkey = make_rsa(modulus, exponent)))
        why = "an RSA key that cannot be read";
    BN_free(modulus);
    BN_free(exponent);
    return why;
}

static const struct curve *find_curve(const json_t *json)
{
    for (size_t i = 0; i < sizeof curves / sizeof curves[0]; i++) {
        if (is_text(json, "crv", curves[i].crv))
            return &curves[i];
    }
    return NULL;
}

/* Also whether the point lies on the curve. */
static EVP_PKEY *make_ec(const struct curve *curve, const unsigned char *point)
{
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    EVP_PKEY *pkey = NULL;

    if (builder &&
        OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, curve->group, 0) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * curve->bytes) == 1)
        pkey = make_key("EC", builder);
    OSSL_PARAM_BLD_free(builder);
    EVP_PKEY_CTX *check = pkey ? EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL) : NULL;
    if (!check || EVP_PKEY_public_check(check) != 1) {
        EVP_PKEY_free(pkey);
        pkey = NULL;
    }
    EVP_PKEY_CTX_free(check);
    return pkey;
}

/* Section 6.2.1.2 wants all bytes of it, but there are issuers that leave out zeros in front: as a number it
 * is the same. */
static bool read_coordinate(const json_t *json, const char *name, unsigned char *bytes, size_t size)
{
    unsigned char number[COORDINATE_MAX];
    size_t len = decode(json, name, number, size);

    memset(bytes, 0, size);
    memcpy(bytes + size - len, number, len);
    return len > 0;
}

static const char *read_ec(const json_t *json, EVP_PKEY **ret_pkey)
{
    unsigned char point[1 + 2 * COORDINATE_MAX] = {POINT_CONVERSION_UNCOMPRESSED};
    const struct curve *curve = find_curve(json);

    if (!curve)
        return "an EC key that is not on P-256, P-384 or P-521";
    size_t bytes = curve->bytes;
    if (!read_coordinate(json, "x", point + 1, bytes) ||
        !read_coordinate(json, "y", point + 1 + bytes, bytes))
        return "an EC key whose coordinates cannot be read, or are longer than the curve's";
    *ret_pkey = make_ec(curve, point);
    return *ret_pkey ? NULL : "an EC key whose point is not on its curve";
}

static const char *read_okp(const json_t *json, EVP_PKEY **ret_pkey)
{
    unsigned char x[TOKEN_ED25519_BYTES];

    if (!is_text(json, "crv", "Ed25519"))
        return "an OKP key that is not Ed25519";
    if (decode(json, "x", x, sizeof x) != sizeof x)
        return "an Ed25519 key whose x is missing, or not of 32 bytes";
    *ret_pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x, sizeof x);
    return *ret_pkey ? NULL : "an Ed25519 key that cannot be read";
}

static bool may_verify(const json_t *operations)
{
    for (size_t i = 0; i < json_array_size(operations); i++) {
        const json_t *operation = json_array_get(operations, i);
        if (json_is_string(operation) && strcmp(json_string_value(operation), "verify") == 0)
            return true;
    }
    return false;
}

/* For signatures? NULL when it is. */
static const char *check_purpose(const json_t *json, bool *ret_is_fault)
{
    const json_t *use = json_object_get(json, "use"), *operations = json_object_get(json, "key_ops");

    *ret_is_fault = (use && !json_is_string(use)) || (operations && !json_is_array(operations));
    if (use && !is_text(json, "use", "sig"))
        return "not a key for signatures (use)";
    if (operations && !may_verify(operations))
        return "not a key to verify with (key_ops)";
    *ret_is_fault = true;
    return NULL;
}

static bool has_private_half(const json_t *json)
{
    /* RFC 7518 sections 6.2.2 and 6.3.2, RFC 8037 section 2. */
    static const char *const names[] = {"d", "p", "q", "dp", "dq", "qi", "oth"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (json_object_get(json, names[i]))
            return true;
    }
    return false;
}

static const char *read_pkey(const json_t *json, EVP_PKEY **ret_pkey)
{
    if (is_text(json, "kty", "oct"))
        return "a symmetric key: such are never taken from an address";
    if (has_private_half(json))
        return "a private key: it is published, so everybody can sign with it; the issuer must replace it";
    if (is_text(json, "kty", "RSA"))
        return read_rsa(json, ret_pkey);
    if (is_text(json, "kty", "EC"))
        return read_ec(json, ret_pkey);
    if (is_text(json, "kty", "OKP"))
        return read_okp(json, ret_pkey);
    return "of no known type (kty)";
}

/* RFC 7517 section 4.4: when the key names its algorithm, it is for no other. */
static const char *read_alg(const json_t *json, struct token_key *key)
{
    const json_t *alg = json_object_get(json, "alg");

    if (!alg)
        return NULL;
    const struct token_alg *only = token_alg_find(text_of(json, "alg"));
    if (!only || !token_key_fits(key, only))
        return "for an algorithm (alg) that is not accepted, or not of its type";
    key->only = only;
    return NULL;
}

static const char *read_kid(const json_t *json, struct jwks_key *key)
{
    struct slice kid = text_of(json, "kid");

    if (!json_object_get(json, "kid"))
        return NULL;
    if (kid.len == 0 || kid.len > TOKEN_KID_MAX || !text_is_plain(kid))
        return "a kid that is no text of 1 to 256 bytes";
    key->kid = strndup(kid.data, kid.len);
    return key->kid ? NULL : err_text(ERR_NO_MEMORY);
}

static const char *read_key(const json_t *json, struct jwks_key *key)
{
    char problem[TOKEN_KEY_PROBLEM];
    EVP_PKEY *pkey = NULL;
    const char *why = read_pkey(json, &pkey);

    if (!why && token_key_init(pkey, &key->key, problem) != ERR_OK)
        why = "a key that cannot be used";
    EVP_PKEY_free(pkey);
    ERR_clear_error(); /* this thread's queue */
    if (!why)
        why = read_alg(json, &key->key);
    return why ? why : read_kid(json, key);
}

const char *jwk_read(const json_t *json, struct jwks_key *ret_key, bool *ret_is_fault)
{
    struct jwks_key key = {.kid = NULL};

    *ret_is_fault = true;
    if (!json_is_object(json))
        return "not an object";
    const char *why = check_purpose(json, ret_is_fault);
    if (!why)
        why = read_key(json, &key);
    if (why)
        token_key_fini(&key.key);
    else
        *ret_key = key;
    return why;
}
