/* What a connection reads: first the request, then frames. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <roomcast/base/frame.h>

#include "ws_connection.h"
#include "ws_head.h"
#include "ws_upgrade.h"

#define UNDECIDED_RETRY_S 5
#define ANSWER_HEAD_BYTES 1024 /* status line and headers of our own */

void ws_connection_report(struct ws_connection *connection, unsigned status, const char *what)
{
    const struct ws_handlers *handlers = &connection->server->handlers;
    if (handlers->on_bad_request)
        handlers->on_bad_request(handlers->context, status, what);
}

/* False when it could not be written. */
static bool put_buffer(struct ws_connection *connection, const struct buffer *answer)
{
    return !buffer_failed(answer) && ws_connection_put(connection, answer->data, answer->len);
}

static void refuse_malformed(struct ws_connection *connection, const struct ws_head_problem *problem)
{
    struct buffer answer;
    buffer_init(&answer, 2 * ANSWER_HEAD_BYTES);
    ws_upgrade_refuse_problem(&answer, problem);
    ws_connection_report(connection, problem->status, problem->reason);
    if (put_buffer(connection, &answer))
        ws_connection_linger(connection);
    else
        ws_connection_discard(connection);
    buffer_fini(&answer);
}

/* A whole request, kept while its decision is pending. */
struct ws_asked {
    struct ws_head head;  /* slices of the opening's input and of `joined` */
    struct buffer joined; /* what had to be put together */
    struct buffer rest;   /* what the peer has said behind the request */
};

static void asked_free(struct ws_asked *asked)
{
    buffer_fini(&asked->joined);
    buffer_fini(&asked->rest);
    free(asked);
}

static struct ws_asked *asked_of(const struct ws_connection *connection)
{
    return connection->opening ? connection->opening->asked : NULL;
}

void ws_connection_end_opening(struct ws_connection *connection)
{
    if (connection->opening)
        buffer_fini(&connection->opening->input);
    free(connection->opening);
    connection->opening = NULL;
}

void ws_connection_withdraw(struct ws_connection *connection)
{
    const struct ws_handlers *handlers = &connection->server->handlers;
    if (!asked_of(connection))
        return;
    asked_free(connection->opening->asked);
    connection->opening->asked = NULL;
    handlers->on_withdrawn(handlers->context, connection->session);
}

bool ws_connection_is_ahead(const struct ws_connection *connection)
{
    const struct ws_asked *asked = asked_of(connection);
    return asked && asked->rest.len > 0;
}

void ws_connection_refuse_late(struct ws_connection *connection)
{
    static const struct ws_head_problem problem = {408, "REQUEST_TIMEOUT", "the request did not come in time",
                                                   0};
    static const struct ws_head_problem undecided = {
        503, "OVERLOADED", "the request could not be decided on in time", UNDECIDED_RETRY_S};
    if (asked_of(connection)) {
        ws_connection_withdraw(connection);
        refuse_malformed(connection, &undecided);
        return;
    }
    if (connection->opening) {
        refuse_malformed(connection, &problem);
        return;
    }
    /* Who never said a word is not answered: it may be a spare connection of a browser. */
    bool is_secured = !connection->tls || tls_state_is_established(tls_stream_state(connection->tls));
    ws_connection_report(connection, 408,
                         is_secured ? "no request came in time" : "no TLS handshake came in time");
    ws_connection_discard(connection);
}

void ws_connection_refuse_plain(struct ws_connection *connection)
{
    static const struct ws_head_problem problem = {
        400, "TLS_REQUIRED", "plain HTTP on a port that speaks TLS: use wss:// or https://", 0};
    refuse_malformed(connection, &problem);
}

static void refuse(struct ws_connection *connection, const struct ws_head *head,
                   const struct ws_decision *decision)
{
    const struct ws_refusal refusal = {
        .status = decision->status,
        .body = decision->body,
        .headers = decision->headers,
        .retry_after_s = decision->retry_after_s,
        .name_version = head->wrong_version,
        .head_only = slice_equal(head->request.method, SLICE_LITERAL("HEAD")),
    };
    struct buffer answer;
    buffer_init(&answer, ANSWER_HEAD_BYTES + decision->headers.len + decision->body.len);
    ws_upgrade_refuse(&answer, &refusal);
    if (put_buffer(connection, &answer))
        ws_connection_linger(connection);
    else
        ws_connection_discard(connection);
    buffer_fini(&answer);
}

