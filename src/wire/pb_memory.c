#include "pb_memory.h"

#include <stdlib.h>

struct budget {
    size_t left;        /* bytes */
    bool out_of_memory; /* malloc() refused, not the budget */
};

static void *budget_alloc(void *data, size_t size)
{
    struct budget *budget = data;

    if (size > budget->left)
        return NULL;
    budget->left -= size;
    void *memory = malloc(size ? size : 1);
    budget->out_of_memory = !memory;
    return memory;
}

static void budget_free(void *data, void *pointer)
{
    (void)data;
    free(pointer);
}

enum err pb_decode(const ProtobufCMessageDescriptor *descriptor, struct slice bytes, size_t allowance,
                   ProtobufCMessage **ret_message)
{
    struct budget budget = {allowance, false};
    ProtobufCAllocator allocator = {budget_alloc, budget_free, &budget};
    static const uint8_t nothing[1];
    ProtobufCMessage *message = protobuf_c_message_unpack(descriptor, &allocator, bytes.len,
                                                          bytes.len ? (const uint8_t *)bytes.data : nothing);

    if (!message)
        return budget.out_of_memory ? ERR_NO_MEMORY : ERR_SYNTAX;
    *ret_message = message;
    return ERR_OK;
}

struct buffer_sink {
    ProtobufCBuffer base; /* first: protobuf-c hands this back */
    struct buffer *out;
};

static void sink_append(ProtobufCBuffer *base, size_t len, const uint8_t *data)
{
    buffer_append(((struct buffer_sink *)base)->out, data, len);
}

enum err pb_encode(const ProtobufCMessage *message, size_t max, struct buffer *out)
{
    struct buffer_sink sink = {{sink_append}, out};
    size_t size = protobuf_c_message_get_packed_size(message);

    if (size > max || size > out->max - out->len)
        return ERR_TOO_BIG;
    protobuf_c_message_pack_to_buffer(message, &sink.base);
    return buffer_failed(out) ? ERR_NO_MEMORY : ERR_OK;
}
