/* Memory and output for protobuf-c: a decoder whose appetite is bounded, an encoder that writes into a
 * buffer.
 *
 * protobuf-c allocates per field, so a message of many tiny unknown fields would cost a hundred times its
 * size. Every message is decoded with a budget; a hostile one ends as ERR_SYNTAX, not as an empty machine. */
#ifndef ROOMCAST_SRC_WIRE_PB_MEMORY_H
#define ROOMCAST_SRC_WIRE_PB_MEMORY_H

#include <protobuf-c/protobuf-c.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>

/* Decodes with at most `allowance` bytes allocated. ERR_SYNTAX: not a message, or too expensive.
 * ERR_NO_MEMORY. The caller frees with protobuf_c_message_free_unpacked(message, NULL). */
enum err pb_decode(const ProtobufCMessageDescriptor *descriptor, struct slice bytes, size_t allowance,
                   ProtobufCMessage **ret_message) MUST_CHECK;
/* Appends the encoding. ERR_TOO_BIG: more than `max` bytes, or than the buffer may hold. ERR_NO_MEMORY. */
enum err pb_encode(const ProtobufCMessage *message, size_t max, struct buffer *out) MUST_CHECK;

#endif
