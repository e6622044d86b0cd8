/* A TCP connection to a host by its name or address, for clients that wait for it.   Thread: any; blocks. */
#ifndef ROOMCAST_SRC_IO_DIAL_H
#define ROOMCAST_SRC_IO_DIAL_H

#include <stdint.h>

#include <roomcast/base/err.h>

/* `host` without brackets; its addresses are tried in turn until `deadline_ms` (monotonic), the search of the
 * name not counted. The socket is non-blocking, and the caller closes it. ERR_UNAVAILABLE: no such name, or
 * nobody listens there; ERR_TIMEOUT; ERR_IO. */
enum err dial(const char *host, uint16_t port, uint64_t deadline_ms, int *ret_socket) MUST_CHECK;
/* ERR_OK when the socket is ready for `events` (of poll), or broken. ERR_TIMEOUT, ERR_IO. */
enum err dial_wait(int socket_fd, short events, uint64_t deadline_ms) MUST_CHECK;

#endif
