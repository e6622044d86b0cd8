/* Frames from a client, or from a server, RFC 6455 section 5, strictly: bytes in, events out. Pure; knows no
 * socket.
 *
 * libwebsockets 4.1.6 takes unmasked frames, close bodies of one byte and long forms of short lengths,
 * answers only the first of several pings, and ends some faults without a close frame, with no hook in
 * between. So it carries the bytes and this reads them.
 *
 * Owns: the message that is being put together.   Thread: one.   Limits: `max` bytes per message; nothing is
 * allocated for what a header merely announces. */
#ifndef ROOMCAST_SRC_IO_WS_FRAME_H
#define ROOMCAST_SRC_IO_WS_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/slice.h>

#include "ws_utf8.h"

#define WS_CONTROL_MAX     125 /* bytes of a control frame's payload, section 5.5 */
#define WS_CLOSE_FRAME_MAX (2 + WS_CONTROL_MAX)

enum {
    WS_CLOSE_PROTOCOL = 1002,
    WS_CLOSE_UNSUPPORTED = 1003,
    WS_CLOSE_NO_CODE = 1005, /* never on the wire: the peer's close frame had no code */
    WS_CLOSE_ABNORMAL = 1006,
    WS_CLOSE_NOT_UTF8 = 1007, /* or not what permessage-deflate makes */
};

enum ws_event_kind {
    WS_EVENT_NONE,      /* all bytes are used up */
    WS_EVENT_TEXT,      /* payload: a complete message, valid UTF-8 */
    WS_EVENT_BINARY,    /* payload: a complete message */
    WS_EVENT_DEFLATED,  /* payload: a complete message as it came, compressed and unchecked */
    WS_EVENT_PING,      /* payload: to be sent back */
    WS_EVENT_PONG,      /* payload: as it came */
    WS_EVENT_CLOSE,     /* code: the peer's, WS_CLOSE_NO_CODE when it gave none */
    WS_EVENT_TOO_BIG,   /* a message passes the limit; the rest of it is skipped */
    WS_EVENT_FAULT,     /* code: to close with. Feed nothing more */
    WS_EVENT_NO_MEMORY, /* Feed nothing more */
};

struct ws_event {
    enum ws_event_kind kind;
    struct slice payload; /* borrowed until the next call */
    unsigned code;
    bool is_binary; /* of DEFLATED */
};

/* What the data frames of the current message have come to. */
enum ws_message_state {
    WS_MESSAGE_NONE,     /* between messages */
    WS_MESSAGE_TEXT,     /* begun, its last frame has not come */
    WS_MESSAGE_BINARY,   /* the same */
    WS_MESSAGE_DEFLATED, /* the same, of a compressed one */
    WS_MESSAGE_TO_SKIP   /* begun and too big: read over */
};

/* A frame or a message that has begun. */
struct ws_partial {
    unsigned char head[14]; /* of the frame under way */
    uint8_t head_len;
    uint8_t head_need;     /* 0: between frames */
    uint64_t payload_left; /* bytes of the frame under way; meaningful when its head is complete */
    uint8_t mask_at;       /* 0..3 */
    bool in_payload;       /* its head is complete */
    bool is_binary;        /* the message, also when it is compressed */
    bool delivered;        /* `message` was handed out and is to be emptied */
    enum ws_message_state message_state;
    struct ws_utf8 utf8;
    struct buffer message;
    uint8_t control_len;
    unsigned char *control; /* owned; WS_CONTROL_MAX bytes while a control frame comes in pieces, else NULL */
};

struct ws_decoder {
    struct ws_partial *partial; /* owned; NULL between messages: most connections are silent */
    size_t max;
    bool takes_deflated; /* permessage-deflate was agreed on (RFC 7692) */
    bool takes_binary;   /* to be set after ws_decoder_init(); otherwise a binary message is a fault, 1003 */
    bool from_server;    /* to be set after ws_decoder_init(): the peer masks nothing (section 5.1) */
};

/* `max` bounds a message as it comes, also when it is compressed. */
void ws_decoder_init(struct ws_decoder *decoder, size_t max, bool takes_deflated);
void ws_decoder_fini(struct ws_decoder *decoder);
/* Takes from the front of `bytes`, which it unmasks in place, up to the end of one event. */
void ws_decoder_next(struct ws_decoder *decoder, unsigned char **bytes, size_t *len,
                     struct ws_event *ret_event);

/* Writes a close frame into `frame` (WS_CLOSE_FRAME_MAX bytes) and returns its length. WS_CLOSE_NO_CODE gives
 * an empty one. A longer `reason` is cut, not within a character. */
size_t ws_close_frame(unsigned char *frame, unsigned code, const char *reason);

#endif
