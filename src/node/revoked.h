/* What is revoked, as this node knows it: asked by the workers for every token and every chat, and told to
 * them when it grows.
 *
 *   bus: shards, notices --> [ set ] --on_change--> workers --revoked_next--> who of their clients it is
 *                               ^--- revoked_find --- handshakes, subscribes, refreshes
 *
 * All that is stored is read before the first client is let in, and again after anything by which a message
 * may have been missed. What is known is never taken back by what the bus says less of.
 *
 * The set is changed before the workers hear of it: who looks after that finds it, and who looked before is
 * among the clients that the worker then looks through.
 *
 * Thread: has one of its own; new, start, stop and free on the main thread, all else from any. */
#ifndef ROOMCAST_NODE_REVOKED_H
#define ROOMCAST_NODE_REVOKED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <roomcast/base/err.h>
#include <roomcast/config/config.h>
#include <roomcast/io/bus.h>
#include <roomcast/wire/revocation.h>

struct revoked;

struct revoked_options {
    const struct config *config;      /* borrowed */
    struct bus *bus;                  /* borrowed: the revocations' */
    const atomic_uint *changes;       /* borrowed; counts the times when its messages may have been missed */
    void (*on_change)(void *context); /* revoked_next() has more; on the thread of revoked */
    void *context;
};

/* Not loaded yet. */
enum err revoked_new(const struct revoked_options *options, struct revoked **ret_revoked) MUST_CHECK;
enum err revoked_start(struct revoked *revoked) MUST_CHECK;

/* False until all that is stored is known. NULL: nothing is ever revoked, and that is known. */
bool revoked_is_loaded(const struct revoked *revoked);
/* As revocations_find(), by the wall clock. NULL: 0. */
enum revocation_kind revoked_find(struct revoked *revoked, const struct token_claims *claims,
                                  const struct uuid *chat);

enum revoked_step {
    REVOKED_NOTHING, /* more, now */
    REVOKED_ONE,     /* *ret_revocation has come, or reaches further now */
    REVOKED_MANY,    /* more than is remembered one by one: everybody has to be looked at */
};
/* The members of a chat that is deleted are to hear the event that says so. It travels beside the revocation,
 * and not always faster; so they stay for so long. Nobody new comes in meanwhile. */
#define REVOKED_REST_MS 100u

/* What has come since *seen, which begins at 0 and is moved on; of deleted chats what had come
 * REVOKED_REST_MS before `now_ms`, monotonic, and nothing that came after one that had not. NULL: nothing. */
enum revoked_step revoked_next(struct revoked *revoked, uint64_t now_ms, uint64_t *seen,
                               struct revocation *ret_revocation);

/* Ends the thread and leaves the subjects. */
void revoked_stop(struct revoked *revoked);
/* After revoked_stop(), and after the bus was freed. Accepts NULL, nulls. */
void revoked_free(struct revoked **revoked);

#endif
