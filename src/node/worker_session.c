#include "worker_internal.h"

#include <assert.h>
#include <stdlib.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/log.h>
#include <roomcast/base/random.h>
#include <roomcast/wire/server_message.h>

#include "handshake.h"
#include "worker_echo.h"
#include "worker_stream.h"

static void put_first(struct worker *worker, struct client *client)
{
    client->previous = NULL;
    client->next = worker->clients;
    if (worker->clients)
        worker->clients->previous = client;
    else
        worker->clients_last = client;
    worker->clients = client;
}

static void take_out(struct worker *worker, struct client *client)
{
    if (client->previous)
        client->previous->next = client->next;
    else
        worker->clients = client->next;
    if (client->next)
        client->next->previous = client->previous;
    else
        worker->clients_last = client->previous;
}

void client_note_said(struct worker *worker, struct client *client)
{
    if (worker->clients == client)
        return;
    take_out(worker, client);
    put_first(worker, client);
}

static void init(struct client *client, struct worker *worker, struct token_claims *claims,
                 const struct address *from)
{
    char id[SESSION_ID_LEN + 1];
    random_text(id, SESSION_ID_LEN);
    session_init(&client->session, id, claims, &worker->shared->rules, clock_wall_ms(), worker->now_ms);
    client->open = NULL;
    client->catch_ups = NULL;
    client->unresumed = (struct position){.seq = 0};
    client->held_until_ms = 0;
    client->has_resumed = false;
    client->opened_s = 0;
#ifdef ROOMCAST_CONFORMANCE
    client->is_echo = false;
#endif
    client->from = *from;
    client->message = client->wrong_message = 0;
    put_first(worker, client);
}

struct client *client_new(struct worker *worker, struct token_claims *claims, const struct address *from)
{
    struct client *client = malloc(sizeof *client);
    if (client)
        init(client, worker, claims, from);
    return client;
}

struct client *client_new_stream(struct worker *worker, struct token_claims *claims,
                                 const struct address *from, struct stream_cursor *cursor)
{
    struct stream_client *stream = malloc(sizeof *stream);
    if (!stream)
        return NULL;
    init(&stream->client, worker, claims, from);
    stream->client.session.is_stream = true;
    stream->cursor = cursor;
    stream->retry_ms = 0;
    return &stream->client;
}

void client_arm(struct worker *worker, struct client *client)
{
    uint64_t due_ms = session_next_due(&client->session);
    if (due_ms != 0)
        timer_wheel_set(&worker->wheel, &client->session.timer, due_ms);
    else
        timer_wheel_cancel(&worker->wheel, &client->session.timer);
}

static void note_deflating(struct worker *worker, struct session *session, bool takes_deflated)
{
    if (session->queue.takes_deflated == takes_deflated)
        return;
    session->queue.takes_deflated = takes_deflated;
    metrics_change(METRIC_CONNECTIONS_DEFLATING, takes_deflated ? 1 : -1);
    if (takes_deflated)
        atomic_fetch_add(&worker->shared->deflating, 1);
    else
        atomic_fetch_sub(&worker->shared->deflating, 1);
}

void client_begin(struct worker *worker, struct client *client, struct ws_connection *connection)
{
    struct session *session = &client->session;
    struct room_key user = client_user(client);
    session->connection = connection;
    client->opened_s = (uint32_t)(worker->now_ms / 1000);
    atomic_fetch_add_explicit(&worker->staying, 1, memory_order_relaxed);
    metrics_inc(METRIC_HANDSHAKES_ACCEPTED);
    metrics_change(METRIC_CONNECTIONS, 1);
    if (session->is_stream)
        metrics_change(METRIC_CONNECTIONS_STREAMING, 1);
    note_deflating(worker, session, ws_connection_takes_deflated(connection));
    char peer[ADDRESS_TEXT_SIZE];
    address_format(&client->from, peer);
    log_info("session_opened", LOG_TEXT("session", session->id), LOG_SLICE("user", room_key_name(&user)),
             LOG_TEXT("peer", peer));

#ifdef ROOMCAST_CONFORMANCE
    if (client->is_echo) {
        echo_open(worker, client);
        return;
    }
#endif
    struct hub_request *request = hub_request_new(HUB_JOIN, worker->index, &user, &user);
    if (request)
        request->keep = true; /* a client may connect while the bus is away */
    if (client_ask(worker, client, request, FOR_CONNECT) != ERR_OK) {
        client_close(worker, client, CLOSE_OVERLOADED);
        return;
    }
    /* `connected` is the first thing a client hears; what it says before is read after that. */
    ws_connection_pause(connection, true);
    client_arm(worker, client);
}

static uint64_t retry_after_ms(const struct worker *worker, enum close_reason reason)
{
    /* Clients that are sent away together come back one after the other. Never 0, which is not told. */
    switch (reason) {
    case CLOSE_DRAINING:
    case CLOSE_ISOLATED:
        return 1 + random_below(worker->drain.spread_ms > 0 ? 999 : 1999);
    case CLOSE_REBALANCE:
        return 1 + random_below(1999);
    case CLOSE_OVERLOADED:
    case CLOSE_RATE_LIMITED:
    case CLOSE_SLOW_CONSUMER:
    case CLOSE_OPERATOR:
        return 1000 + random_below(4000);
    default:
        return 0;
    }
}

