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

/* `sent`: what the kernel took, or -errno. */
static enum ws_write settle(struct ws_connection *connection, const struct ws_send *item, ssize_t sent)
{
    if (sent == (ssize_t)item->len)
        return WS_WRITTEN;
    if (sent < 0 && sent != -EAGAIN && sent != -EINTR && sent != -ENOBUFS)
        return break_off(connection);
    size_t taken = sent > 0 ? (size_t)sent : 0;
    if (!ws_connection_put(connection, (const char *)item->bytes + taken, item->len - taken))
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

static enum ws_write send_one(const struct ws_send *item)
{
    struct ws_connection *connection = item->connection;
    if (connection->state != WS_STATE_OPEN)
        return WS_GONE;
    if (!is_clear(connection))
        return settle(connection, item, 0);
    ssize_t sent = send(connection->fd, item->bytes, item->len, MSG_DONTWAIT | MSG_NOSIGNAL);
    return settle(connection, item, sent < 0 ? -errno : sent);
}

/* As many of the sends as one submission takes; returns how many. */
static size_t send_by_uring(struct ws_server *server, struct ws_send *sends, size_t count)
{
    struct ws_uring_send submission[WS_URING_SENDS];
    struct ws_send *origin[WS_URING_SENDS];
    unsigned submitted = 0;
    size_t at;
    for (at = 0; at < count && submitted < WS_URING_SENDS; at++) {
        struct ws_connection *connection = sends[at].connection;
        if (!is_clear(connection)) {
            sends[at].result = send_one(&sends[at]);
            continue;
        }
        origin[submitted] = &sends[at];
        submission[submitted++] =
            (struct ws_uring_send){.fd = connection->fd, .bytes = sends[at].bytes, .len = sends[at].len};
    }
    if (submitted > 0 && !ws_uring_send(server->uring, submission, submitted)) {
        log_warn("io_uring_failed", LOG_TEXT("consequence", "plain writes from now on"));
        ws_uring_free(&server->uring);
        snprintf(server->no_uring, sizeof server->no_uring, "it failed while in use");
    }
    for (unsigned i = 0; i < submitted; i++)
        origin[i]->result = settle(origin[i]->connection, origin[i], submission[i].result);
    return at;
}

void ws_server_send(struct ws_server *server, struct ws_send *sends, size_t count)
{
    while (count > 1 && server->uring) { /* for a single one it would be the longer way */
        size_t done = send_by_uring(server, sends, count);
        sends += done;
        count -= done;
    }
    for (size_t at = 0; at < count; at++)
        sends[at].result = send_one(&sends[at]);
}
