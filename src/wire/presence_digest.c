#include <roomcast/wire/presence_digest.h>

#include <stdlib.h>
#include <string.h>

#include <roomcast/v1/presence_digest.pb-c.h>

#include "pb_memory.h"
#include "text.h"

/* A room takes about 28 bytes on the wire and 100 while protobuf-c decodes it. */
#define DECODE_BUDGET(len) (48 * (len) + 16 * 1024)

/* FNV-1a, 32 bits (http://www.isthe.com/chongo/tech/comp/fnv). */
unsigned presence_bucket(const struct uuid *chat)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < sizeof chat->bytes; i++)
        hash = (hash ^ chat->bytes[i]) * 16777619u;
    return (hash ^ hash >> 16) % PRESENCE_BUCKETS;
}

static bool is_valid(const struct presence_digest *digest)
{
    if (digest->node.len == 0 || !text_fits(digest->node, PRESENCE_DIGEST_NODE_MAX) || digest->buckets == 0 ||
        digest->buckets > PRESENCE_BUCKETS || digest->first_bucket > PRESENCE_BUCKETS - digest->buckets ||
        digest->rooms_count > PRESENCE_DIGEST_ROOMS_MAX)
        return false;
    for (size_t i = 0; i < digest->rooms_count; i++) {
        unsigned bucket = presence_bucket(&digest->rooms[i].chat);
        if (digest->rooms[i].version == 0 || bucket < digest->first_bucket ||
            bucket - digest->first_bucket >= digest->buckets)
            return false;
    }
    return true;
}

static enum err encode(const struct presence_digest *digest, Roomcast__V1__PresenceDigest__Room *rooms,
                       Roomcast__V1__PresenceDigest__Room **pointers, struct buffer *out)
{
    Roomcast__V1__PresenceDigest message = ROOMCAST__V1__PRESENCE_DIGEST__INIT;
    char node[PRESENCE_DIGEST_NODE_MAX + 1];

    for (size_t i = 0; i < digest->rooms_count; i++) {
        roomcast__v1__presence_digest__room__init(&rooms[i]);
        rooms[i].chat.data = (uint8_t *)digest->rooms[i].chat.bytes;
        rooms[i].chat.len = sizeof digest->rooms[i].chat.bytes;
        rooms[i].version = digest->rooms[i].version;
        pointers[i] = &rooms[i];
    }
    memcpy(node, digest->node.data, digest->node.len);
    node[digest->node.len] = '\0';
    message.version = PRESENCE_DIGEST_VERSION;
    message.node = node;
    message.counter = digest->counter;
    message.first_bucket = digest->first_bucket;
    message.buckets = digest->buckets;
    message.is_partial = digest->is_partial;
    message.n_room = digest->rooms_count;
    message.room = pointers;
    return pb_encode(&message.base, PRESENCE_DIGEST_MAX_BYTES, out);
}

enum err presence_digest_encode(const struct presence_digest *digest, struct buffer *out)
{
    if (!is_valid(digest))
        return ERR_RANGE;
    size_t count = digest->rooms_count ? digest->rooms_count : 1;
    Roomcast__V1__PresenceDigest__Room *rooms = calloc(count, sizeof *rooms), **pointers = NULL;
    if (rooms)
        pointers = calloc(count, sizeof *pointers);
    enum err err = pointers ? encode(digest, rooms, pointers, out) : ERR_NO_MEMORY;
    free(pointers);
    free(rooms);
    return err;
}

static enum err read_rooms(const Roomcast__V1__PresenceDigest *message, struct presence_digest_owned *owned)
{
    if (message->n_room > PRESENCE_DIGEST_ROOMS_MAX)
        return ERR_RANGE;
    owned->rooms = calloc(message->n_room ? message->n_room : 1, sizeof *owned->rooms);
    if (!owned->rooms)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < message->n_room; i++) {
        if (message->room[i]->chat.len != sizeof owned->rooms[i].chat.bytes)
            return ERR_RANGE;
        memcpy(owned->rooms[i].chat.bytes, message->room[i]->chat.data, sizeof owned->rooms[i].chat.bytes);
        owned->rooms[i].version = message->room[i]->version;
    }
    owned->digest.rooms = owned->rooms;
    owned->digest.rooms_count = message->n_room;
    return ERR_OK;
}

static enum err to_struct(const Roomcast__V1__PresenceDigest *message, struct presence_digest_owned *owned)
{
    if (message->version > PRESENCE_DIGEST_VERSION)
        return ERR_VERSION;
    if (message->version == 0)
        return ERR_RANGE;
    owned->digest.node = slice_of(message->node);
    owned->digest.counter = message->counter;
    owned->digest.first_bucket = message->first_bucket;
    owned->digest.buckets = message->buckets;
    owned->digest.is_partial = message->is_partial;
    enum err err = read_rooms(message, owned);
    return err ? err : is_valid(&owned->digest) ? ERR_OK : ERR_RANGE;
}

enum err presence_digest_decode(struct slice bytes, struct presence_digest_owned *ret_owned)
{
    struct presence_digest_owned owned = {.rooms = NULL};
    ProtobufCMessage *message;

    if (bytes.len > PRESENCE_DIGEST_MAX_BYTES)
        return ERR_TOO_BIG;
    enum err err =
        pb_decode(&roomcast__v1__presence_digest__descriptor, bytes, DECODE_BUDGET(bytes.len), &message);
    if (err)
        return err;
    owned.message = message;
    err = to_struct((const Roomcast__V1__PresenceDigest *)message, &owned);
    if (err) {
        presence_digest_release(&owned);
        return err;
    }
    *ret_owned = owned;
    return ERR_OK;
}

void presence_digest_release(struct presence_digest_owned *owned)
{
    free(owned->rooms);
    protobuf_c_message_free_unpacked(owned->message, NULL);
    *owned = (struct presence_digest_owned){.rooms = NULL};
}
