/* The relay's HTTP endpoint: routes requests; answers /livez, /readyz and /metrics itself.
 *
 * Thread: the HTTP server's. */
#ifndef ROOMCAST_RELAY_ADMIN_HTTP_H
#define ROOMCAST_RELAY_ADMIN_HTTP_H

#include <roomcast/io/http_server.h>
#include <roomcast/relay/relay.h>

#include "source_http.h"

struct admin_http {
    struct relay *relay;              /* borrowed, for relay_ready() */
    const struct source_http *events; /* borrowed */
};

/* For http_server_new(), with a struct admin_http as context. */
void admin_http_handle(void *context, struct http_exchange *exchange);

#endif
