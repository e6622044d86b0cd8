/* Lets a thread sleep until there is something to do. */
#ifndef ROOMCAST_RELAY_WAKEUP_H
#define ROOMCAST_RELAY_WAKEUP_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct wakeup {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool raised; /* under lock */
};

void wakeup_init(struct wakeup *wakeup);
void wakeup_fini(struct wakeup *wakeup);
/* Any thread; `wakeup` is void so that it fits inbox_init(). */
void wakeup_raise(void *wakeup);
/* Returns when it was raised since the last wait, at the latest after `ms`. */
void wakeup_wait(struct wakeup *wakeup, uint64_t ms);

#endif
