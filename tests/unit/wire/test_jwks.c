#include "jwk_test.h"

static EVP_PKEY *rsa, *rsa_1024, *p256, *p384, *p521, *ed25519;
static struct buffer elements;

/* Every second has one: P-521's coordinates begin with a byte that is 0 or 1. */
static EVP_PKEY *p521_with_zero_in_front(void)
{
    for (;;) {
        EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-521");
        BIGNUM *x = NULL;
        assert_int_equal(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_X, &x), 1);
        int bytes = BN_num_bytes(x);
        BN_free(x);
        if (bytes < 66)
            return key;
        EVP_PKEY_free(key);
    }
}

static int start(void **state)
{
    (void)state;
    if (sodium_init() < 0)
        return -1;
    rsa = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    rsa_1024 = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
    p256 = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    p384 = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
    p521 = p521_with_zero_in_front();
    ed25519 = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    buffer_init(&elements, DOCUMENT_MAX);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    EVP_PKEY *const keys[] = {rsa, rsa_1024, p256, p384, p521, ed25519};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        EVP_PKEY_free(keys[i]);
    buffer_fini(&elements);
    return 0;
}

/* RFC 7517, appendix A.1: one key to encrypt with, one for RS256. */
#define RFC_7517_A_1                                                                                         \
    "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","    \
    "\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\",\"use\":\"enc\",\"kid\":\"1\"},"                  \
    "{\"kty\":\"RSA\",\"n\":"                                                                                \
    "\"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR"                      \
    "1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_"       \
    "FDW2Qvz"                                                                                                \
    "qY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-"                             \
    "bFTWhAI4vMQFh6WeZu0fM4lFd2NcR"                                                                          \
    "wr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw\",\"e\":\"AQAB\",\"alg\":\"RS256\","          \
    "\"kid\":\"2011-04-29\"}]}"

static void of_the_set_of_rfc_7517_a_1_the_key_for_signatures_is_taken(void **state)
{
    (void)state;
    struct jwks *jwks = parse_good(RFC_7517_A_1);
    assert_int_equal(jwks_count(jwks), 1);
    assert_string_equal(jwks_kid(jwks, 0), "2011-04-29");
    assert_string_equal(skipped_keys.reasons, "1: not a key for signatures (use)\n");
    assert_int_equal(skipped_keys.faults, 0);
    jwks_unref(&jwks);
}

/* Verifies with this one key, and frees both. */
static enum err verify_with_set(const char *document, const char *token, uint64_t now, const char *user_claim)
{
    struct token_options options = issuer_options();
    options.user_claim = user_claim;
    struct token_verifier *verifier = new_verifier(&options);
    struct jwks *jwks = parse_good(document);
    token_verifier_set_issued(verifier, jwks);
    jwks_unref(&jwks);
    enum err err = verify_at(verifier, strdup(token), now, NULL);
    token_verifier_free(&verifier);
    return err;
}

#define RFC_7515_CLAIMS                                                                                      \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"

static void the_examples_of_rfc_7515_a_2_and_a_3_verify_with_their_keys(void **state)
{
    (void)state;
    static const char rs256_key[] =
        "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_"
        "wWJcyQoTbji9k0l8W26mPddxHmfHQp-"
        "Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-"
        "bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_"
        "I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\",\"e\":\"AQAB\"}]"
        "}";
    static const char rs256_token[] =
        "eyJhbGciOiJSUzI1NiJ9." RFC_7515_CLAIMS
        ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_"
        "O8W2Fp5jujGbds9uJ"
        "dbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_"
        "eSN9"
        "383LcOLn6_dO--xi12jzDwusC-"
        "eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIh"
        "WkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    static const char es256_key[] = "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\","
                                    "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
                                    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}";
    static const char es256_token[] =
        "eyJhbGciOiJFUzI1NiJ9." RFC_7515_CLAIMS
        ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    const uint64_t now = 1300819379;
    assert_int_equal(verify_with_set(rs256_key, rs256_token, now, "iss"), ERR_OK);
    assert_int_equal(verify_with_set(es256_key, es256_token, now, "iss"), ERR_OK);
    assert_int_equal(verify_with_set(es256_key, rs256_token, now, "iss"), ERR_SIGNATURE);
    assert_int_equal(verify_with_set(rs256_key, es256_token, now, "iss"), ERR_SIGNATURE);
}

