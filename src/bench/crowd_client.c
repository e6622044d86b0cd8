#include "crowd_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <roomcast/io/deflate.h>

#include "crowd_inflate.h"
#include "crowd_tls.h"

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif
#define SEND_WAIT_MS  1000
#define STALLED_BYTES 4096 /* that the kernel holds for one who does not read */

void client_close(struct crowd_loop *loop, uint32_t index)
{
    struct crowd_client *client = &loop->crowd->clients[index];

    if (client->state == CLIENT_CLOSED)
        return;
    if (client->state == CLIENT_READY)
        atomic_fetch_sub(&loop->ready, 1);
    else
        loop->opening--;
    client_end_tls(client);
    close(client->fd);
    free(client->carry);
    inflater_free(&client->inflater);
    client->carry = NULL;
    client->carry_len = 0;
    client->fd = -1;
    client->state = CLIENT_CLOSED;
}

static void fail(struct crowd_loop *loop, uint32_t index, const char *what, struct slice detail)
{
    if (atomic_load(&loop->failed) == 0)
        snprintf(loop->problem, sizeof loop->problem, "connection %u: %s%.*s", index, what,
                 (int)(detail.len < 120 ? detail.len : 120), detail.data ? detail.data : "");
    atomic_fetch_add(&loop->failed, 1);
    client_close(loop, index);
}

static void fail_errno(struct crowd_loop *loop, uint32_t index, const char *what)
{
    fail(loop, index, what, slice_of(strerror(errno)));
}

static void become_ready(struct crowd_loop *loop, struct crowd_client *client)
{
    if (loop->crowd->options.stalls)
        epoll_ctl(loop->epoll, EPOLL_CTL_DEL, client->fd, NULL);
    client->state = CLIENT_READY;
    loop->opening--;
    histogram_record(loop->opened, crowd_now_ns() - client->opened_ns);
    atomic_fetch_add(&loop->ready, 1);
}

/* Ports are few per address; the whole of 127/8 is this machine. */
static void bind_source(const struct crowd *crowd, int fd, uint32_t index)
{
    uint32_t server = ntohl(crowd->options.target->address.sin_addr.s_addr);
    struct sockaddr_in source = {.sin_family = AF_INET};
    int one = 1;

    if (crowd->source_addresses == 1 || server >> 24 != 127)
        return;
    source.sin_addr.s_addr = htonl(0x7f000001u + index % crowd->source_addresses);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&source, sizeof source))
        return; /* the kernel chooses; connect says when it cannot */
}

void client_open(struct crowd_loop *loop, uint32_t index)
{
    struct crowd *crowd = loop->crowd;
    struct crowd_client *client = &crowd->clients[index];
    const struct sockaddr_in *address = &crowd->options.target->address;
    struct epoll_event event = {.events = EPOLLOUT, .data.u32 = index};
    int one = 1;

    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    client->state = CLIENT_CONNECTING;
    client->opened_ns = crowd_now_ns();
    loop->opening++;
    if (client->fd < 0) {
        fail_errno(loop, index, "socket: ");
        return;
    }
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (crowd->options.stalls)
        setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &(int){STALLED_BYTES}, sizeof(int));
    bind_source(crowd, client->fd, index);
    if ((connect(client->fd, (const struct sockaddr *)address, sizeof *address) && errno != EINPROGRESS) ||
        epoll_ctl(loop->epoll, EPOLL_CTL_ADD, client->fd, &event))
        fail_errno(loop, index, "connect: ");
}

/* What a client says of itself is small and comes one at a time: the socket takes it, or the client is
 * broken. */
static bool say(struct crowd_loop *loop, uint32_t index, struct slice bytes)
{
    if (bytes.len == 0)
        return true;
    ssize_t sent = client_transmit(&loop->crowd->clients[index], bytes);
    if (sent == (ssize_t)bytes.len)
        return true;
    fail(loop, index, "the server does not read: ", slice_of(sent < 0 ? strerror(errno) : "short write"));
    return false;
}

static void request_upgrade(struct crowd_loop *loop, uint32_t index)
{
    buffer_clear(&loop->output);
    target_append_request(loop->crowd->options.target, index, &loop->output);
    loop->crowd->clients[index].state = CLIENT_UPGRADING;
    say(loop, index, buffer_slice(&loop->output));
}

static void shake_hands(struct crowd_loop *loop, uint32_t index)
{
    int done = client_shake_hands(&loop->crowd->clients[index]);
    if (done < 0)
        fail(loop, index, "TLS: ", slice_of(client_tls_problem()));
    else if (done > 0)
        request_upgrade(loop, index);
}

