/* The streams that a relay sees to, as the configuration wants them. */
#ifndef ROOMCAST_RELAY_STREAMS_H
#define ROOMCAST_RELAY_STREAMS_H

#include <roomcast/config/config.h>

#include "keeper.h"

/* Starts the keeper of the events' stream, which borrows both. */
enum err streams_keep_events(const struct config *config, struct bus *bus,
                             struct keeper **ret_keeper) MUST_CHECK;
/* The same of the revocations', whose bus is `bus`. */
enum err streams_keep_revocations(const struct config *config, struct bus *bus,
                                  struct keeper **ret_keeper) MUST_CHECK;

#endif
