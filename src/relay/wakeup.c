#include "wakeup.h"

#include <time.h>

#include <roomcast/base/condition.h>

void wakeup_init(struct wakeup *wakeup)
{
    pthread_mutex_init(&wakeup->lock, NULL);
    condition_init_monotonic(&wakeup->cond);
    wakeup->raised = false;
}

void wakeup_fini(struct wakeup *wakeup)
{
    pthread_cond_destroy(&wakeup->cond);
    pthread_mutex_destroy(&wakeup->lock);
}

void wakeup_raise(void *context)
{
    struct wakeup *wakeup = context;

    pthread_mutex_lock(&wakeup->lock);
    wakeup->raised = true;
    pthread_cond_signal(&wakeup->cond);
    pthread_mutex_unlock(&wakeup->lock);
}

void wakeup_wait(struct wakeup *wakeup, uint64_t ms)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&wakeup->lock);
    while (!wakeup->raised)
        if (pthread_cond_timedwait(&wakeup->cond, &wakeup->lock, &until) != 0)
            break;
    wakeup->raised = false;
    pthread_mutex_unlock(&wakeup->lock);
}
