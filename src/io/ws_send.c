/* The way of ready-made frames into the sockets.
 *
 * Straight to the kernel, and past libwebsockets: its own write costs a tenth of a delivery in checks that
 * are known to pass here. Only what the kernel does not take goes to it, to be kept and sent on. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <roomcast/base/log.h>

#include "ws_connection.h"
#include "ws_frame.h"
#include "ws_uring.h"

static enum ws_write break_off(struct ws_connection *connection)
{
    ws_connection_end(connection, WS_END_LOST, WS_CLOSE_ABNORMAL, WS_STATE_DROPPING);
    return WS_GONE;
}

/* `wire`: what goes over the wire for the item; `sent`: what the kernel took of it, or -errno. */
static enum ws_write settle(struct ws_connection *connection, struct slice wire, ssize_t sent)
{
    if (sent == (ssize_t)wire.len)
        return WS_WRITTEN;
    if (sent < 0 && sent != -EAGAIN && sent != -EINTR && sent != -ENOBUFS)
        return break_off(connection);
    size_t taken = sent > 0 ? (size_t)sent : 0;
    if (!ws_connection_put_wire(connection, wire.data + taken, wire.len - taken))
        return break_off(connection);
    if (connection->output != WS_OUTPUT_BLOCKED)
        return WS_WRITTEN;
    connection->owes_writable = true;
    return WS_BLOCKED;
}

/* Nothing that libwebsockets keeps may be overtaken. */
static bool is_clear(const struct ws_connection *connection)
{
    return connection->state == WS_STATE_OPEN && connection->output == WS_OUTPUT_READY;
}

/* What goes over the wire for the item: itself, or its TLS records behind what else stands in the server's
 * output. */
static bool wrap(const struct ws_send *item, struct slice *ret_wire)
{
    struct ws_connection *connection = item->connection;
    *ret_wire = (struct slice){item->bytes, item->len};
    if (!connection->tls)
        return true;
    const struct buffer *output = &connection->server->tls->output;
    size_t at = output->len;
    if (!ws_tls_wrap(connection, item->bytes, item->len))
        return false;
    *ret_wire = (struct slice){output->data + at, output->len - at};
    return true;
}

static enum ws_write send_one(const struct ws_send *item)
{
    struct ws_connection *connection = item->connection;
    struct slice wire;
    if (connection->state != WS_STATE_OPEN)
        return WS_GONE;
    if (!wrap(item, &wire))
        return break_off(connection);
    if (!is_clear(connection))
        return settle(connection, wire, 0);
    ssize_t sent = send(connection->fd, wire.data, wire.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    return settle(connection, wire, sent < 0 ? -errno : sent);
}

/* A submission while it is gathered. Of records only the place in the server's output is known as yet: it may
 * still move. */
struct gathering {
    struct ws_uring_send sends[WS_URING_SENDS];
    struct ws_send *origin[WS_URING_SENDS];
    size_t records_at[WS_URING_SENDS];
    unsigned count;
};

static void gather(struct gathering *gathering, const struct ws_tls *tls, struct ws_send *item)
{
    unsigned at = gathering->count;
    struct slice wire;
    if (!wrap(item, &wire)) {
        item->result = break_off(item->connection);
        return;
    }
    gathering->origin[at] = item;
    gathering->records_at[at] = tls ? (size_t)(wire.data - tls->output.data) : 0;
    gathering->sends[at] =
        (struct ws_uring_send){.fd = item->connection->fd, .bytes = wire.data, .len = wire.len};
    gathering->count++;
}

static void submit(struct ws_server *server, struct gathering *gathering)
{
    for (unsigned i = 0; server->tls && i < gathering->count; i++)
        gathering->sends[i].bytes = server->tls->output.data + gathering->records_at[i];
    if (gathering->count > 0 && !ws_uring_send(server->uring, gathering->sends, gathering->count)) {
        log_warn("io_uring_failed", LOG_TEXT("consequence", "plain writes from now on"));
        ws_uring_free(&server->uring);
        snprintf(server->no_uring, sizeof server->no_uring, "it failed while in use");
    }
    for (unsigned i = 0; i < gathering->count; i++) {
        const struct ws_uring_send *send = &gathering->sends[i];
        gathering->origin[i]->result =
            settle(gathering->origin[i]->connection, (struct slice){send->bytes, send->len}, send->result);
    }
}

/* As many of the sends as one submission takes; returns how many. */
static size_t send_by_uring(struct ws_server *server, struct ws_send *sends, size_t count)
{
    struct gathering gathering;
    size_t at;
    gathering.count = 0;
    ws_tls_clear(server);
    for (at = 0; at < count && gathering.count < WS_URING_SENDS && !ws_tls_is_full(server); at++) {
        if (is_clear(sends[at].connection))
            gather(&gathering, server->tls, &sends[at]);
        else
            sends[at].result = send_one(&sends[at]);
    }
    submit(server, &gathering);
    return at;
}

void ws_server_send(struct ws_server *server, struct ws_send *sends, size_t count)
{
    while (count > 1 && server->uring) { /* for a single one it would be the longer way */
        size_t done = send_by_uring(server, sends, count);
        sends += done;
        count -= done;
    }
    for (size_t at = 0; at < count; at++) {
        ws_tls_clear(server);
        sends[at].result = send_one(&sends[at]);
    }
}
