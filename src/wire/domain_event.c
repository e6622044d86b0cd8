#include <roomcast/wire/domain_event.h>

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include <roomcast/wire/json_text.h>

#include "text.h"

#define REASON_SIZE 192

static enum err fail(char *reason, enum err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum err fail(char *reason, enum err err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(reason, REASON_SIZE, format, args);
    va_end(args);
    return err;
}

/* The string member `name`; empty when it is absent or no string. */
static struct slice string_member(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    return (struct slice){json_string_value(value), json_string_length(value)};
}

/* As string_member, and empty when it does not fit: for what only informs. */
static struct slice plain_member(const json_t *object, const char *name, size_t max)
{
    struct slice value = string_member(object, name);

    return text_fits(value, max) ? value : (struct slice){NULL, 0};
}

/* The value of the first of three spellings that is there and not null. */
static const json_t *spelled(const json_t *object, const char *const names[3], const char **ret_name)
{
    for (size_t i = 0; i < 3; i++) {
        const json_t *value = json_object_get(object, names[i]);
        if (value && !json_is_null(value)) {
            *ret_name = names[i];
            return value;
        }
    }
    return NULL;
}

static enum err read_chat(const json_t *value, const char *member, struct room_key *ret_room, char *reason)
{
    struct slice text = {json_string_value(value), json_string_length(value)};

    if (!json_is_string(value) || room_key_for_chat_text(text, ret_room))
        return fail(reason, ERR_RANGE, "%s is not a UUID", member);
    return ERR_OK;
}

static enum err find_chat(const json_t *event, struct room_key *ret_room, char *reason)
{
    static const char *const names[] = {"chat_id", "ChatID", "chatId"};
    const char *name;
    const json_t *value = spelled(json_object_get(event, "payload"), names, &name);
    char member[32];

    if (value) {
        snprintf(member, sizeof member, "payload.%s", name);
        return read_chat(value, member, ret_room, reason);
    }
    struct slice type = string_member(event, "aggregate_type");
    bool is_chat =
        type.len == 4 && (!strncasecmp(type.data, "chat", 4) || !strncasecmp(type.data, "task", 4));
    if (!is_chat || !json_object_get(event, "aggregate_id"))
        return fail(reason, ERR_MISSING,
                    "no chat: neither payload.chat_id nor the aggregate_id of a chat or task");
    return read_chat(json_object_get(event, "aggregate_id"), "aggregate_id", ret_room, reason);
}

/* Numeric ids are taken from the text, because the parser reads numbers as doubles. */
static struct slice integer_text(struct slice object, const char *name)
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

static enum err read_user(const json_t *value, const char *owner, const char *name, struct slice text,
                          struct room_key *ret_room, char *reason)
{
    struct slice user = {json_string_value(value), json_string_length(value)};
    struct slice object;

    if (json_is_number(value) && json_find_member(text, owner, &object))
        user = integer_text(object, name);
    if (room_key_for_user(user, ret_room))
        return fail(reason, ERR_RANGE, "%s.%s is not a user id: 1 to %d bytes without control characters",
                    owner, name, USER_ID_MAX);
    return ERR_OK;
}

static enum err find_user(const json_t *event, struct slice text, struct room_key *ret_room, char *reason)
{
    static const char *const names[] = {"user_id", "UserID", "userId"};
    const char *name;
    const json_t *value = spelled(json_object_get(event, "payload"), names, &name);

    if (value)
        return read_user(value, "payload", name, text, ret_room, reason);
    value = json_object_get(json_object_get(event, "metadata"), names[0]);
    if (!value || json_is_null(value))
        return fail(reason, ERR_MISSING, "no user: neither payload.user_id nor metadata.user_id");
    return read_user(value, "metadata", names[0], text, ret_room, reason);
}

static enum err find_rule(const json_t *document, const struct event_map *map, struct domain_event *event,
                          char *reason)
{
    const json_t *value = json_object_get(document, "event_type");
    char excerpt[TEXT_EXCERPT_SIZE];

    if (!value)
        return fail(reason, ERR_MISSING, "event_type is missing");
    event->event_type = string_member(document, "event_type");
    if (event->event_type.len == 0 || !text_fits(event->event_type, CLIENT_TYPE_MAX))
        return fail(reason, ERR_RANGE,
                    "event_type is not a string of 1 to %d bytes without control characters",
                    CLIENT_TYPE_MAX);
    event->rule = event_map_find(map, event->event_type);
    if (event->rule)
        return ERR_OK;
    text_excerpt(event->event_type, excerpt);
    return fail(reason, ERR_UNKNOWN, "no row for event_type \"%s\"", excerpt);
}

/* Deduplication rests on the id: one that cannot be used is refused, not replaced by one that differs each
 * time. Absent or null: the event has none. */
static enum err read_id(const json_t *document, struct slice text, struct domain_event *event, char *reason)
{
    const json_t *value = json_object_get(document, "id");

    if (!value || json_is_null(value))
        return ERR_OK;
    event->id = json_is_number(value) ? integer_text(text, "id") : string_member(document, "id");
    if (event->id.len == 0 || !text_is_graphic(event->id, EVENT_ID_MAX))
        return fail(reason, ERR_RANGE, "id is not a string of 1 to %d printable ASCII characters",
                    EVENT_ID_MAX);
    return ERR_OK;
}

static enum err read_event(const json_t *document, struct slice text, const struct event_map *map,
                           struct domain_event *event, char *reason)
{
    const json_t *metadata = json_object_get(document, "metadata");
    enum err err = find_rule(document, map, event, reason);

    if (err)
        return err;
    if (event->rule->route == ROUTE_TO_CHAT)
        err = find_chat(document, &event->room, reason);
    else
        err = find_user(document, text, &event->room, reason);
    if (err)
        return err;
    err = read_id(document, text, event, reason);
    if (err)
        return err;
    event->occurred_at = plain_member(document, "occurred_at", OCCURRED_AT_MAX);
    event->correlation_id = plain_member(metadata, "correlation_id", CORRELATION_ID_MAX);
    event->traceparent = string_member(metadata, "traceparent");
    if (!text_is_traceparent(event->traceparent))
        event->traceparent = (struct slice){NULL, 0};
    if (!json_find_member(text, "payload", &event->payload))
        event->payload = SLICE_LITERAL("null");
    return ERR_OK;
}

static enum err load(struct slice text, json_t **ret_document, char *reason)
{
    json_error_t error;

    /* Before the parser runs: jansson recurses once per level. */
    if (json_depth(text, DOMAIN_EVENT_MAX_DEPTH) > DOMAIN_EVENT_MAX_DEPTH)
        return fail(reason, ERR_TOO_DEEP, "nested more than %d levels deep", DOMAIN_EVENT_MAX_DEPTH);
    /* The payload travels as its own bytes, so the parser only has to judge it: integers as doubles, or those
     * beyond 64 bits would be refused; U+0000 is legal JSON (RFC 8259 section 7). */
    json_t *document = json_loadb(text.data ? text.data : "", text.len,
                                  JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, &error);
    if (!document && json_error_code(&error) == json_error_out_of_memory)
        return fail(reason, ERR_NO_MEMORY, "%s", err_text(ERR_NO_MEMORY));
    if (!document) /* the parser's own text quotes the event, which may not stand in a log */
        return fail(reason, ERR_SYNTAX, "not valid JSON, at byte %d", error.position);
    if (!json_is_object(document)) {
        json_decref(document);
        return fail(reason, ERR_SYNTAX, "the event is not a JSON object");
    }
    *ret_document = document;
    return ERR_OK;
}

enum err domain_event_parse(struct slice text, const struct event_map *map, struct domain_event *ret_event,
                            char *reason)
{
    struct domain_event event = {.rule = NULL};
    json_t *document = NULL;
    enum err err = load(text, &document, reason);

    if (err)
        return err;
    event.document = document;
    err = read_event(document, text, map, &event, reason);
    if (err) {
        domain_event_release(&event);
        return err;
    }
    *ret_event = event;
    return ERR_OK;
}

void domain_event_release(struct domain_event *event)
{
    json_decref(event->document);
    *event = (struct domain_event){.rule = NULL};
}
