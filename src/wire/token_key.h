/* The algorithms that exist for this program, and one public key: which of them it may be used for.
 *
 * Only token.c and jwks.c, and what they consist of, include this.   Thread: any; a key does not change. */
#ifndef ROOMCAST_SRC_WIRE_TOKEN_KEY_H
#define ROOMCAST_SRC_WIRE_TOKEN_KEY_H

#include <stdbool.h>
#include <stddef.h>

#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>
#include <roomcast/wire/token.h>

#define TOKEN_ED25519_BYTES 32
#define TOKEN_KEY_PROBLEM   256
#define TOKEN_RSA_BITS_MIN  2048 /* RFC 7518 section 3.3 */
#define TOKEN_RSA_BITS_ISSUED                                                                                \
    8192 /* most of a key that an issuer may hand out: larger ones cost milliseconds */

enum token_family { TOKEN_HMAC, TOKEN_RSA, TOKEN_ECDSA, TOKEN_EDDSA };

/* A row of the algorithms; any other name is refused (RFC 8725 section 3.1). */
struct token_alg {
    const char *name; /* of the `alg` header, RFC 7518 section 3.1 and RFC 8037 section 3.1 */
    enum token_family family;
    unsigned bits;     /* of its hash function; EdDSA: 0 */
    const char *group; /* TOKEN_ECDSA: OpenSSL's name of the one curve that fits (RFC 7518 section 3.4) */
};
/* NULL: not accepted. Names are compared exactly. */
const struct token_alg *token_alg_find(struct slice name);

struct token_key {
    enum token_family family;     /* TOKEN_HMAC: there is no key */
    const struct token_alg *only; /* static; the one alg it is for. NULL: each that fits */
    char group[32];               /* TOKEN_ECDSA */
    struct evp_pkey_st *pkey;     /* owned; RSA and ECDSA */
    unsigned char ed25519[TOKEN_ED25519_BYTES];
};

/* Takes a reference of its own to `pkey`. ERR_CONFIG with `problem` (TOKEN_KEY_PROBLEM bytes): of another
 * kind, too small, on another curve. */
enum err token_key_init(struct evp_pkey_st *pkey, struct token_key *ret_key, char *problem) MUST_CHECK;
/* Accepts a key that is zero. */
void token_key_fini(struct token_key *key);

/* Is it of the family, type and curve of `alg`, and for that alg? */
bool token_key_fits(const struct token_key *key, const struct token_alg *alg);
/* The same key, for the same alg. */
bool token_key_equal(const struct token_key *a, const struct token_key *b);
/* `alg` is one that the key fits. False also when memory is out. */
bool token_key_verify(const struct token_key *key, const struct token_alg *alg, struct slice signed_text,
                      struct slice signature);

#endif
