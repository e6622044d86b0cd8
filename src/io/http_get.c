#include <roomcast/io/http_get.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/http_head.h>

#include "dial.h"

#define HEAD_MAX   8192u /* of the answer, and of the request */
#define HEAD_END   "\r\n\r\n"
#define CHUNK_MAX  65536u
#define LENGTH_MAX 999999999u

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
        enum err err = dial_wait(socket_fd, POLLOUT, deadline_ms);
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
        enum err err = dial_wait(socket_fd, POLLIN, deadline_ms);
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

static enum err take_answer(struct slice answer, unsigned *ret_status, struct buffer *body)
{
    unsigned length = 0, status;
    const char *end = answer.len > 0 ? memmem(answer.data, answer.len, HEAD_END, strlen(HEAD_END)) : NULL;
    struct slice head = {answer.data, end ? (size_t)(end - answer.data) + strlen(HEAD_END) : 0};
    if (head.len < 16 || head.len > HEAD_MAX || strncmp(head.data, "HTTP/1.", 7) != 0 || head.data[8] != ' ')
        return ERR_SYNTAX;
    if (!slice_parse_number((struct slice){head.data + 9, 3}, 999, &status))
        return ERR_SYNTAX;
    struct slice rest = {answer.data + head.len, answer.len - head.len};
    struct slice announced = http_head_find(head, "Content-Length");
    if (announced.data && (!slice_parse_number(announced, LENGTH_MAX, &length) || rest.len < length))
        return ERR_SYNTAX;
    if (announced.data)
        rest.len = length;
    if (rest.len > body->max - body->len)
        return ERR_TOO_BIG;
    buffer_append_slice(body, rest);
    if (buffer_failed(body))
        return ERR_NO_MEMORY;
    if (ret_status)
        *ret_status = status;
    return status == 200 ? ERR_OK : ERR_UNAVAILABLE;
}

enum err http_get(const struct http_get *request, struct buffer *body)
{
    uint64_t deadline_ms = clock_monotonic_ms() + request->timeout_ms;
    struct buffer answer;
    int socket_fd;

    if (request->ret_status)
        *request->ret_status = 0;
    enum err err = dial(request->host, request->port, deadline_ms, &socket_fd);
    if (err != ERR_OK)
        return err;
    buffer_init(&answer, body->max + HEAD_MAX);
    err = send_request(socket_fd, request, deadline_ms);
    if (err == ERR_OK)
        err = receive(socket_fd, deadline_ms, &answer);
    if (err == ERR_OK)
        err = take_answer(buffer_slice(&answer), request->ret_status, body);
    buffer_fini(&answer);
    close(socket_fd);
    return err;
}
