#include <roomcast/wire/token.h>

#include <errno.h>
#include <jansson.h>
#include <jwt.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <strings.h>

#include <roomcast/wire/json_text.h>

#include "json_load.h"
#include "jwks_keys.h"
#include "token_claims.h"
#include "token_keys.h"
#include "token_signature.h"

#define JSON_MAX_DEPTH 32 /* levels of header and claims */

/* The keys of one moment. */
struct keys {
    struct token_keys *own; /* reference */
    struct jwks *issued;    /* reference; NULL: not known, or there is no issuer */
};

/* Behind a pointer, so that verifiers stay const to those who verify. The lock is held for two counts. */
struct keyring {
    pthread_mutex_t lock;
    struct keys keys; /* under lock */
};

struct token_verifier {
    struct keyring *ring;
    struct token_rules rules;
    bool has_issuer;
    bool has_public_key; /* configured; it may be replaced by one of another kind */
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

static struct keys keys_take(const struct token_verifier *verifier)
{
    struct keyring *ring = verifier->ring;

    pthread_mutex_lock(&ring->lock);
    struct keys keys = ring->keys;
    token_keys_ref(keys.own);
    if (keys.issued)
        jwks_ref(keys.issued);
    pthread_mutex_unlock(&ring->lock);
    return keys;
}

static void keys_give_back(struct keys *keys)
{
    token_keys_unref(&keys->own);
    jwks_unref(&keys->issued);
}

static enum err make_ring(const struct token_options *options, struct keyring **ret_ring, char *problem)
{
    struct keyring *ring = calloc(1, sizeof *ring);

    if (!ring)
        return ERR_NO_MEMORY;
    enum err err = token_keys_new(options, &ring->keys.own, problem);
    if (err) {
        free(ring);
        return err;
    }
    pthread_mutex_init(&ring->lock, NULL);
    *ret_ring = ring;
    return ERR_OK;
}

enum err token_verifier_new(const struct token_options *options, struct token_verifier **ret_verifier,
                            char *problem)
{
    struct token_verifier *verifier = calloc(1, sizeof *verifier);

    if (!verifier)
        return ERR_NO_MEMORY;
    /* jansson seeds its tables on first use; here no other thread can be in it for this verifier. */
    json_object_seed(0);
    verifier->has_issuer = options->has_issuer;
    verifier->has_public_key = options->public_key_pem.len > 0;
    enum err err = make_ring(options, &verifier->ring, problem);
    if (!err)
        err = copy_rules(options, &verifier->rules);
    if (err) {
        token_verifier_free(&verifier);
        return err;
    }
    *ret_verifier = verifier;
    return ERR_OK;
}

static void free_ring(struct keyring *ring)
{
    keys_give_back(&ring->keys);
    pthread_mutex_destroy(&ring->lock);
    free(ring);
}

void token_verifier_free(struct token_verifier **verifier)
{
    if (!*verifier)
        return;
    if ((*verifier)->ring)
        free_ring((*verifier)->ring);
    free((*verifier)->rules.issuer);
    free((*verifier)->rules.audience);
    free((*verifier)->rules.user_claim);
    free((*verifier)->rules.chats_claim);
    free(*verifier);
    *verifier = NULL;
}

enum err token_verifier_set_keys(struct token_verifier *verifier, const struct token_options *options,
                                 char *problem)
{
    struct token_keys *keys;
    enum err err = token_keys_new(options, &keys, problem);

    if (err)
        return err;
    pthread_mutex_lock(&verifier->ring->lock);
    struct token_keys *before = verifier->ring->keys.own;
    verifier->ring->keys.own = keys;
    pthread_mutex_unlock(&verifier->ring->lock);
    token_keys_unref(&before);
    return ERR_OK;
}

void token_verifier_set_issued(struct token_verifier *verifier, struct jwks *jwks)
{
    jwks_ref(jwks);
    pthread_mutex_lock(&verifier->ring->lock);
    struct jwks *before = verifier->ring->keys.issued;
    verifier->ring->keys.issued = jwks;
    pthread_mutex_unlock(&verifier->ring->lock);
    jwks_unref(&before);
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

/* One part as a JSON object; ERR_SYNTAX when it is none; ERR_NO_MEMORY. Repeated names are refused: RFC 7519
 * section 4, RFC 7515 section 4 leave the choice, and two readers of one token must not see different claims.
 */
static enum err decode_object(struct slice part, json_t **ret_object)
{
    size_t len = 0;
    char *text = malloc(part.len);
    enum err err = ERR_SYNTAX;

    if (!text)
        return ERR_NO_MEMORY;
    if (decode_base64url(part, text, part.len, &len) &&
        json_depth((struct slice){text, len}, JSON_MAX_DEPTH) <= JSON_MAX_DEPTH)
        err = json_load((struct slice){text, len}, JSON_REJECT_DUPLICATES, ret_object, NULL);
    free(text);
    if (err == ERR_OK && !json_is_object(*ret_object)) {
        json_decref(*ret_object);
        return ERR_SYNTAX;
    }
    return err;
}

/* What a token's header says. */
struct token_head {
    const struct token_alg *alg;
    bool has_kid;
    size_t kid_len;
    char kid[TOKEN_KID_MAX];
};

/* RFC 7515 section 4.1.4: a string, whose form is the issuer's affair. */
static enum err read_kid(const json_t *header, struct token_head *head, const char **ret_reason)
{
    const json_t *kid = json_object_get(header, "kid");

    if (kid && !json_is_string(kid))
        return refuse(ret_reason, ERR_SYNTAX, "the token's key id (kid) is not a string");
    if (kid && json_string_length(kid) > sizeof head->kid)
        return refuse(ret_reason, ERR_TOO_BIG, "the token's key id (kid) is too long");
    head->has_kid = kid != NULL;
    head->kid_len = json_string_length(kid);
    if (head->kid_len > 0)
        memcpy(head->kid, json_string_value(kid), head->kid_len);
    return ERR_OK;
}

static enum err check_header(const json_t *header, struct token_head *head, const char **ret_reason)
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
    head->alg = token_alg_find((struct slice){json_string_value(alg), json_string_length(alg)});
    if (!head->alg)
        return refuse(ret_reason, ERR_SIGNATURE, "the token's algorithm is not accepted");
    return read_kid(header, head, ret_reason);
}

static enum err read_head(struct slice part, struct token_head *ret_head, const char **ret_reason)
{
    json_t *header;
    enum err err = decode_object(part, &header);

