/* What clients say. */
#include "worker_internal.h"

#include <roomcast/base/clock.h>
#include <roomcast/wire/server_message.h>

#include "worker_stream.h"

/* A join of this room that is under way; NULL when there is none. */
static struct hub_request *find_join(const struct client *client, const struct room_key *room)
{
    for (struct hub_request *request = client->open; request; request = request->next) {
        if (request->purpose == FOR_SUBSCRIBE && !request->cancelled && room_key_equal(&request->room, room))
            return request;
    }
    return NULL;
}

/* Whether the session is in as many chats as it may be, or about to be. */
static bool is_at_limit(const struct client *client, uint32_t max_rooms)
{
    uint32_t count = client->session.rooms.count;
    /* The user's own channel is one of the session's rooms too, and not counted. */
    if (count + client->session.requests <= max_rooms)
        return false; /* without looking at each request: the way of everybody who keeps to the limit */
    for (const struct hub_request *request = client->open; request; request = request->next)
        count += request->purpose == FOR_SUBSCRIBE && request->kind == HUB_JOIN && !request->cancelled;
    return count > max_rooms;
}

/* --- messages --- */

void client_note_wrong(struct worker *worker, struct client *client, uint32_t message)
{
    if (client->wrong_message == message)
        return;
    client->wrong_message = message;
    if (!session_tolerate_error(&client->session, &worker->shared->rules, worker->now_ms))
        client_close(worker, client, CLOSE_PROTOCOL_VIOLATION);
}

static void refuse_chat(struct worker *worker, struct client *client, enum error_code code,
                        const struct room_key *chat, const struct request_id *id)
{
    metrics_inc(code == ERROR_CODE_FORBIDDEN ? METRIC_CLIENT_MESSAGES_FORBIDDEN
                                             : METRIC_CLIENT_MESSAGES_ROOM_LIMIT);
    client_send_error(worker, client, code, NULL, chat, id);
}

/* The hub could not be asked; client_ask() said why. `chat` NULL: about the notifications. */
static void refuse_question(struct worker *worker, struct client *client, enum err err,
                            const struct room_key *chat, const struct request_id *id)
{
    bool is_busy = err == ERR_BUSY;
    if (is_busy)
        metrics_inc(METRIC_CLIENT_MESSAGES_OVERLOADED);
    client_send_error(worker, client, is_busy ? ERROR_CODE_OVERLOADED : ERROR_CODE_UNAVAILABLE,
                      is_busy ? "too many requests of this connection are not answered yet; wait for an "
                                "answer, then send it again"
                              : NULL,
                      chat, id);
    stream_end_unanswered(worker, client);
}

/* False: the chat is forbidden. */
static bool subscribe_one(struct worker *worker, struct client *client, const struct chat_request *wanted,
                          const struct request_id *id)
{
    struct session *session = &client->session;
    const struct session_rules *rules = &worker->shared->rules;
    if (!client_may_read(worker, client, &wanted->chat)) {
        refuse_chat(worker, client, ERROR_CODE_FORBIDDEN, &wanted->chat, id);
        return false;
    }
    bool is_member = rooms_has(worker->rooms, &wanted->chat, &session->rooms);
    if (!is_member && is_at_limit(client, rules->max_rooms) && !find_join(client, &wanted->chat)) {
        refuse_chat(worker, client, ERROR_CODE_ROOM_LIMIT, &wanted->chat, id);
        return true;
    }
    struct room_key user = client_user(client);
    struct hub_request *request =
        hub_request_new(is_member ? HUB_POSITION : HUB_JOIN, worker->index, &wanted->chat, &user);
    if (request) {
        request->id = *id;
        request->message = client->message;
        request->claims = shared_text_ref(session->claims.text);
        request->waiter.has_since = wanted->has_since;
        request->waiter.since = wanted->since;
    }
    enum err err = client_ask(worker, client, request, FOR_SUBSCRIBE);
    if (err != ERR_OK)
        refuse_question(worker, client, err, &wanted->chat, id);
    return true;
}

static void subscribe(struct worker *worker, struct client *client, const struct client_message *message)
{
    bool is_allowed = true;
    for (size_t i = 0; i < message->chats_count; i++)
        is_allowed &= subscribe_one(worker, client, &message->chats[i], &message->id);
    if (!is_allowed) /* who tries chats is as wrong as who talks nonsense */
        client_note_wrong(worker, client, client->message);
}

