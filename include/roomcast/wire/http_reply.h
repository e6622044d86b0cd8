/* The JSON body of an answer by HTTP, as a client reads it: the relay's to POST /v1/events, and the refusal
 * of an upgrade (proto/README.md). It may come from anybody. */
#ifndef ROOMCAST_WIRE_HTTP_REPLY_H
#define ROOMCAST_WIRE_HTTP_REPLY_H

#include <stdint.h>

#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>

#define HTTP_REPLY_CODE_SIZE    48
#define HTTP_REPLY_MESSAGE_SIZE 512

struct http_reply {
    uint64_t accepted, skipped;
    /* Fit for a terminal, and cut where they are longer; empty where there are none. */
    char code[HTTP_REPLY_CODE_SIZE];
    char message[HTTP_REPLY_MESSAGE_SIZE];
};

/* ERR_SYNTAX, ERR_TOO_DEEP: it is no such answer; ERR_NO_MEMORY. */
enum err http_reply_parse(struct slice body, struct http_reply *ret_reply) MUST_CHECK;

#endif
