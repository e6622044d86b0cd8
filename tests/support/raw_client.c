#include "raw_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <roomcast/base/clock.h>

void raw_socket(struct raw_client *client, int receive_bytes)
{
    client->bytes = malloc(RAW_BUFFER);
    client->payload = malloc(RAW_BUFFER);
    assert_non_null(client->bytes);
    assert_non_null(client->payload);
    client->len = 0;
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(client->fd >= 0);
    if (receive_bytes > 0)
        assert_int_equal(setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes),
                         0);
}

void raw_connect(struct raw_client *client, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(client->fd, (struct sockaddr *)&address, sizeof address), 0);
}

void raw_open(struct raw_client *client, uint16_t port)
{
    raw_socket(client, 0);
    raw_connect(client, port);
}

void raw_open_small(struct raw_client *client, uint16_t port, int receive_bytes)
{
    raw_socket(client, receive_bytes);
    raw_connect(client, port);
}

void raw_close(struct raw_client *client)
{
    close(client->fd);
    free(client->bytes);
    free(client->payload);
}

void raw_reset(struct raw_client *client)
{
    const struct linger linger = {.l_onoff = 1, .l_linger = 0};
    assert_int_equal(setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    raw_close(client);
}

void raw_send(struct raw_client *client, const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len > 0) {
        ssize_t sent = send(client->fd, at, len, MSG_NOSIGNAL);
        assert_true(sent > 0);
        at += sent;
        len -= (size_t)sent;
    }
}

void raw_send_text(struct raw_client *client, const char *text)
{
    raw_send(client, text, strlen(text));
}

void raw_send_while_taken(struct raw_client *client, const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len > 0) {
        ssize_t sent = send(client->fd, at, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        at += sent;
        len -= (size_t)sent;
    }
}

size_t raw_make_frame(unsigned char *out, unsigned first, const void *payload, size_t len)
{
    static const unsigned char key[4] = {0x12, 0xA4, 0x07, 0xC9};
    size_t at = 0;
    out[at++] = (unsigned char)first;
    if (len < 126) {
        out[at++] = (unsigned char)(0x80 | len);
    } else {
        unsigned bytes = len <= UINT16_MAX ? 2 : 8;
        out[at++] = bytes == 2 ? 0x80 | 126 : 0x80 | 127;
        for (unsigned shift = bytes * 8; shift > 0; shift -= 8)
            out[at++] = (unsigned char)((uint64_t)len >> (shift - 8));
    }
    memcpy(out + at, key, sizeof key);
    at += sizeof key;
    for (size_t i = 0; i < len; i++)
        out[at++] = ((const unsigned char *)payload)[i] ^ key[i & 3];
    return at;
}

void raw_send_frame(struct raw_client *client, unsigned first, const void *payload, size_t len)
{
    unsigned char *frame = malloc(len + 14);
    assert_non_null(frame);
    raw_send(client, frame, raw_make_frame(frame, first, payload, len));
    free(frame);
}

void raw_send_message(struct raw_client *client, const char *text)
{
    raw_send_frame(client, 0x81, text, strlen(text));
}

/* Receives some more. Returns recv()'s result, 0 for the end, -1 for a reset. */
static ssize_t receive(struct raw_client *client, uint64_t deadline_ms)
{
    struct pollfd pollfd = {.fd = client->fd, .events = POLLIN};
    uint64_t now_ms = clock_monotonic_ms();
    assert_true(now_ms < deadline_ms);
    assert_true(client->len < RAW_BUFFER);
    if (poll(&pollfd, 1, (int)(deadline_ms - now_ms)) != 1)
        fail_msg("nothing came within %d ms; %zu bytes are there", RAW_DEADLINE_MS, client->len);
    ssize_t got = recv(client->fd, client->bytes + client->len, RAW_BUFFER - client->len, 0);
    if (got < 0)
        assert_int_equal(errno, ECONNRESET);
    else
        client->len += (size_t)got;
    return got;
}

static void need(struct raw_client *client, size_t len)
{
    uint64_t deadline_ms = clock_monotonic_ms() + RAW_DEADLINE_MS;
    while (client->len < len) {
        if (receive(client, deadline_ms) <= 0)
            fail_msg("the connection ended after %zu of %zu bytes", client->len, len);
    }
}

static void take(struct raw_client *client, size_t len)
{
    memmove(client->bytes, client->bytes + len, client->len - len);
    client->len -= len;
}

unsigned raw_read_answer(struct raw_client *client, char *text, size_t size)
{
    const unsigned char *end = NULL;
    for (size_t want = 1; !end; want = client->len + 1) {
        need(client, want);
        end = memmem(client->bytes, client->len, "\r\n\r\n", 4);
    }
    size_t len = (size_t)(end - client->bytes) + 4;
    const unsigned char *header = memmem(client->bytes, len, "Content-Length: ", 16);
    if (header) {
        len += strtoul((const char *)header + 16, NULL, 10);
        need(client, len);
    }
    assert_true(len < size);
    memcpy(text, client->bytes, len);
    text[len] = '\0';
    take(client, len);
    unsigned status = 0;
    assert_int_equal(sscanf(text, "HTTP/1.1 %u ", &status), 1);
    return status;
}

void raw_read_frame(struct raw_client *client, struct raw_frame *ret_frame)
{
    need(client, 2);
    assert_false(client->bytes[1] & 0x80); /* a server never masks */
    size_t head = 2, len = client->bytes[1];
    if (len >= 126) {
        size_t bytes = len == 126 ? 2 : 8;
        head += bytes;
        need(client, head);
        len = 0;
        for (size_t at = 0; at < bytes; at++)
            len = len << 8 | client->bytes[2 + at];
    }
    need(client, head + len);
    assert_true(len < RAW_BUFFER);
    memcpy(client->payload, client->bytes + head, len);
    client->payload[len] = '\0';
    *ret_frame = (struct raw_frame){client->bytes[0], client->payload, len};
    take(client, head + len);
}

void raw_expect_message(struct raw_client *client, const char *text)
{
    struct raw_frame frame;
    raw_read_frame(client, &frame);
    assert_int_equal(frame.first, 0x81);
    assert_string_equal((const char *)frame.payload, text);
}

void raw_expect_bytes(struct raw_client *client, const char *text)
{
    size_t len = strlen(text);
    need(client, len);
    assert_memory_equal(client->bytes, text, len);
    take(client, len);
}

void raw_expect_close(struct raw_client *client, unsigned code)
{
    struct raw_frame frame;
    raw_read_frame(client, &frame);
    assert_int_equal(frame.first, 0x88);
    assert_int_equal(frame.len >= 2 ? (unsigned)frame.payload[0] << 8 | frame.payload[1] : 1005, code);
}

void raw_read_to_end(struct raw_client *client)
{
    uint64_t deadline_ms = clock_monotonic_ms() + RAW_DEADLINE_MS;
    ssize_t got;
    while ((got = receive(client, deadline_ms)) > 0)
        ;
    assert_int_equal(got, 0);
}

void raw_expect_end(struct raw_client *client, bool allow_reset)
{
    ssize_t got = client->len > 0 ? 1 : receive(client, clock_monotonic_ms() + RAW_DEADLINE_MS);
    if (got > 0)
        fail_msg("%zu bytes came instead of the end", client->len);
    assert_true(got == 0 || allow_reset);
}

void raw_upgrade(struct raw_client *client, uint16_t port)
{
    char answer[1024];
    raw_open(client, port);
    raw_send_text(client, "GET /ws HTTP/1.1\r\n" RAW_UPGRADE "\r\n");
    assert_int_equal(raw_read_answer(client, answer, sizeof answer), 101);
}
