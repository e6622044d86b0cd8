/* What a client of server-sent events asks for: the query of GET /events, and Last-Event-ID.
 *
 *   chats=<uuid>[:<epoch>:<seq>],...   the chats, and perhaps from where on; may be given several times
 *   last_event_id=<id>                 for who opens a stream anew and cannot set the header
 *
 * What the header says counts before what `last_event_id` says, since EventSource sends the same URL again
 * and again (WHATWG HTML section 9.2.3, "reestablish the connection"); both count before a position in
 * `chats`. Members are separated by '&' and may be percent-encoded (WHATWG URL section 5.1); others are
 * passed over. */
#ifndef ROOMCAST_WIRE_STREAM_REQUEST_H
#define ROOMCAST_WIRE_STREAM_REQUEST_H

#include <stddef.h>

#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>
#include <roomcast/wire/stream_cursor.h>

struct stream_request {
    const struct slice *query; /* lists of members: parts of one query */
    size_t query_count;
    struct slice last_event_id; /* the header's; empty: none */
    size_t max_chats;           /* at most STREAM_CHATS_MAX */
};

/* A cursor with a place for each chat, and the positions from which it is to be resumed; the caller frees it.
 * An id that cannot be read is no error: the client is told of each room that it is not recovered, and
 * reloads. ERR_SYNTAX: `chats` holds something else than chats. ERR_TOO_BIG: more than max_chats.
 * ERR_NO_MEMORY. */
enum err stream_request_read(const struct stream_request *request,
                             struct stream_cursor **ret_cursor) MUST_CHECK;

#endif
