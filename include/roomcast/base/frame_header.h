/* The header of a WebSocket frame, for who frames by hand (RFC 6455 section 5.2).   Thread: any. */
#ifndef ROOMCAST_BASE_FRAME_HEADER_H
#define ROOMCAST_BASE_FRAME_HEADER_H

#include <stddef.h>
#include <stdint.h>

#include <roomcast/base/frame.h>

#define FRAME_FIN      0x80 /* in the first byte */
#define FRAME_MASKED   0x80 /* in the second one: a mask follows, as clients have to send it */
#define FRAME_MASK_LEN 4

/* Writes the header of a frame with `len` bytes of payload, not masked, and returns its length. `first`: FIN,
 * RSV and opcode. */
size_t frame_write_header(unsigned char header[FRAME_HEADER_MAX], unsigned char first, uint64_t len);

#endif
