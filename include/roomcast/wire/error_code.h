/* The error codes that clients see, in `error` messages and in HTTP refusals. One row each: code, whether
 * trying again later can help, what it means. A new code is a new row; the list in proto/README.md is made
 * from it. */
#ifndef ROOMCAST_WIRE_ERROR_CODE_H
#define ROOMCAST_WIRE_ERROR_CODE_H

#include <stdbool.h>

#include <roomcast/base/slice.h>

#define ERROR_CODE_LIST(ROW)                                                                                 \
    ROW(INVALID_JSON, false, "the message is not a JSON object, or nested too deeply")                       \
    ROW(INVALID_MESSAGE, false, "a field is missing or has the wrong type or value")                         \
    ROW(UNKNOWN_TYPE, false, "no such message type")                                                         \
    ROW(FORBIDDEN, false, "the user may not read this chat")                                                 \
    ROW(NOT_SUBSCRIBED, false, "this connection is not subscribed to the chat")                              \
    ROW(ROOM_LIMIT, false, "this connection is in as many rooms as it may be")                               \
    ROW(RATE_LIMITED, true, "messages come faster than the limit")                                           \
    ROW(POSITION_LOST, false, "events were lost; reload, and go on from the position given")                 \
    ROW(UNAVAILABLE, true, "the node cannot reach what it needs; try again")                                 \
    ROW(UNAUTHORIZED, false, "the token is missing or not valid")                                            \
    ROW(ORIGIN_NOT_ALLOWED, false, "pages of this origin may not connect")                                   \
    ROW(NOT_FOUND, false, "nothing at this path")                                                            \
    ROW(UPGRADE_REQUIRED, false, "this path speaks WebSocket only")                                          \
    ROW(BAD_REQUEST, false, "not a valid HTTP or WebSocket upgrade request")                                 \
    ROW(METHOD_NOT_ALLOWED, false, "this path does not take this HTTP method")                               \
    ROW(PAYLOAD_TOO_LARGE, false, "the request is larger than the limit")                                    \
    ROW(INVALID_EVENT, false, "the domain event cannot be used; the message says why")                       \
    ROW(TOO_MANY_CONNECTIONS, true, "the user has as many connections as allowed")                           \
    ROW(DRAINING, true, "this node is going away; another one will answer")                                  \
    ROW(OVERLOADED, true, "a limit of this process is reached; try again later")                             \
    ROW(INTERNAL, true, "a fault of the server")

enum error_code {
#define ERROR_CODE_ENUM(code, temporary, meaning) ERROR_CODE_##code,
    ERROR_CODE_LIST(ERROR_CODE_ENUM)
#undef ERROR_CODE_ENUM
        ERROR_CODE_COUNT
};

/* As it stands on the wire: "FORBIDDEN". */
const char *error_code_text(enum error_code code);
/* False: there is none of this text. */
bool error_code_find(struct slice text, enum error_code *ret_code);
const char *error_code_meaning(enum error_code code);
bool error_code_temporary(enum error_code code);

#endif
