/* One WebSocket frame, ready to be written: header and payload in one immutable, reference-counted block
 * (RFC 6455 section 5.2, server to client: FIN set, never masked).
 *
 * It may carry the same message a second time, compressed (RFC 7692), for those who have agreed on that; and
 * a few bytes beside the message that are not sent, for who has to know what the message is about.
 *
 * An event is framed once and the same block is written to every receiver, on every worker thread.
 * Owns: its bytes.   Thread: any; the count is atomic, the bytes never change after creation. */
#ifndef ROOMCAST_BASE_FRAME_H
#define ROOMCAST_BASE_FRAME_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <roomcast/base/slice.h>

enum frame_opcode { FRAME_TEXT = 0x1, FRAME_BINARY = 0x2, FRAME_PING = 0x9, FRAME_PONG = 0xA };

#define FRAME_HEADER_MAX 10 /* bytes: 2, 4 or 10 by the payload's length */

struct frame {
    atomic_uint refs;
    struct frame *deflated; /* owned reference; NULL: there is none */
    uint32_t header_len;    /* bytes of `bytes` before the payload */
    uint32_t aside_len;     /* bytes behind the frame, frame_aside() */
    size_t len;             /* bytes in all, header included */
    unsigned char bytes[];
};

/* A frame with one reference, the caller's. The payload is copied. NULL when out of memory. */
struct frame *frame_new(enum frame_opcode opcode, struct slice payload);
/* The same with bytes beside it, copied. */
struct frame *frame_new_beside(enum frame_opcode opcode, struct slice payload, struct slice aside);
/* The bytes of several frames in one block, to leave in one write. One reference, the caller's; NULL when out
 * of memory. It is no frame itself: frame_payload() means nothing for it. */
struct frame *frame_join(struct frame *const *frames, uint32_t count);
/* Adds the compressed variant, a frame with RSV1 set whose payload is `deflated` (io/deflate.h), copied.
 * Before anybody else sees the frame. Out of memory it stays without. */
void frame_add_deflated(struct frame *frame, struct slice deflated);
/* Takes another reference; returns `frame`. */
struct frame *frame_ref(struct frame *frame);
/* Gives one reference back and nulls the pointer; accepts NULL. */
void frame_unref(struct frame **frame);

/* What a client is sent; borrowed from `frame`. */
static inline struct frame *frame_variant(struct frame *frame, bool takes_deflated)
{
    return takes_deflated && frame->deflated ? frame->deflated : frame;
}

/* Bytes that it keeps in memory, its variant's included. */
static inline size_t frame_held_bytes(const struct frame *frame)
{
    return frame->len + frame->aside_len + (frame->deflated ? frame->deflated->len : 0);
}

static inline enum frame_opcode frame_opcode_of(const struct frame *frame)
{
    return (enum frame_opcode)(frame->bytes[0] & 0x0F);
}

/* Empty when there is nothing beside it. */
static inline struct slice frame_aside(const struct frame *frame)
{
    return (struct slice){(const char *)frame->bytes + frame->len, frame->aside_len};
}

static inline struct slice frame_payload(const struct frame *frame)
{
    return (struct slice){(const char *)frame->bytes + frame->header_len, frame->len - frame->header_len};
}

#endif
