/* /console of the admin listener: the page's files, and what it asks for below /console/api, by the key of
 * option admin.key as a bearer token (RFC 6750). No cookie, so no other page can make a browser send it.
 *
 *   GET  /console/api/access                     is there a key, and who answers? (without the key)
 *   GET  /console/api/live                       of all nodes: busiest rooms, slow clients, recent closes
 *   GET  /console/api/room/<chat>, /user/<id>    who is connected where
 *   GET  /console/api/letters, /letters/<entry>  dead letters, newest first; those before an entry
 *   GET  /console/api/letter/<entry>             one, with its text
 *   POST /console/api/disconnect/<user>, /drain/<instance>, /replay/<entry>
 *   POST /console/api/revoke                     the body as of POST /v1/revocations, one object
 *
 * Thread: the admin listener's. */
#ifndef ROOMCAST_NODE_ADMIN_CONSOLE_H
#define ROOMCAST_NODE_ADMIN_CONSOLE_H

#include <stdbool.h>

#include <roomcast/io/http_server.h>

struct node;

/* False: the path is not below /console. */
bool admin_console_handle(struct node *node, struct http_exchange *exchange);

#endif