static void the_key_of_rfc_8037_a_2_verifies_its_example(void **state)
{
    (void)state;
    static const char key[] = "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
                              "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}";
    static const unsigned char seed[32] = {0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a,
                                           0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32,
                                           0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60};
    unsigned char public_key[32], secret_key[64];
    crypto_sign_seed_keypair(public_key, secret_key, seed);
    char *token = eddsa_token("{\"alg\":\"EdDSA\"}", "{\"sub\":\"u\"}", secret_key);
    assert_int_equal(verify_with_set(key, token, NOW, "sub"), ERR_OK);
    free(token);
}

static void a_document_as_keycloak_serves_it_gives_the_key_for_signatures(void **state)
{
    (void)state;
    append_jwk(
        &elements, rsa,
        ",\"kid\":\"sig-1\",\"alg\":\"RS256\",\"use\":\"sig\",\"x5c\":[\"MIICmzCCAYMCBgF\"],\"x5t\":\"w\","
        "\"x5t#S256\":\"J0hD\"");
    append_jwk(&elements, rsa, ",\"kid\":\"enc-1\",\"alg\":\"RSA-OAEP\",\"use\":\"enc\",\"x5c\":[\"MIIC\"]");
    struct jwks *jwks = set_of(&elements);
    assert_int_equal(jwks_count(jwks), 1);
    assert_string_equal(jwks_kid(jwks, 0), "sig-1");
    assert_int_equal(skipped_keys.count, 1);
    assert_int_equal(skipped_keys.faults, 0);
    jwks_unref(&jwks);
}

static void every_kind_of_key_is_taken(void **state)
{
    (void)state;
    const EVP_PKEY *const keys[] = {rsa, p256, p384, p521, ed25519};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        append_jwk(&elements, keys[i], "");
    struct jwks *jwks = set_of(&elements);
    assert_int_equal(jwks_count(jwks), 5);
    assert_null(jwks_kid(jwks, 0));
    assert_int_equal(skipped_keys.count, 0);
    jwks_unref(&jwks);
}

/* The one key of the document is skipped, with these words; `fault`: and is a fault. */
static void check_skipped(const char *element, const char *words, bool fault)
{
    struct buffer text;
    buffer_init(&text, DOCUMENT_MAX);
    buffer_appendf(&text, "{\"keys\":[%s]}", element);
    struct jwks *jwks = parse_good(buffer_text(&text));
    if (jwks_count(jwks) != 0 || !strstr(skipped_keys.reasons, words) || skipped_keys.faults != fault)
        fail_msg("%.200s: %zu taken, said \"%s\", not \"%s\"", element, jwks_count(jwks),
                 skipped_keys.reasons, words);
    jwks_unref(&jwks);
    buffer_fini(&text);
}

static void check_key_skipped(const EVP_PKEY *key, const char *more, const char *words, bool fault)
{
    struct buffer element;
    buffer_init(&element, DOCUMENT_MAX);
    append_jwk(&element, key, more);
    check_skipped(buffer_text(&element), words, fault);
    buffer_fini(&element);
}

static void keys_for_other_purposes_are_skipped_quietly(void **state)
{
    (void)state;
    check_key_skipped(rsa, ",\"use\":\"enc\"", "not a key for signatures", false);
    check_key_skipped(rsa, ",\"use\":\"SIG\"", "not a key for signatures", false);
    check_key_skipped(p256, ",\"key_ops\":[\"sign\",\"wrapKey\"]", "key_ops", false);
    check_key_skipped(p256, ",\"key_ops\":[]", "key_ops", false);
    check_key_skipped(p256, ",\"use\":1", "not a key for signatures", true);
    check_key_skipped(p256, ",\"key_ops\":\"verify\"", "key_ops", true);
    struct jwks *jwks = set_of_key(p256, ",\"use\":\"sig\",\"key_ops\":[\"sign\",\"verify\",7]");
    assert_int_equal(jwks_count(jwks), 1);
    jwks_unref(&jwks);
}

