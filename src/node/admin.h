/* The operators' listener: /livez, /readyz, /metrics, /cluster, /drain. Never on the public port. */
#ifndef ROOMCAST_NODE_ADMIN_H
#define ROOMCAST_NODE_ADMIN_H

#include <roomcast/io/http_server.h>
#include <roomcast/node/node.h>

/* On option admin.listen. `node` is borrowed and outlives the server. ERR_IO, ERR_CONFIG with `problem` (256
 * bytes). */
enum err admin_start(struct node *node, struct http_server **ret_server, char *problem) MUST_CHECK;

#endif
