/* Requests that wait for an answer: from token to what was asked and whom to tell, with deadlines.
 *
 * A request is in the table from requests_open() until exactly one of take, fail, the deadline or the end
 * took it out; who took it out has it answered and frees it. What fails or expires is answered on a thread of
 * its own, so that a deadline holds while the bus's other threads wait for the network. Owns: the requests in
 * it, its thread.   Thread: any, it has a lock of its own.   Knows nothing of NATS. */
#ifndef ROOMCAST_IO_BUS_NATS_REQUESTS_H
#define ROOMCAST_IO_BUS_NATS_REQUESTS_H

#include <pthread.h>

#include "bus_adapter.h"
#include <roomcast/base/hash.h>

struct request {
    uint64_t token; /* the last part of the inbox subject */
    uint64_t deadline_ms;
    enum request_kind { REQUEST_STORE, REQUEST_GET, REQUEST_ASK } kind;
    union {
        bus_store_done store;
        bus_last_done get;
        bus_ask_done ask;
    } done;
    void *context;
    unsigned shard;                /* REQUEST_STORE, REQUEST_GET: whose stream has to answer */
    struct bus_get_request get;    /* REQUEST_GET: what the answer must be; its subject is `subject` */
    char *subject;                 /* REQUEST_GET: owned */
    char *place;                   /* REQUEST_GET: owned; the subject under which the stream holds it */
    enum bus_store_status failure; /* once failed; what it is matters to a REQUEST_STORE only */
    const char *problem;           /* once failed: a literal */
    struct request *prev, *next;   /* by deadline, or among the failed */
    UT_hash_handle hh;             /* by token, while open */
};

struct requests {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t last_token;      /* under lock */
    struct request *by_token; /* under lock */
    struct request *open;     /* under lock: utlist, earliest deadline first */
    struct request *failed;   /* under lock: utlist, to be answered by the thread */
    bool stopping;            /* under lock */
};
enum err requests_start(struct requests *requests) MUST_CHECK;
/* Fails what is open as BUS_UNKNOWN, answers everything, joins. Whatever is failed by a callback meanwhile is
 * answered too; nothing may be opened any more. */
void requests_stop(struct requests *requests);

/* NULL when out of memory. */
struct request *request_new_store(unsigned shard, uint64_t timeout_ms, bus_store_done done, void *context);
/* Takes `place` over, in every case. */
struct request *request_new_get(const struct bus_get_request *get, char *place, bus_last_done done,
                                void *context);
struct request *request_new_ask(uint64_t timeout_ms, bus_ask_done done, void *context);
void request_free(struct request *request);

/* Gives `request` a token, which is returned, and takes it in. */
uint64_t requests_open(struct requests *requests, struct request *request);
/* Takes the open one of that token out; NULL when there is none (any more). */
struct request *requests_take(struct requests *requests, uint64_t token);

/* Has a request answered that was never opened; the open one of that token, if it still is; all open ones. */
void requests_fail_new(struct requests *requests, struct request *request, enum bus_store_status failure,
                       const char *problem);
void requests_fail(struct requests *requests, uint64_t token, enum bus_store_status failure,
                   const char *problem);
void requests_fail_all(struct requests *requests, enum bus_store_status failure, const char *problem);

#endif