static void symmetric_keys_are_never_taken(void **state)
{
    (void)state;
    const char *const words = "a symmetric key";
    check_skipped("{\"kty\":\"oct\",\"k\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\"}", words, true);
    check_skipped(
        "{\"kty\":\"oct\",\"k\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\",\"alg\":\"HS256\",\"use\":"
        "\"sig\",\"kid\":\"s\"}",
        words, true);
    /* Nor does a public key become one by its alg. */
    check_key_skipped(rsa, ",\"alg\":\"HS256\"", "for an algorithm", true);
}

static void private_keys_are_not_used_and_said_to_be_published(void **state)
{
    (void)state;
    check_key_skipped(rsa, ",\"d\":\"AQAB\"", "it is published", true);
    check_key_skipped(rsa, ",\"dp\":\"AQAB\"", "it is published", true);
    check_key_skipped(p256, ",\"d\":\"AQAB\"", "it is published", true);
    check_key_skipped(ed25519, ",\"d\":\"AQAB\"", "it is published", true);
}

static void an_algorithm_that_is_unknown_or_not_of_the_keys_type_skips_it(void **state)
{
    (void)state;
    const char *const words = "for an algorithm (alg)";
    check_key_skipped(rsa, ",\"alg\":\"PS256\"", words, true);
    check_key_skipped(rsa, ",\"alg\":\"none\"", words, true);
    check_key_skipped(rsa, ",\"alg\":\"ES256\"", words, true);
    check_key_skipped(p256, ",\"alg\":\"ES384\"", words, true);
    check_key_skipped(p256, ",\"alg\":\"rs256\"", words, true);
    check_key_skipped(ed25519, ",\"alg\":7", words, true);
}

static void weak_or_impossible_rsa_keys_are_refused(void **state)
{
    (void)state;
    char number[2800];
    check_key_skipped(rsa_1024, "", "fewer than 2048 bits", true);
    check_skipped("{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}", "fewer than 2048", true);
    check_skipped("{\"kty\":\"RSA\",\"e\":\"AQAB\"}", "modulus", true);
    check_skipped("{\"kty\":\"RSA\",\"n\":7,\"e\":\"AQAB\"}", "modulus", true);
    check_skipped("{\"kty\":\"RSA\",\"n\":\"not base64!\",\"e\":\"AQAB\"}", "modulus", true);
    check_skipped("{\"kty\":\"RSA\",\"n\":\"\",\"e\":\"AQAB\"}", "modulus", true);
    /* 1025 bytes, which are over 8192 bits. */
    snprintf(number, sizeof number, "{\"kty\":\"RSA\",\"n\":\"%01367d\",\"e\":\"AQAB\"}", 8);
    memset(strstr(number, "0000"), 'B', 1366);
    check_skipped(number, "more than 8192 bits", true);
    /* 258 bytes, of which the last is even. */
    snprintf(number, sizeof number, "{\"kty\":\"RSA\",\"n\":\"%0344d\",\"e\":\"AQAB\"}", 0);
    memset(strstr(number, "0000"), 'E', 344);
    check_skipped(number, "numbers cannot be", true);
    static const char *const exponents[] = {"AQ", "Ag", "AA", "AAAA", "AQABAQAB", "", "AQAB="};
    for (size_t i = 0; i < sizeof exponents / sizeof exponents[0]; i++) {
        buffer_appendf(&elements, "{\"kty\":\"RSA\",\"e\":\"%s\",\"n\":\"", exponents[i]);
        append_number(&elements, rsa, OSSL_PKEY_PARAM_RSA_N, 0);
        buffer_append_text(&elements, "\"}");
        check_skipped(buffer_text(&elements), "an RSA key", true);
        buffer_clear(&elements);
    }
}

