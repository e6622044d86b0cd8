/* POST /v1/events: one domain event or an array of them, answered when all are stored (PROTOCOL 2). And POST
 * /v1/revocations, the same of revocations.
 *
 * Thread: source_http_post() on the HTTP server's thread; outcomes and time limits on the lanes' loop. */
#ifndef ROOMCAST_RELAY_SOURCE_HTTP_H
#define ROOMCAST_RELAY_SOURCE_HTTP_H

#include <roomcast/io/http_server.h>
#include <roomcast/io/loop.h>

#include "http_parcel.h"
#include "lease_driver.h"
#include "source.h"

#define HTTP_BATCH_MAX 1000u /* events of one request, and at most relay.max_in_flight */

struct source_http;

/* While the loop does not run. `lease` is borrowed. */
enum err source_http_new(const struct source_context *context, struct loop *loop, struct lease_driver *lease,
                         struct source_http **ret_source) MUST_CHECK;
/* Largest body that can hold something useful. */
size_t source_http_max_body(const struct config *config);
/* Answers the exchange, now or later; with 503 while another relay is the active one. */
void source_http_post(struct source_http *source, struct http_exchange *exchange, enum http_parcel_kind kind);
/* New requests are answered with 503; those that are open may finish. Any thread. */
void source_http_stop(struct source_http *source);
/* Waits until no request is open, at most until `deadline_ms` (monotonic). */
void source_http_join(struct source_http *source, uint64_t deadline_ms);
/* After the lanes and before the loop and the server have gone. Accepts NULL, nulls. */
void source_http_free(struct source_http **source);

#endif
