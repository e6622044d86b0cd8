#include <roomcast/wire/lease_record.h>

#include <string.h>

#include <roomcast/v1/lease.pb-c.h>

#include "pb_memory.h"
#include "text.h"

#define DECODE_BUDGET (16u * 1024)

/* The rules of lease_record.h, the same in both directions. */
static bool is_valid(struct slice instance, struct slice name, uint64_t term, uint64_t write, uint64_t ttl_ms)
{
    if (instance.len == 0 || instance.len > LEASE_INSTANCE_MAX)
        return false;
    for (size_t i = 0; i < instance.len; i++) {
        char c = instance.data[i];
        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z'))
            return false;
    }
    return text_fits(name, LEASE_NAME_MAX) && term > 0 && write > 0 && ttl_ms > 0 &&
           ttl_ms <= LEASE_TTL_MAX_MS;
}

enum err lease_record_encode(const struct lease_record *record, struct buffer *out)
{
    Roomcast__V1__Lease message = ROOMCAST__V1__LEASE__INIT;

    if (!is_valid(slice_of(record->instance), slice_of(record->name), record->term, record->write,
                  record->ttl_ms))
        return ERR_RANGE;
    message.version = LEASE_VERSION;
    message.instance = (char *)record->instance;
    message.name = (char *)record->name;
    message.term = record->term;
    message.write = record->write;
    message.ttl_ms = record->ttl_ms;
    message.released = record->released;
    return pb_encode(&message.base, LEASE_MAX_BYTES, out);
}

static enum err to_struct(const Roomcast__V1__Lease *message, struct lease_record *ret_record)
{
    struct slice instance = slice_of(message->instance), name = slice_of(message->name);

    if (message->version > LEASE_VERSION)
        return ERR_VERSION;
    if (message->version == 0 || !is_valid(instance, name, message->term, message->write, message->ttl_ms))
        return ERR_RANGE;
    *ret_record = (struct lease_record){
        .term = message->term,
        .write = message->write,
        .ttl_ms = message->ttl_ms,
        .released = message->released,
    };
    memcpy(ret_record->instance, instance.data, instance.len);
    if (name.len)
        memcpy(ret_record->name, name.data, name.len);
    return ERR_OK;
}

enum err lease_record_decode(struct slice bytes, struct lease_record *ret_record)
{
    ProtobufCMessage *message;

    if (bytes.len > LEASE_MAX_BYTES)
        return ERR_TOO_BIG;
    enum err err = pb_decode(&roomcast__v1__lease__descriptor, bytes, DECODE_BUDGET, &message);
    if (err)
        return err;
    err = to_struct((const Roomcast__V1__Lease *)message, ret_record);
    protobuf_c_message_free_unpacked(message, NULL);
    return err;
}
