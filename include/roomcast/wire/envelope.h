/* roomcast.v1.Envelope, as a struct: what the relay stores on NATS and a node reads from it.
 *
 * Encode and decode stand in one file. Decoding trusts nothing: sizes, UTF-8, ranges and the agreement of
 * route, target and subject are checked before anything is returned. */
#ifndef ROOMCAST_WIRE_ENVELOPE_H
#define ROOMCAST_WIRE_ENVELOPE_H

#include <stdint.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>
#include <roomcast/wire/position.h>
#include <roomcast/wire/room_key.h>

#define ENVELOPE_VERSION 1
#define ENVELOPE_MAX_BYTES                                                                                   \
    (9u * 1024 * 1024) /* of an encoded envelope; the largest configurable event and room for the rest */
/* Bytes of single fields. */
#define EVENT_ID_MAX       128
#define CLIENT_TYPE_MAX    128
#define OCCURRED_AT_MAX    64
#define SOURCE_MAX         256
#define CORRELATION_ID_MAX 128
#define TRACEPARENT_MAX    64

struct envelope {
    struct room_key room;
    struct position position; /* epoch not empty, seq >= 1 */
    struct slice event_id;    /* 1..EVENT_ID_MAX printable ASCII bytes, no space: it is a NATS header */
    struct slice
        client_type;         /* 1..CLIENT_TYPE_MAX bytes; this and the following without control characters */
    struct slice event_type; /* 0..CLIENT_TYPE_MAX */
    struct slice occurred_at;    /* 0..OCCURRED_AT_MAX */
    struct slice payload;        /* one JSON value, not parsed here (the relay has); UTF-8, not empty */
    struct slice source;         /* 0..SOURCE_MAX */
    struct slice correlation_id; /* 0..CORRELATION_ID_MAX */
    struct slice traceparent;    /* 0..TRACEPARENT_MAX */
    uint64_t relayed_at_ms;      /* wall clock */
};

/* Appends the encoding. ERR_RANGE when a field breaks the rules above; ERR_TOO_BIG; ERR_NO_MEMORY. */
enum err envelope_encode(const struct envelope *envelope, struct buffer *out) MUST_CHECK;

/* A decoded envelope and the memory that its slices point into. */
struct envelope_owned {
    struct envelope envelope;
    void *message; /* protobuf-c's */
};
/* `room`: the room that the subject names; ERR_MISMATCH when the envelope names another. ERR_VERSION: made by
 * a newer release that says old readers must not use it. ERR_SYNTAX, ERR_RANGE, ERR_TOO_BIG, ERR_NO_MEMORY.
 */
enum err envelope_decode(struct slice bytes, const struct room_key *room,
                         struct envelope_owned *ret_owned) MUST_CHECK;
void envelope_release(struct envelope_owned *owned);

#endif
