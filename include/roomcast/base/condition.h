/* A condition whose timed waits go by CLOCK_MONOTONIC, so that setting the time ends or prolongs none.
 * Thread: any. */
#ifndef ROOMCAST_BASE_CONDITION_H
#define ROOMCAST_BASE_CONDITION_H

#include <pthread.h>
#include <time.h>

/* Ended by pthread_cond_destroy(). */
static inline void condition_init_monotonic(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

#endif
