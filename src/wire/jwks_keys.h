/* The keys of a JWK Set, as the verifier uses them. Only token.c and jwks*.c include this. */
#ifndef ROOMCAST_SRC_WIRE_JWKS_KEYS_H
#define ROOMCAST_SRC_WIRE_JWKS_KEYS_H

#include <jansson.h>

#include <roomcast/wire/jwks.h>

#include "token_key.h"

struct jwks_key {
    char *kid; /* owned, 1 to TOKEN_KID_MAX bytes; NULL: none */
    struct token_key key;
};

struct jwks {
    _Atomic unsigned refs;
    size_t count;
    struct jwks_key keys[JWKS_MAX_KEYS];
};

/* jwk.c: one key. Returns NULL, or why it is not taken: static. `*ret_is_fault` is set then. */
const char *jwk_read(const json_t *json, struct jwks_key *ret_key, bool *ret_is_fault);

#endif
