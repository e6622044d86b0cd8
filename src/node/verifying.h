/* A thread that verifies tokens whose signatures take long, so that the worker which asked goes on delivering
 * meanwhile. One per worker, when a key for such tokens is configured.
 *
 *   worker --verifying_ask--> [ thread: token_verify ] --> inbox of the worker
 *
 * Results are not cached. The same token comes twice when a client comes back; a cache would have to be
 * emptied when a key is changed, hold claims by a keyed hash of the whole token, look at `exp` and `nbf`
 * anew, and would save 50 us of a thread on which nobody's deliveries wait.
 *
 * Owns: the jobs that wait, at most VERIFYING_MAX.   Thread: the worker's, for every function. */
#ifndef ROOMCAST_NODE_VERIFYING_H
#define ROOMCAST_NODE_VERIFYING_H

#include <stdbool.h>

#include <roomcast/base/address.h>
#include <roomcast/base/err.h>
#include <roomcast/base/inbox.h>
#include <roomcast/wire/request_id.h>
#include <roomcast/wire/token.h>

#define VERIFYING_MAX 1024 /* jobs that wait: a second's work with the slowest keys */

struct verify_job {
    struct inbox_item item; /* first */

    /* The worker's own; carried along untouched. */
    struct ws_connection *connection; /* a handshake's; NULL: withdrawn, or none */
    const char *subprotocol;
    struct address from;
    struct client *client; /* an auth.refresh's; NULL: a handshake's */
    struct request_id id;

    /* The answer: of token_verify(). `err` is ERR_BUSY when the thread ended first. */
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
/* Answers go to `answers`: both borrowed. */
enum err verifying_start(const struct token_verifier *verifier, struct inbox *answers,
                         struct verifying **ret_verifying) MUST_CHECK;
/* Takes the job over until it is in the inbox. ERR_BUSY: too many wait already, the caller keeps it. */
enum err verifying_ask(struct verifying *verifying, struct verify_job *job) MUST_CHECK;
/* Ends the thread. Every job is in the inbox afterwards. Accepts NULL, nulls. */
void verifying_stop(struct verifying **verifying);

#endif