static void unsubscribe(struct worker *worker, struct client *client, const struct client_message *message)
{
    for (size_t i = 0; i < message->chats_count; i++) {
        const struct room_key *chat = &message->chats[i].chat;
        struct hub_request *join;
        while ((join = find_join(client, chat)))
            join->cancelled = true;
        client_leave(worker, client, chat);
        /* Leaving a room that one is not in is no error: the wish is fulfilled. */
        buffer_clear(&worker->text);
        server_ack(&worker->text,
                   &(struct server_ack){.action = "unsubscribed", .chat = chat, .id = &message->id});
        client_send_text(worker, client);
    }
}

/* False: it is not in the chat that the message is about, and was told so. */
static bool is_subscribed(struct worker *worker, struct client *client, const struct client_message *message)
{
    const struct room_key *chat = &message->chats[0].chat;
    if (rooms_has(worker->rooms, chat, &client->session.rooms))
        return true;
    refuse_chat(worker, client, ERROR_CODE_NOT_SUBSCRIBED, chat, &message->id);
    return false;
}

static void tell_typing(struct worker *worker, struct client *client, const struct client_message *message)
{
    if (!is_subscribed(worker, client, message))
        return;
    struct room_key user = client_user(client);
    struct hub_request *request = hub_request_new(HUB_TYPING, worker->index, &message->chats[0].chat, &user);
    if (!request) { /* nobody waits for it, and it may be lost */
        metrics_inc(METRIC_TYPING_DROPPED);
        return;
    }
    request->flag = message->is_typing;
    hub_ask(worker->shared->hub, request);
}

static void ask_presence(struct worker *worker, struct client *client, const struct client_message *message)
{
    if (!is_subscribed(worker, client, message))
        return;
    const struct room_key *chat = &message->chats[0].chat;
    struct room_key user = client_user(client);
    struct hub_request *request = hub_request_new(HUB_PRESENCE, worker->index, chat, &user);
    if (request)
        request->id = message->id;
    enum err err = client_ask(worker, client, request, FOR_PRESENCE);
    if (err != ERR_OK)
        refuse_question(worker, client, err, chat, &message->id);
}

static void resume_notifications(struct worker *worker, struct client *client,
                                 const struct client_message *message)
{
    struct room_key user = client_user(client);
    struct hub_request *request = hub_request_new(HUB_POSITION, worker->index, &user, &user);
    if (request) {
        request->id = message->id;
        request->waiter.has_since = message->has_since;
        request->waiter.since = message->since;
    }
    if (message->has_since)
        client_hold_longer(worker, client);
    enum err err = client_ask(worker, client, request, FOR_NOTIFICATIONS);
    if (err != ERR_OK)
        refuse_question(worker, client, err, NULL, &message->id);
}

void client_subscribe(struct worker *worker, struct client *client, struct chat_request *chats, size_t count)
{
    const struct client_message message = {.type = CLIENT_SUBSCRIBE, .chats = chats, .chats_count = count};
    client->message++;
    subscribe(worker, client, &message);
}

void client_resume_notifications(struct worker *worker, struct client *client, const struct position *since)
{
    const struct client_message message = {
        .type = CLIENT_NOTIFICATIONS_RESUME, .has_since = true, .since = *since};
    client->message++;
    resume_notifications(worker, client, &message);
}

/* A fresh token may allow less than the old one: what it does not allow ends now. */
static void end_forbidden_rooms(struct worker *worker, struct client *client)
{
    struct session *session = &client->session;
    for (struct hub_request *request = client->open; request; request = request->next) {
        if (request->purpose == FOR_SUBSCRIBE && !client_may_read(worker, client, &request->room))
            request->cancelled = true;
    }
    for (uint32_t i = session->rooms.count; i-- > 0;) {
        struct room_key room;
        room_list_key(&session->rooms, i, &room);
        if (room.route != ROUTE_TO_CHAT || client_may_read(worker, client, &room))
            continue;
        client_leave(worker, client, &room);
        buffer_clear(&worker->text);
        server_unsubscribed(&worker->text, &room, "MEMBERSHIP_REVOKED",
                            "the new token does not allow this chat");
        client_send_text(worker, client);
    }
}

/* Moves `claims`, of a good token, into the session, and uses a one-time token up; else they are as before.
 */
static enum err take_claims(struct worker *worker, struct client *client, struct token_claims *claims,
                            const char **ret_reason)
{
    struct node_shared *shared = worker->shared;
    struct token_use use;
    if (revoked_find(shared->revoked, claims, NULL) != 0) {
        *ret_reason = "the token was revoked";
        return ERR_FORBIDDEN;
    }
    enum err err = used_take(shared->used, claims, &use, ret_reason);
    if (err != ERR_OK)
        return err;
    err = session_refresh(&client->session, claims, &shared->rules, clock_wall_ms(), worker->now_ms);
    if (err == ERR_OK) {
        used_tell(shared->used, &use);
        return ERR_OK;
    }
    used_give_back(shared->used, &use);
    *ret_reason = "the token is for another user";
    return err;
}

