/* roomcast.v1.TokenUse, as a struct: a token of which a node has let its bearer in, on <prefix>.sig.used. */
#ifndef ROOMCAST_WIRE_TOKEN_USE_H
#define ROOMCAST_WIRE_TOKEN_USE_H

#include <stdint.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>
#include <roomcast/wire/token.h>

#define TOKEN_USE_VERSION   1
#define TOKEN_USE_MAX_BYTES 1024u
#define TOKEN_USE_ID_BYTES  16

struct token_use {
    unsigned char id[TOKEN_USE_ID_BYTES]; /* BLAKE2b (RFC 7693) of user and jti, the same on every node */
    uint64_t expires_at;                  /* the token's, Unix seconds; above 0 */
};

/* ERR_MISSING, with `ret_reason` static: the token has no usable jti, or no exp. */
enum err token_use_of(const struct token_claims *claims, struct token_use *ret_use,
                      const char **ret_reason) MUST_CHECK;

/* Appends the encoding. ERR_RANGE: it has no expires_at. ERR_NO_MEMORY. */
enum err token_use_encode(const struct token_use *use, struct buffer *out) MUST_CHECK;
/* ERR_VERSION: made by a newer release that says old readers must not judge it. Also ERR_SYNTAX, ERR_RANGE,
 * ERR_TOO_BIG and ERR_NO_MEMORY. */
enum err token_use_decode(struct slice bytes, struct token_use *ret_use) MUST_CHECK;

#endif
