#include "dial.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <roomcast/base/clock.h>

#define POLL_MAX_MS 3600000u /* in one go */

enum err dial_wait(int socket_fd, short events, uint64_t deadline_ms)
{
    for (;;) {
        struct pollfd descriptor = {.fd = socket_fd, .events = events};
        uint64_t now_ms = clock_monotonic_ms();
        uint64_t left_ms = now_ms < deadline_ms ? deadline_ms - now_ms : 0;
        int count = poll(&descriptor, 1, (int)(left_ms < POLL_MAX_MS ? left_ms : POLL_MAX_MS));
        if (count == 0 && left_ms < POLL_MAX_MS)
            return ERR_TIMEOUT;
        if (count > 0)
            return ERR_OK;
        if (errno != EINTR)
            return ERR_IO;
    }
}

static enum err connect_to(const struct addrinfo *address, uint64_t deadline_ms, int *ret_socket)
{
    int problem = 0;
    socklen_t len = sizeof problem;
    int socket_fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (socket_fd < 0)
        return ERR_IO;
    enum err err = ERR_OK;
    if (connect(socket_fd, address->ai_addr, address->ai_addrlen) != 0) {
        err = errno == EINPROGRESS ? dial_wait(socket_fd, POLLOUT, deadline_ms) : ERR_UNAVAILABLE;
        if (err == ERR_OK &&
            (getsockopt(socket_fd, SOL_SOCKET, SO_ERROR, &problem, &len) != 0 || problem != 0))
            err = ERR_UNAVAILABLE;
    }
    if (err != ERR_OK)
        close(socket_fd);
    else
        *ret_socket = socket_fd;
    return err;
}

enum err dial(const char *host, uint16_t port_number, uint64_t deadline_ms, int *ret_socket)
{
    char port[8];
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *addresses;
    snprintf(port, sizeof port, "%u", port_number);
    if (getaddrinfo(host, port, &hints, &addresses) != 0)
        return ERR_UNAVAILABLE;
    unsigned left = 0;
    for (const struct addrinfo *address = addresses; address; address = address->ai_next)
        left++;
    enum err err = ERR_UNAVAILABLE;
    for (const struct addrinfo *address = addresses; address && err != ERR_OK; address = address->ai_next) {
        /* A share of the time for each, or the first one that does not answer would take it all. */
        uint64_t now_ms = clock_monotonic_ms();
        uint64_t share_ms = deadline_ms > now_ms ? (deadline_ms - now_ms) / left-- : 0;
        err = connect_to(address, now_ms + share_ms, ret_socket);
    }
    freeaddrinfo(addresses);
    return err;
}
