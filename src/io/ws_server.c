#include <roomcast/io/ws_server.h>

#include <stdio.h>
#include <stdlib.h>

#include <utlist.h>
#include <uv.h>

#include "ws_connection.h"
#include "ws_context.h"
#include "ws_listen.h"
#include "ws_uring.h"

#define PROBLEM_SIZE 256
#define MS_PER_S     1000

#define EVENTS_UNTIL_BUSY 32 /* at most half a millisecond; the end of a connection is two events */

/* Runs the work list once. While it is active, libuv does not wait: what was queued in a turn, also by the
 * hooks at its end, is done before the loop sleeps. It outlives the server until libuv has closed it. */
struct ws_worker {
    uv_idle_t idle;
};

static void run_work(uv_idle_t *idle)
{
    struct ws_server *server = idle->data;
    struct ws_connection *connection = server->work;
    uv_idle_stop(idle);
    server->work = NULL;
    server->work_tail = &server->work;
    while (connection) {
        struct ws_connection *next = connection->work_next;
        connection->has_work = false;
        connection->work_next = NULL;
        ws_connection_work(connection); /* may free it, and queue it or others anew */
        connection = next;
    }
}

void ws_server_queue_work(struct ws_connection *connection)
{
    struct ws_server *server = connection->server;
    if (connection->has_work || !server->worker) /* a server that is being freed cuts what it has itself */
        return;
    connection->has_work = true;
    *server->work_tail = connection;
    server->work_tail = &connection->work_next;
    uv_idle_start(&server->worker->idle, run_work);
}

/* libuv works on up to 1024 sockets before the turn ends, and then closes all that were given up. A thousand
 * clients who leave at once would be 20 ms. */
void ws_server_note_events(struct ws_server *server, unsigned count)
{
    server->happened += count;
    if (server->happened < EVENTS_UNTIL_BUSY)
        return;
    server->happened = 0;
    if (server->handlers.on_busy && server->worker) /* not while it is being freed */
        server->handlers.on_busy(server->handlers.context);
}

/* --- deadlines --- */

static uint64_t earlier(uint64_t due_ms, const struct ws_deadlines *deadlines)
{
    return deadlines->first && deadlines->first->deadline_ms < due_ms ? deadlines->first->deadline_ms
                                                                      : due_ms;
}

static void arm(struct ws_server *server)
{
    uint64_t due_ms = earlier(earlier(UINT64_MAX, &server->handshakes), &server->closings);
    uint64_t now_ms = loop_now_ms(server->loop);
    if (due_ms != UINT64_MAX)
        loop_timer_start(server->deadline_timer, due_ms > now_ms ? due_ms - now_ms : 0, 0);
}

static void expire(struct ws_server *server, struct ws_deadlines *deadlines)
{
    uint64_t now_ms = loop_now_ms(server->loop);
    while (deadlines->first && deadlines->first->deadline_ms <= now_ms) {
        struct ws_connection *connection = deadlines->first;
        ws_server_clear_deadline(connection);
        ws_connection_late(connection);
    }
}

static void on_deadline(void *context)
{
    struct ws_server *server = context;
    expire(server, &server->handshakes);
    expire(server, &server->closings);
    arm(server);
}

void ws_server_set_deadline(struct ws_connection *connection, struct ws_deadlines *deadlines)
{
    struct ws_server *server = connection->server;
    bool first = !deadlines->first;
    connection->deadlines = deadlines;
    connection->deadline_ms = loop_now_ms(server->loop) + deadlines->wait_ms;
    DL_APPEND2(deadlines->first, connection, deadline_prev, deadline_next);
    if (first)
        arm(server);
}

/* The timer is left as it is: one call for nothing is cheaper than setting it for every handshake. */
void ws_server_clear_deadline(struct ws_connection *connection)
{
    if (!connection->deadlines)
        return;
    DL_DELETE2(connection->deadlines->first, connection, deadline_prev, deadline_next);
    connection->deadlines = NULL;
}

/* --- life --- */

static void on_accepted(void *context, int fd, const char *peer)
{
    if (!ws_proxied_accept(context, fd, peer))
        ws_connection_accept(context, fd, peer);
}

static enum err worker_new(struct ws_server *server)
{
    server->worker = malloc(sizeof *server->worker);
    if (!server->worker)
        return ERR_NO_MEMORY;
    uv_idle_init(loop_native(server->loop), &server->worker->idle);
    server->worker->idle.data = server;
    server->work_tail = &server->work;
    return ERR_OK;
}

static void worker_closed(uv_handle_t *handle)
{
    free(handle);
}

enum err ws_server_new(const struct ws_server_options *options, const struct ws_handlers *handlers,
                       struct ws_server **ret_server, char *problem)
{
    snprintf(problem, PROBLEM_SIZE, "out of memory");
    struct ws_server *server = calloc(1, sizeof *server);
    if (!server)
        return ERR_NO_MEMORY;
    server->loop = options->loop;
    server->options = *options;
    server->sockets = options->sockets ? options->sockets : &server->own_sockets;
    server->pending = options->pending ? options->pending : &server->own_pending;
    server->handlers = *handlers;
    server->handshakes.wait_ms = (uint64_t)options->handshake_timeout_s * MS_PER_S;
    server->closings.wait_ms = (uint64_t)options->close_timeout_s * MS_PER_S;
    enum err err = worker_new(server);
    if (err == ERR_OK)
        err = loop_timer_new(server->loop, on_deadline, server, &server->deadline_timer);
    if (err == ERR_OK)
        err = ws_proxied_init(server);
    if (err == ERR_OK)
        err = ws_tls_init(server);
    if (err == ERR_OK && options->permessage_deflate)
        err = inflater_new(options->max_message_bytes, &server->inflater);
    if (err == ERR_OK)
        err = ws_context_new(server->loop, server, &server->context, problem);
    if (err == ERR_OK)
        err = ws_listen(server->loop, options->host, options->port, on_accepted, server, &server->listener,
                        problem);
    if (err != ERR_OK) {
        ws_server_free(&server);
        return err;
    }
    server->port = ws_listener_port(server->listener);
    if (!options->io_uring)
        snprintf(server->no_uring, sizeof server->no_uring, "turned off");
    else if (ws_uring_new(WS_URING_SENDS, &server->uring, server->no_uring) != ERR_OK)
        server->uring = NULL; /* `no_uring` says why */
    *ret_server = server;
    return ERR_OK;
}

uint16_t ws_server_port(const struct ws_server *server)
{
    return server->port;
}

const char *ws_server_plain_writes(const struct ws_server *server)
{
    return server->uring ? NULL : server->no_uring;
}

void ws_server_free(struct ws_server **server)
{
    struct ws_server *s = *server;
    if (!s)
        return;
    ws_listener_free(&s->listener);
    if (s->worker)
        uv_close((uv_handle_t *)&s->worker->idle, worker_closed);
    s->worker = NULL;
    ws_proxied_fini(s);
    while (s->connections)
        ws_connection_cut(s->connections);
    ws_context_free(&s->context);
    ws_uring_free(&s->uring);
    loop_timer_free(&s->deadline_timer);
    inflater_free(&s->inflater);
    ws_tls_fini(s);
    free(s);
    *server = NULL;
}
