/* One libwebsockets context on a loop: sockets with buffered writes, nothing of HTTP or WebSocket.
 *
 * Thread: the loop's. What happens on a socket is told by the functions of ws_connection.h. */
#ifndef ROOMCAST_SRC_IO_WS_CONTEXT_H
#define ROOMCAST_SRC_IO_WS_CONTEXT_H

#include <stddef.h>

#include <roomcast/base/err.h>
#include <roomcast/io/loop.h>

struct lws;
struct ws_connection;
struct ws_context;
struct ws_server;

/* `server`: is told of events until ws_context_free(). ERR_IO with `problem` (256 bytes). */
enum err ws_context_new(struct loop *loop, struct ws_server *server, struct ws_context **ret_context,
                        char *problem) MUST_CHECK;
/* Every socket must have been killed. What libwebsockets still holds goes when the loop goes. Accepts NULL,
 * nulls. */
void ws_context_free(struct ws_context **context);

/* Takes over the connected socket `fd`, also when it fails with NULL. */
struct lws *ws_context_adopt(struct ws_context *context, int fd, struct ws_connection *connection);
/* Closes the socket; the connection hears nothing of it any more. Not from within a callback of this socket.
 */
void ws_context_kill(struct lws *wsi);

#endif
