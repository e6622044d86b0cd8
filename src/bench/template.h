/* Frames of other servers' protocols, as the command line gives them: `{"sub":"{room}"}`.
 *
 * Placeholders: {room} the room's name, {payload} the event's payload, {length} its bytes, {id} a number that
 * no other frame of the same connection has, from 1 on.
 * Escapes: \r \n \t \0 \\ . Other braces stand for themselves. */
#ifndef ROOMCAST_BENCH_TEMPLATE_H
#define ROOMCAST_BENCH_TEMPLATE_H

#include <stdint.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/slice.h>

struct template_values {
    struct slice room, payload;
    uint64_t id;
};

/* `values`: NULL where nothing can be filled in; placeholders then stand for themselves too. */
void template_expand(const char *template, const struct template_values *values, struct buffer *out);

#endif
