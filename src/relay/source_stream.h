/* Reads the Redis stream as a member of its consumer group (proto/README.md: Publishing), while its relay's
 * tenure is valid.
 *
 * An entry is acknowledged only when it was stored, skipped, or written to the dead letters. All relays of a
 * group are one consumer, "relay": on every connection and at the beginning of a tenure its unacknowledged
 * entries come first, in order, also those of a relay that died on another host. When an entry has to be
 * forgotten (another relay works, memory is short), nothing more is read until all that is in hand has ended,
 * and then from the first pending entry again: no later event of its room passes it.
 *
 * Entries of other consumers (relays of old, which had names of their own) are claimed after 30 s, and so is
 * what a relay read after its tenure was over (tenure.h); newer events of their rooms may have been stored
 * meanwhile.
 *
 * At relay.max_in_flight or SOURCE_BYTES_MAX reading stops and Redis keeps the backlog. How many entries a
 * read asks for follows from what the last ones weighed, 8 at first and 32 at most: beside the events in
 * flight it takes about a quarter of SOURCE_BYTES_MAX, twice while it is taken in; a sudden change from small
 * entries to huge ones takes 32 of those once.
 *
 * Thread: has one of its own, which owns the client and the table of entries; finished events reach it by
 * inbox. */
#ifndef ROOMCAST_RELAY_SOURCE_STREAM_H
#define ROOMCAST_RELAY_SOURCE_STREAM_H

#include "source.h"

struct source_stream;

/* ERR_CONFIG with `problem` (256 bytes): redis.url. */
enum err source_stream_new(const struct source_context *context, struct source_stream **ret_source,
                           char *problem) MUST_CHECK;
/* Reads no more; what is in flight may finish and be acknowledged until `deadline_ms` (monotonic). Any
 * thread. */
void source_stream_stop(struct source_stream *source, uint64_t deadline_ms);
/* Waits for the thread's end after source_stream_stop(). */
void source_stream_join(struct source_stream *source);
/* After the lanes have gone. Accepts NULL, nulls. */
void source_stream_free(struct source_stream **source);

#endif
