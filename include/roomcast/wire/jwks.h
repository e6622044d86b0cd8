/* The public keys of an issuer as it publishes them: a JWK Set (RFC 7517).
 *
 * Taken are keys for signatures: RSA of 2048 to 8192 bits, EC on P-256, P-384 and P-521 (RFC 7518 section 6),
 * Ed25519 (RFC 8037). What is not understood, or not fit, is skipped and the rest taken (RFC 7517 section 5).
 * Symmetric keys are never taken: whoever can read the document could sign with them. Nor are keys that come
 * with their private half, which is not private any more.
 *
 * Several keys may have one kid, and a key may have none.
 *
 * Thread: any; a set does not change, and goes with its last reference. */
#ifndef ROOMCAST_WIRE_JWKS_H
#define ROOMCAST_WIRE_JWKS_H

#include <stdbool.h>
#include <stddef.h>

#include <roomcast/base/err.h>
#include <roomcast/base/slice.h>

#define JWKS_MAX_BYTES (256u * 1024) /* of the document */
#define JWKS_MAX_KEYS  64u           /* in it, those that are skipped too */

struct jwks;

/* Told of each key that is not taken. `kid`: borrowed, empty when it has none that can be shown. `reason`: a
 * static sentence part. `is_fault`: something is wrong with it; else it is merely for another purpose. */
struct jwks_skipped {
    void (*tell)(void *context, struct slice kid, const char *reason, bool is_fault);
    void *context;
};

/* With one reference, the caller's; it may hold no key at all. ERR_TOO_BIG, ERR_TOO_DEEP, ERR_SYNTAX: no
 * JSON, or no JWK Set; ERR_NO_MEMORY. */
enum err jwks_parse(struct slice document, const struct jwks_skipped *skipped,
                    struct jwks **ret_jwks) MUST_CHECK;
void jwks_ref(struct jwks *jwks);
/* Accepts NULL, nulls. */
void jwks_unref(struct jwks **jwks);

size_t jwks_count(const struct jwks *jwks);
/* Borrowed; NULL: key number `index` has none. */
const char *jwks_kid(const struct jwks *jwks, size_t index);
/* Has `jwks` (NULL: no set) key number `index` of `other`, the same key under the same kid? */
bool jwks_has(const struct jwks *jwks, const struct jwks *other, size_t index);

#endif
