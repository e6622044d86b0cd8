#include "json_member.h"

#include <stdarg.h>
#include <stdio.h>

#include <roomcast/wire/domain_event.h>
#include <roomcast/wire/json_text.h>

#include "json_load.h"

enum err json_fail(char *reason, enum err err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(reason, JSON_REASON_SIZE, format, args);
    va_end(args);
    return err;
}

enum err json_load_object(struct slice text, json_t **ret_document, char *reason)
{
    json_error_t error;

    /* Before the parser runs: jansson recurses once per level. */
    if (json_depth(text, DOMAIN_EVENT_MAX_DEPTH) > DOMAIN_EVENT_MAX_DEPTH)
        return json_fail(reason, ERR_TOO_DEEP, "nested more than %d levels deep", DOMAIN_EVENT_MAX_DEPTH);
    /* The payload travels as its own bytes, so the parser only has to judge it: integers as doubles, or those
     * beyond 64 bits would be refused; U+0000 is legal JSON (RFC 8259 section 7). */
    json_t *document;
    enum err err =
        json_load(text, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, &document, &error);
    if (err == ERR_NO_MEMORY)
        return json_fail(reason, err, "%s", err_text(err));
    if (err != ERR_OK) /* the parser's own text quotes the event, which may not stand in a log */
        return json_fail(reason, ERR_SYNTAX, "not valid JSON, at byte %d", error.position);
    if (!json_is_object(document)) {
        json_decref(document);
        return json_fail(reason, ERR_SYNTAX, "it is not a JSON object");
    }
    *ret_document = document;
    return ERR_OK;
}

struct slice json_string_member(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    return (struct slice){json_string_value(value), json_string_length(value)};
}

const json_t *json_spelled(const json_t *object, const char *const *names, const char **ret_name)
{
    for (; *names; names++) {
        const json_t *value = json_object_get(object, *names);
        if (value && !json_is_null(value)) {
            *ret_name = *names;
            return value;
        }
    }
    return NULL;
}

struct slice json_integer_text(struct slice object, const char *name)
{
    struct slice digits;

    if (!json_find_member(object, name, &digits))
        return (struct slice){NULL, 0};
    for (size_t i = 0; i < digits.len; i++) {
        bool is_minus = i == 0 && digits.data[i] == '-';
        if (!is_minus && (digits.data[i] < '0' || digits.data[i] > '9'))
            return (struct slice){NULL, 0};
    }
    return digits;
}

enum err json_read_user(const json_t *value, struct slice object, const char *owner, const char *name,
                        struct room_key *ret_user, char *reason)
{
    struct slice user = {json_string_value(value), json_string_length(value)};

    if (json_is_number(value))
        user = json_integer_text(object, name);
    if (room_key_for_user(user, ret_user))
        return json_fail(reason, ERR_RANGE, "%s%s is not a user id: 1 to %d bytes without control characters",
                         owner, name, USER_ID_MAX);
    return ERR_OK;
}
