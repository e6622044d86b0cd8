#include <roomcast/wire/authz_message.h>

#include <jansson.h>

#include <roomcast/wire/json_text.h>

#include "json_load.h"

#define ANSWER_MAX_DEPTH 16 /* levels, of members that are passed over too */

void authz_question_encode(const struct room_key *user, const struct room_key *chat, struct slice claims,
                           struct buffer *out)
{
    buffer_append_text(out, "{\"user_id\":");
    json_append_string(out, room_key_name(user));
    buffer_append_text(out, ",\"chat_id\":");
    json_append_string(out, room_key_name(chat));
    buffer_append_text(out, ",\"claims\":");
    buffer_append_slice(out, claims);
    buffer_append_char(out, '}');
}

static enum err read_cache(const json_t *cache_s, struct authz_answer *answer)
{
    json_int_t seconds = json_integer_value(cache_s);

    if (!cache_s)
        return ERR_OK;
    if (!json_is_integer(cache_s))
        return ERR_SYNTAX;
    if (seconds < 0 || seconds > (json_int_t)AUTHZ_CACHE_MAX_S)
        return ERR_RANGE;
    answer->has_cache_s = true;
    answer->cache_s = (uint64_t)seconds;
    return ERR_OK;
}

static enum err read_answer(const json_t *object, struct authz_answer *ret_answer)
{
    const json_t *allowed = json_object_get(object, "allowed");
    struct authz_answer answer = {.allowed = json_is_true(allowed)};

    if (!json_is_object(object))
        return ERR_SYNTAX;
    if (!allowed)
        return ERR_MISSING;
    if (!json_is_boolean(allowed))
        return ERR_SYNTAX;
    enum err err = read_cache(json_object_get(object, "cache_s"), &answer);
    if (err == ERR_OK)
        *ret_answer = answer;
    return err;
}

enum err authz_answer_decode(struct slice text, struct authz_answer *ret_answer)
{
    if (text.len > AUTHZ_ANSWER_MAX)
        return ERR_TOO_BIG;
    if (text.len == 0 || json_depth(text, ANSWER_MAX_DEPTH) > ANSWER_MAX_DEPTH)
        return ERR_SYNTAX;
    /* Of two members "allowed" nobody could tell which one is meant. */
    json_t *object;
    enum err err = json_load(text, JSON_REJECT_DUPLICATES, &object, NULL);
    if (err != ERR_OK)
        return err;
    err = read_answer(object, ret_answer);
    json_decref(object);
    return err;
}
