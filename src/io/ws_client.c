#include <roomcast/io/ws_client.h>

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libwebsockets.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/clock.h>
#include <roomcast/base/frame_header.h>
#include <roomcast/base/http_head.h>
#include <roomcast/base/random.h>

#include "dial.h"
#include "tls_client.h"
#include "ws_address.h"
#include "ws_frame.h"

#define GUID         "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455 section 1.3 */
#define NONCE_LEN    16
#define BASE64_SIZE  32 /* of a nonce or a SHA-1 digest, with NUL */
#define HEAD_MAX     16384
#define INPUT_SIZE   65536
#define SAY_MS       10000 /* for which a server may take nothing */
#define CLOSE_NORMAL 1000

enum opcode { TEXT = 0x1, CLOSE = 0x8, PING = 0x9, PONG = 0xA };

struct ws_client {
    int socket;
    struct tls_client *tls; /* owned; NULL: plain */
    struct ws_decoder decoder;
    unsigned char input[INPUT_SIZE];
    unsigned char *rest; /* into input: what the decoder has not taken */
    size_t rest_len;
    uint64_t heard_ms; /* monotonic */
    bool has_pinged;   /* since then */
    bool is_over;
    bool is_mute; /* nothing can be said any more; what the server said before may still come */
    unsigned code;
    char problem[WS_CLIENT_PROBLEM_SIZE];
};

const char *ws_client_fault(const char *url)
{
    struct ws_address ignored;
    return ws_address_split(url, &ignored);
}

/* --- bytes --- */

static void give_up(struct ws_client *client, const char *problem)
{
    client->is_over = true;
    snprintf(client->problem, sizeof client->problem, "%s", problem);
}

/* ERR_BUSY: nothing is there now. */
static enum err receive(struct ws_client *client, void *bytes, size_t size, size_t *ret_len)
{
    if (client->tls)
        return tls_client_read(client->tls, bytes, size, ret_len);
    ssize_t count = recv(client->socket, bytes, size, 0);
    if (count < 0)
        return errno == EAGAIN || errno == EINTR ? ERR_BUSY : ERR_UNAVAILABLE;
    *ret_len = (size_t)count;
    return count > 0 ? ERR_OK : ERR_UNAVAILABLE;
}

static enum err transmit(struct ws_client *client, const char *bytes, size_t len, size_t *ret_sent)
{
    if (client->tls) {
        *ret_sent = len;
        return tls_client_write(client->tls, bytes, len);
    }
    ssize_t count = send(client->socket, bytes, len, MSG_NOSIGNAL);
    if (count < 0)
        return errno == EAGAIN || errno == EINTR ? ERR_BUSY : ERR_UNAVAILABLE;
    *ret_sent = (size_t)count;
    return ERR_OK;
}