static void send_file(struct ws_connection *connection, const struct ws_head *head,
                      const struct ws_file *file)
{
    struct buffer answer;
    buffer_init(&answer, ANSWER_HEAD_BYTES + file->bytes.len);
    ws_upgrade_send_file(&answer, file, slice_equal(head->request.method, SLICE_LITERAL("HEAD")));
    if (put_buffer(connection, &answer))
        ws_connection_linger(connection);
    else
        ws_connection_discard(connection);
    buffer_fini(&answer);
}

static void open_with(struct ws_connection *connection, const struct buffer *answer,
                      const struct ws_decision *decision)
{
    const struct ws_handlers *handlers = &connection->server->handlers;
    if (put_buffer(connection, answer)) {
        ws_connection_open(connection, decision);
    } else {
        handlers->on_abandoned(handlers->context, decision->session);
        ws_connection_discard(connection);
    }
}

static void accept_upgrade(struct ws_connection *connection, const struct ws_head *head,
                           const struct ws_decision *decision)
{
    struct buffer answer;
    assert(head->request.is_upgrade);
    buffer_init(&answer, ANSWER_HEAD_BYTES);
    connection->deflates = connection->server->inflater && head->deflate.acceptable;
    ws_upgrade_accept(&answer, head, decision->subprotocol,
                      connection->deflates ? ws_extension_answer(&head->deflate) : NULL);
    open_with(connection, &answer, decision);
    buffer_fini(&answer);
}

static void accept_stream(struct ws_connection *connection, const struct ws_decision *decision)
{
    struct buffer answer;
    buffer_init(&answer, ANSWER_HEAD_BYTES + decision->headers.len + decision->body.len);
    ws_upgrade_stream(&answer, decision->content_type, decision->headers);
    buffer_append_slice(&answer, decision->body);
    open_with(connection, &answer, decision);
    buffer_fini(&answer);
}

static void answer(struct ws_connection *connection, const struct ws_head *head,
                   const struct ws_decision *decision)
{
    if (decision->accept && decision->is_stream)
        accept_stream(connection, decision);
    else if (decision->accept)
        accept_upgrade(connection, head, decision);
    else if (decision->file.content_type)
        send_file(connection, head, &decision->file);
    else
        refuse(connection, head, decision);
}

/* True: the decision is pending, and `asked` is kept. */
static bool ask(struct ws_connection *connection, struct ws_asked *asked)
{
    const struct ws_handlers *handlers = &connection->server->handlers;
    struct ws_decision decision = {0};
    asked->head.request.peer = slice_of(connection->peer);
    handlers->on_request(handlers->context, connection, &asked->head.request, &decision);
    if (decision.pending) {
        connection->opening->asked = asked;
        connection->session = decision.session;
        return true;
    }
    answer(connection, &asked->head, &decision);
    return false;
}

/* The input holds a whole head of `len` bytes. */
static void take_head(struct ws_connection *connection, size_t len)
{
    struct ws_head_problem problem;
    const struct buffer *input = &connection->opening->input;
    struct ws_asked *asked = malloc(sizeof *asked);
    if (!asked) {
        ws_connection_report(connection, 503, "out of memory");
        ws_connection_discard(connection);
        return;
    }
    buffer_init(&asked->joined, input->max);
    buffer_init(&asked->rest, SIZE_MAX / 2); /* bounded by the size of one read */
    if (!ws_head_parse(input->data, len, &asked->joined, &asked->head, &problem))
        refuse_malformed(connection, &problem);
    else if (ask(connection, asked))
        return;
    asked_free(asked);
}

static void keep_rest(struct ws_connection *connection, const unsigned char *bytes, size_t len)
{
    struct buffer *rest = &connection->opening->asked->rest;
    buffer_append(rest, bytes, len);
    if (buffer_failed(rest)) {
        ws_connection_withdraw(connection);
        ws_connection_discard(connection);
    }
}

