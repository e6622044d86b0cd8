/* JSON Web Tokens (RFC 7519): who a client is, and which chats it may read.
 *
 * HS256/384/512 with the shared secret (libjwt), RS* and ES* 256/384/512 with a PEM key or one of the
 * issuer's (OpenSSL), EdDSA with an Ed25519 one (libsodium; RFC 8037). A token is accepted only when its
 * `alg` belongs to the family of a key: never `none`, never HMAC keyed with a public key (RFC 8725
 * sections 2.1, 3.1, 3.2), never an ES* or RS* alg that does not fit the key's type and curve. `crit` headers
 * are refused.
 *
 * `kid` (RFC 7515 section 4.1.4) chooses among the issuer's keys, by comparison and nothing else; the
 * configured ones have none, and are for tokens with any kid and without. A token without one is tried with
 * the issuer's keys that fit its alg, at most TOKEN_TRIES_MAX. */
#ifndef ROOMCAST_WIRE_TOKEN_H
#define ROOMCAST_WIRE_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <roomcast/base/err.h>
#include <roomcast/base/shared_text.h>
#include <roomcast/base/slice.h>
#include <roomcast/base/uuid.h>
#include <roomcast/wire/jwks.h>
#include <roomcast/wire/room_key.h>

#define TOKEN_MAX_BYTES  65536
#define TOKEN_CHATS_MAX  8192 /* elements of the chats claim */
#define TOKEN_SECRET_MIN 32   /* bytes of an HMAC secret (RFC 7518 section 3.2) */
#define TOKEN_ID_MAX     64   /* bytes of a jti that is kept */
#define TOKEN_KID_MAX    256  /* bytes of a key's id */
#define TOKEN_TRIES_MAX  8    /* issuer's keys that one token is tried with */

struct token_options {
    struct slice hmac_secret;    /* empty: none */
    struct slice hmac_previous;  /* the one before it, whose tokens are still good; empty: none */
    struct slice public_key_pem; /* empty: none */
    bool has_issuer;             /* keys come by token_verifier_set_issued(): none of the above is needed */
    const char *issuer;          /* "" accepts any */
    const char *audience;        /* "" accepts any; the token's may be a string or a list */
    const char *user_claim;
    const char *chats_claim;
    uint64_t leeway_s;
    bool require_expiry;    /* refuse tokens without `exp` */
    size_t keep_claims_max; /* keep the claims as they are, and refuse tokens with more bytes of them; 0: do
                               not keep them */
};

struct token_claims {
    char *user;          /* owned: a ROUTE_TO_USER key as it is stored; token_claims_user() */
    uint64_t expires_at; /* Unix seconds; 0: never */
    uint64_t issued_at;  /* Unix seconds, fractions cut; 0: the token does not say (iat) */
    char *id;            /* owned: jti; NULL when absent or over TOKEN_ID_MAX bytes */
    struct uuid *chats;  /* owned; sorted by memcmp */
    uint32_t chats_count;
    bool all_chats;           /* the chats claim is "*" or holds "*" */
    struct shared_text *text; /* owned reference: the JSON object that the token holds; NULL unless kept */
};

/* Any thread verifies, also while keys are replaced: each verification keeps to the keys that it began with.
 */
struct token_verifier;

/* ERR_CONFIG with `problem` (256 bytes) filled: no usable key, secret too short, a private key given, ... */
enum err token_verifier_new(const struct token_options *options, struct token_verifier **ret_verifier,
                            char *problem) MUST_CHECK;
void token_verifier_free(struct token_verifier **verifier);

/* Any thread. Secrets and public key of `options` take the place of those before; the rest of it is not
 * looked at, but for `has_issuer`. Errors as above: nothing is replaced then. */
enum err token_verifier_set_keys(struct token_verifier *verifier, const struct token_options *options,
                                 char *problem) MUST_CHECK;
/* Any thread. The issuer's keys, in the place of those before; takes a reference of its own. */
void token_verifier_set_issued(struct token_verifier *verifier, struct jwks *jwks);

/* `ret_reason`: a static sentence part for the refusal and the log; it never holds parts of the token.
 * ERR_SYNTAX, ERR_TOO_BIG, ERR_SIGNATURE, ERR_EXPIRED, ERR_NOT_YET, ERR_MISMATCH (iss, aud), ERR_MISSING;
 * ERR_UNKNOWN: the issuer's keys that are known do not hold the one that the token names, or none is known
 * yet: it may be good once they are fetched again; ERR_NO_MEMORY. */
enum err token_verify(const struct token_verifier *verifier, struct slice token, uint64_t now_unix_s,
                      struct token_claims *ret_claims, const char **ret_reason) MUST_CHECK;
/* Has the token a signature that takes long to verify (RS*, ES*: from 20 us to 1 ms), and one that a
 * configured key fits, or one whose key may have to be fetched first? Reads its header only; false for what
 * is refused anyhow. */
bool token_takes_long(const struct token_verifier *verifier, struct slice token);
/* May there be such tokens, now or after keys were replaced? */
bool token_verifier_has_slow_key(const struct token_verifier *verifier);
void token_claims_release(struct token_claims *claims);
static inline struct room_key token_claims_user(const struct token_claims *claims)
{
    struct room_key user;
    room_key_load(claims->user, &user);
    return user;
}
bool token_claims_allow(const struct token_claims *claims, const struct uuid *chat);

/* For development, tests and load: an HS256 token, or an ES256 one when there is a private key, with a random
 * jti. `chats` is a comma-separated list of UUIDs or "*". */
struct token_mint {
    struct slice hmac_secret;
    struct slice private_key_pem;                 /* of ES256; empty: HS256 */
    const char *user, *chats, *issuer, *audience; /* all but user: NULL leaves them out */
    const char *user_claim, *chats_claim;
    uint64_t issued_at, lifetime_s; /* Unix seconds, seconds */
};
/* The caller frees. ERR_CONFIG: the secret is too short, or the key is no P-256 private key; ERR_RANGE: no
 * user id; ERR_SYNTAX: a chat is no UUID; ERR_TOO_BIG; ERR_NO_MEMORY. */
enum err token_mint(const struct token_mint *mint, char **ret_token) MUST_CHECK;

#endif
