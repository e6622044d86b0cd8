#include <roomcast/wire/domain_event.h>

#include <stdio.h>
#include <strings.h>

#include <roomcast/wire/json_text.h>

#include "json_member.h"
#include "revocation_json.h"
#include "text.h"

/* As json_string_member, and empty when it does not fit: for what only informs. */
static struct slice plain_member(const json_t *object, const char *name, size_t max)
{
    struct slice value = json_string_member(object, name);

    return text_fits(value, max) ? value : (struct slice){NULL, 0};
}

static enum err read_chat(const json_t *value, const char *member, struct room_key *ret_room, char *reason)
{
    struct slice text = {json_string_value(value), json_string_length(value)};

    if (!json_is_string(value) || room_key_for_chat_text(text, ret_room))
        return json_fail(reason, ERR_RANGE, "%s is not a UUID", member);
    return ERR_OK;
}

enum err domain_event_find_chat(const json_t *event, struct room_key *ret_room, char *reason)
{
    static const char *const names[] = {"chat_id", "ChatID", "chatId", NULL};
    const char *name;
    const json_t *value = json_spelled(json_object_get(event, "payload"), names, &name);
    char member[32];

    if (value) {
        snprintf(member, sizeof member, "payload.%s", name);
        return read_chat(value, member, ret_room, reason);
    }
    struct slice type = json_string_member(event, "aggregate_type");
    bool is_chat =
        type.len == 4 && (!strncasecmp(type.data, "chat", 4) || !strncasecmp(type.data, "task", 4));
    if (!is_chat || !json_object_get(event, "aggregate_id"))
        return json_fail(reason, ERR_MISSING,
                         "no chat: neither payload.chat_id nor the aggregate_id of a chat or task");
    return read_chat(json_object_get(event, "aggregate_id"), "aggregate_id", ret_room, reason);
}

/* `owner` is a member of the event, whose text is `text`. */
static enum err read_user(const json_t *value, const char *owner, const char *name, struct slice text,
                          struct room_key *ret_room, char *reason)
{
    struct slice object = {NULL, 0};
    char with_dot[16];

    if (!json_find_member(text, owner, &object))
        object = SLICE_LITERAL("{}");
    snprintf(with_dot, sizeof with_dot, "%s.", owner);
    return json_read_user(value, object, with_dot, name, ret_room, reason);
}

static enum err find_user(const json_t *event, struct slice text, struct room_key *ret_room, char *reason)
{
    static const char *const names[] = {"user_id", "UserID", "userId", NULL};
    const char *name;
    const json_t *value = json_spelled(json_object_get(event, "payload"), names, &name);

    if (value)
        return read_user(value, "payload", name, text, ret_room, reason);
    value = json_object_get(json_object_get(event, "metadata"), names[0]);
    if (!value || json_is_null(value))
        return json_fail(reason, ERR_MISSING, "no user: neither payload.user_id nor metadata.user_id");
    return read_user(value, "metadata", names[0], text, ret_room, reason);
}

static enum event_change find_change(struct slice event_type)
{
    static const struct {
        const char *event;
        enum event_change change;
    } changes[] = {
        {"access.revoked", EVENT_REVOKES_ACCESS},
        {"chat.member_removed", EVENT_REMOVES_MEMBER},
        {"chat.member_added", EVENT_ADDS_MEMBER},
        {"chat.deleted", EVENT_DELETES_CHAT},
    };

    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        if (slice_equal(event_type, slice_of(changes[i].event)))
            return changes[i].change;
    }
    return EVENT_CHANGES_NOTHING;
}

static enum err find_rule(const json_t *document, const struct event_map *map, struct domain_event *event,
                          char *reason)
{
    const json_t *value = json_object_get(document, "event_type");
    char excerpt[TEXT_EXCERPT_SIZE];

    if (!value)
        return json_fail(reason, ERR_MISSING, "event_type is missing");
    event->event_type = json_string_member(document, "event_type");
    if (event->event_type.len == 0 || !text_fits(event->event_type, CLIENT_TYPE_MAX))
        return json_fail(reason, ERR_RANGE,
                         "event_type is not a string of 1 to %d bytes without control characters",
                         CLIENT_TYPE_MAX);
    event->change = find_change(event->event_type);
    if (event->change == EVENT_REVOKES_ACCESS) /* no client hears of it, whatever the map says */
        return ERR_OK;
    event->rule = event_map_find(map, event->event_type);
    if (event->rule)
        return ERR_OK;
    text_excerpt(event->event_type, excerpt);
    return json_fail(reason, ERR_UNKNOWN, "no row for event_type \"%s\"", excerpt);
}

/* Deduplication rests on the id: one that cannot be used is refused, not replaced by one that differs each
 * time. Absent or null: the event has none. */
static enum err read_id(const json_t *document, struct slice text, struct domain_event *event, char *reason)
{
    const json_t *value = json_object_get(document, "id");

    if (!value || json_is_null(value))
        return ERR_OK;
    event->id = json_is_number(value) ? json_integer_text(text, "id") : json_string_member(document, "id");
    if (event->id.len == 0 || !text_is_graphic(event->id, EVENT_ID_MAX))
        return json_fail(reason, ERR_RANGE, "id is not a string of 1 to %d printable ASCII characters",
                         EVENT_ID_MAX);
    return ERR_OK;
}

/* An event that only revokes has to say whom. Another one goes its way without. */
static enum err read_change(const json_t *document, struct slice text, struct domain_event *event,
                            char *reason)
{
    enum err err = revocation_read_event(document, text, event, reason);

    if (err == ERR_OK || !event->rule)
        return err;
    event->change = EVENT_CHANGES_NOTHING;
    event->change_failed = true;
    return ERR_OK;
}

static enum err read_event(const json_t *document, struct slice text, const struct event_map *map,
                           struct domain_event *event, char *reason)
{
    const json_t *metadata = json_object_get(document, "metadata");
    enum err err = find_rule(document, map, event, reason);

    if (err)
        return err;
    if (!event->rule)
        event->room = (struct room_key){.route = 0};
    else if (event->rule->route == ROUTE_TO_CHAT)
        err = domain_event_find_chat(document, &event->room, reason);
    else
        err = find_user(document, text, &event->room, reason);
    if (err)
        return err;
    err = read_id(document, text, event, reason);
    if (err)
        return err;
    err = read_change(document, text, event, reason);
    if (err)
        return err;
    event->occurred_at = plain_member(document, "occurred_at", OCCURRED_AT_MAX);
    event->correlation_id = plain_member(metadata, "correlation_id", CORRELATION_ID_MAX);
    event->traceparent = json_string_member(metadata, "traceparent");
    if (!text_is_traceparent(event->traceparent))
        event->traceparent = (struct slice){NULL, 0};
    if (!json_find_member(text, "payload", &event->payload))
        event->payload = SLICE_LITERAL("null");
    return ERR_OK;
}

enum err domain_event_parse(struct slice text, const struct event_map *map, struct domain_event *ret_event,
                            char *reason)
{
    struct domain_event event = {.rule = NULL};
    json_t *document = NULL;
    enum err err = json_load_object(text, &document, reason);

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
