#include "ws_wire.h"

#include <string.h>

#include <roomcast/base/frame_header.h>
#include <roomcast/base/http_head.h>

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

static bool contains(struct slice text, const char *what)
{
    return text.data && memmem(text.data, text.len, what, strlen(what)) != NULL;
}

enum ws_answer ws_read_answer(struct slice bytes, struct ws_agreed *ret_agreed)
{
    const char *end = memmem(bytes.data, bytes.len, "\r\n\r\n", 4);

    if (!end)
        return WS_ANSWER_PARTIAL;
    struct slice head = {bytes.data, (size_t)(end - bytes.data) + 4};
    if (head.len < 12 || memcmp(head.data, "HTTP/1.1 101", 12) != 0 || !contains(head, ACCEPT))
        return WS_ANSWER_REFUSED;
    struct slice extensions = http_head_find(head, "Sec-WebSocket-Extensions");
    *ret_agreed = (struct ws_agreed){
        .len = head.len,
        .is_deflating = contains(extensions, "permessage-deflate"),
        .is_taken_over = !contains(extensions, "server_no_context_takeover"),
    };
    return WS_ANSWER_UPGRADED;
}

void ws_append_frame(struct buffer *out, enum ws_opcode opcode, struct slice payload)
{
    unsigned char head[FRAME_HEADER_MAX + FRAME_MASK_LEN] = {0};
    size_t len = frame_write_header(head, (unsigned char)(FRAME_FIN | opcode), payload.len);

    head[1] |= FRAME_MASKED;
    buffer_append(out, head, len + FRAME_MASK_LEN);
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
