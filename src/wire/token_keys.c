#include "token_keys.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <roomcast/base/random.h>

#define PEM_MAX 65536 /* bytes of a key file */

static enum err problem_is(char *problem, const char *text)
{
    snprintf(problem, TOKEN_KEY_PROBLEM, "%s", text);
    return ERR_CONFIG;
}

static enum err set_secret(struct slice text, const char *which, struct token_secret *secret, char *problem)
{
    if (text.len < TOKEN_SECRET_MIN) {
        snprintf(problem, TOKEN_KEY_PROBLEM,
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

static enum err set_public(struct slice pem, struct token_key *ret_key, char *problem)
{
    enum err err = check_pem_text(pem, problem);

    if (err)
        return err;
    EVP_PKEY *pkey = read_pem(pem);
    if (!pkey)
        return problem_is(problem, "the public key file holds no PEM public key");
    err = token_key_init(pkey, ret_key, problem);
    EVP_PKEY_free(pkey);
    return err;
}

static enum err fill(const struct token_options *options, struct token_keys *keys, char *problem)
{
    enum err err = ERR_OK;

    if (options->hmac_secret.len == 0 && options->hmac_previous.len > 0)
        return problem_is(problem, "there is a previous HMAC secret, but no present one");
    if (options->hmac_secret.len == 0 && options->public_key_pem.len == 0 && !options->has_issuer)
        return problem_is(problem, "no key to verify tokens with: give an HMAC secret or a public key");
    if (options->hmac_secret.len)
        err = set_secret(options->hmac_secret, "", &keys->secret, problem);
    if (!err && options->hmac_previous.len)
        err = set_secret(options->hmac_previous, "previous ", &keys->previous, problem);
    if (!err && options->public_key_pem.len)
        err = set_public(options->public_key_pem, &keys->public_key, problem);
    return err;
}

enum err token_keys_new(const struct token_options *options, struct token_keys **ret_keys, char *problem)
{
    struct token_keys *keys = calloc(1, sizeof *keys);

    if (!keys)
        return ERR_NO_MEMORY;
    atomic_init(&keys->refs, 1);
    enum err err = fill(options, keys, problem);
    if (err)
        token_keys_unref(&keys);
    else
        *ret_keys = keys;
    return err;
}

void token_keys_ref(struct token_keys *keys)
{
    atomic_fetch_add_explicit(&keys->refs, 1, memory_order_relaxed);
}

void token_keys_unref(struct token_keys **pointer)
{
    struct token_keys *keys = *pointer;

    *pointer = NULL;
    if (!keys || atomic_fetch_sub_explicit(&keys->refs, 1, memory_order_acq_rel) > 1)
        return;
    secret_free(&keys->secret.bytes);
    secret_free(&keys->previous.bytes);
    token_key_fini(&keys->public_key);
    free(keys);
}

bool token_keys_fit(const struct token_keys *keys, const struct token_alg *alg)
{
    return alg->family == TOKEN_HMAC ? keys->secret.bytes != NULL : token_key_fits(&keys->public_key, alg);
}
