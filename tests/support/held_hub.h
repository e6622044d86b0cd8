/* A hub that works on nothing for a while: what is asked of it waits. Needs src/node/hub_channel.h. */
#ifndef ROOMCAST_TESTS_HELD_HUB_H
#define ROOMCAST_TESTS_HELD_HUB_H

#include "hub_channel.h"

static struct hub *held_hub; /* NULL: none is */

static inline void hold_hub(struct hub *hub)
{
    pthread_mutex_lock(&hub->lock);
    held_hub = hub;
}

/* Also before it is stopped, when a test has failed meanwhile. */
static inline void release_hub(void)
{
    struct hub *hub = held_hub;
    held_hub = NULL;
    if (hub)
        pthread_mutex_unlock(&hub->lock);
}

#endif
