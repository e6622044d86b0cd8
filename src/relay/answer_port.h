/* Where the bus's answers go: an inbox of a loop thread, shared by its owner and the calls that the bus still
 * holds, which may outlive it.
 *
 * Thread: any, except answer_port_close(): the owner's. */
#ifndef ROOMCAST_RELAY_ANSWER_PORT_H
#define ROOMCAST_RELAY_ANSWER_PORT_H

#include <pthread.h>
#include <stdatomic.h>

#include <roomcast/base/inbox.h>
#include <roomcast/io/loop.h>

struct answer_port {
    struct inbox inbox;
    pthread_mutex_t lock;
    struct loop_wake *wake; /* under lock; NULL once the owner has gone */
    atomic_uint refs;
};

/* With one reference. NULL when out of memory. */
struct answer_port *answer_port_new(struct loop_wake *wake);
void answer_port_ref(struct answer_port *port);
void answer_port_unref(struct answer_port *port);
void answer_port_wake(struct answer_port *port);
/* Puts an answer in, and covers the wake-up with a reference of its own: as soon as the owner has the answer,
 * the port may go. False: it is closed, and the item the caller's again. */
bool answer_port_put(struct answer_port *port, struct inbox_item *item);
/* No wake-ups and no answers from here on. What was in the inbox can still be taken. */
void answer_port_close(struct answer_port *port);

#endif
