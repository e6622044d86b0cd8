/* roomcast.v1.PresenceDigest, as a struct: what one node has in a part of all chats, on
 * <prefix>.sig.presence. It names every chat of some buckets in which the node has users, so a chat that is
 * not named has none. */
#ifndef ROOMCAST_WIRE_PRESENCE_DIGEST_H
#define ROOMCAST_WIRE_PRESENCE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>
#include <roomcast/base/uuid.h>

#define PRESENCE_DIGEST_VERSION   1
#define PRESENCE_DIGEST_MAX_BYTES (128u * 1024)
#define PRESENCE_DIGEST_ROOMS_MAX 2048u
#define PRESENCE_DIGEST_NODE_MAX  128u /* bytes */
#define PRESENCE_BUCKETS          4096u

/* The same in every release: nodes must agree. Not keyed; who can choose thousands of chats of one bucket
 * makes a digest partial, no more. */
unsigned presence_bucket(const struct uuid *chat);

struct presence_digest_room {
    struct uuid chat;
    uint64_t version; /* >= 1 */
};

struct presence_digest {
    struct slice node; /* plain text, 1..PRESENCE_DIGEST_NODE_MAX bytes */
    uint64_t counter;
    uint32_t first_bucket, buckets; /* `buckets` >= 1, both together at most PRESENCE_BUCKETS */
    bool is_partial;
    const struct presence_digest_room *rooms; /* borrowed; each lies in one of the buckets */
    size_t rooms_count;
};

/* Appends the encoding. ERR_RANGE when a field breaks the rules above; ERR_TOO_BIG; ERR_NO_MEMORY. */
enum err presence_digest_encode(const struct presence_digest *digest, struct buffer *out) MUST_CHECK;

struct presence_digest_owned {
    struct presence_digest digest;
    void *message; /* protobuf-c's */
    struct presence_digest_room *rooms;
};
/* ERR_VERSION: made by a newer release that says old readers must not judge it. Also ERR_SYNTAX, ERR_RANGE,
 * ERR_TOO_BIG and ERR_NO_MEMORY. Else the caller releases. */
enum err presence_digest_decode(struct slice bytes, struct presence_digest_owned *ret_owned) MUST_CHECK;
void presence_digest_release(struct presence_digest_owned *owned);

#endif
