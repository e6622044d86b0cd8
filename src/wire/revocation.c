#include <roomcast/wire/revocation.h>

#include <stdlib.h>
#include <string.h>

#include <roomcast/v1/revocation.pb-c.h>

#include "pb_memory.h"
#include "text.h"

/* An honest record takes three to five times its size once decoded. */
#define DECODE_BUDGET(len) (64u * 1024 + 16 * (len))

#define HEAD_MOST   16u /* bytes of a record for its tag, its length, its kind and the tags of chat and id */
#define NUMBER_MOST 11u

/* --- keys --- */

static void set_id(struct revocation *revocation, struct slice id)
{
    revocation->id_len = (uint8_t)id.len;
    if (id.len)
        memcpy(revocation->id, id.data, id.len);
    revocation->id[id.len] = '\0';
}

void revocation_of_user(const struct room_key *user, const struct uuid *chat,
                        struct revocation *ret_revocation)
{
    *ret_revocation = (struct revocation){.kind = chat ? REVOCATION_USER_IN_CHAT : REVOCATION_USER};
    if (chat)
        ret_revocation->chat = *chat;
    set_id(ret_revocation, room_key_name(user));
}

void revocation_of_chat(const struct uuid *chat, struct revocation *ret_revocation)
{
    *ret_revocation = (struct revocation){.kind = REVOCATION_CHAT, .chat = *chat};
}

static bool is_token_id(struct slice id)
{
    return id.len > 0 && text_fits(id, TOKEN_ID_MAX);
}

enum err revocation_of_token(struct slice token_id, struct revocation *ret_revocation)
{
    if (!is_token_id(token_id))
        return ERR_RANGE;
    *ret_revocation = (struct revocation){.kind = REVOCATION_TOKEN};
    set_id(ret_revocation, token_id);
    return ERR_OK;
}

static bool has_chat(enum revocation_kind kind)
{
    return kind == REVOCATION_USER_IN_CHAT || kind == REVOCATION_CHAT;
}

size_t revocation_key(const struct revocation *revocation, char *key)
{
    size_t len = 1;

    key[0] = (char)revocation->kind;
    if (has_chat(revocation->kind)) {
        memcpy(key + len, revocation->chat.bytes, sizeof revocation->chat.bytes);
        len += sizeof revocation->chat.bytes;
    }
    memcpy(key + len, revocation->id, revocation->id_len);
    return len + revocation->id_len;
}

/* FNV-1a, 64 bits (draft-eastlake-fnv). Nobody gains by filling one shard: who can write records may write as
 * many as all of them hold. */
unsigned revocation_shard(const struct revocation *revocation)
{
    char key[REVOCATION_KEY_MAX];
    size_t len = revocation_key(revocation, key);
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)key[i]) * UINT64_C(0x100000001b3);
    return (unsigned)((hash ^ hash >> 32) % REVOCATION_SHARDS);
}

size_t revocation_encoded_most(const struct revocation *revocation)
{
    return HEAD_MOST + (has_chat(revocation->kind) ? sizeof(struct uuid) : 0) + revocation->id_len +
           4 * NUMBER_MOST;
}

/* --- rules --- */

static bool is_user_id(struct slice id)
{
    struct room_key user;

    return room_key_for_user(id, &user) == ERR_OK && slice_equal(room_key_name(&user), id);
}

/* The rules of revocation.h, the same in both directions. */
static bool is_valid(const struct revocation *revocation)
{
    struct slice id = {revocation->id, revocation->id_len};
    bool good_id = false;

    switch (revocation->kind) {
    case REVOCATION_USER_IN_CHAT:
    case REVOCATION_USER:
        good_id = is_user_id(id);
        break;
    case REVOCATION_CHAT:
        good_id = id.len == 0;
        break;
    case REVOCATION_TOKEN:
        good_id = is_token_id(id);
        break;
    }
    return good_id && revocation->at_s <= REVOCATION_SECONDS_MAX && revocation->until_s > 0 &&
           revocation->until_s <= REVOCATION_SECONDS_MAX && (revocation->order || revocation->lifted_order);
}

