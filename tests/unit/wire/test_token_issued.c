/* Tokens and the keys of an issuer, which are replaced while threads verify. */
#include "jwk_test.h"

#include <pthread.h>
#include <stdatomic.h>

static EVP_PKEY *rsa, *other_rsa, *p256, *ed25519;
static struct token_verifier *verifier;
static struct buffer elements;

static int start(void **state)
{
    (void)state;
    if (sodium_init() < 0)
        return -1;
    rsa = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    other_rsa = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    p256 = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    ed25519 = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(other_rsa);
    EVP_PKEY_free(p256);
    EVP_PKEY_free(ed25519);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    struct token_options options = issuer_options();
    verifier = new_verifier(&options);
    buffer_init(&elements, DOCUMENT_MAX);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    token_verifier_free(&verifier);
    buffer_fini(&elements);
    return 0;
}

/* What is in `elements`, which it empties. */
static void issue(void)
{
    struct jwks *jwks = set_of(&elements);
    token_verifier_set_issued(verifier, jwks);
    jwks_unref(&jwks);
}

static void issue_one(const EVP_PKEY *key, const char *more)
{
    append_jwk(&elements, key, more);
    issue();
}

static enum err verify_by(EVP_PKEY *key, const char *header)
{
    return verify(verifier, token_by(key, header));
}

#define RS256(more) "{\"alg\":\"RS256\"" more "}"
#define ES256(more) "{\"alg\":\"ES256\"" more "}"

static void before_any_key_is_known_a_token_may_become_good(void **state)
{
    (void)state;
    assert_int_equal(verify_by(rsa, RS256("")), ERR_UNKNOWN);
    assert_int_equal(verify_by(rsa, RS256(",\"kid\":\"a\"")), ERR_UNKNOWN);
    assert_int_equal(verify_by(ed25519, "{\"alg\":\"EdDSA\"}"), ERR_UNKNOWN);
    /* But never one of an HMAC. */
    assert_int_equal(verify(verifier, hmac_token("{\"alg\":\"HS256\",\"kid\":\"a\"}", "{\"sub\":\"u\"}")),
                     ERR_SIGNATURE);
}

static void a_token_with_a_key_id_is_tried_with_the_keys_of_that_id_only(void **state)
{
    (void)state;
    append_jwk(&elements, rsa, ",\"kid\":\"a\"");
    append_jwk(&elements, other_rsa, ",\"kid\":\"b\"");
    append_jwk(&elements, p256, "");
    issue();
    assert_int_equal(verify_by(rsa, RS256(",\"kid\":\"a\"")), ERR_OK);
    assert_int_equal(verify_by(other_rsa, RS256(",\"kid\":\"b\"")), ERR_OK);
    assert_int_equal(verify_by(rsa, RS256(",\"kid\":\"b\"")), ERR_SIGNATURE);
    assert_int_equal(verify_by(rsa, RS256(",\"kid\":\"c\"")), ERR_UNKNOWN);
    assert_int_equal(verify_by(rsa, RS256(",\"kid\":\"\"")), ERR_UNKNOWN);
    assert_int_equal(verify_by(rsa, RS256(",\"kid\":\"aa\"")), ERR_UNKNOWN);
    /* A key without an id is for tokens without. */
    assert_int_equal(verify_by(p256, ES256(",\"kid\":\"a\"")), ERR_SIGNATURE);
    assert_int_equal(verify_by(p256, ES256("")), ERR_OK);
}

static void a_token_without_a_key_id_is_tried_with_every_key_that_fits(void **state)
{
    (void)state;
    append_jwk(&elements, p256, ",\"kid\":\"e\"");
    append_jwk(&elements, rsa, ",\"kid\":\"a\"");
    append_jwk(&elements, other_rsa, ",\"kid\":\"b\"");
    issue();
    assert_int_equal(verify_by(rsa, RS256("")), ERR_OK);
    assert_int_equal(verify_by(other_rsa, RS256("")), ERR_OK);
    assert_int_equal(verify_by(p256, ES256("")), ERR_OK);
    assert_int_equal(verify_by(ed25519, "{\"alg\":\"EdDSA\"}"), ERR_SIGNATURE);
}