static enum error_code refresh_error(enum err err)
{
    switch (err) {
    case ERR_UNAVAILABLE:
        return ERROR_CODE_UNAVAILABLE;
    case ERR_BUSY:
    case ERR_NO_MEMORY:
        return ERROR_CODE_OVERLOADED;
    default:
        return ERROR_CODE_UNAUTHORIZED;
    }
}

void client_refresh(struct worker *worker, struct client *client, enum err err, const char *reason,
                    struct token_claims *claims, const struct request_id *id)
{
    if (err == ERR_OK) {
        err = take_claims(worker, client, claims, &reason);
        if (err != ERR_OK)
            token_claims_release(claims);
    }
    if (err != ERR_OK) {
        client_send_error(worker, client, refresh_error(err), reason, NULL, id);
        return;
    }
    client_arm(worker, client);
    buffer_clear(&worker->text);
    server_ack(&worker->text, &(struct server_ack){.action = "refreshed",
                                                   .id = id,
                                                   .expires_at = client->session.claims.expires_at});
    client_send_text(worker, client);
    end_forbidden_rooms(worker, client);
    client_claims_changed(worker, client);
}

static void refresh(struct worker *worker, struct client *client, const struct client_message *message)
{
    const struct token_verifier *verifier = worker->shared->verifier;
    struct token_claims claims;
    const char *reason;
    if (worker->verifying && token_takes_long(verifier, message->token)) {
        if (!worker_refresh_later(worker, client, message->token, &message->id))
            client_send_error(worker, client, ERROR_CODE_UNAVAILABLE, NULL, NULL, &message->id);
        return;
    }
    enum err err = token_verify(verifier, message->token, clock_wall_ms() / 1000, &claims, &reason);
    client_refresh(worker, client, err, reason, &claims, &message->id);
}

static void work_on(struct worker *worker, struct client *client, const struct client_message *message)
{
    switch (message->type) {
    case CLIENT_SUBSCRIBE:
        subscribe(worker, client, message);
        return;
    case CLIENT_UNSUBSCRIBE:
        unsubscribe(worker, client, message);
        return;
    case CLIENT_TYPING:
        tell_typing(worker, client, message);
        return;
    case CLIENT_PING:
        buffer_clear(&worker->text);
        server_pong(&worker->text, &message->id);
        client_send_text(worker, client);
        return;
    case CLIENT_PRESENCE_GET:
        ask_presence(worker, client, message);
        return;
    case CLIENT_AUTH_REFRESH:
        refresh(worker, client, message);
        return;
    case CLIENT_NOTIFICATIONS_RESUME:
        resume_notifications(worker, client, message);
        return;
    }
}

static void answer_fault(struct worker *worker, struct client *client, const struct client_fault *fault)
{
    metrics_inc(METRIC_CLIENT_MESSAGES_BAD);
    client_send_error(worker, client, fault->code, fault->message, fault->has_chat ? &fault->chat : NULL,
                      &fault->id);
    client_note_wrong(worker, client, client->message);
}

void client_on_text(struct worker *worker, struct client *client, struct slice text)
{
    struct session *session = &client->session;
    const struct session_rules *rules = &worker->shared->rules;
    if (session->state != SESSION_OPEN)
        return;
    switch (session_admit_message(session, rules, worker->now_ms)) {
    case SESSION_ADMIT:
        break;
    case SESSION_ADMIT_NOT:
        metrics_inc(METRIC_CLIENT_MESSAGES_RATE_LIMITED);
        client_send_error(worker, client, ERROR_CODE_RATE_LIMITED, NULL, NULL, NULL);
        return;
    case SESSION_ADMIT_CLOSE:
        metrics_inc(METRIC_CLIENT_MESSAGES_RATE_LIMITED);
        client_close(worker, client, CLOSE_RATE_LIMITED);
        return;
    }
    struct client_limits limits = {.max_depth = worker->shared->config->limits_message_depth,
                                   .max_chats = rules->max_rooms};
    struct client_message message;
    struct client_fault fault;
    client->message++;
    if (client_message_parse(text, &limits, &message, &fault) != ERR_OK) {
        answer_fault(worker, client, &fault);
        return;
    }
    metrics_inc(METRIC_CLIENT_MESSAGES);
    work_on(worker, client, &message);
    client_message_release(&message);
}
