#include "answer_port.h"

#include <stdlib.h>

void answer_port_wake(struct answer_port *port)
{
    pthread_mutex_lock(&port->lock);
    if (port->wake)
        loop_wake_send(port->wake);
    pthread_mutex_unlock(&port->lock);
}

static void wake(void *context)
{
    answer_port_wake(context);
}

struct answer_port *answer_port_new(struct loop_wake *loop_wake)
{
    struct answer_port *port = calloc(1, sizeof *port);

    if (!port)
        return NULL;
    inbox_init(&port->inbox, wake, port);
    pthread_mutex_init(&port->lock, NULL);
    port->wake = loop_wake;
    atomic_init(&port->refs, 1);
    return port;
}

void answer_port_ref(struct answer_port *port)
{
    atomic_fetch_add(&port->refs, 1);
}

void answer_port_unref(struct answer_port *port)
{
    if (atomic_fetch_sub(&port->refs, 1) > 1)
        return;
    inbox_fini(&port->inbox);
    pthread_mutex_destroy(&port->lock);
    free(port);
}

bool answer_port_put(struct answer_port *port, struct inbox_item *item)
{
    answer_port_ref(port);
    bool put = inbox_put(&port->inbox, item);
    answer_port_unref(port);
    return put;
}

void answer_port_close(struct answer_port *port)
{
    inbox_close(&port->inbox);
    pthread_mutex_lock(&port->lock);
    port->wake = NULL;
    pthread_mutex_unlock(&port->lock);
}
