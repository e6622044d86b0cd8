#include "token_test.h"

#include <jwt.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <pthread.h>

#define CLAIMS "{\"sub\":\"u\"}"

/* A key pair made for this run, as PEM text. */
struct pair {
    char *public_pem, *private_pem;
    unsigned char secret[crypto_sign_SECRETKEYBYTES]; /* Ed25519 only, libsodium's form */
};

static struct pair rsa, rsa_1024, p256, p384, p521, secp256k1, ed25519, ed448;

static char *pem_text(BIO *bio)
{
    char *data;
    size_t len = (size_t)BIO_get_mem_data(bio, &data);
    char *text = strndup(data, len);

    assert_non_null(text);
    BIO_free(bio);
    return text;
}

static struct pair pair_of(EVP_PKEY *key)
{
    BIO *public_bio = BIO_new(BIO_s_mem()), *private_bio = BIO_new(BIO_s_mem());
    struct pair pair = {0};

    assert_non_null(key);
    assert_int_equal(PEM_write_bio_PUBKEY(public_bio, key), 1);
    assert_int_equal(PEM_write_bio_PKCS8PrivateKey(private_bio, key, NULL, NULL, 0, NULL, NULL), 1);
    pair.public_pem = pem_text(public_bio);
    pair.private_pem = pem_text(private_bio);
    size_t len = 32;
    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519) {
        unsigned char seed[32], public_key[32];
        assert_int_equal(EVP_PKEY_get_raw_private_key(key, seed, &len), 1);
        crypto_sign_seed_keypair(public_key, pair.secret, seed);
    }
    EVP_PKEY_free(key);
    return pair;
}

static void free_pair(struct pair *pair)
{
    free(pair->public_pem);
    free(pair->private_pem);
}

