#include "ws_connection.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libwebsockets.h>
#include <utlist.h>

#include "ws_context.h"

#define ALLOWS(state) (1u << (state))

/* The diagram in the header, as a table: what may follow each state. */
static const unsigned followers[] = {
    [WS_STATE_HEAD] = ALLOWS(WS_STATE_OPEN) | ALLOWS(WS_STATE_LINGER) | ALLOWS(WS_STATE_DEAD),
    [WS_STATE_OPEN] = ALLOWS(WS_STATE_CLOSING) | ALLOWS(WS_STATE_ENDING) | ALLOWS(WS_STATE_DROPPING),
    [WS_STATE_CLOSING] = ALLOWS(WS_STATE_ENDING) | ALLOWS(WS_STATE_DROPPING),
    [WS_STATE_ENDING] = ALLOWS(WS_STATE_LINGER) | ALLOWS(WS_STATE_DEAD),
    [WS_STATE_DROPPING] = ALLOWS(WS_STATE_DEAD),
    [WS_STATE_LINGER] = ALLOWS(WS_STATE_DEAD),
    [WS_STATE_DEAD] = 0,
};

static void set_state(struct ws_connection *connection, enum ws_state state)
{
    assert(followers[connection->state] & ALLOWS(state));
    connection->state = state;
    ws_server_clear_deadline(connection); /* each wait belongs to one state */
}

bool ws_connection_listens(const struct ws_connection *connection)
{
    return connection->state == WS_STATE_HEAD || connection->state == WS_STATE_OPEN ||
           connection->state == WS_STATE_CLOSING;
}

static bool is_open(const struct ws_connection *connection)
{
    return connection->state == WS_STATE_OPEN || connection->state == WS_STATE_CLOSING;
}

static void free_unread(struct ws_connection *connection)
{
    if (connection->unread)
        buffer_fini(connection->unread);
    free(connection->unread);
    connection->unread = NULL;
}

/* Frees the connection itself. */
static void release(struct ws_connection *connection)
{
    ws_server_clear_deadline(connection);
    if (connection->wsi)
        ws_context_kill(connection->wsi);
    DL_DELETE(connection->server->connections, connection);
    atomic_fetch_sub(connection->server->sockets, 1);
    ws_pending_leave(connection);
    ws_tls_drop(connection);
    ws_connection_end_opening(connection);
    free_unread(connection);
    ws_decoder_fini(&connection->decoder);
    free(connection);
}

/* A pause alone does not stop the reading, only what comes during it: to stop and resume costs four system
 * calls, and of the many that are paused for the moment of their opening hardly one says anything. */
void ws_connection_update_reading(struct ws_connection *connection)
{
    bool reading =
        connection->output != WS_OUTPUT_BLOCKED &&
        (connection->state == WS_STATE_HEAD ? !ws_connection_is_ahead(connection) : !connection->unread);
    if (!connection->wsi || reading == connection->reading)
        return;
    connection->reading = reading;
    lws_rx_flow_control(connection->wsi, reading);
}

bool ws_connection_put_wire(struct ws_connection *connection, const void *bytes, size_t len)
{
    struct lws *wsi = connection->wsi;
    /* RAW: the library promises not to write into the bytes, whatever its prototype says. */
    if (!wsi || lws_write(wsi, (unsigned char *)bytes, len, LWS_WRITE_RAW) < 0)
        return false;
    if (lws_partial_buffered(wsi)) { /* the library asks for the callback itself */
        connection->output = WS_OUTPUT_BLOCKED;
        ws_connection_update_reading(connection);
    }
    return true;
}

bool ws_connection_put(struct ws_connection *connection, const void *bytes, size_t len)
{
    struct ws_server *server = connection->server;
    if (!connection->tls)
        return ws_connection_put_wire(connection, bytes, len);
    ws_tls_clear(server);
    return ws_tls_wrap(connection, bytes, len) &&
           ws_connection_put_wire(connection, server->tls->output.data, server->tls->output.len);
}

void ws_connection_end(struct ws_connection *connection, enum ws_end end, unsigned code, enum ws_state next)
{
    set_state(connection, next);
    connection->end = end;
    connection->code = code;
    ws_server_queue_work(connection);
}

/* Nobody answers on a stream, so that TCP has to tell who is gone (RFC 5482). Best effort. */
static void expect_acknowledgement(struct ws_connection *connection, unsigned timeout_ms)
{
    if (timeout_ms > 0)
        setsockopt(connection->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms);
}

void ws_connection_open(struct ws_connection *connection, const struct ws_decision *decision)
{
    struct ws_server *server = connection->server;
    set_state(connection, WS_STATE_OPEN);
    ws_pending_leave(connection);
    connection->session = decision->session;
    ws_connection_end_opening(connection);
    connection->is_stream = decision->is_stream;
    if (connection->is_stream) {
        expect_acknowledgement(connection, decision->unacknowledged_ms);
    } else {
        ws_decoder_init(&connection->decoder, server->options.max_message_bytes, connection->deflates);
        connection->decoder.takes_binary = decision->takes_binary;
    }
    server->handlers.on_open(server->handlers.context, connection, decision->session);
}

