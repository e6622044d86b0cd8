/* Bounded queue of frames waiting to be written to one client.
 *
 * Owns: one reference per queued frame.   Thread: the worker that owns the session.
 * Knows nothing of sockets, rooms or encodings.  Never blocks, never calls back.
 * Idle it holds no memory besides itself; when it runs empty after a burst it gives its memory back. */
#ifndef ROOMCAST_CORE_OUTQUEUE_H
#define ROOMCAST_CORE_OUTQUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <roomcast/base/frame.h>

#define OUTQUEUE_INLINE 2 /* frames that need no allocation: the common case is one */

struct outqueue_limits {
    uint32_t max_frames;
    size_t
        max_bytes; /* of whole frames, headers included; a first frame is always taken, whatever its size */
};

struct outqueue {
    struct frame **slots; /* ring, owned; NULL: `few` is the ring, until it grows */
    uint32_t capacity, head, count;
    bool takes_deflated; /* the caller's: which variant of a frame its client is sent (base/frame.h) */
    size_t bytes;
    struct frame *few[OUTQUEUE_INLINE];
};

enum outqueue_verdict {
    OUTQUEUE_QUEUED,
    OUTQUEUE_OVERFLOW, /* a limit is reached: nothing was queued */
    OUTQUEUE_NO_MEMORY /* nothing was queued */
};

void outqueue_init(struct outqueue *queue);
void outqueue_fini(struct outqueue *queue);
/* Append `frame`, taking a reference of its own; the caller keeps the one it had. */
enum outqueue_verdict outqueue_push(struct outqueue *queue, struct frame *frame,
                                    const struct outqueue_limits *limits);
/* Drops the oldest. */
void outqueue_pop(struct outqueue *queue);
/* Borrows the first frames, at most `max`, in order; returns how many. */
uint32_t outqueue_peek(const struct outqueue *queue, struct frame **frames, uint32_t max);
void outqueue_clear(struct outqueue *queue);

#endif
