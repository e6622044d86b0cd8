/* The parts of the console that its files share. */
#ifndef ROOMCAST_NODE_CONSOLE_INTERNAL_H
#define ROOMCAST_NODE_CONSOLE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <roomcast/core/repeats.h>
#include <roomcast/io/bus.h>

#include "console.h"
#include "console_task.h"
#include "node_internal.h"

struct console_asking;
struct console_refused;

struct console {
    struct node *node; /* borrowed */
    struct bus_subscription *subscription;
    atomic_bool stopped;
    pthread_mutex_t lock;
    struct console_asking *asking;   /* under lock; utlist */
    struct console_refused *refused; /* under lock; utlist */
    unsigned asking_count, refused_count;
    struct repeats repeats; /* under lock; actions that others asked for */
};

/* console.c: an answer has come, from another process or our own. */
void console_on_answer(struct console *console, const struct console_message *answer);
/* console_serve.c: a question, from another process or our own. */
void console_serve(struct console *console, const struct console_message *question);
/* Sends it to that instance; our own gets it at once. ERR_UNAVAILABLE without the bus. */
enum err console_send(struct console *console, const char *to,
                      const struct console_message *message) MUST_CHECK;

#endif
