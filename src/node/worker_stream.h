/* Clients of server-sent events (WHATWG HTML section 9.2), for whom no WebSocket comes through: GET /events.
 * To everything else such a client is one like the others, who has said its `subscribe.chat` and its
 * `notifications.resume` in the request and says nothing more. Only what is written to it has another form:
 *
 *     id: <cursor>               with what moves one of its positions (wire/stream_cursor.h)
 *     data: <the JSON message>   the same bytes as on a WebSocket
 *
 * Every event is an unnamed one, a `message` to EventSource: a message of the type "error" must not be taken
 * for the connection's own `error`. A ping is a comment. The id stands in the same block as the data, and
 * both take effect at the block's end (section 9.2.6, "dispatch the event"): whatever is cut off, a client
 * has neither or both.
 *
 * Thread: the worker's. */
#ifndef ROOMCAST_NODE_WORKER_STREAM_H
#define ROOMCAST_NODE_WORKER_STREAM_H

#include <roomcast/wire/stream_cursor.h>

#include "worker_internal.h"

struct stream_client {
    struct client client;         /* first */
    struct stream_cursor *cursor; /* owned; of what has been written */
    uint64_t retry_ms;            /* to be told with the next event; 0: nothing */
};

/* Into worker->headers: what every answer at the path has. */
void stream_write_headers(struct worker *worker, const struct ws_request *request);
/* How such a connection is opened: but for `session`, which the caller fills in. Overwrites worker->text. */
void stream_accept(struct worker *worker, struct ws_decision *decision);
/* After `connected`: goes into its chats, and on from where it was. */
void stream_follow(struct worker *worker, struct client *client);
/* Its request says where its notifications stood. */
bool stream_resumes_notifications(const struct client *client);
/* When this connection has ended, it is to come back after that time. */
void stream_set_retry(struct client *client, uint64_t retry_ms);
/* Something that its request asked for could not be had. Others ask again, a stream cannot: it ends, and
 * comes back to where its id still stands. Nothing when the client is no stream. */
void stream_end_unanswered(struct worker *worker, struct client *client);
/* Appends the frame in its form. */
void stream_write(struct client *client, const struct frame *frame, struct buffer *out);
/* Beside session_fini(). */
void stream_fini(struct client *client);

#endif
