#include <roomcast/wire/envelope.h>

#include <roomcast/v1/envelope.pb-c.h>

#include "pb_memory.h"
#include "text.h"

/* What decoding may allocate: a copy of every field, and small change for protobuf-c itself. */
#define DECODE_BUDGET(len) (2 * (len) + 64 * 1024)

_Static_assert((int)ROUTE_TO_CHAT == ROOMCAST__V1__ROUTE__ROUTE_CHAT, "enum route has proto Route's numbers");
_Static_assert((int)ROUTE_TO_USER == ROOMCAST__V1__ROUTE__ROUTE_USER, "enum route has proto Route's numbers");

/* What begins with '0' tells of a room that holds no event (position.h). */
static bool is_epoch_of_event(struct slice text)
{
    return text_is_epoch(text) && text.data[0] != '0';
}

/* The rules of envelope.h, the same in both directions. */
static bool is_valid(const struct envelope *envelope)
{
    return envelope->room.len > 0 && is_epoch_of_event(slice_of(envelope->position.epoch)) &&
           envelope->position.seq >= 1 && envelope->position.seq <= SEQ_MAX && envelope->event_id.len > 0 &&
           text_is_graphic(envelope->event_id, EVENT_ID_MAX) && envelope->client_type.len > 0 &&
           text_fits(envelope->client_type, CLIENT_TYPE_MAX) &&
           text_fits(envelope->event_type, CLIENT_TYPE_MAX) &&
           text_fits(envelope->occurred_at, OCCURRED_AT_MAX) && text_fits(envelope->source, SOURCE_MAX) &&
           text_fits(envelope->correlation_id, CORRELATION_ID_MAX) &&
           text_fits(envelope->traceparent, TRACEPARENT_MAX) && envelope->payload.len > 0 &&
           text_is_utf8(envelope->payload);
}

/* protobuf-c wants strings that end with NUL; this is where they stand while it packs. */
struct packed_text {
    char event_id[EVENT_ID_MAX + 1];
    char client_type[CLIENT_TYPE_MAX + 1];
    char event_type[CLIENT_TYPE_MAX + 1];
    char occurred_at[OCCURRED_AT_MAX + 1];
    char source[SOURCE_MAX + 1];
    char correlation_id[CORRELATION_ID_MAX + 1];
    char traceparent[TRACEPARENT_MAX + 1];
};

static char *terminated(struct slice text, char *copy)
{
    if (text.len)
        memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    return copy;
}

/* --- the trail: newest first, then distances --- */

static bool trail_is_falling(const struct trail *trail)
{
    if (trail->count > TRAIL_MAX)
        return false;
    for (uint32_t i = 0; i < trail->count; i++) {
        if (trail->seqs[i] == 0 || (i > 0 && trail->seqs[i] >= trail->seqs[i - 1]))
            return false;
    }
    return true;
}

static size_t pack_trail(const struct trail *trail, uint64_t *packed)
{
    for (uint32_t i = 0; i < trail->count; i++)
        packed[i] = i == 0 ? trail->seqs[0] : trail->seqs[i - 1] - trail->seqs[i];
    return trail->count;
}

static bool unpack_trail(const uint64_t *packed, size_t count, struct trail *ret_trail)
{
    ret_trail->count = count < TRAIL_MAX ? (uint32_t)count : TRAIL_MAX; /* a newer relay may know more */
    for (uint32_t i = 0; i < ret_trail->count; i++) /* a distance too far wraps around, and is not falling */
        ret_trail->seqs[i] = i == 0 ? packed[0] : ret_trail->seqs[i - 1] - packed[i];
    return trail_is_falling(ret_trail);
}

enum err envelope_encode(const struct envelope *envelope, struct buffer *out)
{
    Roomcast__V1__Envelope message = ROOMCAST__V1__ENVELOPE__INIT;
    struct packed_text text;
    uint64_t trail[TRAIL_MAX];

    if (!is_valid(envelope) || !trail_is_falling(&envelope->trail))
        return ERR_RANGE;
    if (envelope->payload.len > ENVELOPE_MAX_BYTES)
        return ERR_TOO_BIG;
    message.version = ENVELOPE_VERSION;
    message.event_id = terminated(envelope->event_id, text.event_id);
    message.epoch = (char *)envelope->position.epoch;
    message.seq = envelope->position.seq;
    message.route = (Roomcast__V1__Route)envelope->room.route;
    message.target = (char *)envelope->room.name;
    message.client_type = terminated(envelope->client_type, text.client_type);
    message.occurred_at = terminated(envelope->occurred_at, text.occurred_at);
    message.payload = (ProtobufCBinaryData){envelope->payload.len, (uint8_t *)envelope->payload.data};
    message.source = terminated(envelope->source, text.source);
    message.relayed_at_ms = envelope->relayed_at_ms;
    message.event_type = terminated(envelope->event_type, text.event_type);
    message.correlation_id = terminated(envelope->correlation_id, text.correlation_id);
    message.traceparent = terminated(envelope->traceparent, text.traceparent);
    message.n_trail = pack_trail(&envelope->trail, trail);
    message.trail = trail;
    return pb_encode(&message.base, ENVELOPE_MAX_BYTES, out);
}

static enum err to_struct(const Roomcast__V1__Envelope *message, const struct room_key *room,
                          struct envelope *ret_envelope)
{
    struct slice epoch = slice_of(message->epoch);
    struct envelope envelope = {
        .room = *room,
        .position = {.seq = message->seq},
        .event_id = slice_of(message->event_id),
        .client_type = slice_of(message->client_type),
        .event_type = slice_of(message->event_type),
        .occurred_at = slice_of(message->occurred_at),
        .payload = {(const char *)message->payload.data, message->payload.len},
        .source = slice_of(message->source),
        .correlation_id = slice_of(message->correlation_id),
        .traceparent = slice_of(message->traceparent),
        .relayed_at_ms = message->relayed_at_ms,
    };

    if (message->version > ENVELOPE_VERSION)
        return ERR_VERSION;
    if (message->version == 0 || !is_epoch_of_event(epoch))
        return ERR_RANGE;
    memcpy(envelope.position.epoch, epoch.data, epoch.len);
    if (!is_valid(&envelope) || !unpack_trail(message->trail, message->n_trail, &envelope.trail))
        return ERR_RANGE;
    if (message->route != room->route || !slice_equal(slice_of(message->target), room_key_name(room)))
        return ERR_MISMATCH;
    *ret_envelope = envelope;
    return ERR_OK;
}

enum err envelope_decode(struct slice bytes, const struct room_key *room, struct envelope_owned *ret_owned)
{
    ProtobufCMessage *message;

    if (bytes.len > ENVELOPE_MAX_BYTES)
        return ERR_TOO_BIG;
    enum err err = pb_decode(&roomcast__v1__envelope__descriptor, bytes, DECODE_BUDGET(bytes.len), &message);
    if (err)
        return err;
    err = to_struct((const Roomcast__V1__Envelope *)message, room, &ret_owned->envelope);
    if (err) {
        protobuf_c_message_free_unpacked(message, NULL);
        return err;
    }
    ret_owned->message = message;
    return ERR_OK;
}

void envelope_release(struct envelope_owned *owned)
{
    protobuf_c_message_free_unpacked(owned->message, NULL);
    *owned = (struct envelope_owned){.message = NULL};
}
