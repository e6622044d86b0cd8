#include "nats_asker.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <roomcast/base/condition.h>

struct nats_asker {
    struct bus *bus;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_up;       /* under lock, as what follows */
    bool is_answered; /* what was asked last */
    enum bus_answer_status status;
    struct buffer *body;
    char *problem;
};

/* --- threads of the bus --- */

static void on_event(void *context, enum bus_event event)
{
    struct nats_asker *asker = context;

    pthread_mutex_lock(&asker->lock);
    if (event != BUS_EVENT_DROPPED)
        asker->is_up = event == BUS_EVENT_UP;
    pthread_cond_signal(&asker->changed);
    pthread_mutex_unlock(&asker->lock);
}

static void on_answer(void *context, const struct bus_answer *answer)
{
    struct nats_asker *asker = context;

    pthread_mutex_lock(&asker->lock);
    asker->status = answer->status;
    if (answer->status == BUS_ANSWER_GIVEN)
        buffer_append_slice(asker->body, answer->data);
    else
        snprintf(asker->problem, NATS_ASKER_PROBLEM_SIZE, "%s", answer->problem);
    asker->is_answered = true;
    pthread_cond_signal(&asker->changed);
    pthread_mutex_unlock(&asker->lock);
}

/* --- the caller's --- */

enum err nats_asker_new(const struct bus_nats_options *options, struct nats_asker **ret_asker, char *problem)
{
    struct nats_asker *asker = calloc(1, sizeof *asker);

    problem[0] = '\0';
    if (!asker)
        return ERR_NO_MEMORY;
    pthread_mutex_init(&asker->lock, NULL);
    condition_init_monotonic(&asker->changed);
    const struct bus_callbacks callbacks = {.on_event = on_event, .context = asker};
    enum err err = bus_nats_new(options, &callbacks, &asker->bus, problem);
    if (err == ERR_OK)
        *ret_asker = asker;
    else
        nats_asker_free(&asker);
    return err;
}

bool nats_asker_connect(struct nats_asker *asker, uint64_t timeout_ms)
{
    struct timespec until;
    int fault = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(timeout_ms / 1000);
    pthread_mutex_lock(&asker->lock);
    while (!asker->is_up && fault == 0)
        fault = pthread_cond_timedwait(&asker->changed, &asker->lock, &until);
    bool is_up = asker->is_up;
    pthread_mutex_unlock(&asker->lock);
    return is_up;
}

enum bus_answer_status nats_asker_ask(struct nats_asker *asker, const char *subject, struct slice data,
                                      uint64_t timeout_ms, struct buffer *body, char *problem)
{
    problem[0] = '\0';
    pthread_mutex_lock(&asker->lock);
    asker->is_answered = false;
    asker->body = body;
    asker->problem = problem;
    pthread_mutex_unlock(&asker->lock);
    bus_ask(asker->bus, subject, data, timeout_ms, on_answer, asker);
    pthread_mutex_lock(&asker->lock);
    while (!asker->is_answered)
        pthread_cond_wait(&asker->changed, &asker->lock);
    enum bus_answer_status status = asker->status;
    pthread_mutex_unlock(&asker->lock);
    return status;
}

void nats_asker_free(struct nats_asker **pointer)
{
    struct nats_asker *asker = *pointer;

    if (!asker)
        return;
    bus_free(&asker->bus);
    pthread_cond_destroy(&asker->changed);
    pthread_mutex_destroy(&asker->lock);
    free(asker);
    *pointer = NULL;
}
