/* Events that cannot be used, kept for people to look at (proto/README.md: Publishing): counted, logged
 * without their body, written to the dead-letter stream with the reason. */
#ifndef ROOMCAST_RELAY_DEAD_LETTER_H
#define ROOMCAST_RELAY_DEAD_LETTER_H

#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>
#include <roomcast/config/config.h>
#include <roomcast/io/redis_client.h>

struct dead_letter {
    const char *reason;
    struct slice source;
    struct slice text; /* cut at relay.max_event_bytes */
};

/* Blocks for the client's command timeout at most; the client's thread. An error: it was not written, nothing
 * was counted. */
enum err dead_letter_write(const struct config *config, struct redis_client *client,
                           const struct dead_letter *letter) MUST_CHECK;

#endif