/* TCP has connected, or has not. */
static void begin(struct crowd_loop *loop, uint32_t index)
{
    struct crowd_client *client = &loop->crowd->clients[index];
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};
    int error = 0;
    socklen_t len = sizeof error;

    getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error) {
        fail(loop, index, "connect: ", slice_of(strerror(error)));
        return;
    }
    epoll_ctl(loop->epoll, EPOLL_CTL_MOD, client->fd, &event);
    if (!loop->crowd->tls) {
        request_upgrade(loop, index);
        return;
    }
    client->state = CLIENT_SECURING;
    if (client_begin_tls(loop->crowd, client))
        shake_hands(loop, index);
    else
        fail(loop, index, "TLS: out of memory", slice_of(""));
}

/* Sends what is in `output` too. False: the client is closed. */
static bool join(struct crowd_loop *loop, uint32_t index)
{
    const struct crowd_options *options = &loop->crowd->options;
    struct crowd_client *client = &loop->crowd->clients[index];

    client->replies_missing = 0;
    if (options->only_connect)
        client->replies_missing = options->target->options.kind == TARGET_ROOMCAST;
    else if (index >= options->publishers)
        client->replies_missing =
            target_append_join(options->target, options->layout, crowd_connection(loop->crowd, index),
                               options->places, &loop->output);
    else if (index < options->publishers_joining)
        client->replies_missing =
            target_append_join_room(options->target, options->layout, index % options->layout->rooms,
                                    TARGET_HELLO_ID + 1, &loop->output);
    client->state = CLIENT_JOINING;
    if (!say(loop, index, buffer_slice(&loop->output)))
        return false;
    if (client->replies_missing == 0)
        become_ready(loop, client);
    return true;
}

/* The hello, and with it what follows, unless the hello has to be answered first. False: the client is
 * closed. */
static bool greet(struct crowd_loop *loop, uint32_t index)
{
    const struct target *target = loop->crowd->options.target;
    struct crowd_client *client = &loop->crowd->clients[index];

    histogram_record(loop->upgraded, crowd_now_ns() - client->opened_ns);
    buffer_clear(&loop->output);
    target_append_hello(target, &loop->output);
    if (!target_awaits_hello_answer(target))
        return join(loop, index);
    client->state = CLIENT_GREETING;
    return say(loop, index, buffer_slice(&loop->output));
}

/* False: the client is closed. */
static bool take_message(struct crowd_loop *loop, uint32_t index, const struct ws_frame_view *frame,
                         uint64_t now_ns)
{
    struct crowd_client *client = &loop->crowd->clients[index];
    const struct target *target = loop->crowd->options.target;

    if (client->state == CLIENT_GREETING && target_is_hello_answer(target, frame->payload)) {
        buffer_clear(&loop->output);
        return join(loop, index);
    }
    if (client->state == CLIENT_JOINING) {
        enum target_reply reply = target_read_reply(target, frame->payload);
        if (reply == TARGET_REPLY_REFUSED) {
            fail(loop, index, "refused: ", frame->payload);
            return false;
        }
        bool is_awaited =
            reply == (loop->crowd->options.only_connect ? TARGET_REPLY_CONNECTED : TARGET_REPLY_JOINED);
        if (is_awaited && --client->replies_missing == 0)
            become_ready(loop, client);
    }
    struct slice answer = target_answer(target, frame->payload);
    if (answer.len > 0)
        return say(loop, index, answer);
    loop->crowd->options.on_text(loop, index, frame->payload, now_ns);
    return true;
}

/* False: the client is closed. */
static bool take_data_frame(struct crowd_loop *loop, uint32_t index, struct ws_frame_view *frame,
                            uint64_t now_ns)
{
    if (frame->is_deflated) {
        enum err err = crowd_inflate(loop, &loop->crowd->clients[index], frame);
        if (err) {
            fail(loop, index, "a compressed frame: ", slice_of(err_text(err)));
            return false;
        }
    }
    if (index >= loop->crowd->options.publishers) {
        crowd_stats(loop)->deflated_frames += frame->is_deflated;
        crowd_stats(loop)->message_bytes += frame->payload.len;
    }
    return take_message(loop, index, frame, now_ns);
}

static bool take_frame(struct crowd_loop *loop, uint32_t index, struct ws_frame_view *frame, uint64_t now_ns)
{
    switch (frame->opcode) {
    case WS_TEXT:
    case WS_BINARY:
        return take_data_frame(loop, index, frame, now_ns);
    case WS_PING:
        buffer_clear(&loop->output);
        ws_append_frame(&loop->output, WS_PONG, frame->payload);
        return say(loop, index, buffer_slice(&loop->output));
    case WS_PONG:
        return true;
    default:
        fail(loop, index, "closed by the server", slice_of(""));
        return false;
    }
}

