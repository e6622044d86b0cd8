#include <roomcast/wire/heartbeat.h>

#include <string.h>

#include <roomcast/v1/heartbeat.pb-c.h>

#include "pb_memory.h"
#include "text.h"

#define DECODE_BUDGET (64u * 1024)

/* The same names on both sides, so that encoding and decoding cannot disagree. */
#define COPY_NUMBERS(to, from)                                                                               \
    do {                                                                                                     \
        (to)->number = (from)->number;                                                                       \
        (to)->interval_ms = (from)->interval_ms;                                                             \
        (to)->connections = (from)->connections;                                                             \
        (to)->max_connections = (from)->max_connections;                                                     \
        (to)->rooms = (from)->rooms;                                                                         \
        (to)->cpu_permille = (from)->cpu_permille;                                                           \
        (to)->memory_bytes = (from)->memory_bytes;                                                           \
        (to)->uptime_s = (from)->uptime_s;                                                                   \
        (to)->accepted_total = (from)->accepted_total;                                                       \
        (to)->closed_total = (from)->closed_total;                                                           \
        (to)->events_total = (from)->events_total;                                                           \
        (to)->deliveries_total = (from)->deliveries_total;                                                   \
        (to)->shed_total = (from)->shed_total;                                                               \
        (to)->queued_bytes = (from)->queued_bytes;                                                           \
        (to)->lagging = (from)->lagging;                                                                     \
        (to)->blocked = (from)->blocked;                                                                     \
        (to)->age_ms_total = (from)->age_ms_total;                                                           \
        (to)->age_count = (from)->age_count;                                                                 \
        (to)->active = (from)->active;                                                                       \
        (to)->in_flight = (from)->in_flight;                                                                 \
        (to)->stored_total = (from)->stored_total;                                                           \
        (to)->lag_entries = (from)->lag_entries;                                                             \
        (to)->lag_s = (from)->lag_s;                                                                         \
        (to)->dead_total = (from)->dead_total;                                                               \
    } while (0)

static bool texts_are_valid(struct slice instance, struct slice name, struct slice admin,
                            struct slice release)
{
    return instance.len > 0 && text_fits(instance, HEARTBEAT_INSTANCE_MAX) &&
           text_fits(name, HEARTBEAT_NAME_MAX) && text_is_graphic(admin, HEARTBEAT_ADMIN_MAX) &&
           text_is_graphic(release, HEARTBEAT_RELEASE_MAX);
}

static bool numbers_are_valid(const struct heartbeat *beat)
{
    return beat->number > 0 && beat->interval_ms >= HEARTBEAT_INTERVAL_MIN_MS &&
           beat->interval_ms <= HEARTBEAT_INTERVAL_MAX_MS && beat->connections <= HEARTBEAT_COUNT_MAX &&
           beat->max_connections <= HEARTBEAT_COUNT_MAX && beat->rooms <= HEARTBEAT_COUNT_MAX &&
           (beat->kind == HEARTBEAT_OF_NODE || beat->kind == HEARTBEAT_OF_RELAY) &&
           beat->state <= HEARTBEAT_LEAVING;
}

bool heartbeat_is_valid(const struct heartbeat *beat)
{
    return texts_are_valid(slice_of(beat->instance), slice_of(beat->name), slice_of(beat->admin),
                           slice_of(beat->release)) &&
           numbers_are_valid(beat);
}

enum err heartbeat_encode(const struct heartbeat *beat, struct buffer *out)
{
    Roomcast__V1__Heartbeat message = ROOMCAST__V1__HEARTBEAT__INIT;

    if (!heartbeat_is_valid(beat))
        return ERR_RANGE;
    message.version = HEARTBEAT_VERSION;
    message.instance = (char *)beat->instance;
    message.name = (char *)beat->name;
    message.admin = (char *)beat->admin;
    message.release = (char *)beat->release;
    message.kind = (Roomcast__V1__HeartbeatKind)beat->kind;
    message.state = (Roomcast__V1__HeartbeatState)beat->state;
    COPY_NUMBERS(&message, beat);
    return pb_encode(&message.base, HEARTBEAT_MAX_BYTES, out);
}

static enum err to_struct(const Roomcast__V1__Heartbeat *message, struct heartbeat *ret_beat)
{
    struct heartbeat beat = {.kind = HEARTBEAT_OF_NODE};

    if (message->version > HEARTBEAT_VERSION)
        return ERR_VERSION;
    if (message->version == 0 || message->kind == ROOMCAST__V1__HEARTBEAT_KIND__HEARTBEAT_KIND_UNSPECIFIED)
        return ERR_RANGE;
    if ((int)message->kind < HEARTBEAT_OF_NODE || (int)message->kind > HEARTBEAT_OF_RELAY)
        return ERR_UNKNOWN;
    if (!texts_are_valid(slice_of(message->instance), slice_of(message->name), slice_of(message->admin),
                         slice_of(message->release)))
        return ERR_RANGE;
    beat.kind = (enum heartbeat_kind)message->kind;
    bool known = (int)message->state >= 0 && (int)message->state <= HEARTBEAT_LEAVING;
    beat.state = known ? (enum heartbeat_state)message->state : HEARTBEAT_UNKNOWN;
    COPY_NUMBERS(&beat, message);
    if (!numbers_are_valid(&beat))
        return ERR_RANGE;
    strcpy(beat.instance, message->instance);
    strcpy(beat.name, message->name);
    strcpy(beat.admin, message->admin);
    strcpy(beat.release, message->release);
    *ret_beat = beat;
    return ERR_OK;
}

enum err heartbeat_decode(struct slice bytes, struct heartbeat *ret_beat)
{
    ProtobufCMessage *message;

    if (bytes.len > HEARTBEAT_MAX_BYTES)
        return ERR_TOO_BIG;
    enum err err = pb_decode(&roomcast__v1__heartbeat__descriptor, bytes, DECODE_BUDGET, &message);
    if (err)
        return err;
    err = to_struct((const Roomcast__V1__Heartbeat *)message, ret_beat);
    protobuf_c_message_free_unpacked(message, NULL);
    return err;
}
