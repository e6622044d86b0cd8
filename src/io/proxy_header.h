/* The header that a proxy sends in front of a connection it passes on (PROXY protocol, versions 1 and 2): who
 * the client is. Pure; knows no socket.
 *
 * Only stream connections are taken. What a version 2 header holds besides (TLVs, a checksum among them) is
 * skipped unread: the network between proxy and node is trusted, or the option is off.
 * Thread: any. */
#ifndef ROOMCAST_SRC_IO_PROXY_HEADER_H
#define ROOMCAST_SRC_IO_PROXY_HEADER_H

#include <roomcast/base/address.h>

#define PROXY_HEADER_MAX 2048 /* bytes; a longer one is refused */

struct proxy_header {
    size_t size;           /* bytes of the header; the client's own begin behind it */
    bool has_client;       /* false: the proxy speaks for itself (a health check), or does not know */
    struct address client; /* if so */
};

enum proxy_verdict { PROXY_INCOMPLETE, PROXY_COMPLETE, PROXY_BAD };
/* `ret_header` is filled when complete. Incomplete: every byte belongs to the header, and fewer than
 * PROXY_HEADER_MAX were given. */
enum proxy_verdict proxy_header_parse(struct slice bytes, struct proxy_header *ret_header);

#endif
