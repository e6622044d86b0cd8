/* Connections from trusted proxies, until their PROXY header is read: then they are accepted like any other,
 * as the client's. The header is read before anything else looks at the socket, and not one byte beyond it,
 * so that whatever speaks next (HTTP, TLS) finds its own beginning. */
#include "ws_connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utlist.h>
#include <uv.h>

#include "proxy_header.h"

struct ws_proxied {
    uv_poll_t poll;
    struct ws_server *server; /* borrowed */
    int fd;                   /* owned */
    uint64_t deadline_ms;
    struct ws_proxied *prev, *next; /* in server->proxied, the oldest first */
    char peer[WS_PEER_SIZE];
    size_t len;
    char bytes[PROXY_HEADER_MAX];
};

static void on_poll_closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* The socket is the caller's afterwards. */
static int take_out(struct ws_proxied *proxied)
{
    struct ws_server *server = proxied->server;
    DL_DELETE(server->proxied, proxied);
    atomic_fetch_sub(server->sockets, 1);
    atomic_fetch_sub(server->pending, 1);
    uv_close((uv_handle_t *)&proxied->poll, on_poll_closed);
    return proxied->fd;
}

static void refuse(struct ws_proxied *proxied)
{
    ws_connection_tell_refused(proxied->server, WS_REFUSED_PROXY);
    close(take_out(proxied));
}

static void accept_client(struct ws_proxied *proxied, const struct proxy_header *header)
{
    char peer[WS_PEER_SIZE];
    struct ws_server *server = proxied->server;
    if (header->has_client)
        address_format(&header->client, peer);
    else
        memcpy(peer, proxied->peer, sizeof peer);
    ws_connection_accept(server, take_out(proxied), peer);
}

/* Takes bytes out of the socket that were seen there: they are there. */
static bool consume(struct ws_proxied *proxied, size_t len)
{
    ssize_t taken = recv(proxied->fd, proxied->bytes + proxied->len, len, 0);
    proxied->len += len;
    return taken == (ssize_t)len;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct ws_proxied *proxied = poll->data;
    struct proxy_header header;
    ssize_t seen = status == 0 ? recv(proxied->fd, proxied->bytes + proxied->len,
                                      sizeof proxied->bytes - proxied->len, MSG_PEEK)
                               : -1;
    if (seen < 0 && status == 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (seen <= 0) { /* it has gone: a mere look whether anybody is there */
        close(take_out(proxied));
        return;
    }
    struct slice bytes = {proxied->bytes, proxied->len + (size_t)seen};
    enum proxy_verdict verdict = proxy_header_parse(bytes, &header);
    if (verdict == PROXY_INCOMPLETE && consume(proxied, (size_t)seen))
        return;
    if (verdict == PROXY_COMPLETE && consume(proxied, header.size - proxied->len))
        accept_client(proxied, &header);
    else
        refuse(proxied);
}

static void arm(struct ws_server *server)
{
    uint64_t now_ms = loop_now_ms(server->loop);
    if (server->proxied)
        loop_timer_start(server->proxied_timer,
                         server->proxied->deadline_ms > now_ms ? server->proxied->deadline_ms - now_ms : 0,
                         0);
}

static void on_deadline(void *context)
{
    struct ws_server *server = context;
    while (server->proxied && server->proxied->deadline_ms <= loop_now_ms(server->loop))
        refuse(server->proxied);
    arm(server);
}

enum err ws_proxied_init(struct ws_server *server)
{
    if (!server->options.proxies)
        return ERR_OK;
    return loop_timer_new(server->loop, on_deadline, server, &server->proxied_timer);
}

bool ws_proxied_make_way(struct ws_server *server)
{
    if (!server->proxied)
        return false;
    refuse(server->proxied);
    return true;
}

void ws_proxied_fini(struct ws_server *server)
{
    while (server->proxied)
        close(take_out(server->proxied));
    loop_timer_free(&server->proxied_timer);
}

static void wait_for_header(struct ws_server *server, int fd, const char *peer)
{
    struct ws_proxied *proxied = malloc(sizeof *proxied);
    if (!proxied || uv_poll_init_socket(loop_native(server->loop), &proxied->poll, fd) != 0) {
        free(proxied);
        atomic_fetch_sub(server->sockets, 1);
        atomic_fetch_sub(server->pending, 1);
        close(fd);
        return;
    }
    bool first = !server->proxied;
    proxied->server = server;
    proxied->fd = fd;
    proxied->deadline_ms = loop_now_ms(server->loop) + server->handshakes.wait_ms;
    proxied->len = 0;
    memcpy(proxied->peer, peer, strlen(peer) + 1);
    proxied->poll.data = proxied;
    DL_APPEND(server->proxied, proxied);
    uv_poll_start(&proxied->poll, UV_READABLE, on_readable);
    if (first)
        arm(server);
}

bool ws_proxied_accept(struct ws_server *server, int fd, const char *peer)
{
    struct address address;
    if (!server->options.proxies || !address_parse(slice_of(peer), &address) ||
        !networks_contain(server->options.proxies, &address))
        return false;
    if (ws_socket_enter(server))
        wait_for_header(server, fd, peer);
    else
        close(fd);
    return true;
}
