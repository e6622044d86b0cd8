/* Offers of permessage-deflate in Sec-WebSocket-Extensions (RFC 6455 section 9.1, RFC 7692 sections 5
 * and 7.1). Pure. */
#ifndef ROOMCAST_SRC_IO_WS_EXTENSION_H
#define ROOMCAST_SRC_IO_WS_EXTENSION_H

#include <stdbool.h>

#include <roomcast/base/slice.h>

struct ws_deflate_offer {
    bool acceptable;   /* one of the offers can be met */
    bool names_window; /* it limits the server's window: the answer has to name ours */
};

/* Looks through one header line for the first offer that can be met, unless an earlier line had one. What is
 * malformed, unknown or beyond us is declined, and never more than that: the handshake goes on without. */
void ws_extension_find_deflate(struct slice list, struct ws_deflate_offer *offer);

/* Of Sec-WebSocket-Extensions, for an acceptable offer. */
const char *ws_extension_answer(const struct ws_deflate_offer *offer);

#endif
