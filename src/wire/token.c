#include <roomcast/wire/token.h>

#include <errno.h>
#include <jansson.h>
#include <jwt.h>
#include <sodium.h>
#include <stdlib.h>
#include <strings.h>

#include <roomcast/wire/json_text.h>

#include "token_claims.h"
#include "token_key.h"
#include "token_signature.h"

#define JSON_MAX_DEPTH 32 /* levels of header and claims */

struct token_verifier {
    struct token_keys keys;
    struct token_rules rules;
};

static enum err refuse(const char **ret_reason, enum err err, const char *reason)
{
    *ret_reason = reason;
    return err;
}

static enum err copy_rules(const struct token_options *options, struct token_rules *rules)
{
    rules->issuer = strdup(options->issuer);
    rules->audience = strdup(options->audience);
    rules->user_claim = strdup(options->user_claim);
    rules->chats_claim = strdup(options->chats_claim);
    rules->leeway_s = options->leeway_s;
    rules->require_expiry = options->require_expiry;
    rules->keep_claims_max = options->keep_claims_max;
    return rules->issuer && rules->audience && rules->user_claim && rules->chats_claim ? ERR_OK
                                                                                       : ERR_NO_MEMORY;
}

enum err token_verifier_new(const struct token_options *options, struct token_verifier **ret_verifier,
                            char *problem)
{
    struct token_verifier *verifier = calloc(1, sizeof *verifier);

    if (!verifier)
        return ERR_NO_MEMORY;
    /* jansson seeds its tables on first use; here no other thread can be in it for this verifier. */
    json_object_seed(0);
    enum err err = token_keys_init(options, &verifier->keys, problem);
    if (!err)
        err = copy_rules(options, &verifier->rules);
    if (err) {
        token_verifier_free(&verifier);
        return err;
    }
    *ret_verifier = verifier;
    return ERR_OK;
}

void token_verifier_free(struct token_verifier **verifier)
{
    if (!*verifier)
        return;
    token_keys_fini(&(*verifier)->keys);
    free((*verifier)->rules.issuer);
    free((*verifier)->rules.audience);
    free((*verifier)->rules.user_claim);
    free((*verifier)->rules.chats_claim);
    free(*verifier);
    *verifier = NULL;
}

/* The compact serialization: RFC 7515 section 7.1. */
struct token_parts {
    struct slice header, claims, signature; /* base64url */
    struct slice signed_text;               /* header, dot, claims */
};

static bool is_base64url(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '_';
}

/* The run of base64url at `*at`, which must not be empty; moves behind it. */
static bool take_part(struct slice token, size_t *at, struct slice *ret_part)
{
    size_t start = *at;

    while (*at < token.len && is_base64url(token.data[*at]))
        ++*at;
    *ret_part = (struct slice){token.data + start, *at - start};
    return *at > start;
}

static bool take_dot(struct slice token, size_t *at)
{
    return *at < token.len && token.data[(*at)++] == '.';
}

static enum err split(struct slice token, struct token_parts *ret_parts, const char **ret_reason)
{
    size_t at = 0;

    if (token.len == 0)
        return refuse(ret_reason, ERR_MISSING, "there is no token");
    if (token.len > TOKEN_MAX_BYTES)
        return refuse(ret_reason, ERR_TOO_BIG, "the token is too large");
    if (!take_part(token, &at, &ret_parts->header) || !take_dot(token, &at) ||
        !take_part(token, &at, &ret_parts->claims))
        return refuse(ret_reason, ERR_SYNTAX, "the token is not of the form header.claims.signature");
    ret_parts->signed_text = (struct slice){token.data, at};
    if (!take_dot(token, &at) || !take_part(token, &at, &ret_parts->signature) || at != token.len)
        return refuse(ret_reason, ERR_SYNTAX, "the token is not of the form header.claims.signature");
    return ERR_OK;
}

