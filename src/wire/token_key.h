/* The keys that tokens are verified with, and which `alg` each of them may be used for.
 *
 * Only token.c includes this. Immutable after token_keys_init. */
#ifndef ROOMCAST_SRC_WIRE_TOKEN_KEY_H
#define ROOMCAST_SRC_WIRE_TOKEN_KEY_H

#include <stdbool.h>
#include <stddef.h>

#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>
#include <roomcast/wire/token.h>

#define TOKEN_ED25519_BYTES 32

enum token_family { TOKEN_HMAC, TOKEN_RSA, TOKEN_ECDSA, TOKEN_EDDSA };

/* A row of the algorithms that exist for this program; any other name is refused (RFC 8725 section 3.1). */
struct token_alg {
    const char *name; /* of the `alg` header, RFC 7518 section 3.1 and RFC 8037 section 3.1 */
    enum token_family family;
    unsigned bits;     /* of its hash function; EdDSA: 0 */
    const char *group; /* TOKEN_ECDSA: OpenSSL's name of the one curve that fits (RFC 7518 section 3.4) */
};
/* NULL: not accepted. Names are compared exactly. */
const struct token_alg *token_alg_find(struct slice name);

struct token_keys {
    struct token_secret {
        char *bytes; /* owned, wiped; NULL: none */
        size_t len;
    } secret, previous;              /* there is no `previous` without `secret` */
    enum token_family public_family; /* of the public key; TOKEN_HMAC: there is none */
    char public_group[32];           /* TOKEN_ECDSA */
    struct evp_pkey_st *public_key;  /* owned; RSA and ECDSA */
    unsigned char ed25519[TOKEN_ED25519_BYTES];
};

/* ERR_CONFIG with `problem` (256 bytes), ERR_NO_MEMORY. */
enum err token_keys_init(const struct token_options *options, struct token_keys *ret_keys,
                         char *problem) MUST_CHECK;
void token_keys_fini(struct token_keys *keys);

/* Is a configured key of the family, type and curve of `alg`? */
bool token_keys_fit(const struct token_keys *keys, const struct token_alg *alg);

#endif
