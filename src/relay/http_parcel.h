/* The events of one request, all checked before any of them is submitted: one bad event refuses them all.
 *
 * Owns: its events until they are taken out.   Thread: the caller's.   Knows nothing of HTTP but the status.
 */
#ifndef ROOMCAST_RELAY_HTTP_PARCEL_H
#define ROOMCAST_RELAY_HTTP_PARCEL_H

#include <stddef.h>

#include <roomcast/base/slice.h>
#include <roomcast/wire/error_code.h>

#include "intake.h"

#define HTTP_PARCEL_MESSAGE_SIZE 512

enum http_parcel_kind { HTTP_EVENTS, HTTP_REVOCATIONS };

struct http_parcel {
    enum http_parcel_kind kind;
    struct relay_event **events; /* owned; who takes an event out leaves NULL */
    size_t count, skipped, max, bytes;
    unsigned status; /* of the refusal; 0: none */
    enum error_code code;
    char message[HTTP_PARCEL_MESSAGE_SIZE]; /* of the refusal */
};

/* Reads `body`, one event (revocation) or an array of at most `max`. A refusal is noted in the parcel, which
 * is to be ended with http_parcel_fini() in every case. */
void http_parcel_read(const struct intake *intake, enum http_parcel_kind kind, struct slice body, size_t max,
                      struct http_parcel *parcel);
void http_parcel_fini(struct http_parcel *parcel);

#endif
