/* Messages that the server has compressed (RFC 7692), for the clients of one loop.
 *
 * Where the server takes over no context, one inflater serves the loop, and what many clients get alike, one
 * after the other, is inflated once: the server made it once too. Else each client has its own.   Thread: the
 * loop's. */
#ifndef ROOMCAST_BENCH_CROWD_INFLATE_H
#define ROOMCAST_BENCH_CROWD_INFLATE_H

#include "crowd.h"

#define CROWD_MESSAGE_MAX (1u << 20) /* bytes that a message may be inflated to */

/* Notes what the client and the server have agreed on. ERR_NO_MEMORY. */
enum err crowd_agree(struct crowd_loop *loop, struct crowd_client *client,
                     const struct ws_agreed *agreed) MUST_CHECK;
/* Replaces the payload of a deflated frame by its message, borrowed until the next call. ERR_SYNTAX: nothing
 * of the kind was agreed on, or it is no deflated message; ERR_TOO_BIG; ERR_NO_MEMORY. */
enum err crowd_inflate(struct crowd_loop *loop, struct crowd_client *client,
                       struct ws_frame_view *frame) MUST_CHECK;

#endif
