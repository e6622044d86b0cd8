/* What the files of the revoker share.   Thread: the loop's, unless said otherwise. */
#ifndef ROOMCAST_RELAY_REVOKER_INTERNAL_H
#define ROOMCAST_RELAY_REVOKER_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include <roomcast/core/revocations.h>

#include "backoff.h"
#include "revoker.h"
#include "revoker_call.h"

#define REVOKER_WRITER_LEN 8

/* Linked by item.item.next. */
struct event_queue {
    struct relay_event *first, *last;
};

/* What one subject of the store holds.
 *
 *   unknown --- answer of bus_last ---> known --- stored ---> known
 *      ^-------- anything else that the bus says -----------------'
 *
 * One question or store is open at a time; what comes meanwhile goes with the next one. */
struct revoker_shard {
    bool is_known;     /* its records in the set are what is stored, and those of `storing` */
    bool is_open;      /* the bus has a call */
    uint64_t head_seq; /* known: of its last message; 0: none */
    struct backoff backoff;
    struct event_queue waiting, storing;
};

struct revoker {
    struct revoker_options options;
    struct answer_port *port;
    struct loop_wake *wake;
    struct loop_timer *timer;
    bool timer_runs;
    size_t open;         /* calls that the bus has */
    size_t events;       /* in all queues */
    uint64_t generation; /* grows when all is abandoned: answers of an earlier one are dropped */
    struct revoker_shard shards[REVOCATION_SHARDS];
    struct revocations *set;
    char writer[REVOKER_WRITER_LEN + 1];
    uint64_t stores; /* for message ids */
    atomic_bool hurry;
    _Atomic uint64_t last_order; /* any thread */
    struct loop_timer *repeat;
    pthread_mutex_t unstored_lock;
    struct relay_event *unstored; /* under unstored_lock: whose notices are repeated until they are stored */
};

/* revoker.c */
/* Gives the event back to its source. */
void revoker_give_back(struct revoker *revoker, struct relay_event *event, enum event_outcome outcome);

/* revoker_store.c: the shards and their stream. */

/* Takes over an event whose revocation is to be stored. */
void revoker_add(struct revoker *revoker, struct relay_event *event);
void revoker_on_answer(struct revoker *revoker, struct revoker_call *call);
/* Does what can be done for every shard. */
void revoker_drive_all(struct revoker *revoker);

#endif
