/* What a node says to a client (proto/README.md): struct in, JSON out. Each appends one whole message. */
#ifndef ROOMCAST_WIRE_SERVER_MESSAGE_H
#define ROOMCAST_WIRE_SERVER_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/slice.h>
#include <roomcast/wire/envelope.h>
#include <roomcast/wire/error_code.h>
#include <roomcast/wire/position.h>
#include <roomcast/wire/request_id.h>
#include <roomcast/wire/room_key.h>

/* Is this the type of a message that a node says of itself? An event must not have it: clients would take it
 * for the node's word. */
bool server_says(struct slice type);

struct server_connected {
    struct slice connection_id;
    struct slice user_id;
    struct slice node;
    uint64_t ping_interval_ms;
    uint64_t expires_at;                  /* Unix seconds; 0: never, the member is left out */
    const struct position *notifications; /* where the user's notifications stand; NULL: not known yet */
};
void server_connected(struct buffer *out, const struct server_connected *message);

struct server_ack {
    const char *action;          /* "subscribed", "unsubscribed", "refreshed", "notifications" */
    const struct room_key *chat; /* NULL: none */
    const struct request_id *id;
    const struct position *position; /* NULL: none */
    bool was_recovering;             /* the client gave `since`: say recovered and replayed */
    bool recovered;
    uint64_t replayed;
    uint64_t expires_at; /* "refreshed": the new expiry; 0 left out */
};
void server_ack(struct buffer *out, const struct server_ack *message);

/* `message` NULL: the code's meaning. `chat` and `id` may be NULL. */
void server_error(struct buffer *out, enum error_code code, const char *message, const struct room_key *chat,
                  const struct request_id *id);
/* The error POSITION_LOST: events of the chat (NULL: the user's notifications) before `position` are lost. */
void server_position_lost(struct buffer *out, const struct room_key *chat, const struct position *position);
void server_pong(struct buffer *out, const struct request_id *id);
void server_typing(struct buffer *out, const struct room_key *chat, struct slice user, bool is_typing);
void server_presence_changed(struct buffer *out, const struct room_key *chat, struct slice user,
                             bool is_online);
/* `users_count` of the users online are listed: all of `online_count`, or none in a large chat. */
void server_presence_state(struct buffer *out, const struct room_key *chat, const struct slice *users,
                           size_t users_count, size_t online_count, const struct request_id *id);
void server_unsubscribed(struct buffer *out, const struct room_key *chat, const char *code,
                         const char *message);
/* `retry_after_ms` 0 is left out. */
void server_disconnect(struct buffer *out, unsigned code, const char *reason, bool reconnect,
                       uint64_t retry_after_ms);
/* A domain event: the envelope's payload is spliced in as it is. `with_trace`: its traceparent too. */
void server_event(struct buffer *out, const struct envelope *envelope, bool with_trace);
/* The JSON body of an HTTP refusal (proto/README.md). */
void server_http_error(struct buffer *out, enum error_code code, const char *message);

#endif
