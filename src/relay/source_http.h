/* POST /v1/events: one domain event or an array of them, answered when all are stored (proto/README.md:
 * Publishing). And POST /v1/revocations, the same of revocations.
 *
 * Thread: the HTTP server's. */
#ifndef ROOMCAST_RELAY_SOURCE_HTTP_H
#define ROOMCAST_RELAY_SOURCE_HTTP_H

#include <roomcast/io/http_server.h>

#include "batches.h"
#include "lease_driver.h"
#include "source.h"

/* Borrowed, all of it. */
struct source_http {
    const struct source_context *context;
    struct lease_driver *lease; /* who is active, for the others' answer */
    struct batches *batches;
};

/* Largest body that can hold something useful. */
size_t source_http_max_body(const struct config *config);
/* Answers the exchange, now or later; with 503 while another relay is the active one. */
void source_http_post(const struct source_http *source, struct http_exchange *exchange,
                      enum parcel_kind kind);

#endif
