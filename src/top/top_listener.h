/* Hears the beats on NATS and keeps the model of them.
 *
 * Thread: new and free on the main one; the model is written by a thread of the bus, and read between
 * top_listener_lock() and top_listener_unlock(). */
#ifndef ROOMCAST_TOP_LISTENER_H
#define ROOMCAST_TOP_LISTENER_H

#include <stdbool.h>
#include <stdint.h>

#include <roomcast/base/err.h>
#include <roomcast/top/top.h>

#include "top_model.h"

struct top_listener;

/* What is to be read under the lock. */
struct top_heard {
    struct top_model *model; /* may be sorted */
    bool is_up;              /* the connection to NATS */
    uint64_t since_ms;       /* of it, monotonic; of the listener, before the first one */
};

/* Returns at once; connects in the background, for ever. ERR_CONFIG: `problem` (256 bytes) says why. */
enum err top_listener_new(const struct top_options *options, struct top_listener **ret_listener,
                          char *problem) MUST_CHECK;
/* Drops who has been gone for long first. */
struct top_heard top_listener_lock(struct top_listener *listener, uint64_t now_ms);
void top_listener_unlock(struct top_listener *listener);
/* Accepts NULL, nulls. */
void top_listener_free(struct top_listener **listener);

#endif