static void die(struct ws_connection *connection)
{
    set_state(connection, WS_STATE_DEAD);
    ws_pending_leave(connection);
    ws_server_queue_work(connection);
}

void ws_connection_discard(struct ws_connection *connection)
{
    die(connection);
}

void ws_connection_accept(struct ws_server *server, int fd, const char *peer)
{
    size_t peer_size = strlen(peer) + 1;
    if (!ws_tls_admits(server, peer) || !ws_socket_enter(server)) {
        close(fd);
        return;
    }
    struct ws_connection *connection = calloc(1, sizeof *connection + peer_size);
    if (!connection) {
        atomic_fetch_sub(server->pending, 1);
        atomic_fetch_sub(server->sockets, 1);
        close(fd);
        return;
    }
    *connection =
        (struct ws_connection){.server = server, .state = WS_STATE_HEAD, .reading = true, .is_pending = true};
    memcpy(connection->peer, peer, peer_size);
    DL_APPEND(server->connections, connection);
    connection->fd = fd;
    if (!ws_tls_begin(connection)) {
        close(fd);
        die(connection);
        return;
    }
    connection->wsi = ws_context_adopt(server->context, fd, connection);
    if (connection->wsi)
        ws_server_set_deadline(connection, &server->handshakes);
    else if (connection->state == WS_STATE_HEAD) /* otherwise the library has told already */
        die(connection);
}

/* Nothing more will be written: says so to the peer, who then closes. Comes again when what TLS has to say
 * about it is out, too. */
static void end_output(struct ws_connection *connection)
{
    ws_tls_say_end(connection);
    if (connection->output == WS_OUTPUT_READY)
        shutdown(lws_get_socket_fd(connection->wsi), SHUT_WR);
}

void ws_connection_linger(struct ws_connection *connection)
{
    if (!connection->wsi) {
        die(connection);
        return;
    }
    set_state(connection, WS_STATE_LINGER);
    ws_server_set_deadline(connection, &connection->server->closings);
    connection->paused = false;
    ws_connection_end_opening(connection);
    free_unread(connection);
    ws_decoder_fini(&connection->decoder);
    ws_connection_update_reading(connection);
    if (connection->output == WS_OUTPUT_READY)
        end_output(connection);
}

/* On a stream the peer has nothing more to say. */
static void discard_input(struct ws_connection *connection, size_t len)
{
    connection->discarded += (uint32_t)len;
    if (connection->discarded > WS_LINGER_BYTES)
        ws_connection_end(connection, WS_END_FAULT, WS_CLOSE_PROTOCOL, WS_STATE_DROPPING);
}

void ws_connection_take(struct ws_connection *connection, unsigned char *bytes, size_t len)
{
    if (connection->state == WS_STATE_HEAD)
        ws_connection_read_head(connection, bytes, len);
    else if (is_open(connection) && connection->is_stream)
        discard_input(connection, len);
    else if (is_open(connection))
        ws_connection_read_frames(connection, bytes, len);
    else if (connection->state == WS_STATE_LINGER &&
             (connection->discarded += (uint32_t)len) > WS_LINGER_BYTES)
        die(connection);
}

void ws_connection_ended(struct ws_connection *connection)
{
    switch (connection->state) {
    case WS_STATE_HEAD:
        if (connection->opening && !connection->opening->asked) /* a mere attempt is no bad request */
            ws_connection_report(connection, 400, "closed before the request was complete");
        ws_connection_withdraw(connection);
        die(connection);
        return;
    case WS_STATE_OPEN:
        ws_connection_end(connection, WS_END_LOST, WS_CLOSE_ABNORMAL, WS_STATE_DROPPING);
        return;
    case WS_STATE_CLOSING:
        ws_connection_end(connection, WS_END_SERVER, connection->code, WS_STATE_DROPPING);
        return;
    case WS_STATE_LINGER:
        die(connection);
        return;
    case WS_STATE_ENDING:
    case WS_STATE_DROPPING:
    case WS_STATE_DEAD:
        return;
    }
}

/* --- from libwebsockets --- */

void ws_connection_received(struct ws_connection *connection, unsigned char *bytes, size_t len)
{
    if (connection->tls && ws_connection_listens(connection))
        ws_tls_received(connection, bytes, len);
    else
        ws_connection_take(connection, bytes, len);
    ws_connection_update_reading(connection);
}

