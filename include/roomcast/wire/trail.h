/* Where the events just before one stand in the stream: carried by every envelope, so that whoever misses
 * some of them can fetch them at once, by their sequence, without searching the stream or keeping a consumer
 * there.
 *
 * `seqs[0]` is the stream sequence of the subject's previous message, `seqs[1]` of the one before it, and so
 * on, strictly falling. A trail may reach back into an earlier epoch. Empty: the subject held no message when
 * this event was stored, or the envelope's writer does not know. Locators, not truth: what is read there is
 * checked (proto/roomcast/v1). */
#ifndef ROOMCAST_WIRE_TRAIL_H
#define ROOMCAST_WIRE_TRAIL_H

#include <stdint.h>
#include <string.h>

#define TRAIL_MAX 16 /* events */

struct trail {
    uint32_t count; /* of seqs, newest first */
    uint64_t seqs[TRAIL_MAX];
};

/* The trail of the next event, when the newest was stored at `stream_seq`. Drops what would not be above the
 * older ones: a locator that cannot be right. */
static inline void trail_push(struct trail *trail, uint64_t stream_seq)
{
    if (trail->count > 0 && trail->seqs[0] >= stream_seq)
        trail->count = 0;
    uint32_t kept = trail->count < TRAIL_MAX ? trail->count : TRAIL_MAX - 1;
    memmove(&trail->seqs[1], &trail->seqs[0], kept * sizeof trail->seqs[0]);
    trail->seqs[0] = stream_seq;
    trail->count = kept + 1;
}

#endif