static void a_token_is_tried_with_8_keys_and_no_more(void **state)
{
    (void)state;
    for (int i = 0; i < TOKEN_TRIES_MAX - 1; i++)
        append_jwk(&elements, other_rsa, "");
    append_jwk(&elements, rsa, "");
    issue();
    assert_int_equal(verify_by(rsa, RS256("")), ERR_OK);
    for (int i = 0; i < TOKEN_TRIES_MAX; i++)
        append_jwk(&elements, other_rsa, "");
    append_jwk(&elements, rsa, "");
    issue();
    assert_int_equal(verify_by(rsa, RS256("")), ERR_SIGNATURE);
}

static void of_keys_with_one_id_each_that_fits_is_tried(void **state)
{
    (void)state;
    append_jwk(&elements, p256, ",\"kid\":\"same\"");
    append_jwk(&elements, other_rsa, ",\"kid\":\"same\"");
    append_jwk(&elements, rsa, ",\"kid\":\"same\"");
    issue();
    assert_int_equal(verify_by(rsa, RS256(",\"kid\":\"same\"")), ERR_OK);
    assert_int_equal(verify_by(other_rsa, RS256(",\"kid\":\"same\"")), ERR_OK);
    assert_int_equal(verify_by(p256, ES256(",\"kid\":\"same\"")), ERR_OK);
    assert_int_equal(verify_by(ed25519, "{\"alg\":\"EdDSA\",\"kid\":\"same\"}"), ERR_SIGNATURE);
}

static void a_key_that_names_its_algorithm_is_for_no_other(void **state)
{
    (void)state;
    issue_one(rsa, ",\"kid\":\"a\",\"alg\":\"RS256\"");
    assert_int_equal(verify_by(rsa, RS256(",\"kid\":\"a\"")), ERR_OK);
    assert_int_equal(verify_by(rsa, "{\"alg\":\"RS512\",\"kid\":\"a\"}"), ERR_SIGNATURE);
    assert_int_equal(verify_by(rsa, "{\"alg\":\"RS384\"}"), ERR_SIGNATURE);
    issue_one(rsa, ",\"kid\":\"a\"");
    assert_int_equal(verify_by(rsa, "{\"alg\":\"RS512\",\"kid\":\"a\"}"), ERR_OK);
}

static void an_hmac_keyed_with_what_the_issuer_publishes_is_refused(void **state)
{
    (void)state;
    append_jwk(&elements, rsa, ",\"kid\":\"a\"");
    char *document = strdup(buffer_text(&elements));
    const char *modulus = strstr(document, "\"n\":\"") + 5;
    struct slice keys[] = {slice_of(document), {modulus, strcspn(modulus, "\"")}};
    issue();
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        char *token = hmac_token_bytes(SLICE_LITERAL("{\"alg\":\"HS256\",\"kid\":\"a\"}"),
                                       SLICE_LITERAL("{\"sub\":\"u\"}"), keys[i]);
        assert_int_equal(verify(verifier, token), ERR_SIGNATURE);
    }
    free(document);
}

static void configured_keys_are_good_beside_the_issuers_and_for_every_id(void **state)
{
    (void)state;
    static const char pem[] = "-----BEGIN PUBLIC KEY-----\n"
                              "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
                              "-----END PUBLIC KEY-----\n";
    static const unsigned char seed[32] = {0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a,
                                           0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32,
                                           0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60};
    unsigned char public_key[32], secret_key[64];
    char problem[256];
    crypto_sign_seed_keypair(public_key, secret_key, seed);
    struct token_options options = issuer_options();
    options.hmac_secret = SLICE_LITERAL(SECRET);
    options.public_key_pem = SLICE_LITERAL(pem);
    assert_int_equal(token_verifier_set_keys(verifier, &options, problem), ERR_OK);
    issue_one(rsa, ",\"kid\":\"a\"");
    static const char *const headers[] = {"{\"alg\":\"EdDSA\"}", "{\"alg\":\"EdDSA\",\"kid\":\"a\"}",
                                          "{\"alg\":\"EdDSA\",\"kid\":\"unheard of\"}"};
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
        assert_int_equal(verify(verifier, eddsa_token(headers[i], "{\"sub\":\"u\"}", secret_key)), ERR_OK);
    assert_int_equal(verify(verifier, hmac_token("{\"alg\":\"HS256\",\"kid\":\"x\"}", "{\"sub\":\"u\"}")),
                     ERR_OK);
    assert_int_equal(verify_by(rsa, RS256(",\"kid\":\"a\"")), ERR_OK);
}

