#include "ws_listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utlist.h>
#include <uv.h>

#include <roomcast/base/log.h>

#define PROBLEM_SIZE     256
#define BACKLOG          4096
#define ACCEPTS_PER_TURN 16  /* a millisecond with their handshakes; then the other sockets get their turn */
#define BACK_OFF_MS      100 /* when the process has no descriptor or memory left */
#define LOG_INTERVAL_MS  1000
#define UNSENT_MAX_BYTES (128 * 1024)

struct ws_listener {
    uv_poll_t poll;
    int fd;
    struct sockaddr_storage address; /* immutable after start */
    struct ws_listener *prev, *next; /* under listeners_lock */
    struct loop *loop;               /* borrowed */
    struct loop_timer *back_off;     /* owned */
    ws_accepted accepted;
    void *context;
};

/* SO_REUSEPORT lets every process of the same user in, and the kernel would deal the clients out among
 * strangers. Only the listeners of this process may share an address, so they are known here. The lock is
 * also held from the look at an address until its listener is in the list: threads start at the same time. */
static pthread_mutex_t listeners_lock = PTHREAD_MUTEX_INITIALIZER;
static struct ws_listener *listeners; /* borrowed; under listeners_lock */

static enum err fail(char *problem, const char *host, uint16_t port, const char *what)
{
    snprintf(problem, PROBLEM_SIZE, "cannot listen on %s, port %u: %s", host, port, what);
    return ERR_IO;
}

static int set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value);
}

static uint16_t port_of(const struct sockaddr *address)
{
    return ntohs(address->sa_family == AF_INET6 ? ((const struct sockaddr_in6 *)address)->sin6_port
                                                : ((const struct sockaddr_in *)address)->sin_port);
}

static bool is_same(const struct sockaddr *a, const struct sockaddr *b)
{
    if (a->sa_family != b->sa_family || port_of(a) != port_of(b))
        return false;
    if (a->sa_family == AF_INET6)
        return memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr,
                      &((const struct sockaddr_in6 *)b)->sin6_addr, sizeof(struct in6_addr)) == 0;
    return ((const struct sockaddr_in *)a)->sin_addr.s_addr ==
           ((const struct sockaddr_in *)b)->sin_addr.s_addr;
}

static bool is_ours_locked(const struct sockaddr *address)
{
    const struct ws_listener *at;
    DL_FOREACH(listeners, at)
    {
        if (is_same((const struct sockaddr *)&at->address, address))
            return true;
    }
    return false;
}

/* Binds without SO_REUSEPORT and lets go again: refused while anybody listens there. SO_REUSEADDR as on the
 * real socket, so that connections of an earlier process do not count. */
static bool is_free(const struct addrinfo *address)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool free = set(fd, SOL_SOCKET, SO_REUSEADDR, 1) == 0 &&
                (address->ai_family != AF_INET6 || set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0) == 0) &&
                bind(fd, address->ai_addr, address->ai_addrlen) == 0;
    int saved = errno;
    close(fd);
    errno = saved;
    return free;
}

/* Linux hands TCP options on from a listener to the sockets it accepts, which saves two calls for each.
 *
 * TCP_NOTSENT_LOWAT and not SO_SNDBUF: it caps what a stalled reader can pile up in the kernel as SO_SNDBUF
 * would, but leaves the kernel free to grow the part that is in flight, so a fast reader far away is not held
 * back. */
