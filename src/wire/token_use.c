#include <roomcast/wire/token_use.h>

#include <sodium.h>
#include <string.h>

#include <roomcast/v1/token_use.pb-c.h>

#include "pb_memory.h"

#define DECODE_BUDGET (16u * 1024)

/* Neither a user's id nor a jti as it is kept holds a zero byte, so one between them keeps them apart. */
static void tell_apart(const struct token_claims *claims, unsigned char *id)
{
    crypto_generichash_state state;
    struct room_key user = token_claims_user(claims);
    struct slice name = room_key_name(&user);

    crypto_generichash_init(&state, NULL, 0, TOKEN_USE_ID_BYTES);
    crypto_generichash_update(&state, (const unsigned char *)name.data, name.len);
    crypto_generichash_update(&state, (const unsigned char *)"", 1);
    crypto_generichash_update(&state, (const unsigned char *)claims->id, strlen(claims->id));
    crypto_generichash_final(&state, id, TOKEN_USE_ID_BYTES);
}

enum err token_use_of(const struct token_claims *claims, struct token_use *ret_use, const char **ret_reason)
{
    _Static_assert(TOKEN_USE_ID_BYTES >= crypto_generichash_BYTES_MIN, "a length that BLAKE2b gives");
    _Static_assert(TOKEN_ID_MAX == 64, "as the reason says");
    if (!claims->id) {
        *ret_reason = "the token has no id of 1 to 64 bytes (jti), which a token for one use needs";
        return ERR_MISSING;
    }
    if (claims->expires_at == 0) {
        *ret_reason = "the token has no expiry (exp), which a token for one use needs";
        return ERR_MISSING;
    }
    tell_apart(claims, ret_use->id);
    ret_use->expires_at = claims->expires_at;
    return ERR_OK;
}

enum err token_use_encode(const struct token_use *use, struct buffer *out)
{
    Roomcast__V1__TokenUse message = ROOMCAST__V1__TOKEN_USE__INIT;

    if (use->expires_at == 0)
        return ERR_RANGE;
    message.version = TOKEN_USE_VERSION;
    message.token.data = (uint8_t *)use->id;
    message.token.len = sizeof use->id;
    message.expires_at = use->expires_at;
    return pb_encode(&message.base, TOKEN_USE_MAX_BYTES, out);
}

static enum err to_struct(const Roomcast__V1__TokenUse *message, struct token_use *ret_use)
{
    if (message->version > TOKEN_USE_VERSION)
        return ERR_VERSION;
    if (message->version == 0 || message->token.len != sizeof ret_use->id || message->expires_at == 0)
        return ERR_RANGE;
    memcpy(ret_use->id, message->token.data, sizeof ret_use->id);
    ret_use->expires_at = message->expires_at;
    return ERR_OK;
}

enum err token_use_decode(struct slice bytes, struct token_use *ret_use)
{
    ProtobufCMessage *message;

    if (bytes.len > TOKEN_USE_MAX_BYTES)
        return ERR_TOO_BIG;
    enum err err = pb_decode(&roomcast__v1__token_use__descriptor, bytes, DECODE_BUDGET, &message);
    if (err)
        return err;
    err = to_struct((const Roomcast__V1__TokenUse *)message, ret_use);
    protobuf_c_message_free_unpacked(message, NULL);
    return err;
}
