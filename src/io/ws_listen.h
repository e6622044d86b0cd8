/* One listening TCP socket on a loop, shared by SO_REUSEPORT with those of other threads (libuv), but not
 * with other processes: an address that another process listens on is in use.
 *
 * Owns: the socket.   Thread: the loop's. */
#ifndef ROOMCAST_SRC_IO_WS_LISTEN_H
#define ROOMCAST_SRC_IO_WS_LISTEN_H

#include <stdint.h>

#include <roomcast/base/err.h>
#include <roomcast/io/loop.h>

#define WS_PEER_SIZE 46 /* a numeric address and NUL: INET6_ADDRSTRLEN */

struct ws_listener;
/* Takes over `fd`: connected, non-blocking. `peer`: its numeric address, borrowed. */
typedef void (*ws_accepted)(void *context, int fd, const char *peer);

/* ERR_IO with `problem` (256 bytes). */
enum err ws_listen(struct loop *loop, const char *host, uint16_t port, ws_accepted accepted, void *context,
                   struct ws_listener **ret_listener, char *problem) MUST_CHECK;
uint16_t ws_listener_port(const struct ws_listener *listener);
/* Closes at once. Accepts NULL, nulls. */
void ws_listener_free(struct ws_listener **listener);

#endif
