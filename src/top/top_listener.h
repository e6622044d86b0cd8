/* Hears the beats, on NATS or from admin listeners, and keeps the model of them.
 *
 * Thread: new and free on the main one; the model is written by other threads, and read between
 * top_listener_lock() and top_listener_unlock(). */
#ifndef ROOMCAST_TOP_LISTENER_H
#define ROOMCAST_TOP_LISTENER_H

#include <stdbool.h>
#include <stdint.h>

#include <roomcast/base/err.h>
#include <roomcast/top/top.h>

#include "top_model.h"

#define TOP_SOURCE_SIZE 128

struct top_listener;

/* What is to be read under the lock. */
struct top_heard {
    struct top_model *model; /* may be sorted */
    bool is_up;              /* NATS, or at least one of the admin listeners */
    uint64_t since_ms;       /* of it, monotonic; of the listener, before the first time */
};

/* Returns at once; connects in the background, for ever. ERR_CONFIG: `problem` (256 bytes) says why. */
enum err top_listener_new(const struct top_options *options, struct top_listener **ret_listener,
                          char *problem) MUST_CHECK;
/* Drops who has been gone for long first. */
struct top_heard top_listener_lock(struct top_listener *listener, uint64_t now_ms);
/* "NATS: connected", "admin: 2 of 3 answer". `text` has TOP_SOURCE_SIZE bytes. Between lock and unlock. */
void top_listener_describe(const struct top_listener *listener, uint64_t now_ms, char *text);
void top_listener_unlock(struct top_listener *listener);
/* Accepts NULL, nulls. */
void top_listener_free(struct top_listener **listener);

#endif
