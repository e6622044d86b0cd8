#include <roomcast/io/http_get.h>

#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <roomcast/base/clock.h>

#define HEAD_MAX  8192u /* of the answer, and of the request */
#define HEAD_END  "\r\n\r\n"
#define CHUNK_MAX 65536u
#define LENGTH    "Content-Length:"

/* ERR_OK when the socket is ready for `events`. */
static enum err wait_for(int socket_fd, short events, uint64_t deadline_ms)
{
    for (;;) {
        struct pollfd descriptor = {.fd = socket_fd, .events = events};
        uint64_t now_ms = clock_monotonic_ms();
        int count = now_ms < deadline_ms ? poll(&descriptor, 1, (int)(deadline_ms - now_ms)) : 0;
        if (count == 0)
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
        err = errno == EINPROGRESS ? wait_for(socket_fd, POLLOUT, deadline_ms) : ERR_UNAVAILABLE;
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

static enum err connect_by_name(const struct http_get *request, uint64_t deadline_ms, int *ret_socket)
{
    char port[8];
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *addresses;
    snprintf(port, sizeof port, "%u", request->port);
    if (getaddrinfo(request->host, port, &hints, &addresses) != 0)
        return ERR_UNAVAILABLE;
    enum err err = ERR_UNAVAILABLE;
    for (const struct addrinfo *address = addresses; address && err != ERR_OK; address = address->ai_next)
        err = connect_to(address, deadline_ms, ret_socket);
    freeaddrinfo(addresses);
    return err;
}

/* HTTP/1.0: the answer comes in one piece, and ends with the connection. */
static enum err send_request(int socket_fd, const struct http_get *request, uint64_t deadline_ms)
{
    char text[HEAD_MAX];
    bool is_v6 = strchr(request->host, ':') != NULL;
    int len = snprintf(text, sizeof text, "GET %s HTTP/1.0\r\nHost: %s%s%s:%u\r\n\r\n", request->path,
                       is_v6 ? "[" : "", request->host, is_v6 ? "]" : "", request->port);
    if (len < 0 || (size_t)len >= sizeof text)
        return ERR_TOO_BIG;
    for (size_t sent = 0; sent < (size_t)len;) {
        enum err err = wait_for(socket_fd, POLLOUT, deadline_ms);
        if (err != ERR_OK)
            return err;
        ssize_t count = send(socket_fd, text + sent, (size_t)len - sent, MSG_NOSIGNAL);
        if (count < 0 && errno != EAGAIN && errno != EINTR)
            return ERR_IO;
        sent += count > 0 ? (size_t)count : 0;
    }
    return ERR_OK;
}

/* All there is, until the other side ends it. */
static enum err receive(int socket_fd, uint64_t deadline_ms, struct buffer *answer)
{
    char chunk[CHUNK_MAX];
    for (;;) {
        enum err err = wait_for(socket_fd, POLLIN, deadline_ms);
        if (err != ERR_OK)
            return err;
        ssize_t count = recv(socket_fd, chunk, sizeof chunk, 0);
        if (count == 0)
            return ERR_OK;
        if (count < 0 && errno != EAGAIN && errno != EINTR)
            return ERR_IO;
        if (count > 0)
            buffer_append(answer, chunk, (size_t)count);
        if (buffer_failed(answer))
            return ERR_TOO_BIG;
    }
}

/* The announced length of the body, when there is one. ERR_SYNTAX: it is no number. */
static enum err find_length(const char *head, bool *ret_found, uint64_t *ret_length)
{
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, LENGTH, strlen(LENGTH)) != 0)
            continue;
        const char *digits = line + strlen(LENGTH);
        uint64_t length = 0;
        digits += strspn(digits, " \t");
        if (!isdigit((unsigned char)*digits))
            return ERR_SYNTAX;
        for (; isdigit((unsigned char)*digits) && length < UINT32_MAX; digits++)
            length = length * 10 + (uint64_t)(*digits - '0');
        *ret_found = true;
        *ret_length = length;
        return ERR_OK;
    }
    *ret_found = false;
    return ERR_OK;
}

static enum err take_answer(struct slice answer, struct buffer *body)
{
    char head[HEAD_MAX];
    bool has_length;
    uint64_t length = 0;
    const char *end = answer.len > 0 ? memmem(answer.data, answer.len, HEAD_END, strlen(HEAD_END)) : NULL;
    size_t head_len = end ? (size_t)(end - answer.data) : 0;
    if (head_len == 0 || head_len >= sizeof head || memchr(answer.data, '\0', head_len))
        return ERR_SYNTAX;
    memcpy(head, answer.data, head_len);
    head[head_len] = '\0';
    struct slice rest = {end + strlen(HEAD_END), answer.len - head_len - strlen(HEAD_END)};
    if (strncmp(head, "HTTP/1.", 7) != 0 || head_len < 12 || head[8] != ' ')
        return ERR_SYNTAX;
    if (strncmp(head + 9, "200", 3) != 0)
        return ERR_UNAVAILABLE;
    enum err err = find_length(head, &has_length, &length);
    if (err != ERR_OK || (has_length && rest.len < length))
        return ERR_SYNTAX;
    if (has_length)
        rest.len = (size_t)length;
    if (rest.len > body->max - body->len)
        return ERR_TOO_BIG;
    buffer_append_slice(body, rest);
    return buffer_failed(body) ? ERR_NO_MEMORY : ERR_OK;
}

enum err http_get(const struct http_get *request, struct buffer *body)
{
    uint64_t deadline_ms = clock_monotonic_ms() + request->timeout_ms;
    struct buffer answer;
    int socket_fd;
    enum err err = connect_by_name(request, deadline_ms, &socket_fd);
    if (err != ERR_OK)
        return err;
    buffer_init(&answer, body->max + HEAD_MAX);
    err = send_request(socket_fd, request, deadline_ms);
    if (err == ERR_OK)
        err = receive(socket_fd, deadline_ms, &answer);
    if (err == ERR_OK)
        err = take_answer(buffer_slice(&answer), body);
    buffer_fini(&answer);
    close(socket_fd);
    return err;
}
