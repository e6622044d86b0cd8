/* roomcast.v1.Signal, as a struct: typing and presence between nodes, on <prefix>.sig.chat.<id>. */
#ifndef ROOMCAST_WIRE_SIGNAL_H
#define ROOMCAST_WIRE_SIGNAL_H

#include <stdbool.h>
#include <stddef.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>
#include <roomcast/wire/room_key.h>

#define SIGNAL_MAX_BYTES (512u * 1024)
#define SIGNAL_VERSION   1

enum signal_kind { SIGNAL_TYPING, SIGNAL_PRESENCE_CHANGE, SIGNAL_PRESENCE_QUERY, SIGNAL_PRESENCE_SNAPSHOT };

struct signal_message {
    enum signal_kind kind;
    struct room_key room; /* a chat */
    struct slice node;
    struct slice user;         /* TYPING, PRESENCE_CHANGE */
    bool on;                   /* TYPING: is typing; PRESENCE_CHANGE: is online */
    const struct slice *users; /* PRESENCE_SNAPSHOT; borrowed */
    size_t users_count;
};

enum err signal_encode(const struct signal_message *signal, struct buffer *out) MUST_CHECK;

struct signal_owned {
    struct signal_message signal;
    void *message; /* protobuf-c's */
    struct slice *users;
};
/* As envelope_decode. A signal of a kind unknown here is ERR_UNKNOWN: newer nodes may send such; ignore it.
 */
enum err signal_decode(struct slice bytes, const struct room_key *room,
                       struct signal_owned *ret_owned) MUST_CHECK;
void signal_release(struct signal_owned *owned);

#endif
