/* roomcast.v1.Revocations, as structs: who may not read what, although a token says so.
 *
 *   USER_IN_CHAT   one user in one chat            tokens issued up to `at_s`, and those that do not say when
 *   CHAT           everybody in one chat           every token
 *   USER           one user, everywhere            tokens issued up to `at_s`, and those that do not say when
 *   TOKEN          one token, by its id (jti)      that token
 *
 * Records of one key are merged field by field, the larger value wins: the order in which they come does not
 * matter, nor how often. */
#ifndef ROOMCAST_WIRE_REVOCATION_H
#define ROOMCAST_WIRE_REVOCATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>
#include <roomcast/base/uuid.h>
#include <roomcast/wire/room_key.h>
#include <roomcast/wire/token.h>

#define REVOCATIONS_VERSION    1
#define REVOCATIONS_MAX_BYTES  (512u * 1024) /* of one message: half of what NATS takes by default */
#define REVOCATION_SHARDS      64u
#define REVOCATION_SECONDS_MAX ((UINT64_C(1) << 53) - 1)

enum revocation_kind { /* the numbers of proto RevocationKind; 0: none */
                       REVOCATION_USER_IN_CHAT = 1,
                       REVOCATION_CHAT = 2,
                       REVOCATION_USER = 3,
                       REVOCATION_TOKEN = 4,
};

struct revocation {
    enum revocation_kind kind;
    struct uuid chat;             /* USER_IN_CHAT, CHAT; else zero */
    uint8_t id_len;               /* bytes of `id` */
    char id[USER_ID_MAX + 1];     /* the user's as in its room_key, or the token's; "" for CHAT */
    uint64_t at_s, until_s;       /* Unix seconds, 1..REVOCATION_SECONDS_MAX; at_s may be 0 */
    uint64_t order, lifted_order; /* not both 0; it binds while order > lifted_order */
};

/* Sets kind, chat, id; the rest is 0. `chat` NULL: everywhere. */
void revocation_of_user(const struct room_key *user, const struct uuid *chat,
                        struct revocation *ret_revocation);
void revocation_of_chat(const struct uuid *chat, struct revocation *ret_revocation);
/* ERR_RANGE: not 1 to TOKEN_ID_MAX bytes of plain text. */
enum err revocation_of_token(struct slice token_id, struct revocation *ret_revocation) MUST_CHECK;

/* What tells records apart, as bytes. `key` has REVOCATION_KEY_MAX bytes; returns its length. */
#define REVOCATION_KEY_MAX (1 + sizeof(struct uuid) + USER_ID_MAX)
size_t revocation_key(const struct revocation *revocation, char *key);
/* Below REVOCATION_SHARDS: the same for the same key in every process and release, as it names the subject.
 */
unsigned revocation_shard(const struct revocation *revocation);
/* No encoding of it takes more bytes within a message. */
size_t revocation_encoded_most(const struct revocation *revocation);

/* Appends the encoding of all. ERR_RANGE when a field breaks the rules above; ERR_TOO_BIG: beyond
 * REVOCATIONS_MAX_BYTES; ERR_NO_MEMORY. */
enum err revocations_encode(const struct revocation *revocations, size_t count,
                            struct buffer *out) MUST_CHECK;
/* The caller frees *ret_revocations, NULL when there are none. ERR_VERSION: made by a newer release that says
 * older ones must not judge it. Also ERR_SYNTAX, ERR_RANGE, ERR_TOO_BIG and ERR_NO_MEMORY. */
enum err revocations_decode(struct slice bytes, struct revocation **ret_revocations,
                            size_t *ret_count) MUST_CHECK;

#endif
