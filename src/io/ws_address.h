/* Addresses of WebSocket servers, ws:// and wss:// (RFC 6455 section 3), as a client needs them.   Thread:
 * any. */
#ifndef ROOMCAST_SRC_IO_WS_ADDRESS_H
#define ROOMCAST_SRC_IO_WS_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#define WS_ADDRESS_MAX 4096 /* bytes */

struct ws_address {
    bool is_secured;
    char host[256]; /* without brackets */
    uint16_t port;
    char authority[300]; /* as it stands in the URL: the Host header */
    const char *path;    /* into the URL; may be empty, or begin with '?' */
};

/* NULL, or a static sentence part that says what is wrong with it. */
const char *ws_address_split(const char *url, struct ws_address *ret_address);

#endif
