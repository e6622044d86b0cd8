/* Everything that is revoked, as a node asks it and as a relay keeps it.
 *
 * Records of one key are merged: the larger value of each field counts, so that they may come in any order
 * and any number of times, from the store and ahead of it. A record is forgotten at its `until_s`.
 *
 * Owns: its records, of each shard at most REVOCATIONS_SHARD_BYTES encoded, 4,000 to 5,000 with UUIDs.
 * Thread: its owner's; the functions on a const set may run in several at once.   Pure: the time is an
 * argument. */
#ifndef ROOMCAST_CORE_REVOCATIONS_H
#define ROOMCAST_CORE_REVOCATIONS_H

#include <stddef.h>
#include <stdint.h>

#include <roomcast/base/err.h>
#include <roomcast/wire/revocation.h>
#include <roomcast/wire/token.h>

#define REVOCATIONS_SHARD_BYTES                                                                              \
    (448u * 1024) /* leaves a message room for its head, and NATS its default limit */

struct revocations;

enum err revocations_new(struct revocations **ret_revocations) MUST_CHECK;
/* Accepts NULL, nulls. */
void revocations_free(struct revocations **revocations);

enum revocations_merged {
    REVOCATIONS_SAME,      /* nothing is new; or it is over, or lifts what is not revoked */
    REVOCATIONS_CHANGED,   /* and nobody loses a right by it who had it before */
    REVOCATIONS_BINDS,     /* somebody may have lost a right */
    REVOCATIONS_FULL,      /* its shard takes no more: nothing was changed */
    REVOCATIONS_NO_MEMORY, /* nothing was changed */
};
enum revocations_merged revocations_merge(struct revocations *revocations,
                                          const struct revocation *revocation, uint64_t now_s) MUST_CHECK;

/* What takes the token's rights away, of all or, with `chat`, of that chat; 0: nothing. */
enum revocation_kind revocations_find(const struct revocations *revocations,
                                      const struct token_claims *claims, const struct uuid *chat,
                                      uint64_t now_s);

/* The latest order, of a revocation or a lift, in the record of that key; 0: there is none. */
uint64_t revocations_latest(const struct revocations *revocations, const struct revocation *key);

size_t revocations_count(const struct revocations *revocations);
/* Forgets what is over in one shard. */
void revocations_expire(struct revocations *revocations, unsigned shard, uint64_t now_s);
/* Forgets a whole shard. */
void revocations_clear(struct revocations *revocations, unsigned shard);
/* Copies a shard; the caller frees *ret_records, NULL when there are none. ERR_NO_MEMORY. */
enum err revocations_copy(const struct revocations *revocations, unsigned shard,
                          struct revocation **ret_records, size_t *ret_count) MUST_CHECK;

#endif
