#include "event_text.h"

#include <stdio.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/uuid.h>
#include <roomcast/wire/domain_event.h>
#include <roomcast/wire/json_text.h>

static void append_new_id(struct buffer *out)
{
    struct uuid uuid;
    char text[UUID_TEXT_SIZE];

    uuid_generate_random(&uuid);
    uuid_format(&uuid, text);
    json_append_string(out, slice_of(text));
}

static void append_member(struct buffer *out, const char *name, const char *value)
{
    buffer_appendf(out, "\"%s\":", name);
    json_append_string(out, slice_of(value));
    buffer_append_char(out, ',');
}

void event_text_make(const struct event_parts *parts, uint64_t now_ms, struct buffer *out)
{
    char now[CLOCK_TEXT_SIZE];

    buffer_append_text(out, "{\"id\":");
    if (parts->id)
        json_append_string(out, slice_of(parts->id));
    else
        append_new_id(out);
    buffer_append_char(out, ',');
    append_member(out, "event_type", parts->type);
    clock_format(now_ms, now);
    append_member(out, "occurred_at", now);
    if (parts->chat) {
        append_member(out, "aggregate_type", "chat");
        append_member(out, "aggregate_id", parts->chat);
    }
    if (parts->user) {
        buffer_append_text(out, "\"metadata\":{\"user_id\":");
        json_append_string(out, slice_of(parts->user));
        buffer_append_text(out, "},");
    }
    buffer_append_text(out, "\"payload\":");
    buffer_append_slice(out, parts->data);
    buffer_append_char(out, '}');
}

/* Without white space at both ends (RFC 8259 section 2). */
static struct slice trim(struct slice text)
{
    while (text.len > 0 && strchr(" \t\r\n", text.data[0]))
        text = (struct slice){text.data + 1, text.len - 1};
    while (text.len > 0 && strchr(" \t\r\n", text.data[text.len - 1]))
        text.len--;
    return text;
}

void event_text_complete(struct slice text, struct buffer *out)
{
    struct slice id, whole = trim(text);

    if (json_find_member(whole, "id", &id) && !slice_equal(id, SLICE_LITERAL("null"))) {
        buffer_append_slice(out, whole);
        return;
    }
    /* Last, since of several members of one name the last one counts: it may have `"id":null`. It is not
     * empty: it has an event_type. */
    buffer_append(out, whole.data, whole.len - 1);
    buffer_append_text(out, ",\"id\":");
    append_new_id(out);
    buffer_append_char(out, '}');
}

/* What was put in as one value must come out as one: `1},"id":{` would be more. */
static bool is_one_value(struct slice text, struct slice data)
{
    struct slice payload;
    return json_find_member(text, "payload", &payload) && slice_equal(payload, trim(data));
}

/* Does its type go where it is sent? What has no row goes nowhere, and is not judged. */
static enum err check_route(const struct event_parts *parts, const struct event_map *map, char *problem)
{
    const struct event_rule *rule = event_map_find(map, slice_of(parts->type));
    const char *right = rule && rule->route == ROUTE_TO_USER ? "user" : "chat";

    if (!rule || rule->route == (parts->chat ? ROUTE_TO_CHAT : ROUTE_TO_USER))
        return ERR_OK;
    snprintf(problem, EVENT_TEXT_PROBLEM_SIZE, "an event of type %.64s goes to a %s: give --%s", parts->type,
             right, right);
    return ERR_MISMATCH;
}

static enum err check_room(const struct domain_event *event, const struct event_parts *parts, char *problem)
{
    struct room_key room;
    enum err err = parts->chat ? room_key_for_chat_text(slice_of(parts->chat), &room)
                               : room_key_for_user(slice_of(parts->user), &room);

    if (err == ERR_OK && room_key_equal(&room, &event->room))
        return ERR_OK;
    snprintf(problem, EVENT_TEXT_PROBLEM_SIZE, "the data names %.*s itself, which is not the one of --%s",
             SLICE_FMT(room_key_name(&event->room)), parts->chat ? "chat" : "user");
    return ERR_MISMATCH;
}

static void take_facts(const struct domain_event *event, const char *reason, struct event_facts *ret_facts)
{
    ret_facts->has_row = true;
    snprintf(ret_facts->id, sizeof ret_facts->id, "%.*s", SLICE_FMT(event->id));
    if (event->change_failed)
        snprintf(ret_facts->warning, sizeof ret_facts->warning,
                 "clients hear of it, but no right changes: %s", reason);
}

static void take_unknown(struct slice text, struct event_facts *ret_facts)
{
    struct slice id;

    if (!json_find_member(text, "id", &id))
        return;
    bool is_string = id.len >= 2 && id.data[0] == '"';
    snprintf(ret_facts->id, sizeof ret_facts->id, "%.*s", (int)(id.len - 2 * is_string), id.data + is_string);
}

enum err event_text_check(struct slice text, const struct event_parts *parts, const struct event_map *map,
                          struct event_facts *ret_facts, char *problem)
{
    struct domain_event event;
    char reason[192] = "";
    enum err err = parts ? check_route(parts, map, problem) : ERR_OK;

    *ret_facts = (struct event_facts){.has_row = false};
    if (err != ERR_OK)
        return err;
    err = domain_event_parse(text, map, &event, reason);
    if (err == ERR_SYNTAX && parts) {
        snprintf(problem, EVENT_TEXT_PROBLEM_SIZE, "the data is not valid JSON");
        return err;
    }
    if (err != ERR_OK && err != ERR_UNKNOWN) {
        snprintf(problem, EVENT_TEXT_PROBLEM_SIZE, "the event cannot be used: %s", reason);
        return err;
    }
    if (parts && !is_one_value(text, parts->data)) {
        snprintf(problem, EVENT_TEXT_PROBLEM_SIZE, "the data is not one JSON value");
        if (err == ERR_OK)
            domain_event_release(&event);
        return ERR_SYNTAX;
    }
    if (err == ERR_UNKNOWN) {
        take_unknown(text, ret_facts);
        return ERR_OK;
    }
    if (parts && event.rule)
        err = check_room(&event, parts, problem);
    if (err == ERR_OK)
        take_facts(&event, reason, ret_facts);
    domain_event_release(&event);
    return err;
}
