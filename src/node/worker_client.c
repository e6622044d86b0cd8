/* What clients say, and what the hub answers to it. */
#include "worker_internal.h"

#include <stdlib.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/log.h>
#include <roomcast/base/random.h>
#include <roomcast/wire/server_message.h>

/* --- questions to the hub --- */

bool client_ask(struct worker *worker, struct client *client, struct hub_request *request,
                enum request_purpose purpose)
{
    if (!request) {
        log_error("out_of_memory", LOG_TEXT("doing", "asking the hub"));
        return false;
    }
    request->session = client;
    request->purpose = purpose;
    request->next = client->open;
    if (client->open)
        client->open->previous = request;
    client->open = request;
    client->session.requests++;
    hub_ask(worker->shared->hub, request);
    return true;
}

static void take_back(struct client *client, struct hub_request *request)
{
    if (request->previous)
        request->previous->next = request->next;
    else
        client->open = request->next;
    if (request->next)
        request->next->previous = request->previous;
    client->session.requests--;
}

void client_forget_request(struct hub_request *request)
{
    take_back(request->session, request);
    hub_request_free(&request);
}

void client_tell_part(struct worker *worker, struct client *client, const struct room_key *room)
{
    struct room_key user = client_user(client);
    struct hub_request *request = hub_request_new(HUB_PART, worker->index, room, &user);
    if (request)
        hub_ask(worker->shared->hub, request);
    else /* the room stays subscribed longer than it need be: no event is lost by that */
        log_error("out_of_memory", LOG_TEXT("doing", "leaving a room"));
    if (room->route == ROUTE_TO_CHAT)
        metrics_change(METRIC_SUBSCRIPTIONS, -1);
}

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

static void refuse_chat(struct worker *worker, struct client *client, enum error_code code,
                        const struct room_key *chat, const struct request_id *id)
{
    if (code == ERROR_CODE_FORBIDDEN)
        metrics_inc(METRIC_CLIENT_MESSAGES_FORBIDDEN);
    client_send_error(worker, client, code, NULL, chat, id);
}

static void subscribe_one(struct worker *worker, struct client *client, const struct chat_request *wanted,
                          const struct request_id *id)
{
    struct session *session = &client->session;
    const struct session_rules *rules = &worker->shared->rules;
    if (!session_may_read(session, &wanted->chat, rules)) {
        refuse_chat(worker, client, ERROR_CODE_FORBIDDEN, &wanted->chat, id);
        return;
    }
    bool is_member = rooms_has(worker->rooms, &wanted->chat, &session->rooms);
    if (!is_member && is_at_limit(client, rules->max_rooms) && !find_join(client, &wanted->chat)) {
        refuse_chat(worker, client, ERROR_CODE_ROOM_LIMIT, &wanted->chat, id);
        return;
    }
    struct room_key user = client_user(client);
    struct hub_request *request =
        hub_request_new(is_member ? HUB_POSITION : HUB_JOIN, worker->index, &wanted->chat, &user);
    if (request) {
        request->id = *id;
        request->waiter.has_since = wanted->has_since;
        request->waiter.since = wanted->since;
    }
    if (!client_ask(worker, client, request, FOR_SUBSCRIBE))
        refuse_chat(worker, client, ERROR_CODE_UNAVAILABLE, &wanted->chat, id);
}