/* --- encoding --- */

static void to_message(const struct revocation *revocation, Roomcast__V1__Revocation *message)
{
    roomcast__v1__revocation__init(message);
    message->kind = (Roomcast__V1__RevocationKind)revocation->kind;
    if (has_chat(revocation->kind))
        message->chat = (ProtobufCBinaryData){sizeof revocation->chat.bytes,
                                              (uint8_t *)(uintptr_t)revocation->chat.bytes};
    message->id = (char *)(uintptr_t)revocation->id;
    message->at_s = revocation->at_s;
    message->until_s = revocation->until_s;
    message->order = revocation->order;
    message->lifted_order = revocation->lifted_order;
}

static enum err encode(const struct revocation *revocations, size_t count, Roomcast__V1__Revocation *messages,
                       Roomcast__V1__Revocation **pointers, struct buffer *out)
{
    Roomcast__V1__Revocations message = ROOMCAST__V1__REVOCATIONS__INIT;

    for (size_t i = 0; i < count; i++) {
        if (!is_valid(&revocations[i]))
            return ERR_RANGE;
        to_message(&revocations[i], &messages[i]);
        pointers[i] = &messages[i];
    }
    message.version = REVOCATIONS_VERSION;
    message.n_revocation = count;
    message.revocation = pointers;
    return pb_encode(&message.base, REVOCATIONS_MAX_BYTES, out);
}

enum err revocations_encode(const struct revocation *revocations, size_t count, struct buffer *out)
{
    Roomcast__V1__Revocation *messages = calloc(count + 1, sizeof *messages);
    Roomcast__V1__Revocation **pointers = calloc(count + 1, sizeof(Roomcast__V1__Revocation *));
    enum err err = messages && pointers ? encode(revocations, count, messages, pointers, out) : ERR_NO_MEMORY;

    free(messages);
    free(pointers);
    return err;
}

/* --- decoding --- */

static enum err to_struct(const Roomcast__V1__Revocation *message, struct revocation *ret_revocation)
{
    enum revocation_kind kind = (enum revocation_kind)message->kind;
    struct slice id = slice_of(message->id);

    if (id.len > USER_ID_MAX || message->chat.len != (has_chat(kind) ? sizeof(struct uuid) : 0))
        return ERR_RANGE;
    struct revocation revocation = {
        .kind = kind,
        .at_s = message->at_s,
        .until_s = message->until_s,
        .order = message->order,
        .lifted_order = message->lifted_order,
    };
    if (has_chat(kind))
        memcpy(revocation.chat.bytes, message->chat.data, sizeof revocation.chat.bytes);
    set_id(&revocation, id);
    if (!is_valid(&revocation))
        return ERR_RANGE;
    *ret_revocation = revocation;
    return ERR_OK;
}

static enum err to_structs(const Roomcast__V1__Revocations *message, struct revocation **ret_revocations,
                           size_t *ret_count)
{
    size_t count = message->n_revocation;
    struct revocation *revocations = NULL;
    enum err err = ERR_OK;

    if (message->version != REVOCATIONS_VERSION)
        return message->version ? ERR_VERSION : ERR_RANGE;
    if (count > 0 && !(revocations = calloc(count, sizeof *revocations)))
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < count && err == ERR_OK; i++)
        err = to_struct(message->revocation[i], &revocations[i]);
    if (err != ERR_OK) {
        free(revocations);
        return err;
    }
    *ret_revocations = revocations;
    *ret_count = count;
    return ERR_OK;
}

enum err revocations_decode(struct slice bytes, struct revocation **ret_revocations, size_t *ret_count)
{
    ProtobufCMessage *message;

    if (bytes.len > REVOCATIONS_MAX_BYTES)
        return ERR_TOO_BIG;
    enum err err =
        pb_decode(&roomcast__v1__revocations__descriptor, bytes, DECODE_BUDGET(bytes.len), &message);
    if (err)
        return err;
    err = to_structs((const Roomcast__V1__Revocations *)message, ret_revocations, ret_count);
    protobuf_c_message_free_unpacked(message, NULL);
    return err;
}
