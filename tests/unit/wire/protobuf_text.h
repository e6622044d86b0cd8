/* Writes the protobuf wire format by hand, so that tests can send what no encoder would, and so that the
 * bytes on the bus are pinned independently of the library
 * (https://protobuf.dev/programming-guides/encoding). */
#ifndef ROOMCAST_TESTS_PROTOBUF_TEXT_H
#define ROOMCAST_TESTS_PROTOBUF_TEXT_H

#include <roomcast/base/buffer.h>

static inline void pb_varint(struct buffer *out, uint64_t value)
{
    while (value > 0x7f) {
        buffer_append_char(out, (char)(value | 0x80));
        value >>= 7;
    }
    buffer_append_char(out, (char)value);
}

static inline void pb_number(struct buffer *out, unsigned field, uint64_t value)
{
    pb_varint(out, field << 3);
    pb_varint(out, value);
}

static inline void pb_bytes(struct buffer *out, unsigned field, struct slice value)
{
    pb_varint(out, field << 3 | 2);
    pb_varint(out, value.len);
    buffer_append_slice(out, value);
}

static inline void pb_text(struct buffer *out, unsigned field, const char *value)
{
    pb_bytes(out, field, slice_of(value));
}

#endif
