/* TLS between the wire and a connection: what comes is opened record by record, what goes becomes records in
 * one buffer that all connections of the server share, since each call sends what it made. */
#include <stdlib.h>

#include "ws_connection.h"

#define OUTPUT_FULL (1024u * 1024)    /* bytes; one submission of short events is far below */
#define OUTPUT_KEPT (2 * OUTPUT_FULL) /* storage; what a larger message needed is given back */
/* An RSA key is used for half a millisecond: as long as so many, and then deliveries come first. */
#define EVENTS_OF_A_HANDSHAKE 32

enum err ws_tls_init(struct ws_server *server)
{
    if (!server->options.tls)
        return ERR_OK;
    server->tls = malloc(sizeof *server->tls);
    if (!server->tls)
        return ERR_NO_MEMORY;
    buffer_init(&server->tls->output, SIZE_MAX / 2); /* bounded by what callers write */
    return ERR_OK;
}

void ws_tls_fini(struct ws_server *server)
{
    if (server->tls)
        buffer_fini(&server->tls->output);
    free(server->tls);
    server->tls = NULL;
}

bool ws_tls_is_full(const struct ws_server *server)
{
    return server->tls && server->tls->output.len >= OUTPUT_FULL;
}

void ws_tls_clear(struct ws_server *server)
{
    if (!server->tls)
        return;
    if (server->tls->output.cap > OUTPUT_KEPT)
        buffer_fini(&server->tls->output);
    buffer_clear(&server->tls->output);
}

bool ws_tls_admits(struct ws_server *server, const char *peer)
{
    const struct ws_handlers *handlers = &server->handlers;
    if (!server->tls || !handlers->on_accept || handlers->on_accept(handlers->context, peer))
        return true;
    ws_connection_tell_refused(server, WS_REFUSED_FAST);
    return false;
}

bool ws_tls_begin(struct ws_connection *connection)
{
    struct ws_server *server = connection->server;
    if (server->tls)
        connection->tls = tls_stream_new(server->options.tls, &server->tls->output);
    return !server->tls || connection->tls;
}

bool ws_tls_wrap(struct ws_connection *connection, const void *bytes, size_t len)
{
    struct buffer *output = &connection->server->tls->output;
    size_t before = output->len;
    if (tls_stream_write(connection->tls, bytes, len))
        return true;
    output->len = before; /* half of it would break the records of others that stand before */
    output->failed = false;
    return false;
}

static bool flush(struct ws_connection *connection)
{
    const struct buffer *output = &connection->server->tls->output;
    return output->len == 0 || ws_connection_put_wire(connection, output->data, output->len);
}

static void tell(struct ws_connection *connection, enum tls_state outcome)
{
    struct ws_server *server = connection->server;
    if (server->handlers.on_tls)
        server->handlers.on_tls(server->handlers.context, connection, outcome,
                                tls_stream_reason(connection->tls));
}

void ws_tls_drop(struct ws_connection *connection)
{
    if (connection->tls && tls_stream_state(connection->tls) == TLS_HANDSHAKING)
        tell(connection, TLS_HANDSHAKING);
    tls_stream_free(&connection->tls);
}

void ws_tls_say_end(struct ws_connection *connection)
{
    if (!connection->tls)
        return;
    ws_tls_clear(connection->server);
    tls_stream_end(connection->tls);
    (void)!flush(connection); /* a broken connection needs no farewell */
}

static void fail(struct ws_connection *connection)
{
    if (connection->state != WS_STATE_HEAD) {
        ws_connection_ended(connection);
        return;
    }
    bool is_plain = tls_stream_state(connection->tls) == TLS_PLAIN;
    ws_connection_withdraw(connection);
    ws_connection_report(connection, 400, is_plain ? "plain HTTP instead of TLS" : "TLS failed");
    if (is_plain) {
        tls_stream_free(&connection->tls);
        ws_connection_refuse_plain(connection);
    } else {
        ws_connection_linger(connection); /* until the alert has been read */
    }
}

/* All that came as one run of plain bytes, so that many small records cost no more than the same bytes
 * without TLS, and what is answered meanwhile leaves in one write. TLS_READ_BYTES: there is more than fits.
 */
static enum tls_read read_all(struct ws_connection *connection, size_t *ret_len)
{
    struct ws_tls *tls = connection->server->tls;
    enum tls_state before = tls_stream_state(connection->tls);
    enum tls_read read = TLS_READ_BYTES;
    size_t len = 0;
    ws_tls_clear(connection->server);
    while (read == TLS_READ_BYTES && len < sizeof tls->plain) {
        size_t more = 0;
        read = tls_stream_read(connection->tls, tls->plain + len, sizeof tls->plain - len, &more);
        len += read == TLS_READ_BYTES ? more : 0;
    }
    enum tls_state after = tls_stream_state(connection->tls);
    bool is_flushed = flush(connection);
    if (after != before) {
        tell(connection, after);
        /* May write to others: the output is theirs from here on. */
        ws_server_note_events(connection->server, EVENTS_OF_A_HANDSHAKE);
    }
    *ret_len = len;
    return is_flushed ? read : TLS_READ_CLOSED;
}

void ws_tls_received(struct ws_connection *connection, const unsigned char *bytes, size_t len)
{
    enum tls_read last;
    size_t plain_len;
    tls_stream_feed(connection->tls, bytes, len);
    do {
        last = read_all(connection, &plain_len);
        if (plain_len > 0)
            ws_connection_take(connection, connection->server->tls->plain, plain_len);
    } while (last == TLS_READ_BYTES && ws_connection_listens(connection));
    if (!ws_connection_listens(connection))
        return;
    if (last == TLS_READ_CLOSED)
        ws_connection_ended(connection);
    else if (last == TLS_READ_FAILED)
        fail(connection);
}