void client_close(struct worker *worker, struct client *client, enum close_reason reason)
{
    struct session *session = &client->session;
    struct room_key user = client_user(client);
    if (!session_begin_close(session, reason, &worker->shared->rules, worker->now_ms))
        return;
    atomic_fetch_sub_explicit(&worker->staying, 1, memory_order_relaxed);
    client_note_said(worker, client); /* out of the way of who looks for silent ones */
    const struct close_reason_row *row = close_reason_row(reason);
    log_info("session_closing", LOG_TEXT("session", session->id), LOG_SLICE("user", room_key_name(&user)),
             LOG_U64("code", row->code), LOG_TEXT("reason", row->text));
    /* A reader that was too slow for its queue would be too slow for what is in it: it resumes from its
     * cursor. And who has no rights any more reads nothing more. */
    if (reason == CLOSE_SLOW_CONSUMER || reason == CLOSE_REVOKED)
        client_drop_queue(worker, session);
    uint64_t retry_ms = retry_after_ms(worker, reason);
    if (session->is_stream && retry_ms > 0)
        stream_set_retry(client, retry_ms);
    buffer_clear(&worker->text);
    server_disconnect(&worker->text, row->code, row->text, close_reason_may_reconnect(reason), retry_ms);
    client_send_last(worker, client);
    client_arm(worker, client);
}

bool client_leave(struct worker *worker, struct client *client, const struct room_key *room)
{
    if (!rooms_leave(worker->rooms, room, &client->session.rooms))
        return false;
    client_end_catch_up(client, room);
    client_tell_part(worker, client, room);
    return true;
}

static enum metric end_metric(const struct session *session, enum ws_end end, unsigned code)
{
    if (session->state == SESSION_CLOSING)
        return close_reason_row(session->close_reason)->metric;
    switch (end) {
    case WS_END_CLIENT:
        return METRIC_CLOSED_BY_CLIENT;
    case WS_END_FAULT:
        return code == 1003   ? METRIC_CLOSED_UNSUPPORTED
               : code == 1007 ? METRIC_CLOSED_UTF8
                              : METRIC_CLOSED_PROTOCOL;
    case WS_END_SERVER:
    case WS_END_LOST:
        break;
    }
    return METRIC_CLOSED_LOST;
}

static void leave_all(struct worker *worker, struct client *client)
{
    struct room_key room;
    while (rooms_leave_last(worker->rooms, &client->session.rooms, &room))
        client_tell_part(worker, client, &room);
}

void client_end(struct worker *worker, struct client *client, enum ws_end end, unsigned code)
{
    struct session *session = &client->session;
    struct room_key user = client_user(client);
    if (session->connection) {
        if (session->state != SESSION_CLOSING)
            atomic_fetch_sub_explicit(&worker->staying, 1, memory_order_relaxed);
        metrics_inc(end_metric(session, end, code));
        worker_note_close(worker, session, end, code);
        metrics_change(METRIC_CONNECTIONS, -1);
        if (session->is_stream)
            metrics_change(METRIC_CONNECTIONS_STREAMING, -1);
        note_deflating(worker, session, false);
        log_info("session_closed", LOG_TEXT("session", session->id), LOG_SLICE("user", room_key_name(&user)),
                 LOG_U64("code", code));
    }
    leave_all(worker, client);
    client_end_catch_ups(client);
    client_set_blocked(client, false);
    client_drop_queue(worker, session);
    client_unschedule(worker, client);
    session_ended(session);
    timer_wheel_cancel(&worker->wheel, &session->timer);
    handshake_give_back(worker->shared, &user, &client->from);

    take_out(worker, client);
    client->next = worker->ended;
    worker->ended = client;
}

/* Sessions with questions under way wait until the last answer is here. */
void client_free_ended(struct worker *worker)
{
    struct client **link = &worker->ended;
    while (*link) {
        struct client *client = *link;
        if (client->session.requests > 0) {
            link = &client->next;
            continue;
        }
        *link = client->next;
        session_fini(&client->session);
        if (client->session.is_stream)
            stream_fini(client);
        free(client);
    }
}

void client_on_timer(struct worker *worker, struct client *client)
{
    struct session *session = &client->session;
    switch (session_tick(session, &worker->shared->rules, worker->now_ms)) {
    case SESSION_DUE_NOTHING:
        break;
    case SESSION_DUE_PING:
        client_send_frame(worker, client, worker->ping);
        break;
    case SESSION_DUE_NO_PONG:
        client_close(worker, client, CLOSE_NO_PONG);
        break;
    case SESSION_DUE_EXPIRED:
        client_close(worker, client, CLOSE_TOKEN_EXPIRED);
        break;
    case SESSION_DUE_SLOW:
        client_close(worker, client, CLOSE_SLOW_CONSUMER);
        break;
    case SESSION_DUE_CATCH_UP:
        client_pump(worker, client, SIZE_MAX);
        break;
    case SESSION_DUE_DROP:
        session->close_by = 0;
        ws_connection_drop(session->connection);
        break;
    }
    if (session->state != SESSION_ENDED)
        client_arm(worker, client);
}