void ws_connection_drained(struct ws_connection *connection)
{
    struct ws_server *server = connection->server;
    if (lws_partial_buffered(connection->wsi))
        return;
    switch (connection->output) {
    case WS_OUTPUT_READY:
        return;
    case WS_OUTPUT_BLOCKED:
        connection->output = WS_OUTPUT_DRAINED;
        ws_connection_update_reading(connection);
        lws_callback_on_writable(connection->wsi);
        return;
    case WS_OUTPUT_DRAINED:
        connection->output = WS_OUTPUT_READY;
    }
    if (connection->state == WS_STATE_LINGER) {
        end_output(connection);
    } else if (connection->state == WS_STATE_OPEN && connection->owes_writable) {
        connection->owes_writable = false;
        server->handlers.on_writable(server->handlers.context, connection);
    }
}

void ws_connection_lost(struct ws_connection *connection)
{
    connection->wsi = NULL;
    ws_connection_ended(connection);
}

/* --- from the server --- */

void ws_connection_late(struct ws_connection *connection)
{
    if (connection->state == WS_STATE_HEAD)
        ws_connection_refuse_late(connection);
    else if (connection->state == WS_STATE_CLOSING)
        ws_connection_end(connection, WS_END_SERVER, connection->code, WS_STATE_DROPPING);
    else if (connection->state == WS_STATE_LINGER)
        die(connection);
}

static void tell_closed(struct ws_connection *connection)
{
    const struct ws_handlers *handlers = &connection->server->handlers;
    handlers->on_closed(handlers->context, connection, connection->end, connection->code);
}

/* What a pause left unread. Pausing again in between leaves the rest. */
static void read_on(struct ws_connection *connection)
{
    if (connection->paused)
        return;
    struct buffer *unread = connection->unread;
    connection->unread = NULL;
    if (unread) {
        ws_connection_read_frames(connection, (unsigned char *)unread->data, unread->len);
        buffer_fini(unread);
        free(unread);
    }
    ws_connection_update_reading(connection);
}

void ws_connection_work(struct ws_connection *connection)
{
    switch (connection->state) {
    case WS_STATE_OPEN:
    case WS_STATE_CLOSING:
        read_on(connection);
        return;
    case WS_STATE_ENDING:
        tell_closed(connection);
        ws_connection_linger(connection);
        return;
    case WS_STATE_DROPPING:
        tell_closed(connection);
        set_state(connection, WS_STATE_DEAD);
        release(connection);
        return;
    case WS_STATE_DEAD:
        release(connection);
        return;
    case WS_STATE_HEAD:
    case WS_STATE_LINGER:
        return;
    }
}

void ws_connection_cut(struct ws_connection *connection)
{
    ws_connection_withdraw(connection);
    if (is_open(connection)) {
        bool asked = connection->state == WS_STATE_CLOSING;
        ws_connection_end(connection, WS_END_SERVER, asked ? connection->code : (unsigned)WS_CLOSE_ABNORMAL,
                          WS_STATE_DROPPING);
    }
    if (connection->state == WS_STATE_ENDING || connection->state == WS_STATE_DROPPING)
        tell_closed(connection);
    release(connection);
}

/* --- from the caller --- */

void *ws_connection_session(const struct ws_connection *connection)
{
    return connection->session;
}

bool ws_connection_takes_deflated(const struct ws_connection *connection)
{
    return connection->deflates;
}

bool ws_connection_is_stream(const struct ws_connection *connection)
{
    return connection->is_stream;
}

const char *ws_connection_peer(const struct ws_connection *connection)
{
    return connection->peer;
}

void ws_connection_close(struct ws_connection *connection, unsigned code, const char *reason)
{
    unsigned char frame[WS_CLOSE_FRAME_MAX];
    if (connection->state != WS_STATE_OPEN)
        return;
    if (connection->is_stream) {
        ws_connection_end(connection, WS_END_SERVER, code, WS_STATE_ENDING);
        return;
    }
    size_t len = ws_close_frame(frame, code, reason);
    if (!ws_connection_put(connection, frame, len)) {
        ws_connection_end(connection, WS_END_LOST, WS_CLOSE_ABNORMAL, WS_STATE_DROPPING);
        return;
    }
    set_state(connection, WS_STATE_CLOSING);
    connection->code = code;
    ws_server_set_deadline(connection, &connection->server->closings);
    ws_connection_pause(connection, false); /* the peer's close frame is to be read */
}

void ws_connection_drop(struct ws_connection *connection)
{
    if (is_open(connection))
        ws_connection_end(connection, WS_END_SERVER, WS_CLOSE_ABNORMAL, WS_STATE_DROPPING);
}

void ws_connection_pause(struct ws_connection *connection, bool paused)
{
    if (!is_open(connection) || (connection->state == WS_STATE_CLOSING && paused))
        return;
    connection->paused = paused;
    if (!paused && connection->unread)
        ws_server_queue_work(connection); /* never handlers from within a call */
    ws_connection_update_reading(connection);
}