static void points_that_are_no_keys_are_refused(void **state)
{
    (void)state;
    static const char zeroes[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    char element[512];
    snprintf(element, sizeof element, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"}", zeroes,
             zeroes);
    check_skipped(element, "not on its curve", true);
    snprintf(element, sizeof element, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%sAA\",\"y\":\"%s\"}",
             zeroes, zeroes);
    check_skipped(element, "coordinates", true);
    snprintf(element, sizeof element, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\"}", zeroes);
    check_skipped(element, "coordinates", true);
    snprintf(element, sizeof element, "{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"%s\",\"y\":\"%s\"}",
             zeroes, zeroes);
    check_skipped(element, "not on P-256", true);
    check_skipped("{\"kty\":\"EC\"}", "not on P-256", true);
    check_skipped("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AQAB\"}", "32 bytes", true);
    check_skipped("{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"AQAB\"}", "not Ed25519", true);
}

/* RFC 7518 section 6.2.1.2 forbids it, and there are issuers that do it. */
static void a_coordinate_may_lack_zeros_in_front(void **state)
{
    (void)state;
    EVP_PKEY *const keys[] = {p256, p521};
    for (size_t i = 0; i < 2; i++) {
        struct jwks *full = set_of_key(keys[i], ""), *shorter;
        buffer_appendf(&elements, "{\"kty\":\"EC\",\"crv\":\"%s\",\"x\":\"", i == 0 ? "P-256" : "P-521");
        append_number(&elements, keys[i], OSSL_PKEY_PARAM_EC_PUB_X, 0);
        buffer_append_text(&elements, "\",\"y\":\"");
        append_number(&elements, keys[i], OSSL_PKEY_PARAM_EC_PUB_Y, 0);
        buffer_append_text(&elements, "\"}");
        shorter = set_of(&elements);
        assert_int_equal(jwks_count(shorter), 1);
        assert_true(jwks_has(full, shorter, 0));
        jwks_unref(&full);
        jwks_unref(&shorter);
    }
}

static void ids_are_plain_text_of_at_most_256_bytes(void **state)
{
    (void)state;
    char more[400];
    check_key_skipped(p256, ",\"kid\":\"\"", "a kid that", true);
    check_key_skipped(p256, ",\"kid\":7", "a kid that", true);
    check_key_skipped(p256, ",\"kid\":null", "a kid that", true);
    check_key_skipped(p256, ",\"kid\":\"a\\nb\"", "a kid that", true);
    assert_null(strchr(strchr(skipped_keys.reasons, '\n') + 1, '\n')); /* it was not shown */
    snprintf(more, sizeof more, ",\"kid\":\"%0257d\"", 1);
    check_key_skipped(p256, more, "a kid that", true);
    snprintf(more, sizeof more, ",\"kid\":\"%0256d\"", 1);
    struct jwks *jwks = set_of_key(p256, more);
    assert_int_equal(strlen(jwks_kid(jwks, 0)), 256);
    jwks_unref(&jwks);
}

static void what_is_not_understood_is_skipped_and_the_rest_taken(void **state)
{
    (void)state;
    buffer_append_text(&elements, "null,7,[],{},{\"kty\":\"AKP\",\"pub\":\"AAAA\"},{\"kty\":7}");
    append_jwk(&elements, p256, ",\"kid\":\"good\",\"of_the_future\":{\"x\":[1]}");
    struct jwks *jwks = set_of(&elements);
    assert_int_equal(jwks_count(jwks), 1);
    assert_string_equal(jwks_kid(jwks, 0), "good");
    assert_int_equal(skipped_keys.count, 6);
    jwks_unref(&jwks);
}

static void what_is_no_set_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum err err;
    } documents[] = {
        {"", ERR_SYNTAX},
        {"<html>", ERR_SYNTAX},
        {"[]", ERR_SYNTAX},
        {"{}", ERR_SYNTAX},
        {"{\"keys\":{}}", ERR_SYNTAX},
        {"{\"keys\":null}", ERR_SYNTAX},
        {"{\"keys\":[]", ERR_SYNTAX},
        {"{\"keys\":[]} x", ERR_SYNTAX},
        {"{\"keys\":[],\"keys\":[]}", ERR_SYNTAX},
        {"{\"keys\":[{\"kty\":\"RSA\",\"kty\":\"oct\"}]}", ERR_SYNTAX},
        {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", ERR_TOO_DEEP},
    };
    for (size_t i = 0; i < sizeof documents / sizeof documents[0]; i++) {
        struct jwks *jwks = NULL;
        assert_int_equal(parse_document(slice_of(documents[i].text), &jwks), documents[i].err);
        assert_null(jwks);
    }
    struct jwks *empty = parse_good("{\"keys\":[]}");
    assert_int_equal(jwks_count(empty), 0);
    jwks_unref(&empty);
}