void ws_connection_decide(struct ws_connection *connection, const struct ws_decision *decision)
{
    struct ws_asked *asked = asked_of(connection);
    assert(connection->state == WS_STATE_HEAD && asked);
    connection->opening->asked = NULL;
    answer(connection, &asked->head, decision);
    if (connection->state == WS_STATE_OPEN || connection->state == WS_STATE_CLOSING)
        ws_connection_take(connection, (unsigned char *)asked->rest.data, asked->rest.len);
    asked_free(asked);
    ws_connection_update_reading(connection);
}

/* False: out of memory. */
static bool take_input(struct ws_connection *connection, const unsigned char *bytes, size_t len,
                       size_t *ret_taken)
{
    if (!connection->opening) {
        connection->opening = calloc(1, sizeof *connection->opening);
        if (!connection->opening)
            return false;
        buffer_init(&connection->opening->input, connection->server->options.max_header_bytes);
    }
    struct buffer *input = &connection->opening->input;
    size_t room = input->max - input->len;
    *ret_taken = len < room ? len : room;
    buffer_append(input, bytes, *ret_taken);
    return !buffer_failed(input);
}

void ws_connection_read_head(struct ws_connection *connection, unsigned char *bytes, size_t len)
{
    size_t taken;
    if (asked_of(connection)) {
        keep_rest(connection, bytes, len);
        return;
    }
    if (!take_input(connection, bytes, len, &taken)) {
        ws_connection_report(connection, 503, "out of memory");
        ws_connection_discard(connection);
        return;
    }
    struct buffer *input = &connection->opening->input;
    size_t head_len = ws_head_find_end(buffer_slice(input), &connection->opening->scanned);
    if (head_len == 0) {
        if (taken < len || input->len == input->max) {
            struct ws_head_problem problem = ws_head_too_long(buffer_slice(input));
            refuse_malformed(connection, &problem);
        }
        return;
    }
    size_t beyond = input->len - head_len; /* belongs to what follows */
    take_head(connection, head_len);
    if (asked_of(connection) && len - taken + beyond > 0)
        keep_rest(connection, bytes + taken - beyond, len - taken + beyond);
    if (connection->state == WS_STATE_OPEN || connection->state == WS_STATE_CLOSING)
        ws_connection_take(connection, bytes + taken - beyond, len - taken + beyond);
}

/* --- frames --- */

/* One write for all pings of one read. */
static bool flush_pongs(struct ws_connection *connection)
{
    struct ws_server *server = connection->server;
    size_t len = server->pongs_len;
    server->pongs_len = 0;
    if (len == 0 || ws_connection_put(connection, server->pongs, len))
        return true;
    ws_connection_end(connection, WS_END_LOST, WS_CLOSE_ABNORMAL, WS_STATE_DROPPING);
    return false;
}

static void gather_pong(struct ws_connection *connection, struct slice payload)
{
    struct ws_server *server = connection->server;
    if (sizeof server->pongs - server->pongs_len < FRAME_HEADER_MAX + WS_CONTROL_MAX &&
        !flush_pongs(connection))
        return;
    unsigned char *frame = server->pongs + server->pongs_len;
    frame[0] = 0x80 | FRAME_PONG;
    frame[1] = (unsigned char)payload.len;
    if (payload.len > 0)
        memcpy(frame + 2, payload.data, payload.len);
    server->pongs_len += 2 + payload.len;
}

/* Answers the peer's close, or its fault, and is done with it. */
static void answer_close(struct ws_connection *connection, enum ws_end end, unsigned code)
{
    const struct ws_handlers *handlers = &connection->server->handlers;
    unsigned char frame[WS_CLOSE_FRAME_MAX];
    if (handlers->on_ending)
        handlers->on_ending(handlers->context, connection);
    if (connection->state != WS_STATE_OPEN)
        return;
    size_t len = ws_close_frame(frame, code, NULL);
    bool written = ws_connection_put(connection, frame, len);
    ws_connection_end(connection, end, code, written ? WS_STATE_ENDING : WS_STATE_DROPPING);
}