static int open_socket_locked(const struct addrinfo *address)
{
    if (port_of(address->ai_addr) != 0 && !is_ours_locked(address->ai_addr) && !is_free(address))
        return -1;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    bool failed = set(fd, SOL_SOCKET, SO_REUSEADDR, 1) != 0 || set(fd, SOL_SOCKET, SO_REUSEPORT, 1) != 0 ||
                  (address->ai_family == AF_INET6 && set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0) != 0) ||
                  set(fd, IPPROTO_TCP, TCP_NODELAY, 1) != 0 ||
                  set(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_MAX_BYTES) != 0 ||
                  bind(fd, address->ai_addr, address->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0;
    if (failed) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

/* The first of the host's addresses that can be listened on. */
static enum err open_first_locked(const char *host, uint16_t port, int *ret_fd, char *problem)
{
    const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *addresses;
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    int failure = getaddrinfo(host, service, &hints, &addresses);
    if (failure != 0)
        return fail(problem, host, port, gai_strerror(failure));
    int fd = -1;
    for (const struct addrinfo *at = addresses; at && fd < 0; at = at->ai_next)
        fd = open_socket_locked(at);
    int saved = errno;
    freeaddrinfo(addresses);
    if (fd < 0)
        return fail(problem, host, port, strerror(saved));
    *ret_fd = fd;
    return ERR_OK;
}

static enum err open_and_register(struct ws_listener *listener, const char *host, uint16_t port,
                                  char *problem)
{
    socklen_t len = sizeof listener->address;
    pthread_mutex_lock(&listeners_lock);
    enum err err = open_first_locked(host, port, &listener->fd, problem);
    if (err == ERR_OK && getsockname(listener->fd, (struct sockaddr *)&listener->address, &len) != 0) {
        err = fail(problem, host, port, strerror(errno));
        close(listener->fd);
    }
    if (err == ERR_OK)
        DL_APPEND(listeners, listener);
    pthread_mutex_unlock(&listeners_lock);
    return err;
}

static void close_and_unregister(struct ws_listener *listener)
{
    pthread_mutex_lock(&listeners_lock);
    DL_DELETE(listeners, listener);
    close(listener->fd);
    pthread_mutex_unlock(&listeners_lock);
}

/* Not getnameinfo(), which looks at configuration files' dates before it says a number. */
static void name_peer(const struct sockaddr_storage *address, char *peer)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;

    if (address->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) /* of an IPv6 socket */
        inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], peer, WS_PEER_SIZE);
    else if (address->ss_family == AF_INET6)
        inet_ntop(AF_INET6, &v6->sin6_addr, peer, WS_PEER_SIZE);
    else
        inet_ntop(AF_INET, &v4->sin_addr, peer, WS_PEER_SIZE);
}

static bool is_exhausted(int failure)
{
    return failure == EMFILE || failure == ENFILE || failure == ENOBUFS || failure == ENOMEM;
}

static void on_acceptable(uv_poll_t *poll, int status, int events);

static void resume(void *context)
{
    struct ws_listener *listener = context;
    uv_poll_start(&listener->poll, UV_READABLE, on_acceptable);
}

/* The pending connection stays pending, so polling on would spin. */
static void back_off(struct ws_listener *listener, int failure)
{
    static struct log_limit limit = LOG_LIMIT(LOG_INTERVAL_MS);
    uint64_t suppressed;
    if (log_limit_pass(&limit, loop_now_ms(listener->loop), &suppressed))
        log_warn("accept_failed", LOG_TEXT("reason", strerror(failure)), LOG_U64("suppressed", suppressed));
    uv_poll_stop(&listener->poll);
    loop_timer_start(listener->back_off, BACK_OFF_MS, 0);
}

/* Other failures than these belong to the one connection that was to be accepted. Returns 0 or why it is no
 * use to go on now. */
static int accept_some(struct ws_listener *listener)
{
    for (int accepts = 0; accepts < ACCEPTS_PER_TURN; accepts++) {
        struct sockaddr_storage address;
        socklen_t len = sizeof address;
        int fd = accept4(listener->fd, (struct sockaddr *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EAGAIN || is_exhausted(errno)))
            return errno;
        if (fd < 0)
            continue;
        char peer[WS_PEER_SIZE];
        name_peer(&address, peer);
        listener->accepted(listener->context, fd, peer);
    }
    return 0;
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct ws_listener *listener = poll->data;
    int failure = accept_some(listener);
    if (is_exhausted(failure))
        back_off(listener, failure);
}

enum err ws_listen(struct loop *loop, const char *host, uint16_t port, ws_accepted accepted, void *context,
                   struct ws_listener **ret_listener, char *problem)
{
    struct ws_listener *listener = calloc(1, sizeof *listener);
    if (!listener)
        return ERR_NO_MEMORY;
    *listener = (struct ws_listener){.fd = -1, .loop = loop, .accepted = accepted, .context = context};
    enum err err = open_and_register(listener, host, port, problem);
    if (err != ERR_OK)
        goto listener_made;
    err = loop_timer_new(loop, resume, listener, &listener->back_off);
    if (err != ERR_OK)
        goto socket_open;
    int failure = uv_poll_init_socket(loop_native(loop), &listener->poll, listener->fd);
    if (failure != 0) {
        err = fail(problem, host, port, uv_strerror(failure));
        goto timer_made;
    }
    listener->poll.data = listener;
    resume(listener);
    *ret_listener = listener;
    return ERR_OK;

timer_made:
    loop_timer_free(&listener->back_off);
socket_open:
    close_and_unregister(listener);
listener_made:
    free(listener);
    return err;
}

uint16_t ws_listener_port(const struct ws_listener *listener)
{
    return port_of((const struct sockaddr *)&listener->address);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void ws_listener_free(struct ws_listener **listener)
{
    struct ws_listener *l = *listener;
    if (!l)
        return;
    loop_timer_free(&l->back_off);
    uv_close((uv_handle_t *)&l->poll, on_closed);
    close_and_unregister(l); /* libuv has stopped polling it */
    *listener = NULL;
}
