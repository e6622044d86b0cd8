/* The client's half of RFC 6455, as far as a load generator needs it: the upgrade request, masked frames, and
 * server frames parsed where recv has put them. */
#ifndef ROOMCAST_BENCH_WS_WIRE_H
#define ROOMCAST_BENCH_WS_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/slice.h>

enum ws_opcode { WS_CONTINUATION = 0, WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10 };

struct ws_request {
    struct slice host, path;
    const char *token; /* NULL for a server that wants none; else it travels as roomcast's subprotocol */
    const char *subprotocol; /* NULL or what to ask for instead */
    bool compression;        /* permessage-deflate is offered, as browsers do */
};
void ws_append_request(struct buffer *out, const struct ws_request *request);

struct ws_agreed {
    size_t len;         /* of the answer's head */
    bool is_deflating;  /* permessage-deflate was accepted */
    bool is_taken_over; /* by the server: its messages may refer to those before (RFC 7692 7.1.1.1) */
};
enum ws_answer { WS_ANSWER_PARTIAL, WS_ANSWER_UPGRADED, WS_ANSWER_REFUSED };
/* Reads the head of the answer; `ret_agreed` is written when UPGRADED. */
enum ws_answer ws_read_answer(struct slice bytes, struct ws_agreed *ret_agreed);

/* A whole masked frame. The mask is zero, which is legal and leaves the payload readable (RFC 6455 5.3 asks
 * browsers for random ones, against proxies; there are none here). */
void ws_append_frame(struct buffer *out, enum ws_opcode opcode, struct slice payload);

struct ws_frame_view {
    enum ws_opcode opcode;
    bool is_deflated;     /* RSV1 */
    struct slice payload; /* into the bytes given */
    size_t len;           /* of the whole frame */
};
enum ws_parsed { WS_PARSED, WS_PARTIAL, WS_FAULT };
/* The frame at the start of `bytes`. FAULT: fragmented or masked, or RSV2 or RSV3; no server that is measured
 * sends that.
 * `ret_view` has `len` also when PARTIAL, as far as it is known, else 0. */
enum ws_parsed ws_parse_frame(struct slice bytes, struct ws_frame_view *ret_view);

#endif
