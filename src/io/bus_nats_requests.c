#include "bus_nats_requests.h"

#include <stdlib.h>
#include <time.h>
#include <utlist.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/condition.h>

static struct request *request_new(enum request_kind kind, uint64_t timeout_ms, void *context)
{
    struct request *request = calloc(1, sizeof *request);

    if (!request)
        return NULL;
    request->kind = kind;
    request->deadline_ms = clock_monotonic_ms() + timeout_ms;
    request->context = context;
    return request;
}

struct request *request_new_store(unsigned shard, uint64_t timeout_ms, bus_store_done done, void *context)
{
    struct request *request = request_new(REQUEST_STORE, timeout_ms, context);

    if (!request)
        return NULL;
    request->shard = shard;
    request->done.store = done;
    return request;
}

struct request *request_new_get(const struct bus_get_request *get, char *place, bus_last_done done,
                                void *context)
{
    struct request *request = request_new(REQUEST_GET, get->timeout_ms, context);

    if (!request) {
        free(place);
        return NULL;
    }
    request->shard = get->shard;
    request->done.get = done;
    request->get = *get;
    request->place = place;
    request->get.subject = request->subject = strdup(get->subject);
    if (!request->subject || !place) {
        request_free(request);
        return NULL;
    }
    return request;
}

struct request *request_new_ask(uint64_t timeout_ms, bus_ask_done done, void *context)
{
    struct request *request = request_new(REQUEST_ASK, timeout_ms, context);

    if (request)
        request->done.ask = done;
    return request;
}

void request_free(struct request *request)
{
    free(request->subject);
    free(request->place);
    free(request);
}

/* From the end: deadlines nearly always come in order. */
static void insert_by_deadline_locked(struct requests *requests, struct request *request)
{
    struct request *before =
        requests->open ? requests->open->prev : NULL; /* a utlist's head knows the tail */

    while (before && before->deadline_ms > request->deadline_ms)
        before = before == requests->open ? NULL : before->prev;
    if (before)
        DL_APPEND_ELEM(requests->open, before, request);
    else
        DL_PREPEND(requests->open, request);
}

/* Without memory for the table `request` stays out of it, gets no answer and expires. */
uint64_t requests_open(struct requests *requests, struct request *request)
{
    pthread_mutex_lock(&requests->lock);
    uint64_t token = request->token = ++requests->last_token;
    HASH_ADD(hh, requests->by_token, token, sizeof request->token, request);
    insert_by_deadline_locked(requests, request);
    if (requests->open == request)
        pthread_cond_signal(&requests->changed);
    pthread_mutex_unlock(&requests->lock);
    return token;
}

static void take_locked(struct requests *requests, struct request *request)
{
    if (request->hh.tbl)
        HASH_DEL(requests->by_token, request);
    DL_DELETE(requests->open, request);
}

struct request *requests_take(struct requests *requests, uint64_t token)
{
    struct request *request;

    pthread_mutex_lock(&requests->lock);
    HASH_FIND(hh, requests->by_token, &token, sizeof token, request);
    if (request)
        take_locked(requests, request);
    pthread_mutex_unlock(&requests->lock);
    return request;
}

static void fail_locked(struct requests *requests, struct request *request, enum bus_store_status failure,
                        const char *problem)
{
    request->failure = failure;
    request->problem = problem;
    DL_APPEND(requests->failed, request);
    pthread_cond_signal(&requests->changed);
}

void requests_fail_new(struct requests *requests, struct request *request, enum bus_store_status failure,
                       const char *problem)
{
    pthread_mutex_lock(&requests->lock);
    fail_locked(requests, request, failure, problem);
    pthread_mutex_unlock(&requests->lock);
}

void requests_fail(struct requests *requests, uint64_t token, enum bus_store_status failure,
                   const char *problem)
{
    struct request *request = requests_take(requests, token);

    if (request)
        requests_fail_new(requests, request, failure, problem);
}

static void fail_up_to_locked(struct requests *requests, uint64_t deadline_ms, enum bus_store_status failure,
                              const char *problem)
{
    while (requests->open && requests->open->deadline_ms <= deadline_ms) {
        struct request *request = requests->open;
        take_locked(requests, request);
        fail_locked(requests, request, failure, problem);
    }
}

void requests_fail_all(struct requests *requests, enum bus_store_status failure, const char *problem)
{
    pthread_mutex_lock(&requests->lock);
    fail_up_to_locked(requests, UINT64_MAX, failure, problem);
    pthread_mutex_unlock(&requests->lock);
}

static void answer_failed(struct request *request)
{
    struct bus_store_result stored = {.status = request->failure, .problem = request->problem};
    struct bus_last_result last = {.status = BUS_LAST_UNAVAILABLE};
    struct bus_answer none = {.status = BUS_ANSWER_NONE, .problem = request->problem};

    switch (request->kind) {
    case REQUEST_STORE:
        request->done.store(request->context, &stored);
        break;
    case REQUEST_GET:
        request->done.get(request->context, &last);
        break;
    case REQUEST_ASK:
        request->done.ask(request->context, &none);
        break;
    }
    request_free(request);
}

static void wait_locked(struct requests *requests)
{
    struct timespec until;

    if (!requests->open) {
        pthread_cond_wait(&requests->changed, &requests->lock);
        return;
    }
    until.tv_sec = (time_t)(requests->open->deadline_ms / 1000);
    until.tv_nsec = (long)(requests->open->deadline_ms % 1000) * 1000000;
    pthread_cond_timedwait(&requests->changed, &requests->lock, &until);
}

static void *watch(void *arg)
{
    struct requests *requests = arg;

    pthread_mutex_lock(&requests->lock);
    for (;;) {
        struct request *request = requests->failed;
        if (request) {
            DL_DELETE(requests->failed, request);
            pthread_mutex_unlock(&requests->lock);
            answer_failed(request);
            pthread_mutex_lock(&requests->lock);
        } else if (requests->stopping && !requests->open) {
            break;
        } else {
            if (!requests->stopping)
                wait_locked(requests);
            fail_up_to_locked(requests, requests->stopping ? UINT64_MAX : clock_monotonic_ms(), BUS_UNKNOWN,
                              requests->stopping ? "the bus is closed" : "no answer in time");
        }
    }
    pthread_mutex_unlock(&requests->lock);
    return NULL;
}

enum err requests_start(struct requests *requests)
{
    *requests = (struct requests){.last_token = 0};
    pthread_mutex_init(&requests->lock, NULL);
    condition_init_monotonic(&requests->changed);
    if (pthread_create(&requests->thread, NULL, watch, requests) == 0)
        return ERR_OK;
    pthread_cond_destroy(&requests->changed);
    pthread_mutex_destroy(&requests->lock);
    return ERR_IO;
}

void requests_stop(struct requests *requests)
{
    pthread_mutex_lock(&requests->lock);
    requests->stopping = true;
    pthread_cond_signal(&requests->changed);
    pthread_mutex_unlock(&requests->lock);
    pthread_join(requests->thread, NULL);
    pthread_cond_destroy(&requests->changed);
    pthread_mutex_destroy(&requests->lock);
}
