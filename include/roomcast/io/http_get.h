/* One plain HTTP request to an operator's endpoint, as a client. No TLS, no redirections, no reuse of
 * connections: what admin listeners need (RFC 9112).
 *
 * Thread: any; blocks. */
#ifndef ROOMCAST_IO_HTTP_GET_H
#define ROOMCAST_IO_HTTP_GET_H

#include <stdint.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/err.h>

struct http_get {
    const char *host; /* a name or an address, without brackets */
    uint16_t port;
    const char *path;     /* begins with '/' */
    uint64_t timeout_ms;  /* of all of it, but for the search of a name */
    unsigned *ret_status; /* of the answer; 0: there was none. May be NULL */
};

/* The body of the answer is appended to `body`, at most its `max` bytes. ERR_UNAVAILABLE: nobody listens
 * there, or the answer has another status than 200; ERR_TIMEOUT; ERR_IO: the connection broke;
 * ERR_SYNTAX: that was no HTTP, or less than was announced; ERR_TOO_BIG. */
enum err http_get(const struct http_get *request, struct buffer *body) MUST_CHECK;

#endif
