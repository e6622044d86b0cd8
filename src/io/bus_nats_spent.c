/* natsMsg_Destroy() gives a received message to a collecting thread of nats.c, and wakes it (nats.c 3.4.1,
 * natsGC_collect in nats.c): for events that come one by one, a change of threads for each, 8 % of what a
 * delivery to a small room costs. So messages that are done with are handed over many at a time.
 *
 * The collector is one for the process, and so is this; a message may be given back after its bus is gone.
 * What is held when the library is closed is memory like any other, for the collector of the next opening. */
#include <pthread.h>

#include "bus_nats.h"

#define SPENT_MAX       64
#define SPENT_MAX_BYTES (64 * 1024) /* what may be held on to while nothing comes */

static struct {
    pthread_mutex_t lock;
    natsMsg *messages[SPENT_MAX];
    size_t count, bytes;
} spent = {.lock = PTHREAD_MUTEX_INITIALIZER};

void nats_message_spent(natsMsg *message)
{
    pthread_mutex_lock(&spent.lock);
    spent.messages[spent.count++] = message;
    spent.bytes += (size_t)natsMsg_GetDataLength(message);
    if (spent.count == SPENT_MAX || spent.bytes > SPENT_MAX_BYTES) {
        while (spent.count > 0)
            natsMsg_Destroy(spent.messages[--spent.count]);
        spent.bytes = 0;
    }
    pthread_mutex_unlock(&spent.lock);
}
