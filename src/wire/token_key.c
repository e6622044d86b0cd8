#include "token_key.h"

#include <openssl/evp.h>
#include <sodium.h>
#include <stdio.h>

#include "token_signature.h"

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
    snprintf(problem, TOKEN_KEY_PROBLEM, "%s", text);
    return ERR_CONFIG;
}

/* Keeps the key itself, so that it is read once and not for every token. */
static enum err keep(EVP_PKEY *pkey, enum token_family family, struct token_key *key)
{
    if (EVP_PKEY_up_ref(pkey) != 1)
        return ERR_NO_MEMORY;
    key->pkey = pkey;
    key->family = family;
    return ERR_OK;
}

static enum err set_rsa(EVP_PKEY *pkey, struct token_key *key, char *problem)
{
    if (EVP_PKEY_get_bits(pkey) >= TOKEN_RSA_BITS_MIN)
        return keep(pkey, TOKEN_RSA, key);
    snprintf(problem, TOKEN_KEY_PROBLEM, "the RSA key has %d bits; at least %d are needed (RFC 7518 3.3)",
             EVP_PKEY_get_bits(pkey), TOKEN_RSA_BITS_MIN);
    return ERR_CONFIG;
}

static enum err set_ecdsa(EVP_PKEY *pkey, struct token_key *key, char *problem)
{
    size_t len;

    if (EVP_PKEY_get_group_name(pkey, key->group, sizeof key->group, &len) != 1)
        return problem_is(problem, "the EC key names no curve");
    for (size_t i = 0; i < sizeof algs / sizeof algs[0]; i++) {
        if (algs[i].group && strcmp(algs[i].group, key->group) == 0)
            return keep(pkey, TOKEN_ECDSA, key);
    }
    return problem_is(problem, "the EC key is not on P-256, P-384 or P-521");
}

static enum err set_ed25519(EVP_PKEY *pkey, struct token_key *key, char *problem)
{
    size_t len = sizeof key->ed25519;

    if (EVP_PKEY_get_raw_public_key(pkey, key->ed25519, &len) != 1 || len != sizeof key->ed25519)
        return problem_is(problem, "the Ed25519 key cannot be read");
    key->family = TOKEN_EDDSA;
    return ERR_OK;
}

static enum err fill(EVP_PKEY *pkey, struct token_key *key, char *problem)
{
    switch (EVP_PKEY_get_base_id(pkey)) {
    case EVP_PKEY_RSA:
        return set_rsa(pkey, key, problem);
    case EVP_PKEY_EC:
        return set_ecdsa(pkey, key, problem);
    case EVP_PKEY_ED25519:
        return set_ed25519(pkey, key, problem);
    default:
        return problem_is(problem, "the public key is none of RSA, EC and Ed25519");
    }
}

enum err token_key_init(EVP_PKEY *pkey, struct token_key *ret_key, char *problem)
{
    struct token_key key = {.family = TOKEN_HMAC};
    enum err err = fill(pkey, &key, problem);

    if (!err)
        *ret_key = key;
    return err;
}

void token_key_fini(struct token_key *key)
{
    EVP_PKEY_free(key->pkey);
    *key = (struct token_key){.family = TOKEN_HMAC};
}

bool token_key_fits(const struct token_key *key, const struct token_alg *alg)
{
    return alg->family != TOKEN_HMAC && alg->family == key->family && (!key->only || key->only == alg) &&
           (alg->family != TOKEN_ECDSA || strcmp(alg->group, key->group) == 0);
}

bool token_key_equal(const struct token_key *a, const struct token_key *b)
{
    if (a->family != b->family || a->only != b->only)
        return false;
    return a->family == TOKEN_EDDSA ? memcmp(a->ed25519, b->ed25519, sizeof a->ed25519) == 0
                                    : EVP_PKEY_eq(a->pkey, b->pkey) == 1;
}

/* RFC 8037 section 3.1: the signature is the 64 bytes of RFC 8032. */
static bool verify_eddsa(const struct token_key *key, struct slice signed_text, struct slice signature)
{
    return signature.len == crypto_sign_BYTES &&
           crypto_sign_verify_detached((const unsigned char *)signature.data,
                                       (const unsigned char *)signed_text.data, signed_text.len,
                                       key->ed25519) == 0;
}

bool token_key_verify(const struct token_key *key, const struct token_alg *alg, struct slice signed_text,
                      struct slice signature)
{
    return alg->family == TOKEN_EDDSA ? verify_eddsa(key, signed_text, signature)
                                      : token_signature_verify(key->pkey, alg, signed_text, signature);
}