static enum err transmit_all(struct ws_client *client, struct slice bytes, uint64_t deadline_ms)
{
    while (bytes.len > 0) {
        size_t sent = 0;
        enum err err = transmit(client, bytes.data, bytes.len, &sent);
        if (err == ERR_OK)
            bytes = (struct slice){bytes.data + sent, bytes.len - sent};
        else if (err == ERR_BUSY)
            err = dial_wait(client->socket, POLLOUT, deadline_ms);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

/* --- frames --- */

/* What came before the connection broke is still to be heard; a server that takes nothing is given up. */
static void judge_saying(struct ws_client *client, enum err err)
{
    client->is_mute = err != ERR_OK;
    if (err == ERR_TIMEOUT)
        give_up(client, "the server takes nothing");
    else if (err == ERR_NO_MEMORY)
        give_up(client, err_text(err));
}

static void say_frame(struct ws_client *client, enum opcode opcode, struct slice payload)
{
    unsigned char head[FRAME_HEADER_MAX], mask[FRAME_MASK_LEN];
    struct buffer frame;

    if (client->is_over || client->is_mute)
        return;
    size_t head_len = frame_write_header(head, (unsigned char)(FRAME_FIN | opcode), payload.len);
    head[1] |= FRAME_MASKED;
    random_bytes(mask, sizeof mask); /* unpredictable, section 10.3 */
    buffer_init(&frame, payload.len + sizeof head + sizeof mask);
    buffer_append(&frame, head, head_len);
    buffer_append(&frame, mask, sizeof mask);
    for (size_t at = 0; at < payload.len; at++)
        buffer_append_char(&frame, (char)((unsigned char)payload.data[at] ^ mask[at & 3]));
    judge_saying(client, buffer_failed(&frame)
                             ? ERR_NO_MEMORY
                             : transmit_all(client, buffer_slice(&frame), clock_monotonic_ms() + SAY_MS));
    buffer_fini(&frame);
}

void ws_client_say(struct ws_client *client, struct slice text)
{
    say_frame(client, TEXT, text);
}

/* ERR_OK: `ret_text` is a message. ERR_BUSY: there is none yet. */
static enum err take_event(struct ws_client *client, const struct ws_event *event, struct slice *ret_text)
{
    switch (event->kind) {
    case WS_EVENT_TEXT:
        *ret_text = event->payload;
        return ERR_OK;
    case WS_EVENT_PING:
        say_frame(client, PONG, event->payload);
        return client->is_over ? ERR_UNAVAILABLE : ERR_BUSY;
    case WS_EVENT_CLOSE:
        client->code = event->code == WS_CLOSE_NO_CODE ? WS_CLIENT_NO_CODE : event->code;
        give_up(client, "the server closed the connection");
        return ERR_UNAVAILABLE;
    case WS_EVENT_TOO_BIG:
        give_up(client, "the server sent a message of more than 16 MiB");
        return ERR_UNAVAILABLE;
    case WS_EVENT_BINARY:
    case WS_EVENT_DEFLATED:
    case WS_EVENT_FAULT:
        give_up(client, "the server broke the WebSocket protocol");
        return ERR_UNAVAILABLE;
    case WS_EVENT_NO_MEMORY:
        give_up(client, err_text(ERR_NO_MEMORY));
        return ERR_UNAVAILABLE;
    case WS_EVENT_NONE:
    case WS_EVENT_PONG:
        break;
    }
    return ERR_BUSY;
}

/* From what was received already. */
static enum err take_rest(struct ws_client *client, struct slice *ret_text)
{
    enum err err = ERR_BUSY;

    while (err == ERR_BUSY && client->rest_len > 0) {
        struct ws_event event;
        ws_decoder_next(&client->decoder, &client->rest, &client->rest_len, &event);
        err = take_event(client, &event, ret_text);
    }
    return err;
}

/* Waits for bytes, at most until `deadline_ms`, and not longer than silence is bearable. */
static enum err listen_on(struct ws_client *client, uint64_t deadline_ms)
{
    uint64_t patience_ms = client->heard_ms + (client->has_pinged ? WS_CLIENT_SILENCE_MS : WS_CLIENT_PING_MS);
    enum err err = receive(client, client->input, sizeof client->input, &client->rest_len);

    if (err == ERR_BUSY)
        err = dial_wait(client->socket, POLLIN, deadline_ms < patience_ms ? deadline_ms : patience_ms);
    else if (err == ERR_OK)
        client->rest = client->input;
    if (client->rest_len > 0) {
        client->heard_ms = clock_monotonic_ms();
        client->has_pinged = false;
    }
    if (err == ERR_TIMEOUT && deadline_ms <= patience_ms)
        return ERR_BUSY;
    if (err == ERR_TIMEOUT && !client->has_pinged) {
        client->has_pinged = true;
        say_frame(client, PING, SLICE_LITERAL(""));
        return client->is_over ? ERR_UNAVAILABLE : ERR_OK;
    }
    if (err != ERR_OK) {
        give_up(client,
                err == ERR_TIMEOUT ? "nothing was heard of the server for 40 s" : "the connection broke");
        return ERR_UNAVAILABLE;
    }
    return ERR_OK;
}

enum err ws_client_next(struct ws_client *client, uint64_t deadline_ms, struct slice *ret_text)
{
    enum err err = client->is_over ? ERR_UNAVAILABLE : take_rest(client, ret_text);

    while (err == ERR_BUSY) {
        client->rest_len = 0;
        err = listen_on(client, deadline_ms);
        if (err != ERR_OK)
            return err;
        err = take_rest(client, ret_text);
        if (err == ERR_BUSY &&
            clock_monotonic_ms() >= deadline_ms) /* pings, parts of messages, without end */
            return ERR_BUSY;
    }
    return err;
}

/* --- the upgrade --- */

static void digest_nonce(const char *nonce, char accept[BASE64_SIZE])
{
    unsigned char text[BASE64_SIZE + sizeof GUID], digest[20];
    int len = snprintf((char *)text, sizeof text, "%s" GUID, nonce);

    lws_SHA1(text, (size_t)len, digest);
    lws_b64_encode_string((const char *)digest, sizeof digest, accept, BASE64_SIZE);
}

static void append_request(struct buffer *out, const struct ws_address *address, const char *token,
                           const char *nonce)
{
    buffer_appendf(out, "GET %s%s HTTP/1.1\r\nHost: %s\r\n", address->path[0] == '/' ? "" : "/ws",
                   address->path, address->authority);
    buffer_appendf(out,
                   "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: %s\r\n"
                   "Sec-WebSocket-Version: 13\r\nUser-Agent: roomcast/" ROOMCAST_VERSION "\r\n",
                   nonce);
    if (token[0])
        buffer_appendf(out, "Authorization: Bearer %s\r\n", token);
    buffer_append_text(out, "\r\n");
}

/* Up to the empty line that ends it; what came behind it stays as the rest. `ret_head` is borrowed until the
 * next read. */
static enum err receive_head(struct ws_client *client, uint64_t deadline_ms, struct slice *ret_head)
{
    const char *head = (const char *)client->input, *end = NULL;
    size_t len = 0;

    while (!end) {
        size_t more = 0;
        if (len == HEAD_MAX)
            return ERR_TOO_BIG;
        enum err err = receive(client, client->input + len, HEAD_MAX - len, &more);
        if (err == ERR_BUSY)
            err = dial_wait(client->socket, POLLIN, deadline_ms);
        if (err != ERR_OK)
            return err;
        len += more;
        end = memmem(head, len, "\r\n\r\n", 4);
    }
    *ret_head = (struct slice){head, (size_t)(end - head) + 4};
    client->rest = client->input + ret_head->len;
    client->rest_len = len - ret_head->len;
    return ERR_OK;
}

/* As much of the body as comes, until the connection ends. */
static void receive_body(struct ws_client *client, struct slice head, uint64_t deadline_ms,
                         struct ws_client_failure *failure)
{
    unsigned length = WS_CLIENT_BODY_SIZE - 1;

    slice_parse_number(http_head_find(head, "Content-Length"), length, &length);
    size_t have = client->rest_len < length ? client->rest_len : length;
    memcpy(failure->body, client->rest, have);
    while (have < length) {
        size_t len = 0;
        enum err err = receive(client, failure->body + have, length - have, &len);
        if (err == ERR_BUSY)
            err = dial_wait(client->socket, POLLIN, deadline_ms);
        if (err != ERR_OK)
            break;
        have += len;
    }
    failure->body[have] = '\0';
}

static enum err judge_answer(struct ws_client *client, struct slice head, const char *nonce,
                             uint64_t deadline_ms, struct ws_client_failure *failure)
{
    char accept[BASE64_SIZE];
    unsigned status = 0, seconds = 0;

    if (head.len < 12 || strncmp(head.data, "HTTP/1.", 7) != 0 ||
        !slice_parse_number((struct slice){head.data + 9, 3}, 999, &status)) {
        snprintf(failure->problem, sizeof failure->problem, "what answers there is no WebSocket server");
        return ERR_MISMATCH;
    }
    failure->status = status;
    digest_nonce(nonce, accept);
    if (status == 101 && slice_equal(http_head_find(head, "Sec-WebSocket-Accept"), slice_of(accept)))
        return ERR_OK;
    if (slice_parse_number(http_head_find(head, "Retry-After"), 86400, &seconds))
        failure->retry_after_s = seconds;
    if (status != 101)
        receive_body(client, head, deadline_ms, failure);
    snprintf(failure->problem, sizeof failure->problem,
             status == 101 ? "what answers there does not speak WebSocket (its Sec-WebSocket-Accept is wrong)"
                           : "the upgrade is answered with status %u",
             status);
    return ERR_MISMATCH;
}

static enum err upgrade(struct ws_client *client, const struct ws_address *address, const char *token,
                        uint64_t deadline_ms, struct ws_client_failure *failure)
{
    unsigned char bytes[NONCE_LEN];
    char nonce[BASE64_SIZE];
    struct buffer text;
    struct slice head;

    random_bytes(bytes, sizeof bytes);
    lws_b64_encode_string((const char *)bytes, sizeof bytes, nonce, sizeof nonce);
    buffer_init(&text, WS_ADDRESS_MAX + HEAD_MAX + strlen(token));
    append_request(&text, address, token, nonce);
    enum err err =
        buffer_failed(&text) ? ERR_NO_MEMORY : transmit_all(client, buffer_slice(&text), deadline_ms);
    if (text.data)
        wipe(text.data, text.len);
    buffer_fini(&text);
    if (err == ERR_OK)
        err = receive_head(client, deadline_ms, &head);
    if (err == ERR_OK)
        return judge_answer(client, head, nonce, deadline_ms, failure);
    snprintf(failure->problem, sizeof failure->problem, "the upgrade was not answered: %s",
             err == ERR_UNAVAILABLE ? "the connection ended" : err_text(err));
    return err;
}

static enum err connect_to(struct ws_client *client, const struct ws_address *address, const char *ca_file,
                           uint64_t deadline_ms, struct ws_client_failure *failure)
{
    char problem[TLS_CLIENT_PROBLEM_SIZE];
    enum err err = dial(address->host, address->port, deadline_ms, &client->socket);

    if (err != ERR_OK) {
        client->socket = -1;
        snprintf(failure->problem, sizeof failure->problem, "%s",
                 err == ERR_UNAVAILABLE ? "nobody listens there" : err_text(err));
        return err;
    }
    if (!address->is_secured)
        return ERR_OK;
    const struct tls_client_options options = {
        .socket = client->socket, .host = address->host, .ca_file = ca_file, .deadline_ms = deadline_ms};
    err = tls_client_new(&options, &client->tls, problem);
    if (err != ERR_OK)
        snprintf(failure->problem, sizeof failure->problem, "%s", problem);
    return err;
}

/* What may stand in a header: a JWT is letters, digits, '-', '_' and dots (RFC 6750 section 2.1). */
static bool is_token(const char *token)
{
    return token[strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=")] ==
           '\0';
}

enum err ws_client_open(const struct ws_client_options *options, struct ws_client **ret_client,
                        struct ws_client_failure *ret_failure)
{
    uint64_t now_ms = clock_monotonic_ms(), deadline_ms = now_ms + options->timeout_ms;
    struct ws_address address;
    const char *fault = ws_address_split(options->url, &address);

    *ret_failure = (struct ws_client_failure){.status = 0};
    if (fault || !is_token(options->token)) {
        snprintf(ret_failure->problem, sizeof ret_failure->problem, "%s",
                 fault ? fault : "the token holds what no token holds");
        return ERR_CONFIG;
    }
    struct ws_client *client = calloc(1, sizeof *client);
    if (!client) {
        snprintf(ret_failure->problem, sizeof ret_failure->problem, "%s", err_text(ERR_NO_MEMORY));
        return ERR_NO_MEMORY;
    }
    client->socket = -1;
    ws_decoder_init(&client->decoder, WS_CLIENT_MESSAGE_MAX, false);
    client->decoder.from_server = true;
    client->is_over = true; /* until the upgrade is done: there is no one to say goodbye to */
    enum err err = connect_to(client, &address, options->ca_file, deadline_ms, ret_failure);
    if (err == ERR_OK)
        err = upgrade(client, &address, options->token, deadline_ms, ret_failure);
    if (err != ERR_OK) {
        ws_client_free(&client);
        return err;
    }
    client->is_over = false;
    client->heard_ms = clock_monotonic_ms();
    *ret_client = client;
    return ERR_OK;
}

unsigned ws_client_code(const struct ws_client *client)
{
    return client->code;
}

const char *ws_client_problem(const struct ws_client *client)
{
    return client->problem;
}

void ws_client_free(struct ws_client **pointer)
{
    static const char code[] = {(char)(CLOSE_NORMAL >> 8), (char)(CLOSE_NORMAL & 0xff)};
    struct ws_client *client = *pointer;

    if (!client)
        return;
    say_frame(client, CLOSE, (struct slice){code, sizeof code});
    ws_decoder_fini(&client->decoder);
    tls_client_free(&client->tls);
    if (client->socket >= 0)
        close(client->socket);
    free(client);
    *pointer = NULL;
}
