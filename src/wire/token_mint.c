#include <roomcast/wire/token.h>

#include <inttypes.h>
#include <jwt.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/random.h>
#include <roomcast/wire/json_text.h>

#define ID_LEN 20 /* of [0-9a-z]: 103 bits */

static void append_member(struct buffer *out, const char *name, struct slice value)
{
    json_append_string(out, slice_of(name));
    buffer_append_char(out, ':');
    json_append_string(out, value);
    buffer_append_char(out, ',');
}

static enum err append_list(struct buffer *out, const char *chats)
{
    char separator = '[';

    for (size_t len; *chats; chats += len + (chats[len] == ',')) {
        struct uuid uuid;
        char text[UUID_TEXT_SIZE];
        len = strcspn(chats, ",");
        if (uuid_parse((struct slice){chats, len}, &uuid))
            return ERR_SYNTAX;
        uuid_format(&uuid, text);
        buffer_append_char(out, separator);
        json_append_string(out, slice_of(text));
        separator = ',';
    }
    buffer_append_text(out, separator == '[' ? "[]," : "],");
    return ERR_OK;
}

static enum err append_chats(struct buffer *out, const struct token_mint *mint)
{
    if (!mint->chats)
        return ERR_OK;
    if (strcmp(mint->chats, "*") == 0) {
        append_member(out, mint->chats_claim, SLICE_LITERAL("*"));
        return ERR_OK;
    }
    json_append_string(out, slice_of(mint->chats_claim));
    buffer_append_char(out, ':');
    return append_list(out, mint->chats);
}

static enum err write_claims(struct buffer *out, const struct token_mint *mint)
{
    struct room_key user;

    /* What a verifier would refuse is not minted; the id is written as it was given. */
    if (room_key_for_user(slice_of(mint->user), &user))
        return ERR_RANGE;
    buffer_append_char(out, '{');
    append_member(out, mint->user_claim, slice_of(mint->user));
    enum err err = append_chats(out, mint);
    if (err)
        return err;
    if (mint->issuer)
        append_member(out, "iss", slice_of(mint->issuer));
    if (mint->audience)
        append_member(out, "aud", slice_of(mint->audience));
    char id[ID_LEN + 1];
    random_text(id, ID_LEN);
    append_member(out, "jti", slice_of(id));
    buffer_appendf(out, "\"iat\":%" PRIu64 ",\"exp\":%" PRIu64 "}", mint->issued_at,
                   mint->issued_at + mint->lifetime_s);
    return buffer_text(out) ? ERR_OK : ERR_TOO_BIG;
}

static enum err sign(const char *claims, const struct token_mint *mint, char **ret_token)
{
    bool is_ecdsa = mint->private_key_pem.len > 0;
    struct slice key = is_ecdsa ? mint->private_key_pem : mint->hmac_secret;
    jwt_t *jwt;
    char *token = NULL;

    if (jwt_new(&jwt))
        return ERR_NO_MEMORY;
    if (!jwt_add_grants_json(jwt, claims) && !jwt_set_alg(jwt, is_ecdsa ? JWT_ALG_ES256 : JWT_ALG_HS256,
                                                          (const unsigned char *)key.data, (int)key.len))
        token = jwt_encode_str(jwt);
    jwt_free(jwt);
    if (!token) /* libjwt does not say which: a key that it cannot use is by far the likelier */
        return is_ecdsa ? ERR_CONFIG : ERR_NO_MEMORY;
    *ret_token = token;
    return ERR_OK;
}

enum err token_mint(const struct token_mint *mint, char **ret_token)
{
    struct buffer claims;

    if (mint->private_key_pem.len > INT_MAX || mint->hmac_secret.len > INT_MAX)
        return ERR_CONFIG;
    if (mint->private_key_pem.len == 0 && mint->hmac_secret.len < TOKEN_SECRET_MIN)
        return ERR_CONFIG;
    buffer_init(&claims, TOKEN_MAX_BYTES / 2); /* base64 and the rest of the token fit into the limit */
    enum err err = write_claims(&claims, mint);
    if (!err)
        err = sign(buffer_text(&claims), mint, ret_token);
    buffer_fini(&claims);
    return err;
}