static void documents_and_their_keys_are_bounded(void **state)
{
    (void)state;
    struct buffer text;
    struct jwks *jwks = NULL;
    buffer_init(&text, DOCUMENT_MAX);
    buffer_append_text(&text, "{\"keys\":[0");
    for (unsigned i = 1; i < JWKS_MAX_KEYS; i++)
        buffer_append_text(&text, ",0");
    size_t len = text.len;
    buffer_append_text(&text, "]}");
    jwks = parse_good(buffer_text(&text));
    jwks_unref(&jwks);
    text.len = len;
    buffer_append_text(&text, ",0]}");
    assert_int_equal(parse_document(buffer_slice(&text), &jwks), ERR_TOO_BIG);
    buffer_clear(&text);
    buffer_append_text(&text, "{\"keys\":[]}");
    while (text.len < JWKS_MAX_BYTES)
        buffer_append_char(&text, ' ');
    jwks = parse_good(buffer_text(&text));
    jwks_unref(&jwks);
    buffer_append_char(&text, ' ');
    assert_int_equal(parse_document(buffer_slice(&text), &jwks), ERR_TOO_BIG);
    assert_null(jwks);
    buffer_fini(&text);
}

static void a_key_is_the_same_under_the_same_id_for_the_same_algorithm(void **state)
{
    (void)state;
    append_jwk(&elements, rsa, ",\"kid\":\"a\"");
    append_jwk(&elements, ed25519, ",\"kid\":\"b\"");
    append_jwk(&elements, p256, "");
    struct jwks *jwks = set_of(&elements), *other;
    for (size_t i = 0; i < 3; i++) {
        assert_true(jwks_has(jwks, jwks, i));
        assert_false(jwks_has(NULL, jwks, i));
    }
    append_jwk(&elements, rsa, ",\"kid\":\"a\",\"alg\":\"RS256\"");
    append_jwk(&elements, ed25519, ",\"kid\":\"c\"");
    append_jwk(&elements, p521, "");
    append_jwk(&elements, p256, ",\"kid\":\"d\"");
    append_jwk(&elements, p256, "");
    other = set_of(&elements);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(jwks_has(jwks, other, i), i == 4);
    jwks_unref(&jwks);
    jwks_unref(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_the_set_of_rfc_7517_a_1_the_key_for_signatures_is_taken),
        cmocka_unit_test(the_examples_of_rfc_7515_a_2_and_a_3_verify_with_their_keys),
        cmocka_unit_test(the_key_of_rfc_8037_a_2_verifies_its_example),
        cmocka_unit_test(a_document_as_keycloak_serves_it_gives_the_key_for_signatures),
        cmocka_unit_test(every_kind_of_key_is_taken),
        cmocka_unit_test(keys_for_other_purposes_are_skipped_quietly),
        cmocka_unit_test(symmetric_keys_are_never_taken),
        cmocka_unit_test(private_keys_are_not_used_and_said_to_be_published),
        cmocka_unit_test(an_algorithm_that_is_unknown_or_not_of_the_keys_type_skips_it),
        cmocka_unit_test(weak_or_impossible_rsa_keys_are_refused),
        cmocka_unit_test(points_that_are_no_keys_are_refused),
        cmocka_unit_test(a_coordinate_may_lack_zeros_in_front),
        cmocka_unit_test(ids_are_plain_text_of_at_most_256_bytes),
        cmocka_unit_test(what_is_not_understood_is_skipped_and_the_rest_taken),
        cmocka_unit_test(what_is_no_set_is_refused),
        cmocka_unit_test(documents_and_their_keys_are_bounded),
        cmocka_unit_test(a_key_is_the_same_under_the_same_id_for_the_same_algorithm),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
