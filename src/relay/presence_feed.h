/* Tells domain services who is online (`presence.publish`): hears what the nodes tell each other and
 * publishes each change as a domain event, `presence.changed`, on the Redis channel of presence_publisher.h.
 *
 * All relays follow; the active one publishes. What another one has heard lately it keeps, and publishes that
 * when it takes over, for the one before it may have died before it could: so what lies around a take-over
 * may be told twice, and ends with the truth.
 *
 * Owns: a loop and its thread, the publisher.   Thread: any, but new and free. */
#ifndef ROOMCAST_RELAY_PRESENCE_FEED_H
#define ROOMCAST_RELAY_PRESENCE_FEED_H

#include <roomcast/base/err.h>
#include <roomcast/config/config.h>
#include <roomcast/io/bus.h>

#include "tenure.h"

struct presence_feed;

struct presence_feed_options {
    const struct config *config; /* borrowed */
    struct bus *bus;             /* borrowed; outlives the feed */
    const char *instance;        /* copied; of this relay's own beats */
    struct tenure *tenure;       /* borrowed */
};

/* `problem` has 256 bytes. */
enum err presence_feed_new(const struct presence_feed_options *options, struct presence_feed **ret_feed,
                           char *problem) MUST_CHECK;
/* Signals may have been missed (BUS_EVENT_UP, BUS_EVENT_DROPPED). */
void presence_feed_suspect(struct presence_feed *feed);
/* Accepts NULL, nulls. */
void presence_feed_free(struct presence_feed **feed);

#endif
