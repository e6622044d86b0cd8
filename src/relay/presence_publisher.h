/* Publishes who came online and who left on one Redis Pub/Sub channel, in order: what cannot be sent at once
 * waits, so much and no more; what may have been sent is not sent again. While another relay is active the
 * changes of the last seconds are kept, and published once it is this one's turn.
 *
 * Owns: a thread with its own connection.   Thread: its owner's. */
#ifndef ROOMCAST_RELAY_PRESENCE_PUBLISHER_H
#define ROOMCAST_RELAY_PRESENCE_PUBLISHER_H

#include <stdbool.h>
#include <stdint.h>

#include <roomcast/base/err.h>
#include <roomcast/config/config.h>
#include <roomcast/wire/room_key.h>

#include "tenure.h"

#define PRESENCE_CHANNEL   "events.presence.changed"
#define PRESENCE_QUEUE_MAX 10000u

struct presence_publisher;

/* ERR_CONFIG with `problem` (256 bytes): the URL of Redis. Both are borrowed. */
enum err presence_publisher_new(const struct config *config, struct tenure *tenure,
                                struct presence_publisher **ret_publisher, char *problem) MUST_CHECK;
/* A change is dropped, and counted, when PRESENCE_QUEUE_MAX wait already or memory is out. */
void presence_publisher_tell(struct presence_publisher *publisher, const struct room_key *chat,
                             const struct room_key *user, bool online, uint64_t now_ms);
/* To be called now and then: sees whether it is this relay's turn. */
void presence_publisher_run(struct presence_publisher *publisher, uint64_t now_ms);
/* Sends what waits when Redis takes it at once, drops the rest. Blocks as long as one command may take.
 * Accepts NULL, nulls. */
void presence_publisher_free(struct presence_publisher **publisher);

#endif
