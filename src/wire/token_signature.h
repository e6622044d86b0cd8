/* Signatures of RS* and ES* tokens (RFC 7518 sections 3.3 and 3.4), by OpenSSL itself.
 *
 * Not by libjwt, which takes keys as PEM text and reads it anew for every token: of the 300 us that an ES256
 * token cost with it, 250 went there.
 *
 * Thread: any, also several with one key. Only token.c includes this. */
#ifndef ROOMCAST_SRC_WIRE_TOKEN_SIGNATURE_H
#define ROOMCAST_SRC_WIRE_TOKEN_SIGNATURE_H

#include <stdbool.h>

#include <roomcast/base/slice.h>

#include "token_key.h"

#define TOKEN_SIGNATURE_MAX 2048 /* bytes: RSA with 16384 bits */

/* `key` is of the family, type and curve of `alg`. False also when memory is out. */
bool token_signature_verify(struct evp_pkey_st *key, const struct token_alg *alg, struct slice signed_text,
                            struct slice signature);

#endif
