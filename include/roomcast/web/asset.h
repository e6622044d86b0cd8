/* The files that a node serves to browsers, from inside the program: nothing to install beside it, nothing to
 * be read at run time. Which there are: src/web/assets_table.h.
 *
 * Thread: any. Everything is static and never freed. */
#ifndef ROOMCAST_WEB_ASSET_H
#define ROOMCAST_WEB_ASSET_H

#include <roomcast/base/slice.h>

enum web_listener {
    WEB_PUBLIC, /* where clients connect */
    WEB_ADMIN,  /* option admin.listen */
};

struct web_asset {
    enum web_listener listener;
    struct slice path; /* of the URL, with its '/' */
    const char *content_type;
    struct slice bytes;
    struct slice gzip; /* the same bytes, compressed (RFC 1952) */
    char etag[24];     /* of the bytes, with its quotes (RFC 9110 section 8.8.3): the same on every node of a
                          version */
};

/* NULL: nothing is served there. */
const struct web_asset *web_asset_find(enum web_listener listener, struct slice path);

#endif