    if (err != ERR_OK)
        return refuse(ret_reason, err,
                      err == ERR_NO_MEMORY ? err_text(err) : "the token's header is not a JSON object");
    err = check_header(header, ret_head, ret_reason);
    json_decref(header);
    return err;
}

struct decoding {
    const struct token_secret *secret;
    const char *text;
    int failed;
};

static void decode(void *context)
{
    struct decoding *decoding = context;
    jwt_t *jwt = NULL;

    decoding->failed = jwt_decode(&jwt, decoding->text, (const unsigned char *)decoding->secret->bytes,
                                  (int)decoding->secret->len);
    jwt_free(jwt);
}

/* HMAC by libjwt, which keeps no state between calls, so that threads may verify at once. It parses by
 * jansson. 0, or errno. */
static int decode_hmac(const struct token_secret *secret, const char *text)
{
    struct decoding decoding = {.secret = secret, .text = text};

    return json_guard(decode, &decoding) ? decoding.failed : ENOMEM;
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

static bool has_kid(const struct jwks_key *key, const struct token_head *head)
{
    return !head->has_kid ||
           (key->kid && slice_equal(slice_of(key->kid), (struct slice){head->kid, head->kid_len}));
}

/* Is what the token says of its key known: a kid of this set, or none where there is a set? */
static bool knows_key(const struct jwks *issued, const struct token_head *head)
{
    for (size_t i = 0; issued && head->has_kid && i < issued->count; i++) {
        if (has_kid(&issued->keys[i], head))
            return true;
    }
    return issued && !head->has_kid;
}

struct trial {
    const struct token_head *head;
    struct slice signed_text, signature;
    bool has_fitting_key;
};

static bool try_key(struct trial *trial, const struct token_key *key)
{
    if (!token_key_fits(key, trial->head->alg))
        return false;
    trial->has_fitting_key = true;
    return token_key_verify(key, trial->head->alg, trial->signed_text, trial->signature);
}

static bool try_issued(struct trial *trial, const struct jwks *issued)
{
    unsigned tries = 0;

    for (size_t i = 0; issued && i < issued->count && tries < TOKEN_TRIES_MAX; i++) {
        const struct jwks_key *key = &issued->keys[i];
        if (!has_kid(key, trial->head) || !token_key_fits(&key->key, trial->head->alg))
            continue;
        tries++;
        if (try_key(trial, &key->key))
            return true;
    }
    return false;
}

static enum err verify_public(const struct token_verifier *verifier, const struct keys *keys,
                              const struct token_head *head, const struct token_parts *parts,
                              const char **ret_reason)
{
    char bytes[TOKEN_SIGNATURE_MAX];
    struct trial trial = {.head = head, .signed_text = parts->signed_text, .signature = {bytes, 0}};

    if (!decode_base64url(parts->signature, bytes, sizeof bytes, &trial.signature.len))
        return refuse(ret_reason, ERR_SIGNATURE, "the token's signature does not verify");
    if (try_issued(&trial, keys->issued) || try_key(&trial, &keys->own->public_key))
        return ERR_OK;
    if (verifier->has_issuer && !knows_key(keys->issued, head))
        return refuse(ret_reason, ERR_UNKNOWN, "the token's key (kid) is none of the issuer's");
    if (!trial.has_fitting_key)
        return refuse(ret_reason, ERR_SIGNATURE, "the token's algorithm does not belong to a configured key");
    return refuse(ret_reason, ERR_SIGNATURE, "the token's signature does not verify");
}

static enum err verify_signature(const struct token_verifier *verifier, const struct keys *keys,
                                 const struct token_head *head, struct slice token,
                                 const struct token_parts *parts, const char **ret_reason)
{
    if (head->alg->family != TOKEN_HMAC)
        return verify_public(verifier, keys, head, parts, ret_reason);
    if (!token_keys_fit(keys->own, head->alg))
        return refuse(ret_reason, ERR_SIGNATURE, "the token's algorithm does not belong to a configured key");
    return verify_hmac(keys->own, token, ret_reason);
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
    struct token_head head;
    struct token_parts parts;
    enum err err = split(token, &parts, ret_reason);

    if (!err)
        err = read_head(parts.header, &head, ret_reason);
    if (err)
        return err;
    /* Before the signature: libjwt parses the claims too, and without a limit to their depth. */
    json_t *claims;
    err = decode_object(parts.claims, &claims);
    if (err)
        return refuse(ret_reason, err,
                      err == ERR_NO_MEMORY ? err_text(err)
                                           : "the token's claims are not a usable JSON object");
    struct keys keys = keys_take(verifier);
    err = verify_signature(verifier, &keys, &head, token, &parts, ret_reason);
    keys_give_back(&keys);
    if (!err)
        err = read_claims(claims, parts.claims, &verifier->rules, now_unix_s, ret_claims, ret_reason);
    json_decref(claims);
    return err;
}

/* With an issuer every token that is no HMAC's may have to wait for its key. */
static bool is_slow(const struct token_verifier *verifier, const struct token_alg *alg)
{
    if (verifier->has_issuer || alg->family == TOKEN_HMAC)
        return alg->family != TOKEN_HMAC;
    struct keys keys = keys_take(verifier);
    bool fits = alg->family != TOKEN_EDDSA && token_keys_fit(keys.own, alg);
    keys_give_back(&keys);
    return fits;
}

bool token_takes_long(const struct token_verifier *verifier, struct slice token)
{
    struct token_head head;
    struct token_parts parts;
    const char *reason;

    return split(token, &parts, &reason) == ERR_OK && read_head(parts.header, &head, &reason) == ERR_OK &&
           is_slow(verifier, head.alg);
}

bool token_verifier_has_slow_key(const struct token_verifier *verifier)
{
    return verifier->has_issuer || verifier->has_public_key;
}
