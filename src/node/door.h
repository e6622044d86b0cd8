/* The door: from which address a client comes, how many connections that address may have, and how fast
 * handshakes may come, from one address and in all.
 *
 * A trusted proxy (proxy.trusted) names the client by the PROXY protocol, when that is on (proxy.protocol):
 * io/ reads it, and the client is the peer from then on. Behind trusted proxies the address is the one that
 * they name in X-Forwarded-For: the rightmost that is not itself a trusted proxy. Whoever else sends that
 * header is not believed. A trusted proxy that names nobody is not limited by address.
 *
 * Thread: any. */
#ifndef ROOMCAST_NODE_DOOR_H
#define ROOMCAST_NODE_DOOR_H

#include <roomcast/base/address.h>
#include <roomcast/config/config.h>
#include <roomcast/io/ws_server.h>

struct door;

/* ERR_CONFIG: proxy.trusted is no list of networks. ERR_NO_MEMORY. */
enum err door_new(const struct config *config, struct door **ret_door) MUST_CHECK;
/* Accepts NULL, nulls. */
void door_free(struct door **door);

/* Who sends the PROXY protocol; NULL: nobody. Borrowed. */
const struct networks *door_proxies(const struct door *door);
/* Of who sent the request. */
struct address door_address(const struct door *door, const struct ws_request *request);

enum door_verdict {
    DOOR_OPEN,
    DOOR_ADDRESS_FAST, /* handshakes of this address come faster than they may */
    DOOR_NODE_FAST,    /* all handshakes do */
    DOOR_ADDRESS_FULL, /* the address has as many connections as it may */
    DOOR_NO_MEMORY,
};
/* Does `peer`, a numeric address, speak for itself, or (a trusted proxy) perhaps for others, which only its
 * request can tell? */
bool door_is_client(const struct door *door, struct slice peer);

/* A handshake of that address begins. */
enum door_verdict door_ask(struct door *door, const struct address *address);
/* It becomes a connection: DOOR_OPEN is to be paired with one door_give(). */
enum door_verdict door_take(struct door *door, const struct address *address);
void door_give(struct door *door, const struct address *address);

#endif