/* Returns how many bytes were used up; closes the client on a fault. */
static size_t take_bytes(struct crowd_loop *loop, uint32_t index, struct slice bytes, size_t room)
{
    uint64_t now_ns = crowd_now_ns();
    struct slice rest = bytes;
    struct ws_frame_view frame = {.len = 0};

    while (rest.len > 0) {
        enum ws_parsed parsed = ws_parse_frame(rest, &frame);
        if (parsed == WS_PARTIAL && frame.len <= room)
            break;
        if (parsed != WS_PARSED) {
            fail(loop, index, "a frame that is fragmented, masked or too long", slice_of(""));
            return bytes.len;
        }
        if (!take_frame(loop, index, &frame, now_ns))
            return bytes.len;
        rest.data += frame.len;
        rest.len -= frame.len;
    }
    return bytes.len - rest.len;
}

/* False: the client is closed. */
static bool agree(struct crowd_loop *loop, uint32_t index, const struct ws_agreed *agreed)
{
    bool is_declined = loop->crowd->options.target->options.compression && !agreed->is_deflating;
    enum err err = crowd_agree(loop, &loop->crowd->clients[index], agreed);

    if (is_declined)
        fail(loop, index, "the server declines compression", slice_of(""));
    else if (err)
        fail(loop, index, "compression: ", slice_of(err_text(err)));
    return !is_declined && !err;
}

/* Returns how many bytes were used up. */
static size_t take_answer(struct crowd_loop *loop, uint32_t index, struct slice bytes)
{
    struct ws_agreed agreed;

    switch (ws_read_answer(bytes, &agreed)) {
    case WS_ANSWER_PARTIAL:
        return 0;
    case WS_ANSWER_REFUSED: {
        const char *end = memchr(bytes.data, '\r', bytes.len);
        fail(loop, index,
             "no upgrade: ", (struct slice){bytes.data, end ? (size_t)(end - bytes.data) : bytes.len});
        return bytes.len;
    }
    default:
        return agree(loop, index, &agreed) && greet(loop, index) ? agreed.len : bytes.len;
    }
}

static void keep(struct crowd_client *client, const char *bytes, size_t len)
{
    free(client->carry);
    client->carry = len ? malloc(len) : NULL;
    client->carry_len = client->carry ? (uint32_t)len : 0;
    if (client->carry)
        memcpy(client->carry, bytes, len);
}

/* False: nothing was there. */
static bool read_client(struct crowd_loop *loop, uint32_t index, size_t room)
{
    struct crowd_client *client = &loop->crowd->clients[index];
    size_t len = client->carry_len, used = 0;

    memcpy(loop->buffer, client->carry ? client->carry : "", len);
    ssize_t got = client_receive(client, loop->buffer + len, room - len);
    if (got < 0 && errno == EAGAIN)
        return false;
    if (got <= 0) {
        fail(loop, index, "lost: ", slice_of(got < 0 ? strerror(errno) : "closed by the server"));
        return false;
    }
    if (index >= loop->crowd->options.publishers)
        crowd_stats(loop)->bytes += (size_t)got;
    len += (size_t)got;
    if (client->state == CLIENT_UPGRADING)
        used = take_answer(loop, index, (struct slice){loop->buffer, len});
    if (client->state >= CLIENT_GREETING)
        used += take_bytes(loop, index, (struct slice){loop->buffer + used, len - used}, room);
    if (client->state != CLIENT_CLOSED && (used < len || client->carry))
        keep(client, loop->buffer + used, len - used);
    return true;
}

void client_handle(struct crowd_loop *loop, uint32_t index, uint32_t events, size_t room)
{
    struct crowd_client *client = &loop->crowd->clients[index];

    if (client->state == CLIENT_CONNECTING) {
        begin(loop, index);
        return;
    }
    if (client->state == CLIENT_CLOSED || !(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        return;
    if (client->state == CLIENT_SECURING) {
        shake_hands(loop, index);
        return;
    }
    while (read_client(loop, index, room) && client_has_more(client))
        ;
}

enum err crowd_send(struct crowd *crowd, uint32_t client, struct slice bytes)
{
    while (bytes.len > 0) {
        int fd = crowd->clients[client].fd;
        ssize_t sent = client_transmit(&crowd->clients[client], bytes);
        if (sent < 0 && errno == EAGAIN) {
            if (poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, SEND_WAIT_MS) <= 0)
                return ERR_TIMEOUT;
            continue;
        }
        if (sent <= 0)
            return ERR_UNAVAILABLE;
        bytes.data += sent;
        bytes.len -= (size_t)sent;
    }
    return ERR_OK;
}
