/* Reads Redis Pub/Sub (proto/README.md: Publishing). Redis keeps nothing for a subscriber, so this source
 * cannot push back: what does not fit into relay.max_in_flight waits in bounded memory, and what does not fit
 * there is dropped and counted. Only the active relay listens; what comes while one takes over from another
 * is lost.
 *
 * Thread: has one of its own, which owns the clients and the backlog. */
#ifndef ROOMCAST_RELAY_SOURCE_PUBSUB_H
#define ROOMCAST_RELAY_SOURCE_PUBSUB_H

#include "source.h"

#define PUBSUB_BACKLOG_EVENTS 10000u
#define PUBSUB_BACKLOG_BYTES  (32u << 20)

struct source_pubsub;

/* ERR_CONFIG with `problem` (256 bytes): redis.url. */
enum err source_pubsub_new(const struct source_context *context, struct source_pubsub **ret_source,
                           char *problem) MUST_CHECK;
/* It has seen that the relay is the active one, and its connection stands in the redis_watch. Any thread. */
bool source_pubsub_is_at_work(const struct source_pubsub *source);
/* Listens no more. What Redis had sent by then, and what was read, may finish until `deadline_ms`
 * (monotonic). Any thread. */
void source_pubsub_stop(struct source_pubsub *source, uint64_t deadline_ms);
/* Waits for the thread's end after source_pubsub_stop(). */
void source_pubsub_join(struct source_pubsub *source);
/* After the lanes have gone. Accepts NULL, nulls. */
void source_pubsub_free(struct source_pubsub **source);

#endif
