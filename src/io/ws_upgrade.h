/* Is an HTTP request an opening handshake (RFC 6455 section 4.2.1)? And what is answered, to others too.
 * Pure. */
#ifndef ROOMCAST_SRC_IO_WS_UPGRADE_H
#define ROOMCAST_SRC_IO_WS_UPGRADE_H

#include <stdbool.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/slice.h>

#include "ws_head.h"

/* The parts of a request that decide. Empty when absent. */
struct ws_upgrade {
    struct slice method, host, version, key;
    bool http_1_1, has_body;
    bool has_upgrade, upgrade_websocket; /* an Upgrade header, and one that names websocket */
    bool connection_upgrade;             /* Connection names upgrade */
    const char *repeated;                /* which header came twice and must not, as a sentence; or NULL */
};

/* Fills is_upgrade, fault and wrong_version of `head`. */
void ws_upgrade_judge(const struct ws_upgrade *upgrade, struct ws_head *head);

/* The 101 answer. `subprotocol`, `extensions`: NULL for none. */
void ws_upgrade_accept(struct buffer *out, const struct ws_head *head, const char *subprotocol,
                       const char *extensions);

/* The head of an answer whose body ends with the connection. `headers`: lines with their CR LF. */
void ws_upgrade_stream(struct buffer *out, const char *content_type, struct slice headers);

struct ws_refusal {
    unsigned status;
    struct slice body;    /* JSON; none with 204 */
    struct slice headers; /* more lines with their CR LF */
    unsigned retry_after_s;
    bool name_version; /* say which Sec-WebSocket-Version is spoken here */
    bool head_only;    /* the request was HEAD: the body is announced but not sent */
};

/* A complete answer, after which the connection closes. */
void ws_upgrade_refuse(struct buffer *out, const struct ws_refusal *refusal);
/* The same with a JSON body made of `problem`, for what never became a request. */
void ws_upgrade_refuse_problem(struct buffer *out, const struct ws_head_problem *problem);
/* A file, or that it is unchanged; the connection closes after it too. */
void ws_upgrade_send_file(struct buffer *out, const struct ws_file *file, bool head_only);

#endif
