#include "ws_wire.h"

#include <string.h>
#include <strings.h>

/* The nonce of RFC 6455 1.3, whose answer is known without SHA-1. */
#define NONCE  "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

void ws_append_request(struct buffer *out, const struct ws_request *request)
{
    buffer_appendf(out,
                   "GET %.*s HTTP/1.1\r\nHost: %.*s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   "Sec-WebSocket-Key: " NONCE "\r\nSec-WebSocket-Version: 13\r\n",
                   SLICE_FMT(request->path), SLICE_FMT(request->host));
    if (request->token)
        buffer_appendf(out, "Sec-WebSocket-Protocol: roomcast.v1, bearer.%s\r\n", request->token);
    else if (request->subprotocol)
        buffer_appendf(out, "Sec-WebSocket-Protocol: %s\r\n", request->subprotocol);
    if (request->compression)
        buffer_append_text(out, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n");
    buffer_append_text(out, "\r\n");
}

/* The value of the first header of that name, `"\r\nName:"`; empty when there is none. */
static struct slice find_header(struct slice head, struct slice name)
{
    for (size_t at = 0; at + name.len <= head.len; at++) {
        if (strncasecmp(head.data + at, name.data, name.len) != 0)
            continue;
        const char *value = head.data + at + name.len;
        const char *end = memchr(value, '\r', head.len - at - name.len);
        return (struct slice){value, end ? (size_t)(end - value) : 0};
    }
    return SLICE_LITERAL("");
}

static bool contains(struct slice text, const char *what)
{
    return memmem(text.data, text.len, what, strlen(what)) != NULL;
}

enum ws_answer ws_read_answer(struct slice bytes, struct ws_agreed *ret_agreed)
{
    const char *end = memmem(bytes.data, bytes.len, "\r\n\r\n", 4);

    if (!end)
        return WS_ANSWER_PARTIAL;
    struct slice head = {bytes.data, (size_t)(end - bytes.data) + 4};
    if (head.len < 12 || memcmp(head.data, "HTTP/1.1 101", 12) != 0 || !contains(head, ACCEPT))
        return WS_ANSWER_REFUSED;
    struct slice extensions = find_header(head, SLICE_LITERAL("\r\nSec-WebSocket-Extensions:"));
    *ret_agreed = (struct ws_agreed){
        .len = head.len,
        .is_deflating = contains(extensions, "permessage-deflate"),
        .is_taken_over = !contains(extensions, "server_no_context_takeover"),
    };
    return WS_ANSWER_UPGRADED;
}

void ws_append_frame(struct buffer *out, enum ws_opcode opcode, struct slice payload)
{
    unsigned char head[14] = {(unsigned char)(0x80 | opcode)};
    size_t len = 2;

    if (payload.len < 126) {
        head[1] = (unsigned char)(0x80 | payload.len);
    } else if (payload.len < 65536) {
        head[1] = 0x80 | 126;
        len = 4;
    } else {
        head[1] = 0x80 | 127;
        len = 10;
    }
    for (size_t i = len, rest = payload.len; i > 2; i--, rest >>= 8)
        head[i - 1] = (unsigned char)rest;
    memset(head + len, 0, 4);
    buffer_append(out, head, len + 4);
    buffer_append_slice(out, payload);
}

enum ws_parsed ws_parse_frame(struct slice bytes, struct ws_frame_view *ret_view)
{
    const unsigned char *head = (const unsigned char *)bytes.data;
    ret_view->len = 0;
    if (bytes.len < 2)
        return WS_PARTIAL;
    if ((head[0] & 0xb0) != 0x80 || (head[1] & 0x80) != 0 || (head[0] & 0x0f) == WS_CONTINUATION)
        return WS_FAULT;
    size_t head_len = head[1] < 126 ? 2 : head[1] == 126 ? 4 : 10;
    if (bytes.len < head_len)
        return WS_PARTIAL;
    uint64_t payload_len = head[1];
    if (head_len > 2) {
        payload_len = 0;
        for (size_t i = 2; i < head_len; i++)
            payload_len = payload_len << 8 | head[i];
    }
    if (payload_len > UINT32_MAX)
        return WS_FAULT;
    ret_view->len = head_len + (size_t)payload_len;
    if (bytes.len < ret_view->len)
        return WS_PARTIAL;
    ret_view->is_deflated = (head[0] & 0x40) != 0;
    ret_view->opcode = (enum ws_opcode)(head[0] & 0x0f);
    ret_view->payload = (struct slice){bytes.data + head_len, (size_t)payload_len};
    return WS_PARSED;
}
