/* The server under load: where it listens, and how its clients are let in and join rooms.
 *
 * Owns: the users' tokens, made ahead, so that signing costs nothing while something is measured, and what is
 * expanded of the options.   Thread: any, once target_init and target_make_tokens are done. */
#ifndef ROOMCAST_BENCH_TARGET_H
#define ROOMCAST_BENCH_TARGET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/err.h>

#include "layout.h"
#include "ws_wire.h"

/* {id} of the hello; the other frames of a connection have greater ones. */
#define TARGET_HELLO_ID 1

enum target_kind { TARGET_ROOMCAST, TARGET_RAW_WS };

struct target_options {
    enum target_kind kind;
    const char *url;  /* ws://host:port/path, or wss:// */
    bool compression; /* permessage-deflate is offered, and must be accepted */
    /* roomcast */
    const char *jwt_secret; /* HS256 */
    const char *jwt_key;    /* file: PEM private key of ES256, instead */
    /* raw-ws; templates (template.h), NULL: none */
    const char *hello, *subscribe, *publish, *subprotocol;
    /* the same, without placeholders */
    const char *hello_answer; /* nothing is said after the hello until a frame begins with this */
    const char *answer_from;  /* a frame that begins with this is answered with `answer_to` */
    const char *answer_to;
    bool binary; /* frames are sent as binary */
};

struct target {
    struct target_options options;
    struct sockaddr_in address;
    bool is_secured;  /* wss:// */
    char host[128];   /* host:port */
    const char *path; /* borrowed from the URL */
    char **tokens;    /* owned; one per user */
    uint32_t tokens_count;
    struct buffer hello_answer, answer_from; /* expanded; empty: none */
    struct buffer answer;                    /* the frame that answers */
};

/* ERR_CONFIG: `problem` (256 bytes) says what is wrong, and there is nothing to fini, though that is
 * harmless. */
enum err target_init(struct target *target, const struct target_options *options, char *problem) MUST_CHECK;

/* Tokens for users 0 .. count-1; none for a raw server. ERR_CONFIG with `problem`: they cannot be made. */
enum err target_make_tokens(struct target *target, const struct layout *layout, uint32_t count,
                            char *problem) MUST_CHECK;
void target_fini(struct target *target);

/* The upgrade request of user `index`. */
void target_append_request(const struct target *target, uint32_t index, struct buffer *out);
/* What a connection says first; nothing when the server wants no hello. */
void target_append_hello(const struct target *target, struct buffer *out);
/* A server that has to answer the hello before anything else is said to it. */
static inline bool target_awaits_hello_answer(const struct target *target)
{
    return target->hello_answer.len > 0;
}
bool target_is_hello_answer(const struct target *target, struct slice text);
/* The whole frame to send back when `text` is what --answer is for; else empty. */
struct slice target_answer(const struct target *target, struct slice text);
/* The frames with which connection `connection` joins its rooms; returns how many replies it has to wait for.
 * `places`: of all memberships, to resume from; NULL: from now on. */
uint32_t target_append_join(const struct target *target, const struct layout *layout, uint32_t connection,
                            const struct place *places, struct buffer *out);
/* The same for one room only; `id`: a number of its own. */
uint32_t target_append_join_room(const struct target *target, const struct layout *layout, uint32_t room,
                                 uint32_t id, struct buffer *out);
/* roomcast only. */
void target_append_leave_room(const struct layout *layout, uint32_t room, struct buffer *out);
/* One event in the raw server's own words; `id` as in template.h. */
void target_append_publish(const struct target *target, const struct layout *layout, uint32_t room,
                           struct slice payload, uint64_t id, struct buffer *out);

enum target_reply {
    TARGET_REPLY_NONE,
    TARGET_REPLY_CONNECTED,
    TARGET_REPLY_JOINED,
    TARGET_REPLY_LEFT,
    TARGET_REPLY_REFUSED
};
enum target_reply target_read_reply(const struct target *target, struct slice text);

static inline enum ws_opcode target_opcode(const struct target *target)
{
    return target->options.binary ? WS_BINARY : WS_TEXT;
}

#endif