static void a_key_id_is_a_string_of_at_most_256_bytes(void **state)
{
    (void)state;
    char header[400], jwk[400];
    snprintf(jwk, sizeof jwk, ",\"kid\":\"%0256d\"", 1);
    issue_one(rsa, jwk);
    snprintf(header, sizeof header, RS256(",\"kid\":\"%0256d\""), 1);
    assert_int_equal(verify_by(rsa, header), ERR_OK);
    snprintf(header, sizeof header, RS256(",\"kid\":\"%0257d\""), 1);
    assert_int_equal(verify_by(rsa, header), ERR_TOO_BIG);
    static const char *const wrong[] = {RS256(",\"kid\":7"), RS256(",\"kid\":null"),
                                        RS256(",\"kid\":[\"a\"]"), RS256(",\"kid\":{\"a\":1}"),
                                        RS256(",\"kid\":true")};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(verify_by(rsa, wrong[i]), ERR_SYNTAX);
    assert_int_equal(verify(verifier, hmac_token("{\"alg\":\"HS256\",\"kid\":7}", "{\"sub\":\"u\"}")),
                     ERR_SYNTAX);
}

static void tokens_of_another_kind_of_key_are_for_the_verifying_thread(void **state)
{
    (void)state;
    char *slow[] = {token_by(rsa, RS256(",\"kid\":\"a\"")), token_by(p256, ES256("")),
                    token_by(ed25519, "{\"alg\":\"EdDSA\"}")};
    assert_true(token_verifier_has_slow_key(verifier));
    for (size_t i = 0; i < sizeof slow / sizeof slow[0]; i++) {
        assert_true(token_takes_long(verifier, slice_of(slow[i])));
        free(slow[i]);
    }
    char *fast = hmac_token(HS256, "{\"sub\":\"u\"}");
    assert_false(token_takes_long(verifier, slice_of(fast)));
    free(fast);
}

static void keys_that_cannot_be_used_replace_nothing(void **state)
{
    (void)state;
    struct token_options options = issuer_options();
    char problem[256] = "";
    options.hmac_secret = SLICE_LITERAL(SECRET);
    assert_int_equal(token_verifier_set_keys(verifier, &options, problem), ERR_OK);
    options.hmac_secret = SLICE_LITERAL("short");
    assert_int_equal(token_verifier_set_keys(verifier, &options, problem), ERR_CONFIG);
    assert_non_null(strstr(problem, "5 bytes"));
    assert_int_equal(verify(verifier, hmac_token(HS256, "{\"sub\":\"u\"}")), ERR_OK);
    options.hmac_secret = SLICE_LITERAL("another secret of thirty-two bytes or more");
    options.hmac_previous = SLICE_LITERAL(SECRET);
    assert_int_equal(token_verifier_set_keys(verifier, &options, problem), ERR_OK);
    assert_int_equal(verify(verifier, hmac_token(HS256, "{\"sub\":\"u\"}")), ERR_OK);
    options.hmac_previous = (struct slice){NULL, 0};
    assert_int_equal(token_verifier_set_keys(verifier, &options, problem), ERR_OK);
    assert_int_equal(verify(verifier, hmac_token(HS256, "{\"sub\":\"u\"}")), ERR_SIGNATURE);
}

