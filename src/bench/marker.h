/* What the generator writes into every payload to know it again: which event it is and when it left.
 *
 *   ~rb:RRRRRRNNNNNNNNSSSSTTTTTTTTTTTTTTTT   hexadecimal: room, number in the room, slot, nanoseconds
 *
 * Plain letters, so that it survives JSON untouched and any server that passes payloads on can be driven. */
#ifndef ROOMCAST_BENCH_MARKER_H
#define ROOMCAST_BENCH_MARKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <roomcast/base/slice.h>

#define MARKER_LEN     38
#define MARKER_NO_SLOT 0xffffu

struct marker {
    uint32_t room;    /* index, up to 24 bits */
    uint32_t number;  /* of the event in its room, from 1 */
    uint32_t slot;    /* of the publisher that waits for it; MARKER_NO_SLOT: none */
    uint64_t time_ns; /* monotonic clock */
};

/* `text` has MARKER_LEN bytes; no NUL is written. */
void marker_write(const struct marker *marker, char *text);

/* Where the last marker was found: messages of one kind have it at the same place. */
struct marker_hint {
    size_t offset;
};
/* The first marker in `text` at or behind `*offset`, which is moved behind it. False: there is none. */
bool marker_find(struct slice text, size_t *offset, struct marker_hint *hint, struct marker *ret_marker);

/* Fills `payload` (`len` bytes, at least MARKER_LEN) with the marker and letters, which differ from
 * event to event. */
void marker_fill(const struct marker *marker, char *payload, size_t len);

#endif
