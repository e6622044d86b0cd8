#include "token_key.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>

#include <roomcast/base/random.h>
#include <roomcast/wire/token.h>

#define PROBLEM_SIZE 256
#define PEM_MAX      65536 /* bytes of a key file */
#define RSA_BITS_MIN 2048  /* RFC 7518 section 3.3 */

static const struct token_alg algs[] = {
    {"HS256", TOKEN_HMAC, 256, NULL},          {"HS384", TOKEN_HMAC, 384, NULL},
    {"HS512", TOKEN_HMAC, 512, NULL},          {"RS256", TOKEN_RSA, 256, NULL},
    {"RS384", TOKEN_RSA, 384, NULL},           {"RS512", TOKEN_RSA, 512, NULL},
    {"ES256", TOKEN_ECDSA, 256, "prime256v1"}, {"ES384", TOKEN_ECDSA, 384, "secp384r1"},
    {"ES512", TOKEN_ECDSA, 512, "secp521r1"},  {"EdDSA", TOKEN_EDDSA, 0, NULL},
};

const struct token_alg *token_alg_find(struct slice name)
{
    for (size_t i = 0; i < sizeof algs / sizeof algs[0]; i++) {
        if (slice_equal(name, slice_of(algs[i].name)))
            return &algs[i];
    }
    return NULL;
}

static enum err problem_is(char *problem, const char *text)
{
    snprintf(problem, PROBLEM_SIZE, "%s", text);
    return ERR_CONFIG;
}

static enum err set_secret(struct slice text, const char *which, struct token_secret *secret, char *problem)
{
    if (text.len < TOKEN_SECRET_MIN) {
        snprintf(problem, PROBLEM_SIZE,
                 "the %sHMAC secret has %zu bytes; at least %d are needed (RFC 7518 3.2)", which, text.len,
                 TOKEN_SECRET_MIN);
        return ERR_CONFIG;
    }
    if (text.len > INT_MAX)
        return problem_is(problem, "the HMAC secret is too long");
    secret->bytes = secret_copy(text.data, text.len);
    secret->len = text.len;
    return secret->bytes ? ERR_OK : ERR_NO_MEMORY;
}

/* How often `needle` stands in `text`. */
static size_t occurrences(struct slice text, const char *needle)
{
    size_t count = 0, len = strlen(needle);
    const char *end = text.data + text.len;

    for (const char *at = text.data; (at = memmem(at, (size_t)(end - at), needle, len)); at += len)
        count++;
    return count;
}

static enum err check_pem_text(struct slice pem, char *problem)
{
    if (pem.len > PEM_MAX)
        return problem_is(problem, "the public key file is too large to be one");
    /* A node needs no private key; one that lies here has been handed out to every node. */
    if (occurrences(pem, "PRIVATE KEY"))
        return problem_is(problem, "a private key was given; give the public key only");
    if (occurrences(pem, "-----BEGIN CERTIFICATE"))
        return problem_is(problem, "a certificate was given; give its public key (openssl x509 -pubkey)");
    if (occurrences(pem, "-----BEGIN ") > 1)
        return problem_is(problem, "the public key file holds more than one key");
    return ERR_OK;
}

static EVP_PKEY *read_pem(struct slice pem)
{
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    EVP_PKEY *key = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;

    BIO_free(bio);
    ERR_clear_error(); /* this thread's queue; the caller gets words of our own */
    return key;
}

/* Keeps the key itself, so that it is read once and not for every token. */
static enum err keep(EVP_PKEY *key, struct token_keys *keys)
{
    if (EVP_PKEY_up_ref(key) != 1)
        return ERR_NO_MEMORY;
    keys->public_key = key;
    return ERR_OK;
}

static enum err set_rsa(EVP_PKEY *key, struct token_keys *keys, char *problem)
{
    if (EVP_PKEY_get_bits(key) < RSA_BITS_MIN) {
        snprintf(problem, PROBLEM_SIZE, "the RSA key has %d bits; at least %d are needed (RFC 7518 3.3)",
                 EVP_PKEY_get_bits(key), RSA_BITS_MIN);
        return ERR_CONFIG;
    }
    keys->public_family = TOKEN_RSA;
    return keep(key, keys);
}

static enum err set_ecdsa(EVP_PKEY *key, struct token_keys *keys, char *problem)
{
    size_t len;

    if (EVP_PKEY_get_group_name(key, keys->public_group, sizeof keys->public_group, &len) != 1)
        return problem_is(problem, "the EC key names no curve");
    for (size_t i = 0; i < sizeof algs / sizeof algs[0]; i++) {
        if (algs[i].group && strcmp(algs[i].group, keys->public_group) == 0) {
            keys->public_family = TOKEN_ECDSA;
            return keep(key, keys);
        }
    }
    return problem_is(problem, "the EC key is not on P-256, P-384 or P-521");
}

static enum err set_ed25519(EVP_PKEY *key, struct token_keys *keys, char *problem)
{
    size_t len = sizeof keys->ed25519;

    if (EVP_PKEY_get_raw_public_key(key, keys->ed25519, &len) != 1 || len != sizeof keys->ed25519)
        return problem_is(problem, "the Ed25519 key cannot be read");
    keys->public_family = TOKEN_EDDSA;
    return ERR_OK;
}

static enum err set_public(struct slice pem, struct token_keys *keys, char *problem)
{
    enum err err = check_pem_text(pem, problem);

    if (err)
        return err;
    EVP_PKEY *key = read_pem(pem);
    if (!key)
        return problem_is(problem, "the public key file holds no PEM public key");
    switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
        err = set_rsa(key, keys, problem);
        break;
    case EVP_PKEY_EC:
        err = set_ecdsa(key, keys, problem);
        break;
    case EVP_PKEY_ED25519:
        err = set_ed25519(key, keys, problem);
        break;
    default:
        err = problem_is(problem, "the public key is none of RSA, EC and Ed25519");
    }
    EVP_PKEY_free(key);
    return err;
}

enum err token_keys_init(const struct token_options *options, struct token_keys *ret_keys, char *problem)
{
    struct token_keys keys = {.public_family = TOKEN_HMAC};
    enum err err = ERR_OK;

    if (options->hmac_secret.len == 0 && options->public_key_pem.len == 0)
        return problem_is(problem, "no key to verify tokens with: give an HMAC secret or a public key");
    if (options->hmac_secret.len == 0 && options->hmac_previous.len > 0)
        return problem_is(problem, "there is a previous HMAC secret, but no present one");
    if (options->hmac_secret.len)
        err = set_secret(options->hmac_secret, "", &keys.secret, problem);
    if (!err && options->hmac_previous.len)
        err = set_secret(options->hmac_previous, "previous ", &keys.previous, problem);
    if (!err && options->public_key_pem.len)
        err = set_public(options->public_key_pem, &keys, problem);
    if (err) {
        token_keys_fini(&keys);
        return err;
    }
    *ret_keys = keys;
    return ERR_OK;
}

void token_keys_fini(struct token_keys *keys)
{
    secret_free(&keys->secret.bytes);
    secret_free(&keys->previous.bytes);
    EVP_PKEY_free(keys->public_key);
    *keys = (struct token_keys){.public_family = TOKEN_HMAC};
}

bool token_keys_fit(const struct token_keys *keys, const struct token_alg *alg)
{
    if (alg->family == TOKEN_HMAC)
        return keys->secret.bytes != NULL;
    return alg->family == keys->public_family &&
           (alg->family != TOKEN_ECDSA || strcmp(alg->group, keys->public_group) == 0);
}
