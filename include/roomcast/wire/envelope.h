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
#include <roomcast/wire/trail.h>

#define ENVELOPE_VERSION 1
/* Of an encoded envelope: the largest configurable event, and room for the rest. */
#define ENVELOPE_MAX_BYTES (9u * 1024 * 1024)
/* Bytes of single fields. */
#define EVENT_ID_MAX       128
#define CLIENT_TYPE_MAX    128
#define OCCURRED_AT_MAX    64
#define SOURCE_MAX         256
#define CORRELATION_ID_MAX 128
#define TRACEPARENT_MAX    64

/* Texts hold no control characters; all but event_id, client_type and payload may be empty. */
struct envelope {
    struct room_key room;
    struct position position;    /* epoch not empty, seq >= 1 */
    struct slice event_id;       /* 1..EVENT_ID_MAX printable ASCII bytes, no space: it is a NATS header */
    struct slice client_type;    /* 1..CLIENT_TYPE_MAX bytes */
    struct slice event_type;     /* up to CLIENT_TYPE_MAX bytes */
    struct slice occurred_at;    /* up to OCCURRED_AT_MAX bytes */
    struct slice payload;        /* one JSON value, not parsed here: the relay has validated it */
    struct slice source;         /* up to SOURCE_MAX bytes */
    struct slice correlation_id; /* up to CORRELATION_ID_MAX bytes */
    struct slice traceparent;    /* up to TRACEPARENT_MAX bytes */
    uint64_t relayed_at_ms;      /* wall clock */
    struct trail trail;          /* where the subject's previous messages are stored */
};

/* Appends the encoding. ERR_RANGE when a field breaks the rules above; ERR_TOO_BIG; ERR_NO_MEMORY. */
enum err envelope_encode(const struct envelope *envelope, struct buffer *out) MUST_CHECK;

/* A decoded envelope and the memory that its slices point into. */
struct envelope_owned {
    struct envelope envelope;
    void *message; /* protobuf-c's */
};
/* `room`: the room that the subject names; ERR_MISMATCH when the envelope names another. ERR_VERSION: made by
 * a newer release that says old readers must not use it. Also ERR_SYNTAX, ERR_RANGE, ERR_TOO_BIG and
 * ERR_NO_MEMORY. */
enum err envelope_decode(struct slice bytes, const struct room_key *room,
                         struct envelope_owned *ret_owned) MUST_CHECK;
void envelope_release(struct envelope_owned *owned);

#endif