static int start(void **state)
{
    (void)state;
    if (sodium_init() < 0)
        return -1;
    rsa = pair_of(EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048));
    rsa_1024 = pair_of(EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024));
    p256 = pair_of(EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256"));
    p384 = pair_of(EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384"));
    p521 = pair_of(EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-521"));
    secp256k1 = pair_of(EVP_PKEY_Q_keygen(NULL, NULL, "EC", "secp256k1"));
    ed25519 = pair_of(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
    ed448 = pair_of(EVP_PKEY_Q_keygen(NULL, NULL, "ED448"));
    return 0;
}

static int stop(void **state)
{
    (void)state;
    struct pair *const all[] = {&rsa, &rsa_1024, &p256, &p384, &p521, &secp256k1, &ed25519, &ed448};

    for (size_t i = 0; i < COUNT(all); i++)
        free_pair(all[i]);
    return 0;
}

/* A token signed by libjwt. */
static char *signed_token(jwt_alg_t alg, const char *key)
{
    jwt_t *jwt;

    assert_int_equal(jwt_new(&jwt), 0);
    assert_int_equal(jwt_add_grants_json(jwt, CLAIMS), 0);
    assert_int_equal(jwt_set_alg(jwt, alg, (const unsigned char *)key, (int)strlen(key)), 0);
    char *token = jwt_encode_str(jwt);
    jwt_free(jwt);
    assert_non_null(token);
    return token;
}

static enum err verify_with(const char *public_pem, char *token)
{
    struct token_options options = pem_options(public_pem);
    struct token_verifier *verifier = new_verifier(&options);
    enum err err = verify(verifier, token);

    token_verifier_free(&verifier);
    return err;
}

static void every_algorithm_verifies_with_its_key(void **state)
{
    (void)state;
    static const struct {
        jwt_alg_t alg;
        const struct pair *pair;
    } cases[] = {
        {JWT_ALG_RS256, &rsa},  {JWT_ALG_RS384, &rsa},  {JWT_ALG_RS512, &rsa},
        {JWT_ALG_ES256, &p256}, {JWT_ALG_ES384, &p384}, {JWT_ALG_ES512, &p521},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        char *token = signed_token(cases[i].alg, cases[i].pair->private_pem);
        assert_int_equal(verify_with(cases[i].pair->public_pem, token), ERR_OK);
    }
    assert_int_equal(
        verify_with(ed25519.public_pem, eddsa_token("{\"alg\":\"EdDSA\"}", CLAIMS, ed25519.secret)), ERR_OK);
}

static void every_hmac_size_verifies_with_the_secret(void **state)
{
    (void)state;
    static const jwt_alg_t algs[] = {JWT_ALG_HS256, JWT_ALG_HS384, JWT_ALG_HS512};
    struct token_options options = hmac_options();
    struct token_verifier *verifier = new_verifier(&options);

    for (size_t i = 0; i < COUNT(algs); i++)
        assert_int_equal(verify(verifier, signed_token(algs[i], SECRET)), ERR_OK);
    token_verifier_free(&verifier);
}

static void the_example_of_rfc_8037_a_4_has_a_good_signature_over_no_claims(void **state)
{
    (void)state;
    static const char pem[] = "-----BEGIN PUBLIC KEY-----\n"
                              "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n"
                              "-----END PUBLIC KEY-----\n";
    static const char example[] =
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_"
        "MuM0KAg";
    /* The key's seed, of appendix A.1. */
    static const unsigned char seed[32] = {0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a,
                                           0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32,
                                           0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60};
    unsigned char public_key[32], secret_key[64];

    /* The example signs plain text, which is no JWT. */
    assert_int_equal(verify_with(pem, strdup(example)), ERR_SYNTAX);
    crypto_sign_seed_keypair(public_key, secret_key, seed);
    assert_int_equal(verify_with(pem, eddsa_token("{\"alg\":\"EdDSA\"}", CLAIMS, secret_key)), ERR_OK);
    char *same = eddsa_token("{\"alg\":\"EdDSA\"}", "Example of Ed25519 signing", secret_key);
    assert_string_equal(same, example);
    free(same);
}

static void a_signature_of_another_key_is_refused(void **state)
{
    (void)state;
    struct pair other = pair_of(EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256"));
    unsigned char public_key[32], secret_key[64];

    assert_int_equal(verify_with(other.public_pem, signed_token(JWT_ALG_ES256, p256.private_pem)),
                     ERR_SIGNATURE);
    crypto_sign_keypair(public_key, secret_key);
    assert_int_equal(verify_with(ed25519.public_pem, eddsa_token("{\"alg\":\"EdDSA\"}", CLAIMS, secret_key)),
                     ERR_SIGNATURE);
    free_pair(&other);
}

static void an_hmac_keyed_with_the_public_key_is_refused(void **state)
{
    (void)state;
    const struct pair *const pairs[] = {&rsa, &p256, &ed25519};

    for (size_t i = 0; i < COUNT(pairs); i++) {
        char *token =
            hmac_token_bytes(SLICE_LITERAL(HS256), SLICE_LITERAL(CLAIMS), slice_of(pairs[i]->public_pem));
        assert_int_equal(verify_with(pairs[i]->public_pem, token), ERR_SIGNATURE);
    }
}

static void a_public_key_beside_a_secret_does_not_open_that_door(void **state)
{
    (void)state;
    struct token_options options = hmac_options();

    options.public_key_pem = slice_of(rsa.public_pem);
    struct token_verifier *verifier = new_verifier(&options);
    assert_int_equal(verify(verifier, hmac_token(HS256, CLAIMS)), ERR_OK);
    assert_int_equal(verify(verifier, signed_token(JWT_ALG_RS256, rsa.private_pem)), ERR_OK);
    assert_int_equal(verify(verifier, hmac_token_bytes(SLICE_LITERAL(HS256), SLICE_LITERAL(CLAIMS),
                                                       slice_of(rsa.public_pem))),
                     ERR_SIGNATURE);
    token_verifier_free(&verifier);
}

static void an_algorithm_of_another_family_or_curve_is_refused(void **state)
{
    (void)state;
    assert_int_equal(verify_with(p256.public_pem, signed_token(JWT_ALG_RS256, rsa.private_pem)),
                     ERR_SIGNATURE);
    assert_int_equal(verify_with(rsa.public_pem, signed_token(JWT_ALG_ES256, p256.private_pem)),
                     ERR_SIGNATURE);
    assert_int_equal(verify_with(p256.public_pem, signed_token(JWT_ALG_ES384, p384.private_pem)),
                     ERR_SIGNATURE);
    assert_int_equal(verify_with(rsa.public_pem, eddsa_token("{\"alg\":\"EdDSA\"}", CLAIMS, ed25519.secret)),
                     ERR_SIGNATURE);
    assert_int_equal(verify_with(ed25519.public_pem, signed_token(JWT_ALG_ES256, p256.private_pem)),
                     ERR_SIGNATURE);
    assert_int_equal(verify_with(ed25519.public_pem, hmac_token(HS256, CLAIMS)), ERR_SIGNATURE);
    /* libjwt signs ES384 with a P-256 key; RFC 7518 section 3.4 gives every alg one curve. */
    assert_int_equal(verify_with(p256.public_pem, signed_token(JWT_ALG_ES384, p256.private_pem)),
                     ERR_SIGNATURE);
}

static void a_stripped_or_cut_signature_is_refused(void **state)
{
    (void)state;
    char *token = signed_token(JWT_ALG_RS256, rsa.private_pem);
    strrchr(token, '.')[1] = '\0';
    assert_int_equal(verify_with(rsa.public_pem, token), ERR_SYNTAX);
    token = signed_token(JWT_ALG_ES256, p256.private_pem);
    token[strlen(token) - 4] = '\0';
    assert_int_equal(verify_with(p256.public_pem, token), ERR_SIGNATURE);
    token = eddsa_token("{\"alg\":\"EdDSA\"}", CLAIMS, ed25519.secret);
    token[strlen(token) - 4] = '\0';
    assert_int_equal(verify_with(ed25519.public_pem, token), ERR_SIGNATURE);
    token = eddsa_token("{\"alg\":\"EdDSA\"}", CLAIMS, ed25519.secret);
    append_base64url(&token, "more", 4);
    assert_int_equal(verify_with(ed25519.public_pem, token), ERR_SIGNATURE);
    /* ECDSA: r and s all zero, CVE-2022-21449. */
    char zeroes[64] = {0};
    token = append_dot(unsigned_token(SLICE_LITERAL("{\"alg\":\"ES256\"}"), SLICE_LITERAL(CLAIMS)));
    append_base64url(&token, zeroes, sizeof zeroes);
    assert_int_equal(verify_with(p256.public_pem, token), ERR_SIGNATURE);
}

static void refuse_key(const struct token_options *options, const char *words)
{
    struct token_verifier *verifier = NULL;
    char problem[256] = "";

    assert_int_equal(token_verifier_new(options, &verifier, problem), ERR_CONFIG);
    assert_null(verifier);
    if (!strstr(problem, words))
        fail_msg("\"%s\" does not say \"%s\"", problem, words);
}

static void refuse_pem(const char *pem, const char *words)
{
    struct token_options options = pem_options(pem);

    refuse_key(&options, words);
}

static void keys_that_must_not_be_used_are_refused_with_the_reason(void **state)
{
    (void)state;
    char both[8192];

    refuse_pem("", "no key");
    refuse_pem("not a key", "no PEM public key");
    refuse_pem("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "no PEM public key");
    refuse_pem(rsa.private_pem, "private key");
    refuse_pem(ed25519.private_pem, "private key");
    snprintf(both, sizeof both, "%s%s", p256.public_pem, p256.private_pem);
    refuse_pem(both, "private key");
    snprintf(both, sizeof both, "%s%s", p256.public_pem, rsa.public_pem);
    refuse_pem(both, "more than one");
    refuse_pem("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "certificate");
    refuse_pem(rsa_1024.public_pem, "1024 bits");
    refuse_pem(secp256k1.public_pem, "P-256");
    refuse_pem(ed448.public_pem, "none of RSA");
}

static void secrets_that_are_too_short_are_refused(void **state)
{
    (void)state;
    struct token_options options = hmac_options();

    options.hmac_secret = SLICE_LITERAL("0123456789abcdef0123456789abcde");
    refuse_key(&options, "31 bytes");
    options.public_key_pem = slice_of(rsa.public_pem);
    refuse_key(&options, "31 bytes");
    options = pem_options("");
    refuse_key(&options, "no key");
}

static void text_around_a_public_key_does_no_harm(void **state)
{
    (void)state;
    char text[8192];

    snprintf(text, sizeof text, "Key of the identity service\r\n\r\n%s\n# end\n", rsa.public_pem);
    assert_int_equal(verify_with(text, signed_token(JWT_ALG_RS256, rsa.private_pem)), ERR_OK);
}

struct thread_job {
    pthread_t thread;
    const struct token_verifier *verifier;
    const char *good, *bad;
    unsigned failures;
};

static void *verify_often(void *data)
{
    struct thread_job *job = data;

    for (int i = 0; i < 100; i++) {
        struct token_claims claims;
        const char *reason;
        if (token_verify(job->verifier, slice_of(job->good), NOW, &claims, &reason))
            job->failures++;
        else
            token_claims_release(&claims);
        if (token_verify(job->verifier, slice_of(job->bad), NOW, &claims, &reason) != ERR_SIGNATURE)
            job->failures++;
    }
    return NULL;
}

static void threads_share_one_verifier(void **state)
{
    (void)state;
    struct token_options options = pem_options(p256.public_pem);
    struct token_verifier *verifier = new_verifier(&options);
    char *good = signed_token(JWT_ALG_ES256, p256.private_pem), *bad = hmac_token(HS256, CLAIMS);
    struct thread_job jobs[4];

    for (size_t i = 0; i < COUNT(jobs); i++) {
        jobs[i] = (struct thread_job){.verifier = verifier, .good = good, .bad = bad};
        assert_int_equal(pthread_create(&jobs[i].thread, NULL, verify_often, &jobs[i]), 0);
    }
    for (size_t i = 0; i < COUNT(jobs); i++) {
        pthread_join(jobs[i].thread, NULL);
        assert_int_equal(jobs[i].failures, 0);
    }
    free(good);
    free(bad);
    token_verifier_free(&verifier);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_algorithm_verifies_with_its_key),
        cmocka_unit_test(every_hmac_size_verifies_with_the_secret),
        cmocka_unit_test(the_example_of_rfc_8037_a_4_has_a_good_signature_over_no_claims),
        cmocka_unit_test(a_signature_of_another_key_is_refused),
        cmocka_unit_test(an_hmac_keyed_with_the_public_key_is_refused),
        cmocka_unit_test(a_public_key_beside_a_secret_does_not_open_that_door),
        cmocka_unit_test(an_algorithm_of_another_family_or_curve_is_refused),
        cmocka_unit_test(a_stripped_or_cut_signature_is_refused),
        cmocka_unit_test(keys_that_must_not_be_used_are_refused_with_the_reason),
        cmocka_unit_test(secrets_that_are_too_short_are_refused),
        cmocka_unit_test(text_around_a_public_key_does_no_harm),
        cmocka_unit_test(threads_share_one_verifier),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
