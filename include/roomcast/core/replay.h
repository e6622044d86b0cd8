/* A stretch of one room's events, ready to be sent again: what a client that was away, or too slow, has
 * missed.
 *
 * Made once by the hub and shared by all clients that need the same stretch; each keeps its own place in it.
 * Owns: one reference per frame.   Thread: any; the count is atomic, all else never changes after creation.
 */
#ifndef ROOMCAST_CORE_REPLAY_H
#define ROOMCAST_CORE_REPLAY_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <roomcast/base/frame.h>
#include <roomcast/wire/position.h>

struct replay {
    atomic_uint refs;
    uint32_t count;        /* of frames */
    struct position first; /* of frames[0]; frames[i] is the event `first.seq + i` of the same epoch */
    size_t bytes;          /* of all frames */
    struct frame *frames[];
};

/* With one reference, the caller's, and room for `count` frames of `bytes` together, which the caller fills
 * in (references of their own) before anybody else sees it. NULL when out of memory. */
struct replay *replay_new(const struct position *first, uint32_t count, size_t bytes);
/* Bytes of all replays that there are in the process, whoever holds them. Any thread. */
size_t replay_total_bytes(void);
struct replay *replay_ref(struct replay *replay);
/* Gives one reference back and nulls the pointer; accepts NULL. */
void replay_unref(struct replay **replay);

#endif
