#include "token_claims.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum err refuse(const char **ret_reason, enum err err, const char *reason)
{
    *ret_reason = reason;
    return err;
}

static struct slice string_slice(const json_t *string)
{
    return (struct slice){json_string_value(string), json_string_length(string)};
}

/* RFC 7519 section 4.1.4: valid while now < exp, give or take the leeway. */
static enum err read_expiry(const json_t *claims, const struct token_rules *rules, uint64_t now,
                            uint64_t *ret_expires_at, const char **ret_reason)
{
    const json_t *exp = json_object_get(claims, "exp");
    double expiry = json_number_value(exp);

    if (!exp && rules->require_expiry)
        return refuse(ret_reason, ERR_MISSING, "the token has no expiry (exp)");
    if (!exp) {
        *ret_expires_at = 0;
        return ERR_OK;
    }
    if (!json_is_number(exp))
        return refuse(ret_reason, ERR_SYNTAX, "exp is not a number");
    if (expiry + (double)rules->leeway_s <= (double)now)
        return refuse(ret_reason, ERR_EXPIRED, "the token has expired");
    if (expiry < 1)
        expiry = 1; /* 0 means never */
    *ret_expires_at = expiry < 9007199254740992.0 ? (uint64_t)expiry : (UINT64_C(1) << 53) - 1;
    return ERR_OK;
}

/* RFC 7519 section 4.1.6. What is no usable time counts as none: a revocation then binds the token. */
static uint64_t read_issued_at(const json_t *claims)
{
    double issued = json_number_value(json_object_get(claims, "iat"));

    return issued >= 1 && issued < 9007199254740992.0 ? (uint64_t)issued : 0;
}

/* RFC 7519 section 4.1.5: valid from nbf on. */
static enum err check_not_before(const json_t *claims, const struct token_rules *rules, uint64_t now,
                                 const char **ret_reason)
{
    const json_t *nbf = json_object_get(claims, "nbf");

    if (nbf && !json_is_number(nbf))
        return refuse(ret_reason, ERR_SYNTAX, "nbf is not a number");
    if (nbf && json_number_value(nbf) > (double)now + (double)rules->leeway_s)
        return refuse(ret_reason, ERR_NOT_YET, "the token is not valid yet");
    return ERR_OK;
}

static bool is_text(const json_t *value, const char *text)
{
    return json_is_string(value) && slice_equal(string_slice(value), slice_of(text));
}

/* RFC 7519 section 4.1.3: one string, or a list with ours in it. */
static bool has_audience(const json_t *aud, const char *audience)
{
    if (is_text(aud, audience))
        return true;
    for (size_t i = 0; i < json_array_size(aud); i++) {
        if (is_text(json_array_get(aud, i), audience))
            return true;
    }
    return false;
}

static enum err check_parties(const json_t *claims, const struct token_rules *rules, const char **ret_reason)
{
    if (*rules->issuer && !is_text(json_object_get(claims, "iss"), rules->issuer))
        return refuse(ret_reason, ERR_MISMATCH, "the token is of another issuer (iss)");
    if (*rules->audience && !has_audience(json_object_get(claims, "aud"), rules->audience))
        return refuse(ret_reason, ERR_MISMATCH, "the token is for another audience (aud)");
    return ERR_OK;
}

static enum err read_user(const json_t *claims, const char *name, char **ret_user, const char **ret_reason)
{
    const json_t *value = json_object_get(claims, name);
    struct slice user = string_slice(value);
    struct room_key key;
    char digits[24];

    if (!value)
        return refuse(ret_reason, ERR_MISSING, "the token names no user");
    if (json_is_integer(value)) { /* ids straight from a database column */
        snprintf(digits, sizeof digits, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        user = slice_of(digits);
    }
    if (room_key_for_user(user, &key))
        return refuse(ret_reason, ERR_SYNTAX, "the token's user id is empty, too long or no plain text");
    *ret_user = room_key_store(&key);
    return *ret_user ? ERR_OK : refuse(ret_reason, ERR_NO_MEMORY, err_text(ERR_NO_MEMORY));
}

static void read_id(const json_t *claims, struct token_claims *ret_claims)
{
    struct slice id = string_slice(json_object_get(claims, "jti"));

    if (id.len > 0 && id.len <= TOKEN_ID_MAX)
        ret_claims->id =
            strndup(id.data, id.len); /* NULL too when memory is out: it only tells tokens apart */
}

static int compare_uuids(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct uuid));
}

/* Elements that are neither a UUID nor "*" are ids of something else: they match no chat. */
static enum err read_chats(const json_t *claims, const char *name, struct token_claims *ret_claims,
                           const char **ret_reason)
{
    const json_t *chats = json_object_get(claims, name);
    size_t count = json_array_size(chats);

    ret_claims->all_chats = is_text(chats, "*");
    if (count > TOKEN_CHATS_MAX)
        return refuse(ret_reason, ERR_TOO_BIG, "the token names too many chats");
    if (count == 0)
        return ERR_OK;
    ret_claims->chats = calloc(count, sizeof *ret_claims->chats);
    if (!ret_claims->chats)
        return refuse(ret_reason, ERR_NO_MEMORY, err_text(ERR_NO_MEMORY));
    for (size_t i = 0; i < count; i++) {
        const json_t *chat = json_array_get(chats, i);
        if (uuid_parse(string_slice(chat), &ret_claims->chats[ret_claims->chats_count]) == ERR_OK)
            ret_claims->chats_count++;
        else if (is_text(chat, "*"))
            ret_claims->all_chats = true;
    }
    qsort(ret_claims->chats, ret_claims->chats_count, sizeof *ret_claims->chats, compare_uuids);
    return ERR_OK;
}

enum err token_claims_read(const json_t *claims, const struct token_rules *rules, uint64_t now_unix_s,
                           struct token_claims *ret_claims, const char **ret_reason)
{
    struct token_claims kept = {.chats = NULL};
    enum err err = read_expiry(claims, rules, now_unix_s, &kept.expires_at, ret_reason);

    if (!err)
        err = check_not_before(claims, rules, now_unix_s, ret_reason);
    if (!err)
        err = check_parties(claims, rules, ret_reason);
    if (!err)
        err = read_user(claims, rules->user_claim, &kept.user, ret_reason);
    if (!err)
        err = read_chats(claims, rules->chats_claim, &kept, ret_reason);
    if (err) {
        token_claims_release(&kept);
        return err;
    }
    kept.issued_at = read_issued_at(claims);
    read_id(claims, &kept);
    *ret_claims = kept;
    return ERR_OK;
}

void token_claims_release(struct token_claims *claims)
{
    free(claims->user);
    free(claims->chats);
    free(claims->id);
    shared_text_unref(&claims->text);
    *claims = (struct token_claims){.chats = NULL};
}

bool token_claims_allow(const struct token_claims *claims, const struct uuid *chat)
{
    if (claims->all_chats)
        return true;
    return claims->chats_count > 0 &&
           bsearch(chat, claims->chats, claims->chats_count, sizeof *claims->chats, compare_uuids);
}
