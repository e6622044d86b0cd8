#include "ws_upgrade.h"

#include <assert.h>
#include <string.h>

#include <libwebsockets.h>

#define GUID          "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455 section 1.3 */
#define KEY_LEN       24                                     /* 16 bytes in base64 */
#define SHA1_LEN      20
#define ACCEPT_SIZE   32 /* SHA1_LEN bytes in base64, and NUL */
#define MESSAGE_BYTES 512

/* Sixteen bytes in base64: 22 digits and two signs of padding. */
static bool is_key(struct slice key)
{
    if (key.len != KEY_LEN || memcmp(key.data + KEY_LEN - 2, "==", 2) != 0)
        return false;
    for (size_t at = 0; at < KEY_LEN - 2; at++) {
        char c = key.data[at];
        bool digit = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' ||
                     c == '/';
        if (!digit)
            return false;
    }
    return true;
}

static const char *find_fault(const struct ws_upgrade *upgrade, bool *ret_wrong_version)
{
    if (upgrade->repeated)
        return upgrade->repeated;
    if (!upgrade->has_upgrade && upgrade->key.len == 0 && upgrade->version.len == 0)
        return NULL; /* an ordinary request: nothing is wrong with it, it is just no upgrade */
    if (!slice_equal(upgrade->method, SLICE_LITERAL("GET")))
        return "the method of an upgrade is GET";
    if (!upgrade->http_1_1)
        return "an upgrade needs HTTP/1.1";
    if (upgrade->host.len == 0)
        return "Host is missing";
    if (!upgrade->upgrade_websocket)
        return "Upgrade does not name websocket";
    if (!upgrade->connection_upgrade)
        return "Connection does not name Upgrade";
    if (!slice_equal(upgrade->version, SLICE_LITERAL("13"))) {
        *ret_wrong_version = true;
        return "Sec-WebSocket-Version is not 13";
    }
    if (!is_key(upgrade->key))
        return "Sec-WebSocket-Key is not 16 bytes in base64";
    if (upgrade->has_body)
        return "an upgrade has no body: Content-Length or Transfer-Encoding";
    return NULL;
}

void ws_upgrade_judge(const struct ws_upgrade *upgrade, struct ws_head *head)
{
    head->wrong_version = false;
    head->request.fault = find_fault(upgrade, &head->wrong_version);
    head->request.is_upgrade = !head->request.fault && upgrade->has_upgrade;
}

void ws_upgrade_accept(struct buffer *out, const struct ws_head *head, const char *subprotocol,
                       const char *extensions)
{
    unsigned char text[KEY_LEN + sizeof GUID - 1], digest[SHA1_LEN];
    char accept[ACCEPT_SIZE];
    assert(head->key.len == KEY_LEN);
    memcpy(text, head->key.data, KEY_LEN);
    memcpy(text + KEY_LEN, GUID, sizeof GUID - 1);
    lws_SHA1(text, sizeof text, digest);
    lws_b64_encode_string((const char *)digest, sizeof digest, accept, sizeof accept);

    buffer_append_text(out,
                       "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n");
    buffer_appendf(out, "Sec-WebSocket-Accept: %s\r\n", accept);
    if (subprotocol)
        buffer_appendf(out, "Sec-WebSocket-Protocol: %s\r\n", subprotocol);
    if (extensions)
        buffer_appendf(out, "Sec-WebSocket-Extensions: %s\r\n", extensions);
    buffer_append_text(out, "\r\n");
}

static const char *phrase(unsigned status)
{
    static const struct {
        unsigned status;
        const char *phrase;
    } rows[] = {
        {204, "No Content"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {414, "URI Too Long"},
        {426, "Upgrade Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t at = 0; at < sizeof rows / sizeof rows[0]; at++) {
        if (rows[at].status == status)
            return rows[at].phrase;
    }
    return "Refused"; /* clients go by the number */
}

void ws_upgrade_stream(struct buffer *out, const char *content_type, struct slice headers)
{
    buffer_appendf(out, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\n", content_type);
    buffer_append_text(out, "Cache-Control: no-store\r\nConnection: close\r\n");
    buffer_append_slice(out, headers);
    buffer_append_text(out, "\r\n");
}

void ws_upgrade_refuse(struct buffer *out, const struct ws_refusal *refusal)
{
    buffer_appendf(out, "HTTP/1.1 %u %s\r\nCache-Control: no-store\r\n", refusal->status,
                   phrase(refusal->status));
    if (refusal->status != 204) /* RFC 9110 section 8.6: no length with it */
        buffer_appendf(out, "Content-Type: application/json\r\nContent-Length: %zu\r\n", refusal->body.len);
    buffer_append_slice(out, refusal->headers);
    if (refusal->retry_after_s > 0)
        buffer_appendf(out, "Retry-After: %u\r\n", refusal->retry_after_s);
    if (refusal->status == 401)
        buffer_append_text(out, "WWW-Authenticate: Bearer\r\n"); /* RFC 9110 section 11.6.1 */
    if (refusal->status == 426)                                  /* section 15.5.22 */
        buffer_append_text(out, "Upgrade: websocket\r\nConnection: close, Upgrade\r\n");
    else
        buffer_append_text(out, "Connection: close\r\n");
    if (refusal->name_version || refusal->status == 426) /* RFC 6455 section 4.4 */
        buffer_append_text(out, "Sec-WebSocket-Version: 13\r\n");
    buffer_append_text(out, "\r\n");
    if (!refusal->head_only && refusal->status != 204) /* RFC 9110 section 15.3.5 */
        buffer_append_slice(out, refusal->body);
}

void ws_upgrade_refuse_problem(struct buffer *out, const struct ws_head_problem *problem)
{
    struct buffer body;
    buffer_init(&body, MESSAGE_BYTES);
    buffer_appendf(&body, "{\"success\":false,\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}", problem->code,
                   problem->reason);
    const struct ws_refusal refusal = {
        .status = problem->status, .body = buffer_slice(&body), .retry_after_s = problem->retry_after_s};
    ws_upgrade_refuse(out, &refusal);
    buffer_fini(&body);
}

/* Pages of any origin may load it: it is public, and a module script needs the permission. The tag is weak
 * because it is the same for the bytes as they are and compressed (RFC 9110 section 8.8.1). */
void ws_upgrade_send_file(struct buffer *out, const struct ws_file *file, bool head_only)
{
    buffer_append_text(out, file->unchanged ? "HTTP/1.1 304 Not Modified\r\n" : "HTTP/1.1 200 OK\r\n");
    buffer_appendf(out, "ETag: W/%s\r\nCache-Control: no-cache\r\nVary: Accept-Encoding\r\n", file->etag);
    buffer_append_text(out, "Access-Control-Allow-Origin: *\r\nCross-Origin-Resource-Policy: cross-origin\r\n"
                            "X-Content-Type-Options: nosniff\r\nConnection: close\r\n");
    if (!file->unchanged) {
        buffer_appendf(out, "Content-Type: %s\r\nContent-Length: %zu\r\n", file->content_type,
                       file->bytes.len);
        if (file->coding)
            buffer_appendf(out, "Content-Encoding: %s\r\n", file->coding);
    }
    buffer_append_text(out, "\r\n");
    if (!file->unchanged && !head_only)
        buffer_append_slice(out, file->bytes);
}
