#include <roomcast/wire/jwks.h>

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <roomcast/base/text.h>
#include <roomcast/wire/json_text.h>

#include "json_load.h"
#include "jwks_keys.h"

#define JSON_MAX_DEPTH 32 /* levels; a set has three */

/* Fit to be shown: it is a stranger's. */
static struct slice shown_kid(const json_t *json)
{
    const json_t *kid = json_object_get(json, "kid");
    struct slice text = {json_string_value(kid), json_string_length(kid)};

    return text.len <= TOKEN_KID_MAX && text_is_plain(text) ? text : (struct slice){NULL, 0};
}

static void take(const json_t *json, struct jwks *jwks, const struct jwks_skipped *skipped)
{
    bool is_fault = true;
    const char *why = jwk_read(json, &jwks->keys[jwks->count], &is_fault);

    if (why)
        skipped->tell(skipped->context, shown_kid(json), why, is_fault);
    else
        jwks->count++;
}

static enum err take_all(const json_t *root, const struct jwks_skipped *skipped, struct jwks *jwks)
{
    const json_t *keys = json_object_get(root, "keys");

    if (!json_is_array(keys))
        return ERR_SYNTAX;
    if (json_array_size(keys) > JWKS_MAX_KEYS)
        return ERR_TOO_BIG;
    for (size_t i = 0; i < json_array_size(keys); i++)
        take(json_array_get(keys, i), jwks, skipped);
    return ERR_OK;
}

static enum err check_text(struct slice document)
{
    if (document.len > JWKS_MAX_BYTES)
        return ERR_TOO_BIG;
    return json_depth(document, JSON_MAX_DEPTH) > JSON_MAX_DEPTH ? ERR_TOO_DEEP : ERR_OK;
}

enum err jwks_parse(struct slice document, const struct jwks_skipped *skipped, struct jwks **ret_jwks)
{
    enum err err = check_text(document);

    if (err)
        return err;
    /* RFC 7517 section 4: member names are unique, or the document is rejected. */
    json_t *root;
    err = json_load(document, JSON_REJECT_DUPLICATES, &root, NULL);
    if (err)
        return err;
    struct jwks *jwks = calloc(1, sizeof *jwks);
    if (jwks)
        atomic_init(&jwks->refs, 1);
    err = jwks ? take_all(root, skipped, jwks) : ERR_NO_MEMORY;
    json_decref(root);
    if (err)
        jwks_unref(&jwks);
    else
        *ret_jwks = jwks;
    return err;
}

void jwks_ref(struct jwks *jwks)
{
    atomic_fetch_add_explicit(&jwks->refs, 1, memory_order_relaxed);
}

void jwks_unref(struct jwks **pointer)
{
    struct jwks *jwks = *pointer;

    *pointer = NULL;
    if (!jwks || atomic_fetch_sub_explicit(&jwks->refs, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < jwks->count; i++) {
        free(jwks->keys[i].kid);
        token_key_fini(&jwks->keys[i].key);
    }
    free(jwks);
}

size_t jwks_count(const struct jwks *jwks)
{
    return jwks->count;
}

const char *jwks_kid(const struct jwks *jwks, size_t index)
{
    return jwks->keys[index].kid;
}

static bool is_same(const struct jwks_key *a, const struct jwks_key *b)
{
    if (!a->kid != !b->kid || (a->kid && strcmp(a->kid, b->kid) != 0))
        return false;
    return token_key_equal(&a->key, &b->key);
}

bool jwks_has(const struct jwks *jwks, const struct jwks *other, size_t index)
{
    for (size_t i = 0; jwks && i < jwks->count; i++) {
        if (is_same(&jwks->keys[i], &other->keys[index]))
            return true;
    }
    return false;
}
