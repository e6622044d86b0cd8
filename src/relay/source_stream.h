/* Reads the Redis stream as a member of its consumer group (PROTOCOL 2).
 *
 * An entry is acknowledged only when it was stored, skipped, or written to the dead letters. All relays of a
 * group are one consumer, "relay": on every connection its unacknowledged entries come first, in order, also
 * those of a relay that died on another host. Entries of other consumers (relays of old, which had names of
 * their own) are claimed after 30 s. Two relays at once on one group are not supported for order; each may
 * then take in what the other is storing, and the event's id keeps it stored once. At relay.max_in_flight
 * reading stops and Redis keeps the backlog. Thread: has one of its own, which owns the client and the table
 * of entries; finished events reach it by inbox. */
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
