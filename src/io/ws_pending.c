/* Connections that have not completed their upgrade, or were refused and read their answer: a bounded number
 * in all workers together. An honest client is through in milliseconds, who only holds a place is not: so
 * when all places are taken, the one that has had its place for longest makes way for the newcomer. */
#include "ws_connection.h"
#include "ws_head.h"
#include "ws_upgrade.h"

#define LOOKED_AT_MAX 64 /* those with a decision pending come to the front of the list; few are enough */
#define ANSWER_BYTES  1024
#define RETRY_AFTER_S 5

void ws_connection_tell_refused(struct ws_server *server, enum ws_refused why)
{
    if (server->handlers.on_refused)
        server->handlers.on_refused(server->handlers.context, why);
}

void ws_pending_leave(struct ws_connection *connection)
{
    if (connection->is_pending)
        atomic_fetch_sub(connection->server->pending, 1);
    connection->is_pending = false;
}

static bool may_make_way(const struct ws_connection *connection)
{
    bool is_undecided = connection->opening && connection->opening->asked;
    return connection->is_pending && !is_undecided;
}

static struct ws_connection *oldest(const struct ws_deadlines *deadlines)
{
    struct ws_connection *connection = deadlines->first;
    for (unsigned at = 0; connection && at < LOOKED_AT_MAX; at++) {
        if (may_make_way(connection))
            return connection;
        connection = connection->deadline_next;
    }
    return NULL;
}

/* Best effort: it is closed at once, whether it has read that or not. */
static void answer(struct ws_connection *connection)
{
    static const struct ws_head_problem problem = {.status = 503,
                                                   .code = "OVERLOADED",
                                                   .reason = "too many handshakes are under way",
                                                   .retry_after_s = RETRY_AFTER_S};
    struct buffer text;
    buffer_init(&text, ANSWER_BYTES);
    ws_upgrade_refuse_problem(&text, &problem);
    if (!buffer_failed(&text) && !ws_connection_put(connection, text.data, text.len))
        buffer_clear(&text); /* gone already */
    buffer_fini(&text);
}

static bool make_way(struct ws_server *server)
{
    struct ws_connection *connection = oldest(&server->closings); /* answered already */
    if (!connection)
        connection = oldest(&server->handshakes);
    if (!connection)
        return ws_proxied_make_way(server);
    if (connection->state == WS_STATE_HEAD) {
        ws_connection_tell_refused(server, WS_REFUSED_PENDING);
        if (connection->opening) /* who never said a word is not answered */
            answer(connection);
    }
    ws_connection_discard(connection);
    return true;
}

static bool enter_pending(struct ws_server *server)
{
    unsigned before = atomic_fetch_add(server->pending, 1);
    if (server->options.max_pending == 0 || before < server->options.max_pending || make_way(server))
        return true;
    atomic_fetch_sub(server->pending, 1);
    ws_connection_tell_refused(server, WS_REFUSED_PENDING);
    return false;
}

bool ws_socket_enter(struct ws_server *server)
{
    bool has_socket = atomic_fetch_add(server->sockets, 1) < server->options.max_sockets;
    if (!has_socket)
        ws_connection_tell_refused(server, WS_REFUSED_SOCKETS);
    if (has_socket && enter_pending(server))
        return true;
    atomic_fetch_sub(server->sockets, 1);
    return false;
}
