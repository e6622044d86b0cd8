/* What the files of revoked share.   Thread: its own, unless said otherwise. */
#ifndef ROOMCAST_NODE_REVOKED_INTERNAL_H
#define ROOMCAST_NODE_REVOKED_INTERNAL_H

#include <pthread.h>

#include <roomcast/base/inbox.h>
#include <roomcast/core/revocations.h>
#include <roomcast/io/loop.h>

#include "revoked.h"

#define REVOKED_TICK_MS   250u
#define REVOKED_VERIFY_MS 5000u /* between two looks whether a message was missed unseen */
#define REMEMBERED        2048u /* that the workers are told of one by one */

struct remembered {
    struct revocation revocation;
    uint64_t came_ms;
};

struct revoked {
    struct revoked_options options; /* immutable */
    pthread_t thread;
    bool started; /* main thread only */
    struct loop *loop;
    struct loop_wake *wake;
    struct loop_timer *tick;
    struct inbox messages; /* struct bus_message */
    struct inbox answers;  /* revoked_stream.c's */
    struct bus_subscription *subscriptions[REVOCATION_SHARDS + 1];

    /* any thread */
    atomic_bool stopping, is_loaded;
    atomic_size_t count;     /* of the set: most have nothing to look for */
    _Atomic uint64_t number; /* of all that has come */
    pthread_rwlock_t lock;
    struct revocations *set;                  /* under lock */
    struct remembered remembered[REMEMBERED]; /* under lock: the latest, each at its number */

    /* its own thread only */
    unsigned changes_seen;
    /* a bit a shard: ever; since the last reason to ask; under way; under way since before that reason */
    uint64_t answered, fresh, asking, stale;
    uint64_t ask_at_ms, wait_ms, verify_at_ms;
    bool is_verifying;
    uint64_t last_seq;       /* the highest stream sequence that was seen */
    uint64_t verifying_from; /* the same, when how far the stream goes was asked */
    unsigned expired;        /* shards whose turn it was */
};

/* revoked.c */
/* Takes in what a message holds. False: it has to be read again. */
bool revoked_take(struct revoked *revoked, struct slice bytes);

/* revoked_stream.c: what is stored. */
/* What is due: every tick. */
void revoked_ask(struct revoked *revoked, uint64_t now_ms);
/* Something may have been missed. */
void revoked_ask_again(struct revoked *revoked);
void revoked_take_answers(struct revoked *revoked);
/* The bus has gone: those that nobody took. */
void revoked_drop_answers(struct revoked *revoked);

#endif
