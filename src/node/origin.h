/* Which pages may connect: the Origin header against the allow-list (RFC 6454, RFC 6455 section 10.2). */
#ifndef ROOMCAST_NODE_ORIGIN_H
#define ROOMCAST_NODE_ORIGIN_H

#include <stdbool.h>

#include <roomcast/base/slice.h>
#include <roomcast/config/config.h>

/* No Origin: not a browser, allowed. An empty list allows the origin whose host and port are those of `host`
 * (the Host header). A pattern is "*", an origin, or an origin with one "*" that stands for any run of
 * characters other than '/': the star of *.example.com stands for a whole subdomain, deeper ones included. */
bool origin_allowed(const struct config_list *patterns, struct slice origin, struct slice host);

#endif
