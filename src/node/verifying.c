#include "verifying.h"

#include <pthread.h>
#include <stdlib.h>

#include <roomcast/base/clock.h>

struct verifying {
    const struct token_verifier *verifier; /* immutable */
    struct inbox *answers;                 /* immutable */
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct verify_job *first, **tail; /* under lock; linked by `item.next` */
    unsigned count;                   /* under lock */
    bool stopping;                    /* under lock */
};

struct verify_job *verify_job_new(struct slice token)
{
    struct verify_job *job = malloc(sizeof *job + token.len);
    if (!job)
        return NULL;
    *job = (struct verify_job){.token_len = token.len};
    if (token.len > 0)
        memcpy(job->token, token.data, token.len);
    return job;
}

void verify_job_free(struct verify_job *job)
{
    free(job);
}

static struct verify_job *take(struct verifying *verifying, bool *ret_stopping)
{
    pthread_mutex_lock(&verifying->lock);
    while (!verifying->first && !verifying->stopping)
        pthread_cond_wait(&verifying->changed, &verifying->lock);
    struct verify_job *job = verifying->first;
    if (job) {
        verifying->first = (struct verify_job *)job->item.next;
        if (!verifying->first)
            verifying->tail = &verifying->first;
        verifying->count--;
    }
    *ret_stopping = verifying->stopping;
    pthread_mutex_unlock(&verifying->lock);
    return job;
}

static void *run(void *context)
{
    struct verifying *verifying = context;
    struct verify_job *job;
    bool stopping;
    while ((job = take(verifying, &stopping))) {
        job->err = ERR_BUSY;
        job->reason = "the node is stopping";
        if (!stopping)
            job->err = token_verify(verifying->verifier, (struct slice){job->token, job->token_len},
                                    clock_wall_ms() / 1000, &job->claims, &job->reason);
        if (!inbox_put(verifying->answers, &job->item)) {
            if (job->err == ERR_OK)
                token_claims_release(&job->claims);
            verify_job_free(job);
        }
    }
    return NULL;
}

enum err verifying_start(const struct token_verifier *verifier, struct inbox *answers,
                         struct verifying **ret_verifying)
{
    struct verifying *verifying = calloc(1, sizeof *verifying);
    if (!verifying)
        return ERR_NO_MEMORY;
    verifying->verifier = verifier;
    verifying->answers = answers;
    verifying->tail = &verifying->first;
    pthread_mutex_init(&verifying->lock, NULL);
    pthread_cond_init(&verifying->changed, NULL);
    if (pthread_create(&verifying->thread, NULL, run, verifying) != 0) {
        pthread_cond_destroy(&verifying->changed);
        pthread_mutex_destroy(&verifying->lock);
        free(verifying);
        return ERR_IO;
    }
    *ret_verifying = verifying;
    return ERR_OK;
}

enum err verifying_ask(struct verifying *verifying, struct verify_job *job)
{
    pthread_mutex_lock(&verifying->lock);
    bool taken = verifying->count < VERIFYING_MAX;
    if (taken) {
        job->item.next = NULL;
        *verifying->tail = job;
        verifying->tail = (struct verify_job **)&job->item.next;
        if (verifying->count++ == 0)
            pthread_cond_signal(&verifying->changed);
    }
    pthread_mutex_unlock(&verifying->lock);
    return taken ? ERR_OK : ERR_BUSY;
}

void verifying_stop(struct verifying **verifying)
{
    struct verifying *v = *verifying;
    if (!v)
        return;
    pthread_mutex_lock(&v->lock);
    v->stopping = true;
    pthread_cond_signal(&v->changed);
    pthread_mutex_unlock(&v->lock);
    pthread_join(v->thread, NULL);
    pthread_cond_destroy(&v->changed);
    pthread_mutex_destroy(&v->lock);
    free(v);
    *verifying = NULL;
}
