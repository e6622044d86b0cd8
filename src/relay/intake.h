/* From the bytes of a domain event to an event that a lane can take: size, form and mapping are checked here,
 * the same for every source.
 *
 * Thread: any; it only reads. */
#ifndef ROOMCAST_RELAY_INTAKE_H
#define ROOMCAST_RELAY_INTAKE_H

#include <stddef.h>

#include <roomcast/base/slice.h>
#include <roomcast/wire/event_map.h>

#include "event.h"

#define INTAKE_REASON_SIZE 256

struct intake {
    const struct event_map *map; /* borrowed */
    size_t max_event_bytes;
};

enum intake_verdict {
    INTAKE_TAKEN,     /* *ret_event is the caller's */
    INTAKE_SKIPPED,   /* valid, but the map has no row for it: counted */
    INTAKE_BAD,       /* `reason` (INTAKE_REASON_SIZE) says why */
    INTAKE_TOO_BIG,   /* the same, by its size alone */
    INTAKE_NO_MEMORY, /* try it again later */
};

/* `fallback_id`: for an event without a usable id; empty: a random UUID. `source`: for the envelope. */
enum intake_verdict intake_check(const struct intake *intake, struct slice text, struct slice fallback_id,
                                 struct slice source, struct relay_event **ret_event, char *reason);

/* The same of one element of POST /v1/revocations: INTAKE_TAKEN, INTAKE_BAD, INTAKE_TOO_BIG or
 * INTAKE_NO_MEMORY. */
enum intake_verdict intake_check_revocation(const struct intake *intake, struct slice text,
                                            struct slice source, struct relay_event **ret_event,
                                            char *reason);

#endif
