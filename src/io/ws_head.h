/* The head of one HTTP/1.x request (RFC 9112), strictly: bytes in, a struct ws_request out. Pure; knows no
 * socket.
 *
 * libwebsockets 4.1.6 cannot be asked to do this: it copies Sec-WebSocket-Protocol into 128 bytes and hangs
 * up without an answer when the list is longer, and `roomcast.v1, bearer.<jwt>` always is.
 *
 * Owns nothing: slices point into the caller's bytes.   Thread: any. */
#ifndef ROOMCAST_SRC_IO_WS_HEAD_H
#define ROOMCAST_SRC_IO_WS_HEAD_H

#include <stdbool.h>
#include <stddef.h>

#include <roomcast/base/buffer.h>
#include <roomcast/io/ws_server.h>

#include "ws_extension.h"

#define WS_HEAD_FIELDS_MAX 100 /* header lines */

struct ws_head {
    struct ws_request request; /* all but `peer` */
    struct slice key;          /* Sec-WebSocket-Key; 24 characters when request.is_upgrade */
    bool wrong_version;        /* request.fault is the version: the answer names ours */
    struct ws_deflate_offer deflate;
};

struct ws_head_problem {
    unsigned status;        /* HTTP status of the answer */
    const char *code;       /* its error code */
    const char *reason;     /* a sentence for people, static */
    unsigned retry_after_s; /* 0: not told */
};

/* The length of the head at the front of `bytes`, empty line included; 0 while it is incomplete. `scanned` is
 * kept between calls (0 at first), so that every byte is looked at once. */
size_t ws_head_find_end(struct slice bytes, size_t *scanned);

/* `bytes`, `len`: a head as found by ws_head_find_end(); the query's token is decoded in place. `joined`:
 * empty; takes what has to be put together from several lines, and must live as long as the result. False,
 * with `ret_problem`, when it is no HTTP request. What is merely no proper upgrade is told by request.fault.
 */
bool ws_head_parse(char *bytes, size_t len, struct buffer *joined, struct ws_head *ret_head,
                   struct ws_head_problem *ret_problem);

/* RFC 9110 section 5.6.2. */
bool ws_head_is_token_char(char c);

/* What to answer when `bytes` has reached the limit and still holds no complete head. */
struct ws_head_problem ws_head_too_long(struct slice bytes);

#endif
