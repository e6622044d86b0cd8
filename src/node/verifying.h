/* A thread that verifies tokens whose signatures take long, so that the worker which asked goes on delivering
 * meanwhile. One per worker, when there may be a key for such tokens.
 *
 *   worker --verifying_ask--> [ thread: token_verify ] --> inbox of the worker
 *                                  |         ^
 *                     key not known|         | fetched, or waited for too long
 *                                  v         |
 *                               [ at most VERIFYING_KEYLESS_MAX ]
 *
 * A token that names a key which the issuer has not published, as far as is known, is put aside, and the
 * issuer asked to fetch its keys again: so a change of keys loses no login. When a fetch has brought nothing
 * that the token can be verified with, it is refused for good (ERR_UNKNOWN); when there was no fetch, or too
 * many wait already, for now (ERR_UNAVAILABLE).
 *
 * Results are not cached. The same token comes twice when a client comes back; a cache would have to be
 * emptied when a key is changed, hold claims by a keyed hash of the whole token, look at `exp` and `nbf`
 * anew, and would save 50 us of a thread on which nobody's deliveries wait.
 *
 * Owns: the jobs that wait, at most VERIFYING_MAX and those put aside.   Thread: the worker's, for every
 * function that does not say otherwise. */
#ifndef ROOMCAST_NODE_VERIFYING_H
#define ROOMCAST_NODE_VERIFYING_H

#include <stdbool.h>

#include <roomcast/base/address.h>
#include <roomcast/base/err.h>
#include <roomcast/base/inbox.h>
#include <roomcast/wire/request_id.h>
#include <roomcast/wire/stream_cursor.h>
#include <roomcast/wire/token.h>

#include "issuer.h"

#define VERIFYING_MAX         1024  /* jobs that wait: a second's work with the slowest keys */
#define VERIFYING_KEYLESS_MAX 256   /* jobs put aside */
#define VERIFYING_KEYLESS_MS  8000u /* so long: clients give up after 10 s, and so does ping.timeout_s */

struct verify_job {
    struct inbox_item item; /* first */

    /* The worker's own; carried along untouched. */
    struct ws_connection *connection; /* a handshake's; NULL: withdrawn, or none */
    const char *subprotocol;
    struct stream_cursor *cursor; /* of a stream: owned, until moved on; else NULL */
    char *headers;                /* likewise: owned; header lines of its answer */
    struct address from;
    struct client *client; /* an auth.refresh's; NULL: a handshake's */
    struct request_id id;

    /* The verifying thread's own. */
    uint64_t fetch;    /* the first one of the issuer's that will settle it */
    uint64_t until_ms; /* monotonic */

    /* The answer: of token_verify(). `err` is ERR_BUSY when the thread ended first, ERR_UNAVAILABLE when its
     * key could not be asked for. */
    enum err err;
    const char *reason;
    struct token_claims claims; /* ERR_OK: owned, until moved on */

    size_t token_len;
    char token[];
};
/* NULL when out of memory. */
struct verify_job *verify_job_new(struct slice token);
/* Without its claims, which the caller has moved on or released. */
void verify_job_free(struct verify_job *job);

struct verifying;
/* Answers go to `answers`. `issuer`: NULL: none. All are borrowed. */
enum err verifying_start(const struct token_verifier *verifier, struct issuer *issuer, struct inbox *answers,
                         struct verifying **ret_verifying) MUST_CHECK;
/* Takes the job over until it is in the inbox. ERR_BUSY: too many wait already, the caller keeps it. */
enum err verifying_ask(struct verifying *verifying, struct verify_job *job) MUST_CHECK;
/* Any thread. The issuer has ended a fetch. Accepts NULL. */
void verifying_look_again(struct verifying *verifying);
/* Ends the thread. Every job is in the inbox afterwards. Accepts NULL, nulls. */
void verifying_stop(struct verifying **verifying);

#endif
