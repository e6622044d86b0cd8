/* The issuer's public keys, fetched from auth.jwks_url and handed to the verifier.
 *
 *   [ thread: https_client_get, jwks_parse ] --token_verifier_set_issued--> verifier
 *        ^                       |
 *   issuer_want, issuer_refetch  +--on_fetched--> who waits for a key
 *
 * When it is fetched: at the start; every auth.jwks_refresh_s, or sooner when the answer says how long it is
 * fresh (but not below ISSUER_FRESH_MIN_MS); when a token names a key that is not known, but not within
 * ISSUER_REST_MS of the fetch before, whoever asks and however often; when the operator asks. A fetch that
 * fails is tried again after 1 s, then 2, 4, up to 60, give or take a quarter.
 *
 * The keys of the last fetch that succeeded are good until another one succeeds, for as long as the issuer is
 * not reached. A document without a usable key counts as a failure: a mistake at the issuer must not send
 * everybody away.
 *
 * Thread: has one of its own; new, start, stop and free on the main thread, all else from any. */
#ifndef ROOMCAST_NODE_ISSUER_H
#define ROOMCAST_NODE_ISSUER_H

#include <stdbool.h>
#include <stdint.h>

#include <roomcast/base/err.h>
#include <roomcast/config/config.h>
#include <roomcast/wire/token.h>

#define ISSUER_REST_MS            5000u  /* least time between two fetches that tokens cause */
#define ISSUER_FRESH_MIN_MS       30000u /* what max-age may shorten auth.jwks_refresh_s to */
#define ISSUER_TIMEOUT_MS         5000u  /* of a fetch ... */
#define ISSUER_CONNECT_TIMEOUT_MS 3000u  /* ... and of its connection, name and TLS */

struct issuer;

struct issuer_options {
    const struct config *config;       /* borrowed */
    struct token_verifier *verifier;   /* borrowed */
    void (*on_fetched)(void *context); /* a fetch has ended, in either way; on the issuer's thread */
    void *context;
};

/* Not fetching yet. ERR_CONFIG with `problem` (256 bytes), ERR_NO_MEMORY. */
enum err issuer_new(const struct issuer_options *options, struct issuer **ret_issuer,
                    char *problem) MUST_CHECK;
enum err issuer_start(struct issuer *issuer) MUST_CHECK;

/* Have keys ever been fetched? NULL, no issuer: true. */
bool issuer_is_loaded(const struct issuer *issuer);

/* A key is not known: it is fetched again, as soon as it may. Returns the number of the first fetch that
 * begins after this call. */
uint64_t issuer_want(struct issuer *issuer);
enum issuer_round { ISSUER_NOT_YET, ISSUER_FETCHED, ISSUER_FAILED };
/* What became of fetch number `number`, or of the one that has ended last after it. */
enum issuer_round issuer_see(struct issuer *issuer, uint64_t number);
/* Now, whatever was fetched when. NULL: nothing. */
void issuer_refetch(struct issuer *issuer);

/* Ends the thread, and the fetch under way. */
void issuer_stop(struct issuer *issuer);
/* After issuer_stop(). Accepts NULL, nulls. */
void issuer_free(struct issuer **issuer);

#endif
