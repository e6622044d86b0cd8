/* What the sources have in common. */
#ifndef ROOMCAST_RELAY_SOURCE_H
#define ROOMCAST_RELAY_SOURCE_H

#include <stddef.h>

#include <roomcast/config/config.h>

#include "intake.h"
#include "redis_watch.h"
#include "revoker.h"
#include "tenure.h"

#define SOURCE_CONNECT_TIMEOUT_MS 2000u
#define SOURCE_COMMAND_TIMEOUT_MS 5000u
#define SOURCE_BYTES_MAX          (64u << 20) /* of one source's events in flight; then it takes no more */

/* Borrowed, all of it; outlives the sources. */
struct source_context {
    const struct config *config;
    const struct intake *intake;
    struct revoker *revoker; /* takes events in, for the lanes too */
    struct redis_watch *watch;
    struct tenure *tenure; /* only while it is valid anything is read */
};

#endif