/* --- while threads verify --- */

struct reader {
    pthread_t thread;
    const char *lasting, *coming; /* good always; good with every second set */
    unsigned failures, good, unknown;
};

static atomic_bool over;

static enum err verify_often_one(const char *token)
{
    struct token_claims claims;
    const char *reason;
    enum err err = token_verify(verifier, slice_of(token), NOW, &claims, &reason);
    if (err == ERR_OK)
        token_claims_release(&claims);
    return err;
}

static void *verify_often(void *data)
{
    struct reader *reader = data;
    while (!atomic_load(&over)) {
        reader->failures += verify_often_one(reader->lasting) != ERR_OK;
        enum err err = verify_often_one(reader->coming);
        reader->good += err == ERR_OK;
        reader->unknown += err == ERR_UNKNOWN;
        reader->failures += err != ERR_OK && err != ERR_UNKNOWN;
    }
    return NULL;
}

static void replace_often(struct jwks *const sets[2])
{
    struct token_options options = issuer_options();
    char problem[256];
    for (unsigned i = 0; i < 2000; i++) {
        token_verifier_set_issued(verifier, sets[i % 2]);
        options.hmac_secret =
            i % 2 ? SLICE_LITERAL(SECRET) : SLICE_LITERAL("another secret of thirty-two bytes");
        assert_int_equal(token_verifier_set_keys(verifier, &options, problem), ERR_OK);
    }
}

static void threads_verify_while_keys_are_replaced(void **state)
{
    (void)state;
    struct jwks *sets[2];
    append_jwk(&elements, p256, ",\"kid\":\"lasting\"");
    sets[0] = set_of(&elements);
    append_jwk(&elements, ed25519, ",\"kid\":\"coming\"");
    append_jwk(&elements, p256, ",\"kid\":\"lasting\"");
    sets[1] = set_of(&elements);
    token_verifier_set_issued(verifier, sets[0]);
    char *lasting = token_by(p256, ES256(",\"kid\":\"lasting\"")),
         *coming = token_by(ed25519, "{\"alg\":\"EdDSA\",\"kid\":\"coming\"}");
    struct reader readers[3];
    atomic_store(&over, false);
    for (size_t i = 0; i < 3; i++) {
        readers[i] = (struct reader){.lasting = lasting, .coming = coming};
        assert_int_equal(pthread_create(&readers[i].thread, NULL, verify_often, &readers[i]), 0);
    }
    replace_often(sets);
    jwks_unref(&sets[0]);
    jwks_unref(&sets[1]);
    atomic_store(&over, true);
    for (size_t i = 0; i < 3; i++) {
        pthread_join(readers[i].thread, NULL);
        assert_int_equal(readers[i].failures, 0);
    }
    assert_int_equal(verify_often_one(coming), ERR_OK);
    free(lasting);
    free(coming);
}

int main(void)
{
#define ISSUED_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ISSUED_TEST(before_any_key_is_known_a_token_may_become_good),
        ISSUED_TEST(a_token_with_a_key_id_is_tried_with_the_keys_of_that_id_only),
        ISSUED_TEST(a_token_without_a_key_id_is_tried_with_every_key_that_fits),
        ISSUED_TEST(a_token_is_tried_with_8_keys_and_no_more),
        ISSUED_TEST(of_keys_with_one_id_each_that_fits_is_tried),
        ISSUED_TEST(a_key_that_names_its_algorithm_is_for_no_other),
        ISSUED_TEST(an_hmac_keyed_with_what_the_issuer_publishes_is_refused),
        ISSUED_TEST(configured_keys_are_good_beside_the_issuers_and_for_every_id),
        ISSUED_TEST(a_key_id_is_a_string_of_at_most_256_bytes),
        ISSUED_TEST(tokens_of_another_kind_of_key_are_for_the_verifying_thread),
        ISSUED_TEST(keys_that_cannot_be_used_replace_nothing),
        ISSUED_TEST(threads_verify_while_keys_are_replaced),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
