/* What the hub answers, and what the client hears of it. */
#include "worker_internal.h"

#include <roomcast/base/log.h>
#include <roomcast/base/random.h>
#include <roomcast/wire/server_message.h>

#include "worker_stream.h"

static void ack_position(struct worker *worker, struct client *client, struct hub_request *request,
                         const char *action)
{
    /* A client that is behind, and does not resume from a place of its own, stands where its cursor is: what
     * it is still to get must not lie before the position that it is told. */
    const struct position *cursor =
        request->waiter.has_since ? NULL : client_cursor(worker, client, &request->room);
    const struct position *position = cursor ? cursor : &request->position;
    uint64_t missed = request->is_recovered ? request->position.seq - request->waiter.since.seq : 0;
    buffer_clear(&worker->text);
    server_ack(&worker->text, &(struct server_ack){
                                  .action = action,
                                  .chat = request->room.route == ROUTE_TO_CHAT ? &request->room : NULL,
                                  .id = &request->id,
                                  .position = position,
                                  .was_recovering = request->waiter.has_since,
                                  .recovered = request->is_recovered,
                                  .replayed = missed,
                              });
    /* Who is recovered stands where it was, until it has been sent what it missed. */
    client_send_placed(worker, client, &request->room, missed > 0 ? NULL : position);
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
    if (client_is_revoked(worker, client)) { /* since its token was checked */
        metrics_inc(METRIC_REVOKED_SESSIONS);
        client_close(worker, client, CLOSE_REVOKED);
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
    bool resumes = !session->is_stream || stream_resumes_notifications(client);
    client_send_placed(worker, client, &user,
                       request->status == ERR_OK && !resumes ? &request->position : NULL);
    if (request->status == ERR_OK && resumes)
        client_hold_notifications(worker, client, &request->position);
    client_arm(worker, client);
    ws_connection_pause(session->connection, false);
    if (session->is_stream)
        stream_follow(worker, client);
}

static void say_forbidden(struct worker *worker, struct client *client, const struct hub_request *request)
{
    metrics_inc(METRIC_CLIENT_MESSAGES_FORBIDDEN);
    client_send_error(worker, client, ERROR_CODE_FORBIDDEN, NULL, &request->room, &request->id);
    client_note_wrong(worker, client, request->message);
}

static void say_subscribed(struct worker *worker, struct client *client, struct hub_request *request)
{
    if (request->status == ERR_FORBIDDEN) {
        say_forbidden(worker, client, request);
    } else if (request->status != ERR_OK) {
        client_send_error(worker, client, ERROR_CODE_UNAVAILABLE, NULL, &request->room, &request->id);
        stream_end_unanswered(worker, client);
    } else if (!client_may_read(worker, client, &request->room)) { /* since it asked */
        give_back_join(worker, request);
        say_forbidden(worker, client, request);
    } else if (request->cancelled) {
        give_back_join(worker, request);
        client_send_error(worker, client, ERROR_CODE_NOT_SUBSCRIBED,
                          "left before the subscription took effect", &request->room, &request->id);
    } else if (request->kind == HUB_JOIN && !join(worker, client, request)) {
        client_send_error(worker, client, ERROR_CODE_UNAVAILABLE, NULL, &request->room, &request->id);
        stream_end_unanswered(worker, client);
    } else {
        ack_position(worker, client, request, "subscribed");
        log_debug("subscribed", LOG_TEXT("session", client->session.id),
                  LOG_SLICE("user", room_key_name(&request->user)),
                  LOG_SLICE("room", room_key_name(&request->room)));
        if (request->claims != client->session.claims.text) /* a fresh token came meanwhile */
            client_ask_rights(worker, client, &request->room);
    }
}

static void say_notifications(struct worker *worker, struct client *client, struct hub_request *request)
{
    const struct position *since = &request->waiter.since, *unresumed = &client->unresumed;
    if (request->status != ERR_OK) {
        client_send_error(worker, client, ERROR_CODE_UNAVAILABLE, NULL, NULL, &request->id);
        stream_end_unanswered(worker, client);
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
    case FOR_RIGHTS:
        client_on_rights_answer(worker, client, request);
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
    client_take_back(request);
    if (client->session.state == SESSION_OPENING || client->session.state == SESSION_OPEN)
        say_answer(worker, client, request);
    else
        give_back_join(worker, request);
    hub_request_free(&request);
}
