/* The events of one request, all checked before any of them is submitted: one bad event refuses them all.
 *
 * Owns: its events until they are taken out.   Thread: the caller's. */
#ifndef ROOMCAST_RELAY_PARCEL_H
#define ROOMCAST_RELAY_PARCEL_H

#include <stddef.h>

#include <roomcast/base/metrics.h>
#include <roomcast/base/slice.h>
#include <roomcast/wire/error_code.h>

#include "intake.h"

#define PARCEL_MESSAGE_SIZE 512

enum parcel_kind { PARCEL_EVENTS, PARCEL_REVOCATIONS };

/* How requests come. */
struct parcel_way {
    struct slice source; /* what envelopes say of it; borrowed */
    enum metric read;    /* counts its events */
};

struct parcel {
    enum parcel_kind kind;
    const struct parcel_way *way; /* borrowed */
    struct relay_event **events;  /* owned; who takes an event out leaves NULL */
    size_t count, skipped, max, bytes;
    unsigned status; /* of the refusal, as HTTP has it; 0: none */
    enum error_code code;
    char message[PARCEL_MESSAGE_SIZE]; /* of the refusal */
};

/* Reads `body`, one event (revocation) or an array of at most `max`. A refusal is noted in the parcel, which
 * is to be ended with parcel_fini() in every case. */
void parcel_read(const struct intake *intake, const struct parcel_way *way, enum parcel_kind kind,
                 struct slice body, size_t max, struct parcel *parcel);
void parcel_fini(struct parcel *parcel);

#endif