static void subscribe(struct worker *worker, struct client *client, const struct client_message *message)
{
    for (size_t i = 0; i < message->chats_count; i++)
        subscribe_one(worker, client, &message->chats[i], &message->id);
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

static void tell_hub(struct worker *worker, struct client *client, const struct client_message *message,
                     enum hub_request_kind kind)
{
    const struct room_key *chat = &message->chats[0].chat;
    if (!rooms_has(worker->rooms, chat, &client->session.rooms)) {
        refuse_chat(worker, client, ERROR_CODE_NOT_SUBSCRIBED, chat, &message->id);
        return;
    }
    struct room_key user = client_user(client);
    struct hub_request *request = hub_request_new(kind, worker->index, chat, &user);
    if (kind == HUB_TYPING) {
        if (request) { /* nobody waits for it, and it may be lost */
            request->flag = message->is_typing;
            hub_ask(worker->shared->hub, request);
        }
        return;
    }
    if (request)
        request->id = message->id;
    if (!client_ask(worker, client, request, FOR_PRESENCE))
        refuse_chat(worker, client, ERROR_CODE_UNAVAILABLE, chat, &message->id);
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
    if (!client_ask(worker, client, request, FOR_NOTIFICATIONS))
        client_send_error(worker, client, ERROR_CODE_UNAVAILABLE, NULL, NULL, &message->id);
}

/* A fresh token may allow less than the old one: what it does not allow ends now. */
static void end_forbidden_rooms(struct worker *worker, struct client *client)
{
    struct session *session = &client->session;
    for (struct hub_request *request = client->open; request; request = request->next) {
        if (request->purpose == FOR_SUBSCRIBE &&
            !session_may_read(session, &request->room, &worker->shared->rules))
            request->cancelled = true;
    }
    for (uint32_t i = session->rooms.count; i-- > 0;) {
        struct room_key room;
        room_list_key(&session->rooms, i, &room);
        if (room.route != ROUTE_TO_CHAT || session_may_read(session, &room, &worker->shared->rules))
            continue;
        client_leave(worker, client, &room);
        buffer_clear(&worker->text);
        server_unsubscribed(&worker->text, &room, "MEMBERSHIP_REVOKED",
                            "the new token does not allow this chat");
        client_send_text(worker, client);
    }
}

void client_refresh(struct worker *worker, struct client *client, enum err err, const char *reason,
                    struct token_claims *claims, const struct request_id *id)
{
    if (err == ERR_OK) {
        err = session_refresh(&client->session, claims, &worker->shared->rules, clock_wall_ms(),
                              worker->now_ms);
        if (err != ERR_OK) {
            token_claims_release(claims);
            reason = "the token is for another user";
        }
    }
    if (err != ERR_OK) {
        client_send_error(worker, client, ERROR_CODE_UNAUTHORIZED, reason, NULL, id);
        return;
    }
    client_arm(worker, client);
    buffer_clear(&worker->text);
    server_ack(&worker->text, &(struct server_ack){.action = "refreshed",
                                                   .id = id,
                                                   .expires_at = client->session.claims.expires_at});
    client_send_text(worker, client);
    end_forbidden_rooms(worker, client);
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
        tell_hub(worker, client, message, HUB_TYPING);
        return;
    case CLIENT_PING:
        buffer_clear(&worker->text);
        server_pong(&worker->text, &message->id);
        client_send_text(worker, client);
        return;
    case CLIENT_PRESENCE_GET:
        tell_hub(worker, client, message, HUB_PRESENCE);
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
    if (!session_tolerate_error(&client->session, &worker->shared->rules, worker->now_ms))
        client_close(worker, client, CLOSE_PROTOCOL_VIOLATION);
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
    if (client_message_parse(text, &limits, &message, &fault) != ERR_OK) {
        answer_fault(worker, client, &fault);
        return;
    }
    metrics_inc(METRIC_CLIENT_MESSAGES);
    work_on(worker, client, &message);
    client_message_release(&message);
}

/* --- answers of the hub --- */

static void ack_position(struct worker *worker, struct client *client, struct hub_request *request,
                         const char *action)
{
    /* A client that is behind, and does not resume from a place of its own, stands where its cursor is: what
     * it is still to get must not lie before the position that it is told. */
    const struct position *cursor =
        request->waiter.has_since ? NULL : client_cursor(worker, client, &request->room);
    uint64_t missed = request->is_recovered ? request->position.seq - request->waiter.since.seq : 0;
    buffer_clear(&worker->text);
    server_ack(&worker->text, &(struct server_ack){
                                  .action = action,
                                  .chat = request->room.route == ROUTE_TO_CHAT ? &request->room : NULL,
                                  .id = &request->id,
                                  .position = cursor ? cursor : &request->position,
                                  .was_recovering = request->waiter.has_since,
                                  .recovered = request->is_recovered,
                                  .replayed = missed,
                              });
    client_send_text(worker, client);
    if (request->waiter.has_since)
        client_resume(worker, client, request);
}

/* Puts the session into the room. False: it could not be; the hub was told. */
static bool join(struct worker *worker, struct client *client, const struct hub_request *request)
{
    enum err err = rooms_join(worker->rooms, &request->room, &client->session.rooms);
    if (err == ERR_OK) {
        if (request->room.route == ROUTE_TO_CHAT)
            metrics_change(METRIC_SUBSCRIPTIONS, 1);
        return true;
    }
    /* ERR_CONFLICT: two subscribes for one room crossed; the second join is given back. */
    struct hub_request *part = hub_request_new(HUB_PART, worker->index, &request->room, &request->user);
    if (part)
        hub_ask(worker->shared->hub, part);
    return err == ERR_CONFLICT;
}

/* The hub counts the session as being in the room. */
static bool is_joined(const struct hub_request *request)
{
    return request->status == ERR_OK || (request->keep && request->status == ERR_TIMEOUT);
}

static void give_back_join(struct worker *worker, const struct hub_request *request)
{
    if (request->kind != HUB_JOIN || !is_joined(request))
        return;
    struct hub_request *part = hub_request_new(HUB_PART, worker->index, &request->room, &request->user);
    if (part)
        hub_ask(worker->shared->hub, part);
}

static void say_connected(struct worker *worker, struct client *client, const struct hub_request *request)
{
    struct session *session = &client->session;
    const struct config *config = worker->shared->config;
    if (!is_joined(request) || !join(worker, client, request)) {
        client_close(worker, client, CLOSE_OVERLOADED);
        return;
    }
    /* The first ping comes at a random moment: connections that came together must not be pinged together. */
    uint64_t first_ping_ms = 1 + random_below((uint32_t)worker->shared->rules.ping_interval_ms);
    session_opened(session, worker->now_ms, first_ping_ms);
    client_arm(worker, client);
    struct room_key user = client_user(client);
    buffer_clear(&worker->text);
    server_connected(&worker->text,
                     &(struct server_connected){
                         .connection_id = slice_of(session->id),
                         .user_id = room_key_name(&user),
                         .node = slice_of(config->node_name),
                         .ping_interval_ms = worker->shared->rules.ping_interval_ms,
                         .expires_at = session->claims.expires_at,
                         .notifications = request->status == ERR_OK ? &request->position : NULL,
                     });
    client_send_text(worker, client);
    if (request->status == ERR_OK)
        client_hold_notifications(worker, client, &request->position);
    client_arm(worker, client);
    ws_connection_pause(session->connection, false);
}

static void say_subscribed(struct worker *worker, struct client *client, struct hub_request *request)
{
    if (request->status != ERR_OK) {
        client_send_error(worker, client, ERROR_CODE_UNAVAILABLE, NULL, &request->room, &request->id);
    } else if (request->cancelled) {
        give_back_join(worker, request);
        client_send_error(worker, client, ERROR_CODE_NOT_SUBSCRIBED,
                          "left before the subscription took effect", &request->room, &request->id);
    } else if (request->kind == HUB_JOIN && !join(worker, client, request)) {
        client_send_error(worker, client, ERROR_CODE_UNAVAILABLE, NULL, &request->room, &request->id);
    } else {
        ack_position(worker, client, request, "subscribed");
        log_debug("subscribed", LOG_TEXT("session", client->session.id),
                  LOG_SLICE("user", room_key_name(&request->user)),
                  LOG_SLICE("room", room_key_name(&request->room)));
    }
}

static void say_notifications(struct worker *worker, struct client *client, struct hub_request *request)
{
    const struct position *since = &request->waiter.since, *unresumed = &client->unresumed;
    if (request->status != ERR_OK) {
        client_send_error(worker, client, ERROR_CODE_UNAVAILABLE, NULL, NULL, &request->id);
        return;
    }
    /* It resumed too late: later notifications have gone out before what it missed, and have moved its
     * cursor. It would take what is replayed for old, so it is told that it has missed something. */
    bool is_late = client->held_until_ms == 0 && unresumed->epoch[0] != '\0' &&
                   !(strcmp(since->epoch, unresumed->epoch) == 0 && since->seq >= unresumed->seq);
    if (request->is_recovered && !client->has_resumed && is_late) {
        request->is_recovered = false;
        request->is_all = true;
        replay_unref(&request->replay);
    }
    if (request->waiter.has_since)
        client->has_resumed = true;
    ack_position(worker, client, request, "notifications");
}

static void say_answer(struct worker *worker, struct client *client, struct hub_request *request)
{
    switch ((enum request_purpose)request->purpose) {
    case FOR_CONNECT:
        say_connected(worker, client, request);
        return;
    case FOR_SUBSCRIBE:
        say_subscribed(worker, client, request);
        return;
    case FOR_NOTIFICATIONS:
        say_notifications(worker, client, request);
        return;
    case FOR_CATCH_UP:
        client_on_catch_up_answer(worker, client, request);
        return;
    case FOR_PRESENCE:
        if (request->status == ERR_OK) {
            buffer_clear(&worker->text);
            buffer_append(&worker->text, request->text, request->text_len);
            client_send_text(worker, client);
        } else {
            client_send_error(worker, client, ERROR_CODE_UNAVAILABLE, NULL, &request->room, &request->id);
        }
        return;
    }
}

void client_on_answer(struct worker *worker, struct hub_request *request)
{
    struct client *client = request->session;
    take_back(client, request);
    if (client->session.state == SESSION_OPENING || client->session.state == SESSION_OPEN)
        say_answer(worker, client, request);
    else
        give_back_join(worker, request);
    hub_request_free(&request);
}