static bool decode_base64url(struct slice part, void *out, size_t size, size_t *ret_len)
{
    return sodium_base642bin(out, size, part.data, part.len, NULL, ret_len, NULL,
                             sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0;
}

/* One part as a JSON object; NULL when it is none. Repeated names are refused: RFC 7519 section 4, RFC 7515
 * section 4 leave the choice, and two readers of one token must not see different claims. */
static json_t *decode_object(struct slice part)
{
    size_t len = 0;
    char *text = malloc(part.len);
    json_t *object = NULL;

    if (!text)
        return NULL;
    if (decode_base64url(part, text, part.len, &len) &&
        json_depth((struct slice){text, len}, JSON_MAX_DEPTH) <= JSON_MAX_DEPTH)
        object = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    free(text);
    if (object && !json_is_object(object)) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static enum err check_header(const json_t *header, const struct token_alg **ret_alg, const char **ret_reason)
{
    const json_t *alg = json_object_get(header, "alg");
    const json_t *typ = json_object_get(header, "typ");

    if (!json_is_string(alg))
        return refuse(ret_reason, ERR_SYNTAX, "the token's header names no algorithm");
    /* RFC 7515 section 4.1.11: no extension is understood here, so none can be critical. */
    if (json_object_get(header, "crit"))
        return refuse(ret_reason, ERR_SYNTAX, "the token demands an extension (crit)");
    /* libjwt takes no other type; said here so that the reason is the right one for every algorithm. */
    if (typ && (!json_is_string(typ) || strcasecmp(json_string_value(typ), "JWT") != 0))
        return refuse(ret_reason, ERR_SYNTAX, "the token's type (typ) is not JWT");
    *ret_alg = token_alg_find((struct slice){json_string_value(alg), json_string_length(alg)});
    if (!*ret_alg)
        return refuse(ret_reason, ERR_SIGNATURE, "the token's algorithm is not accepted");
    return ERR_OK;
}

static enum err find_alg(struct slice part, const struct token_alg **ret_alg, const char **ret_reason)
{
    json_t *header = decode_object(part);

    if (!header)
        return refuse(ret_reason, ERR_SYNTAX, "the token's header is not a JSON object");
    enum err err = check_header(header, ret_alg, ret_reason);
    json_decref(header);
    return err;
}

/* RFC 8037 section 3.1: the signature is the 64 bytes of RFC 8032. */
static bool verify_eddsa(const struct token_keys *keys, struct slice signed_text, struct slice signature)
{
    return signature.len == crypto_sign_BYTES &&
           crypto_sign_verify_detached((const unsigned char *)signature.data,
                                       (const unsigned char *)signed_text.data, signed_text.len,
                                       keys->ed25519) == 0;
}

static bool verify_public(const struct token_keys *keys, const struct token_alg *alg,
                          const struct token_parts *parts)
{
    char bytes[TOKEN_SIGNATURE_MAX];
    struct slice signature = {bytes, 0};

    if (!decode_base64url(parts->signature, bytes, sizeof bytes, &signature.len))
        return false;
    return alg->family == TOKEN_EDDSA
               ? verify_eddsa(keys, parts->signed_text, signature)
               : token_signature_verify(keys->public_key, alg, parts->signed_text, signature);
}

/* HMAC by libjwt, which keeps no state between calls, so that threads may verify at once. 0, or errno. */
static int decode_hmac(const struct token_secret *secret, const char *text)
{
    jwt_t *jwt = NULL;
    int failed = jwt_decode(&jwt, text, (const unsigned char *)secret->bytes, (int)secret->len);

    jwt_free(jwt);
    return failed;
}

static enum err verify_hmac(const struct token_keys *keys, struct slice token, const char **ret_reason)
{
    char *text = strndup(token.data, token.len);

    if (!text)
        return refuse(ret_reason, ERR_NO_MEMORY, err_text(ERR_NO_MEMORY));
    int failed = decode_hmac(&keys->secret, text);
    if (failed && failed != ENOMEM && keys->previous.bytes)
        failed = decode_hmac(&keys->previous, text);
    free(text);
    if (failed == ENOMEM)
        return refuse(ret_reason, ERR_NO_MEMORY, err_text(ERR_NO_MEMORY));
    return failed ? refuse(ret_reason, ERR_SIGNATURE, "the token's signature does not verify") : ERR_OK;
}

static enum err verify_signature(const struct token_verifier *verifier, const struct token_alg *alg,
                                 struct slice token, const struct token_parts *parts, const char **ret_reason)
{
    const struct token_keys *keys = &verifier->keys;

    if (!token_keys_fit(keys, alg))
        return refuse(ret_reason, ERR_SIGNATURE, "the token's algorithm does not belong to a configured key");
    if (alg->family == TOKEN_HMAC)
        return verify_hmac(keys, token, ret_reason);
    if (!verify_public(keys, alg, parts))
        return refuse(ret_reason, ERR_SIGNATURE, "the token's signature does not verify");
    return ERR_OK;
}

/* The bytes of the claims as they are: what another reader makes of them is his affair. */
static enum err keep_text(struct slice part, size_t max, struct token_claims *claims, const char **ret_reason)
{
    struct slice text = {NULL, 0};
    char *bytes = malloc(part.len);
    enum err err = bytes ? ERR_OK : refuse(ret_reason, ERR_NO_MEMORY, err_text(ERR_NO_MEMORY));

    if (!err && !decode_base64url(part, bytes, part.len, &text.len))
        err = refuse(ret_reason, ERR_SYNTAX, "the token's claims are not a usable JSON object");
    if (!err && text.len > max)
        err = refuse(ret_reason, ERR_TOO_BIG,
                     "the token's claims are too large for authorization.mode request");
    text.data = bytes;
    if (!err && !(claims->text = shared_text_new(text)))
        err = refuse(ret_reason, ERR_NO_MEMORY, err_text(ERR_NO_MEMORY));
    free(bytes);
    return err;
}

static enum err read_claims(const json_t *json, struct slice part, const struct token_rules *rules,
                            uint64_t now_unix_s, struct token_claims *ret_claims, const char **ret_reason)
{
    struct token_claims claims;
    enum err err = token_claims_read(json, rules, now_unix_s, &claims, ret_reason);

    if (err)
        return err;
    if (rules->keep_claims_max > 0)
        err = keep_text(part, rules->keep_claims_max, &claims, ret_reason);
    if (err)
        token_claims_release(&claims);
    else
        *ret_claims = claims;
    return err;
}

enum err token_verify(const struct token_verifier *verifier, struct slice token, uint64_t now_unix_s,
                      struct token_claims *ret_claims, const char **ret_reason)
{
    const struct token_alg *alg;
    struct token_parts parts;
    enum err err = split(token, &parts, ret_reason);

    if (!err)
        err = find_alg(parts.header, &alg, ret_reason);
    if (err)
        return err;
    /* Before the signature: libjwt parses the claims too, and without a limit to their depth. */
    json_t *claims = decode_object(parts.claims);
    if (!claims)
        return refuse(ret_reason, ERR_SYNTAX, "the token's claims are not a usable JSON object");
    err = verify_signature(verifier, alg, token, &parts, ret_reason);
    if (!err)
        err = read_claims(claims, parts.claims, &verifier->rules, now_unix_s, ret_claims, ret_reason);
    json_decref(claims);
    return err;
}

static bool is_slow(enum token_family family)
{
    return family == TOKEN_RSA || family == TOKEN_ECDSA;
}

bool token_takes_long(const struct token_verifier *verifier, struct slice token)
{
    const struct token_alg *alg;
    struct token_parts parts;
    const char *reason;

    return split(token, &parts, &reason) == ERR_OK && find_alg(parts.header, &alg, &reason) == ERR_OK &&
           is_slow(alg->family) && token_keys_fit(&verifier->keys, alg);
}

bool token_verifier_has_slow_key(const struct token_verifier *verifier)
{
    return is_slow(verifier->keys.public_family);
}
