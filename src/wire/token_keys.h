/* The keys that the operator configured: secrets and a public key.
 *
 * Counted references to a set that does not change: threads verify with it while another set takes its place.
 * Only token.c includes this.   Thread: any. */
#ifndef ROOMCAST_SRC_WIRE_TOKEN_KEYS_H
#define ROOMCAST_SRC_WIRE_TOKEN_KEYS_H

#include "token_key.h"

struct token_secret {
    char *bytes; /* owned, wiped; NULL: none */
    size_t len;
};

struct token_keys {
    _Atomic unsigned refs;
    struct token_secret secret, previous; /* there is no `previous` without `secret` */
    struct token_key public_key;          /* of no kid: for tokens with any, and with none */
};

/* With one reference, the caller's. ERR_CONFIG with `problem` (TOKEN_KEY_PROBLEM bytes), ERR_NO_MEMORY. */
enum err token_keys_new(const struct token_options *options, struct token_keys **ret_keys,
                        char *problem) MUST_CHECK;
void token_keys_ref(struct token_keys *keys);
/* Accepts NULL, nulls. */
void token_keys_unref(struct token_keys **keys);

/* Is a configured key of the family, type and curve of `alg`? */
bool token_keys_fit(const struct token_keys *keys, const struct token_alg *alg);

#endif
