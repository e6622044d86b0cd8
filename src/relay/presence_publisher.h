/* Publishes what it is given on one Redis Pub/Sub channel, in order, at most once: what cannot be sent at
 * once waits, so much and no more; what may have been sent is not sent again.
 *
 * Owns: a thread with its own connection.   Thread: any, but new and free. */
#ifndef ROOMCAST_RELAY_PRESENCE_PUBLISHER_H
#define ROOMCAST_RELAY_PRESENCE_PUBLISHER_H

#include <stddef.h>

#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>

#define PRESENCE_CHANNEL   "events.presence.changed"
#define PRESENCE_QUEUE_MAX 10000u

struct presence_publisher;

/* ERR_CONFIG with `problem` (256 bytes): the URL. `redis_url` is borrowed. */
enum err presence_publisher_new(const char *redis_url, struct presence_publisher **ret_publisher,
                                char *problem) MUST_CHECK;
/* `text` is copied; it is dropped, and counted, when PRESENCE_QUEUE_MAX wait already or memory is out. */
void presence_publisher_send(struct presence_publisher *publisher, struct slice text);
/* Sends what waits when Redis takes it at once, drops the rest. Blocks as long as one command may take.
 * Accepts NULL, nulls. */
void presence_publisher_free(struct presence_publisher **publisher);

#endif
