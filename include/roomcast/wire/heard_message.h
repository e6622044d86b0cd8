/* What a node says to a client (proto/README.md), as a client reads it: JSON text in, struct out. It may come
 * from anybody. */
#ifndef ROOMCAST_WIRE_HEARD_MESSAGE_H
#define ROOMCAST_WIRE_HEARD_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>
#include <roomcast/wire/room_key.h>

#define HEARD_EPOCH_SIZE 65 /* bytes of an epoch as clients take it, with NUL: it is opaque to them */

struct heard_position {
    char epoch[HEARD_EPOCH_SIZE];
    uint64_t seq;
};

enum heard_kind {
    HEARD_CONNECTED,
    HEARD_SUBSCRIBED,    /* ack */
    HEARD_NOTIFICATIONS, /* ack */
    HEARD_ACK,           /* any other */
    HEARD_EVENT,         /* of a chat, or a notification of the user: it has a position */
    HEARD_ERROR,
    HEARD_UNSUBSCRIBED,
    HEARD_DISCONNECT,
    HEARD_PONG,
    HEARD_OTHER, /* typing, presence, and what a later release may say */
};

/* Slices are empty when absent, and belong to the document. */
struct heard_message {
    enum heard_kind kind;
    struct slice type;
    bool has_chat;
    struct room_key chat;
    bool has_position; /* of a CONNECTED: of the notifications */
    struct heard_position position;
    bool has_recovered, recovered;
    uint64_t replayed;
    struct slice code, message; /* ERROR, UNSUBSCRIBED */
    bool is_temporary;          /* ERROR */
    struct slice reason;        /* DISCONNECT */
    bool may_reconnect;
    uint64_t retry_after_ms;
    struct slice user, node; /* CONNECTED */
    struct slice data;       /* EVENT: the bytes in `text` */
    void *document;          /* the parser's memory */
};

/* `text` must outlive the message. ERR_SYNTAX, ERR_TOO_DEEP: no node says that; ERR_NO_MEMORY. */
enum err heard_message_parse(struct slice text, struct heard_message *ret_message) MUST_CHECK;
void heard_message_release(struct heard_message *message);

#endif
