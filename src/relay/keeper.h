/* Sees to it that a stream, or each shard of it, exists: makes it when it is absent, never changes one that
 * does, and tries again for ever.
 *
 * Thread: has one of its own, because bus_ensure_stream() blocks; all functions from any thread. */
#ifndef ROOMCAST_RELAY_KEEPER_H
#define ROOMCAST_RELAY_KEEPER_H

#include <stdbool.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/err.h>
#include <roomcast/io/bus.h>

struct keeper;

struct keeper_options {
    struct bus *bus;    /* borrowed; of the stream */
    const char *stream; /* borrowed; its name */
    const char *what;   /* static: what stands before the reason in keeper_ready() */
    struct bus_stream_options shape;
};
enum err keeper_new(const struct keeper_options *options, struct keeper **ret_keeper) MUST_CHECK;
/* The stream may have gone: looks again soon. `context` is the keeper. */
void keeper_suspect(void *context);
/* False, and appends why to `missing`, until the stream was found in the right shape. */
bool keeper_ready(struct keeper *keeper, struct buffer *missing);
/* Tells the thread to end, without waiting for it. */
void keeper_stop(struct keeper *keeper);
/* Stops and joins: a few seconds at most. Accepts NULL, nulls. */
void keeper_free(struct keeper **keeper);

#endif
