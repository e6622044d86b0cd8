/* UTF-8 (RFC 3629) checked as it arrives, in pieces cut anywhere. Pure. */
#ifndef ROOMCAST_SRC_IO_WS_UTF8_H
#define ROOMCAST_SRC_IO_WS_UTF8_H

#include <stdbool.h>
#include <stddef.h>

struct ws_utf8 {
    unsigned char missing;   /* continuation bytes the character under way still needs */
    unsigned char low, high; /* the range of the next one of them */
};

void ws_utf8_init(struct ws_utf8 *utf8);
/* False at the first byte that no valid text can have there. */
bool ws_utf8_feed(struct ws_utf8 *utf8, const unsigned char *bytes, size_t len);
/* No character is half-way. */
bool ws_utf8_complete(const struct ws_utf8 *utf8);

#endif
