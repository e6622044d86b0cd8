/* The question whether a user may read a chat, put to a domain service over NATS, and its answer
 * (proto/README.md, Who may read a chat). JSON, so that services in any language can answer:
 *
 *   {"user_id":"...","chat_id":"...","claims":{...the token's...}}
 *   {"allowed":true,"cache_s":60}                 cache_s may be left out */
#ifndef ROOMCAST_WIRE_AUTHZ_MESSAGE_H
#define ROOMCAST_WIRE_AUTHZ_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>
#include <roomcast/wire/room_key.h>

#define AUTHZ_CLAIMS_MAX   8192u  /* bytes of the claims' JSON text */
#define AUTHZ_QUESTION_MAX 16384u /* bytes of an encoded question: always enough */
#define AUTHZ_ANSWER_MAX   1024u  /* bytes */
#define AUTHZ_CACHE_MAX_S  86400u

struct authz_answer {
    bool allowed;
    bool has_cache_s;
    uint64_t cache_s; /* how long the answer holds; 0: it is not to be kept */
};

/* Appends to `out`. `claims`: a JSON object, as the token has it. */
void authz_question_encode(const struct room_key *user, const struct room_key *chat, struct slice claims,
                           struct buffer *out);
/* Members that are not known are passed over. ERR_TOO_BIG; ERR_SYNTAX: no JSON object, or a member of another
 * type; ERR_MISSING: no `allowed`; ERR_RANGE: cache_s is below 0 or above AUTHZ_CACHE_MAX_S. */
enum err authz_answer_decode(struct slice text, struct authz_answer *ret_answer) MUST_CHECK;

#endif