static bool is_utf8(struct slice text)
{
    struct ws_utf8 utf8;
    ws_utf8_init(&utf8);
    return ws_utf8_feed(&utf8, (const unsigned char *)text.data, text.len) && ws_utf8_complete(&utf8);
}

static void take_deflated(struct ws_connection *connection, struct slice deflated, bool is_binary)
{
    const struct ws_handlers *handlers = &connection->server->handlers;
    struct slice text;
    enum err err = inflater_run(connection->server->inflater, deflated, &text);
    if (err == ERR_OK && is_binary)
        handlers->on_binary(handlers->context, connection, text);
    else if (err == ERR_OK && is_utf8(text))
        handlers->on_message(handlers->context, connection, text);
    else if (err == ERR_TOO_BIG)
        handlers->on_too_big(handlers->context, connection);
    else if (err == ERR_NO_MEMORY)
        ws_connection_drop(connection);
    else
        answer_close(connection, WS_END_FAULT, WS_CLOSE_NOT_UTF8);
}

static void handle_open(struct ws_connection *connection, const struct ws_event *event)
{
    const struct ws_handlers *handlers = &connection->server->handlers;
    if (event->kind == WS_EVENT_PING) {
        gather_pong(connection, event->payload);
        return;
    }
    if (!flush_pongs(connection)) /* before anything that may close */
        return;
    switch (event->kind) {
    case WS_EVENT_TEXT:
        handlers->on_message(handlers->context, connection, event->payload);
        return;
    case WS_EVENT_BINARY:
        handlers->on_binary(handlers->context, connection, event->payload);
        return;
    case WS_EVENT_DEFLATED:
        take_deflated(connection, event->payload, event->is_binary);
        return;
    case WS_EVENT_PONG:
        handlers->on_pong(handlers->context, connection);
        return;
    case WS_EVENT_TOO_BIG:
        handlers->on_too_big(handlers->context, connection);
        return;
    case WS_EVENT_CLOSE:
        answer_close(connection, WS_END_CLIENT, event->code);
        return;
    case WS_EVENT_FAULT:
        answer_close(connection, WS_END_FAULT, event->code);
        return;
    case WS_EVENT_NO_MEMORY:
        ws_connection_drop(connection);
        return;
    case WS_EVENT_NONE:
    case WS_EVENT_PING:
        return;
    }
}

/* Only the peer's close frame is still of interest, or that none can come any more. */
static void handle_closing(struct ws_connection *connection, const struct ws_event *event)
{
    if (event->kind == WS_EVENT_CLOSE || event->kind == WS_EVENT_FAULT)
        ws_connection_end(connection, WS_END_SERVER, connection->code, WS_STATE_ENDING);
    else if (event->kind == WS_EVENT_NO_MEMORY)
        ws_connection_end(connection, WS_END_SERVER, connection->code, WS_STATE_DROPPING);
}

static void keep_unread(struct ws_connection *connection, const unsigned char *bytes, size_t len)
{
    if (!connection->unread && (connection->unread = malloc(sizeof *connection->unread)))
        buffer_init(connection->unread, SIZE_MAX / 2); /* bounded by the size of one read */
    if (connection->unread)
        buffer_append(connection->unread, bytes, len);
    if (!connection->unread || buffer_failed(connection->unread))
        ws_connection_drop(connection);
}

void ws_connection_read_frames(struct ws_connection *connection, unsigned char *bytes, size_t len)
{
    struct ws_event event;
    assert(connection->server->pongs_len == 0);
    for (;;) {
        if (connection->paused && len > 0) {
            keep_unread(connection, bytes, len);
            break;
        }
        ws_decoder_next(&connection->decoder, &bytes, &len, &event);
        if (event.kind == WS_EVENT_NONE)
            break;
        if (connection->state == WS_STATE_OPEN)
            handle_open(connection, &event);
        else
            handle_closing(connection, &event);
        if (connection->state != WS_STATE_OPEN && connection->state != WS_STATE_CLOSING)
            break;
    }
    if (connection->state == WS_STATE_OPEN)
        flush_pongs(connection);
    connection->server->pongs_len = 0;
}
