#include "verifying.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/condition.h>
#include <roomcast/base/metrics.h>

struct job_list {
    struct verify_job *first, **tail; /* linked by `item.next` */
    unsigned count;
};

struct verifying {
    const struct token_verifier *verifier; /* immutable */
    struct issuer *issuer;                 /* immutable */
    struct inbox *answers;                 /* immutable */
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t changed; /* by the monotonic clock */
    struct job_list asked;  /* under lock */
    bool looks_again;       /* under lock: at those put aside */
    bool stopping;          /* under lock */

    /* its own thread only */
    struct job_list aside; /* with `fetch` and `until_ms` never falling */
};

static void list_init(struct job_list *list)
{
    *list = (struct job_list){.tail = &list->first};
}

static void list_put(struct job_list *list, struct verify_job *job)
{
    job->item.next = NULL;
    *list->tail = job;
    list->tail = (struct verify_job **)&job->item.next;
    list->count++;
}

static struct verify_job *list_take(struct job_list *list)
{
    struct verify_job *job = list->first;
    if (!job)
        return NULL;
    list->first = (struct verify_job *)job->item.next;
    if (!list->first)
        list->tail = &list->first;
    list->count--;
    return job;
}

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
    free(job->cursor);
    free(job->headers);
    free(job);
}

static void answer(struct verifying *verifying, struct verify_job *job)
{
    if (inbox_put(verifying->answers, &job->item))
        return;
    if (job->err == ERR_OK)
        token_claims_release(&job->claims);
    verify_job_free(job);
}

static void verify(struct verifying *verifying, struct verify_job *job)
{
    job->err = token_verify(verifying->verifier, (struct slice){job->token, job->token_len},
                            clock_wall_ms() / 1000, &job->claims, &job->reason);
}

static void give_up(struct verifying *verifying, struct verify_job *job, enum err err, const char *reason)
{
    job->err = err;
    job->reason = reason;
    answer(verifying, job);
}

static void put_aside(struct verifying *verifying, struct verify_job *job)
{
    if (verifying->aside.count >= VERIFYING_KEYLESS_MAX) {
        give_up(verifying, job, ERR_UNAVAILABLE, "too many tokens wait for the issuer's keys");
        return;
    }
    job->fetch = issuer_want(verifying->issuer);
    job->until_ms = clock_monotonic_ms() + VERIFYING_KEYLESS_MS;
    list_put(&verifying->aside, job);
    metrics_change(METRIC_JWKS_WAITING, 1);
}

/* A job that was put aside, and still is of no known key. False: it stays there. */
static bool is_settled(struct verifying *verifying, struct verify_job *job, uint64_t now_ms)
{
    enum issuer_round round = issuer_see(verifying->issuer, job->fetch);
    if (round == ISSUER_NOT_YET && now_ms < job->until_ms)
        return false;
    if (round != ISSUER_FETCHED) { /* otherwise as token_verify() says, ERR_UNKNOWN */
        job->err = ERR_UNAVAILABLE;
        job->reason = "the issuer's keys cannot be fetched now";
    }
    return true;
}

static void look_at_aside(struct verifying *verifying)
{
    uint64_t now_ms = clock_monotonic_ms();
    struct job_list left;
    list_init(&left);
    for (struct verify_job *job; (job = list_take(&verifying->aside));) {
        verify(verifying, job);
        if (job->err == ERR_UNKNOWN && !is_settled(verifying, job, now_ms)) {
            list_put(&left, job);
            continue;
        }
        metrics_change(METRIC_JWKS_WAITING, -1); /* who has the answer sees that nobody waits */
        answer(verifying, job);
    }
    while (left.first)
        list_put(&verifying->aside, list_take(&left));
}

static void drop_aside(struct verifying *verifying)
{
    for (struct verify_job *job; (job = list_take(&verifying->aside));) {
        metrics_change(METRIC_JWKS_WAITING, -1);
        give_up(verifying, job, ERR_BUSY, "the node is stopping");
    }
}

static void wait_for_change(struct verifying *verifying)
{
    const struct verify_job *oldest = verifying->aside.first;
    if (!oldest) {
        pthread_cond_wait(&verifying->changed, &verifying->lock);
        return;
    }
    const struct timespec until = {(time_t)(oldest->until_ms / 1000),
                                   (long)(oldest->until_ms % 1000) * 1000000};
    pthread_cond_timedwait(&verifying->changed, &verifying->lock, &until);
}

/* Also while there is always another job. Under lock. */
static bool is_time_for_aside(const struct verifying *verifying)
{
    const struct verify_job *oldest = verifying->aside.first;
    return verifying->looks_again || (oldest && clock_monotonic_ms() >= oldest->until_ms);
}

enum turn { TURN_JOB, TURN_ASIDE, TURN_END };

/* TURN_JOB: with *ret_job, also when it is to stop. */
static enum turn take(struct verifying *verifying, struct verify_job **ret_job, bool *ret_stopping)
{
    pthread_mutex_lock(&verifying->lock);
    while (!verifying->asked.first && !is_time_for_aside(verifying) && !verifying->stopping)
        wait_for_change(verifying);
    enum turn turn = !verifying->stopping && is_time_for_aside(verifying) ? TURN_ASIDE : TURN_JOB;
    verifying->looks_again = false;
    if (turn == TURN_JOB && !(*ret_job = list_take(&verifying->asked)))
        turn = TURN_END;
    *ret_stopping = verifying->stopping;
    pthread_mutex_unlock(&verifying->lock);
    return turn;
}

static void work_on(struct verifying *verifying, struct verify_job *job, bool stopping)
{
    if (stopping) {
        give_up(verifying, job, ERR_BUSY, "the node is stopping");
        return;
    }
    verify(verifying, job);
    if (job->err == ERR_UNKNOWN && verifying->issuer)
        put_aside(verifying, job);
    else
        answer(verifying, job);
}

static void *run(void *context)
{
    struct verifying *verifying = context;
    struct verify_job *job;
    enum turn turn;
    bool stopping;
    while ((turn = take(verifying, &job, &stopping)) != TURN_END) {
        if (turn == TURN_JOB)
            work_on(verifying, job, stopping);
        else
            look_at_aside(verifying);
    }
    drop_aside(verifying);
    return NULL;
}

enum err verifying_start(const struct token_verifier *verifier, struct issuer *issuer, struct inbox *answers,
                         struct verifying **ret_verifying)
{
    struct verifying *verifying = calloc(1, sizeof *verifying);
    if (!verifying)
        return ERR_NO_MEMORY;
    verifying->verifier = verifier;
    verifying->issuer = issuer;
    verifying->answers = answers;
    list_init(&verifying->asked);
    list_init(&verifying->aside);
    pthread_mutex_init(&verifying->lock, NULL);
    condition_init_monotonic(&verifying->changed);
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
    bool taken = verifying->asked.count < VERIFYING_MAX;
    if (taken) {
        bool was_idle = !verifying->asked.first;
        list_put(&verifying->asked, job);
        if (was_idle)
            pthread_cond_signal(&verifying->changed);
    }
    pthread_mutex_unlock(&verifying->lock);
    return taken ? ERR_OK : ERR_BUSY;
}

void verifying_look_again(struct verifying *verifying)
{
    if (!verifying)
        return;
    pthread_mutex_lock(&verifying->lock);
    verifying->looks_again = true;
    pthread_cond_signal(&verifying->changed);
    pthread_mutex_unlock(&verifying->lock);
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
