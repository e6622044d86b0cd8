/* The bytes of permessage-deflate (RFC 7692 section 7.2): one message in, one message out. zlib's only
 * adapter.
 *
 * Nothing is taken over from one message to the next, so one state serves all connections of a thread and a
 * compressed message is the same for everybody. Only an inflater can be told to do otherwise.
 * Owns: zlib's state, and the scratch in which results are given.   Thread: one. */
#ifndef ROOMCAST_IO_DEFLATE_H
#define ROOMCAST_IO_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>

/* Messages are compressed with a window of 2^12 bytes. For JSON of 1 KB to 64 KB it comes within one percent
 * of the largest one (2^15), costs less to begin anew for each message, and satisfies nearly every client
 * that asks for a small window; zlib cannot do raw deflate below 2^9. */
#define DEFLATE_WINDOW_BITS 12

struct deflater;

/* `level`: 1 (fast) to 9 (small). ERR_NO_MEMORY. */
enum err deflater_new(unsigned level, struct deflater **ret_deflater) MUST_CHECK;
/* Accepts NULL, nulls. */
void deflater_free(struct deflater **deflater);
/* The payload of a frame with RSV1, borrowed until the next call. False: it would not be smaller than
 * `message`, or memory is short: send the message as it is. */
bool deflater_run(struct deflater *deflater, struct slice message, struct slice *ret_deflated) MUST_CHECK;

struct inflater;

/* `max_bytes`: of a message that comes out. ERR_NO_MEMORY. */
enum err inflater_new(size_t max_bytes, struct inflater **ret_inflater) MUST_CHECK;
/* From the first message on: each may refer to those before it, as of a sender that takes its context over
 * (section 7.1.1). Such an inflater serves one connection. */
void inflater_take_over(struct inflater *inflater);
/* Accepts NULL, nulls. */
void inflater_free(struct inflater **inflater);
/* The message, borrowed until the next call. ERR_TOO_BIG: it is longer than max_bytes, of which no more is
 * ever made. ERR_SYNTAX: no whole deflated message. ERR_NO_MEMORY. */
enum err inflater_run(struct inflater *inflater, struct slice deflated, struct slice *ret_message) MUST_CHECK;

#endif
