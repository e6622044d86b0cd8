/* Tells who watches the cluster that this relay is there, and how it is (wire/heartbeat.h): each
 * `interval_ms`, and at once when it becomes active or ceases to be, or the bus is back. Beats are heard by
 * presence_feed.h alone.
 *
 * Thread: the loop's; new before the loop runs, free after it has ended, beat_begin from any. */
#ifndef ROOMCAST_RELAY_BEAT_H
#define ROOMCAST_RELAY_BEAT_H

#include <stdint.h>

#include <roomcast/base/err.h>
#include <roomcast/io/bus.h>
#include <roomcast/io/loop.h>

#include "tenure.h"

struct beat;

struct beat_options {
    struct loop *loop;     /* borrowed */
    struct bus *bus;       /* borrowed */
    const char *prefix;    /* copied; of the subject */
    const char *name;      /* copied */
    const char *listen;    /* borrowed; the option relay.listen */
    uint64_t interval_ms;  /* HEARTBEAT_INTERVAL_MIN_MS..HEARTBEAT_INTERVAL_MAX_MS */
    struct tenure *tenure; /* borrowed */
};

enum err beat_new(const struct beat_options *options, struct beat **ret_beat) MUST_CHECK;
/* What tells this run of the relay from others; borrowed from the beat. */
const char *beat_instance(const struct beat *beat);
/* From now on beats are sent: the relay listens on `port`. */
void beat_begin(struct beat *beat, uint16_t port);
/* Says that the relay leaves, if it ever said that it was there. Before the bus is freed. Accepts NULL,
 * nulls. */
void beat_free(struct beat **beat);

#endif
