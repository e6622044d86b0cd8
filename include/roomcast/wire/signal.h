/* roomcast.v1.Signal, as a struct: typing and presence between nodes, on <prefix>.sig.chat.<id>. */
#ifndef ROOMCAST_WIRE_SIGNAL_H
#define ROOMCAST_WIRE_SIGNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>
#include <roomcast/wire/room_key.h>

#define SIGNAL_MAX_BYTES (512u * 1024)
#define SIGNAL_VERSION   1

enum signal_kind { SIGNAL_TYPING, SIGNAL_PRESENCE_CHANGE, SIGNAL_PRESENCE_QUERY, SIGNAL_PRESENCE_SNAPSHOT };

/* A user without a connection who is not said to have left yet. */
struct signal_leaving {
    struct slice user;
    uint64_t left_ms; /* so long ago */
};

struct signal_message {
    enum signal_kind kind;
    struct room_key room; /* a chat */
    struct slice node;
    struct slice user;          /* TYPING, PRESENCE_CHANGE */
    bool on;                    /* TYPING: is typing; PRESENCE_CHANGE: is online */
    uint64_t previous, version; /* PRESENCE_CHANGE; `version` also of a PRESENCE_SNAPSHOT. 0: the node has
                                   nobody in the chat, or is of a release that counts no versions */
    struct slice to;            /* PRESENCE_QUERY: only this node answers; empty: every one */
    const struct slice *users;  /* PRESENCE_SNAPSHOT, and all below; borrowed */
    size_t users_count;
    const struct signal_leaving *leaving; /* borrowed */
    size_t leaving_count;
    uint32_t page, pages; /* 1..pages; both 0: of a release that knows no pages */
    bool wants_answer;
};

enum err signal_encode(const struct signal_message *signal, struct buffer *out) MUST_CHECK;

struct signal_owned {
    struct signal_message signal;
    void *message; /* protobuf-c's */
    struct slice *users;
    struct signal_leaving *leaving;
};
/* As envelope_decode. A signal of a kind unknown here is ERR_UNKNOWN: newer nodes may send such; ignore it.
 */
enum err signal_decode(struct slice bytes, const struct room_key *room,
                       struct signal_owned *ret_owned) MUST_CHECK;
void signal_release(struct signal_owned *owned);

#endif
