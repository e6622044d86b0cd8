/* Clients that lose their connections, come back, and resume where they were: what `jitter` and `avalanche`
 * share.
 *
 * Thread: each client's part belongs to its loop's. */
#ifndef ROOMCAST_BENCH_CHURN_H
#define ROOMCAST_BENCH_CHURN_H

#include "fanout.h"

struct churn_client {
    uint64_t due_ns;      /* READY: when it is cut; CLOSED: when it tries again; 0: never, not yet planned */
    uint64_t dropped_ns;  /* since when it is away; 0: it is not */
    uint32_t tries, wave; /* wave: the last one that it was cut in */
};

struct churn {
    struct fanout fanout;
    struct churn_client *clients;   /* owned; of every connection */
    uint64_t period_ns, offline_ns; /* 0: nobody is cut again */
    _Atomic bool is_cutting;        /* by the period; set by the scenario */
    _Atomic uint32_t wave;          /* one more: everybody is cut once; set by the scenario */
    _Atomic uint64_t drops, recovered, not_recovered; /* connections lost; rooms joined again */
    struct histogram back[CROWD_LOOPS_MAX]; /* from the loss of a connection until it has its rooms again */
    uint64_t looked_ns[CROWD_LOOPS_MAX];
};

/* Opens the fan-out with resuming clients. On an error fanout.problem says what to do. churn_close in any
 * case. */
enum err churn_open(struct churn *churn, const struct bench_options *options) MUST_CHECK;
void churn_close(struct churn *churn);
/* Turns until all are back, or nobody has come back for long; then drains. Returns how many are away for
 * good. */
uint32_t churn_wait_back(struct churn *churn);
void churn_report(const struct churn *churn, uint32_t never_back, struct report *report);

#endif
