/* Small HTTP server for operators and services (libmicrohttpd): admin endpoints, POST /v1/events.
 *
 * It has a thread of its own; the handler runs there, must not block, and answers at once or later, from any
 * thread. Bodies are read whole, up to a limit, before the handler runs. */
#ifndef ROOMCAST_IO_HTTP_SERVER_H
#define ROOMCAST_IO_HTTP_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>

struct http_server;
struct http_exchange; /* one request and its answer */

typedef void (*http_handler)(void *context, struct http_exchange *exchange);

struct http_server_options {
    const char *host;
    uint16_t port;         /* 0: any free one */
    size_t max_body_bytes; /* more is answered 413 without the handler */
    unsigned max_connections;
    unsigned timeout_s; /* of an idle or half-sent request */
};

/* ERR_IO with `problem` (256 bytes): which address, why. */
enum err http_server_new(const struct http_server_options *options, http_handler handler, void *context,
                         struct http_server **ret_server, char *problem) MUST_CHECK;
uint16_t http_server_port(const struct http_server *server);
/* Open exchanges are answered 503; joins the thread. Accepts NULL, nulls. */
void http_server_free(struct http_server **server);

/* Borrowed until the answer. */
struct slice http_method(const struct http_exchange *exchange);
struct slice http_path(const struct http_exchange *exchange); /* without the query */
struct slice http_body(const struct http_exchange *exchange);
/* Name in any case; empty when absent. */
struct slice http_header(const struct http_exchange *exchange, const char *name);
/* Does it carry `Authorization: Bearer <key>` (RFC 6750 section 2.1; the scheme's case does not matter, RFC
 * 9110 section 11.1)? The key is compared in constant time. */
bool http_bears(const struct http_exchange *exchange, const char *key);

/* Answers and ends the exchange; exactly once, from any thread. `body` is copied. `extra_name`,
 * `extra_value`: one more header, or NULL. */
void http_answer(struct http_exchange *exchange, unsigned status, const char *content_type, struct slice body,
                 const char *extra_name, const char *extra_value);

/* The same with more headers. */
struct http_field {
    const char *name, *value;
};
void http_answer_with(struct http_exchange *exchange, unsigned status, const char *content_type,
                      struct slice body, const struct http_field *fields, size_t count);
/* The address at the other end of the connection, in `text` (HTTP_PEER_SIZE). Before the answer. */
#define HTTP_PEER_SIZE 64
void http_peer(const struct http_exchange *exchange, char *text);

#endif
