#include "revocation_json.h"

#include <stdio.h>
#include <stdlib.h>

#include <roomcast/wire/json_text.h>
#include <roomcast/wire/revocation_request.h>

#include "json_member.h"

static const char *const chat_names[] = {"chat_id", "ChatID", "chatId", NULL};
static const char *const user_names[] = {"user_id", "UserID", "userId", NULL};
static const char *const token_names[] = {"token_id", "TokenID", "tokenId", NULL};
/* A service may well call the removed one a member. */
static const char *const member_names[] = {"user_id",  "UserID",   "userId", "member_id",
                                           "MemberID", "memberId", NULL};

/* --- requests --- */

/* Unix seconds, fractions cut; 0 when absent. */
static enum err read_seconds(const json_t *object, const char *name, const char *owner, uint64_t *ret_seconds,
                             char *reason)
{
    const json_t *value = json_object_get(object, name);
    double seconds = json_number_value(value);

    if (!value || json_is_null(value)) {
        *ret_seconds = 0;
        return ERR_OK;
    }
    if (!json_is_number(value) || seconds < 1 || seconds > (double)REVOCATION_SECONDS_MAX)
        return json_fail(reason, ERR_RANGE, "%s%s is not a time in Unix seconds", owner, name);
    *ret_seconds = (uint64_t)seconds;
    return ERR_OK;
}

static enum err read_user(const json_t *value, struct slice text, const char *owner, const char *name,
                          const struct uuid *chat, struct revocation *ret_revocation, char *reason)
{
    struct room_key user;
    enum err err = json_read_user(value, text, owner, name, &user, reason);

    if (err == ERR_OK)
        revocation_of_user(&user, chat, ret_revocation);
    return err;
}

static enum err read_token(const json_t *value, const char *owner, const char *name,
                           struct revocation *ret_revocation, char *reason)
{
    struct slice id = {json_string_value(value), json_string_length(value)};

    if (!json_is_string(value) || revocation_of_token(id, ret_revocation))
        return json_fail(reason, ERR_RANGE,
                         "%s%s is not a token id: 1 to %d bytes without control characters", owner, name,
                         TOKEN_ID_MAX);
    return ERR_OK;
}

static enum err read_chat_uuid(const json_t *value, const char *owner, const char *name,
                               struct uuid *ret_chat, char *reason)
{
    struct slice text = {json_string_value(value), json_string_length(value)};

    if (!json_is_string(value) || uuid_parse(text, ret_chat))
        return json_fail(reason, ERR_RANGE, "%s%s is not a UUID", owner, name);
    return ERR_OK;
}

/* Who or what: nothing is guessed, and no typing error revokes more than was meant. */
static enum err read_target(const json_t *object, struct slice text, const char *owner,
                            struct revocation *ret_revocation, char *reason)
{
    const char *chat_name, *user_name, *token_name;
    const json_t *chat = json_spelled(object, chat_names, &chat_name);
    const json_t *user = json_spelled(object, user_names, &user_name);
    const json_t *token = json_spelled(object, token_names, &token_name);
    struct uuid uuid;

    if (token && (chat || user))
        return json_fail(reason, ERR_MISMATCH, "%s%s stands alone: it names one token, of whoever", owner,
                         token_name);
    if (token)
        return read_token(token, owner, token_name, ret_revocation, reason);
    if (!user)
        return json_fail(reason, ERR_MISSING, "neither %suser_id nor %stoken_id", owner, owner);
    if (!chat)
        return read_user(user, text, owner, user_name, NULL, ret_revocation, reason);
    enum err err = read_chat_uuid(chat, owner, chat_name, &uuid, reason);
    return err ? err : read_user(user, text, owner, user_name, &uuid, ret_revocation, reason);
}

enum err revocation_read_request(const json_t *object, struct slice text, const char *owner,
                                 struct revocation *ret_revocation, char *reason)
{
    struct revocation revocation;
    uint64_t before_s = 0, expires_s = 0;
    enum err err = read_target(object, text, owner, &revocation, reason);

    if (!err)
        err = read_seconds(object, "before", owner, &before_s, reason);
    if (!err)
        err = read_seconds(object, "expires_at", owner, &expires_s, reason);
    if (err)
        return err;
    revocation.at_s = before_s;
    revocation.until_s = expires_s;
    *ret_revocation = revocation;
    return ERR_OK;
}

enum err revocation_request_parse(struct slice text, struct revocation *ret_revocation, char *reason)
{
    json_t *document;
    enum err err = json_load_object(text, &document, reason);

    if (err)
        return err;
    err = revocation_read_request(document, text, "", ret_revocation, reason);
    json_decref(document);
    return err;
}

/* --- domain events --- */

/* The chat of the event: as the map's route to a chat finds it, whatever the map does with the event. */
static enum err read_event_chat(const json_t *document, struct uuid *ret_chat, char *reason)
{
    struct room_key room;
    enum err err = domain_event_find_chat(document, &room, reason);

    return err ? err : uuid_parse(room_key_name(&room), ret_chat);
}

static enum err read_member(const json_t *document, struct slice text, struct revocation *ret_revocation,
                            char *reason)
{
    const json_t *payload = json_object_get(document, "payload");
    struct slice payload_text = {NULL, 0};
    const char *name;
    struct uuid chat;
    const json_t *user = json_spelled(payload, member_names, &name);
    enum err err = read_event_chat(document, &chat, reason);

    if (err)
        return err;
    if (!user || !json_find_member(text, "payload", &payload_text))
        return json_fail(reason, ERR_MISSING, "no member: payload.user_id is missing");
    return read_user(user, payload_text, "payload.", name, &chat, ret_revocation, reason);
}

static enum err read_access(const json_t *document, struct slice text, struct revocation *ret_revocation,
                            char *reason)
{
    struct slice payload = {NULL, 0};

    if (!json_find_member(text, "payload", &payload))
        return json_fail(reason, ERR_MISSING, "payload is missing");
    return revocation_read_request(json_object_get(document, "payload"), payload, "payload.", ret_revocation,
                                   reason);
}

enum err revocation_read_event(const json_t *document, struct slice text, struct domain_event *event,
                               char *reason)
{
    struct uuid chat;
    enum err err = ERR_OK;

    switch (event->change) {
    case EVENT_CHANGES_NOTHING:
        return ERR_OK;
    case EVENT_REVOKES_ACCESS:
        return read_access(document, text, &event->revocation, reason);
    case EVENT_REMOVES_MEMBER:
    case EVENT_ADDS_MEMBER:
        err = read_member(document, text, &event->revocation, reason);
        break;
    case EVENT_DELETES_CHAT:
        err = read_event_chat(document, &chat, reason);
        if (!err)
            revocation_of_chat(&chat, &event->revocation);
        break;
    }
    return err;
}
