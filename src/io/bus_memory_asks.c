/* An answer is published to "_INBOX.<number>", which nobody subscribes to. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include <roomcast/base/clock.h>

#include "bus_memory.h"

#define INBOX "_INBOX."

struct memory_ask {
    struct task task;
    uint64_t number, deadline_ms;
    bus_ask_done done;
    void *context;
    struct bus_answer answer;
    char *data;                     /* of the answer; owned */
    struct memory_ask *prev, *next; /* while there is no answer */
};

static void run_answer(struct bus_memory *bus, struct task *task)
{
    struct memory_ask *ask = (struct memory_ask *)task;

    (void)bus;
    ask->done(ask->context, &ask->answer);
    free(ask->data);
    free(ask);
}

static void fail_locked(struct bus_memory *bus, struct memory_ask *ask, enum bus_answer_status status,
                        const char *problem)
{
    ask->answer = (struct bus_answer){.status = status, .problem = problem};
    memory_queue(bus, &ask->task, run_answer);
}

/* From the end: deadlines nearly always come in order. */
static void open_locked(struct bus_memory *bus, struct memory_ask *ask)
{
    struct memory_ask *before = bus->asks ? bus->asks->prev : NULL; /* a utlist's head knows the tail */

    while (before && before->deadline_ms > ask->deadline_ms)
        before = before == bus->asks ? NULL : before->prev;
    if (before)
        DL_APPEND_ELEM(bus->asks, before, ask);
    else
        DL_PREPEND(bus->asks, ask);
}

static void ask_locked(struct bus_memory *bus, struct memory_ask *ask, const char *subject, struct slice data)
{
    char reply[sizeof INBOX + 20];

    if (bus->stopping) {
        fail_locked(bus, ask, BUS_ANSWER_NONE, "the bus is closed");
        return;
    }
    ask->number = ++bus->last_ask;
    snprintf(reply, sizeof reply, INBOX "%llu", (unsigned long long)ask->number);
    if (!memory_fan_out_locked(bus, slice_of(subject), data, 0, reply)) {
        fail_locked(bus, ask, BUS_ANSWER_NOBODY, "nobody subscribes to the subject");
        return;
    }
    open_locked(bus, ask);
    sem_post(&bus->work); /* the thread has to know the deadline */
}

void memory_ask(struct bus *base, const char *subject, struct slice data, uint64_t timeout_ms,
                bus_ask_done done, void *context)
{
    struct bus_memory *bus = (struct bus_memory *)base;
    struct memory_ask *ask = calloc(1, sizeof *ask);

    if (!ask) {
        struct bus_answer none = {.status = BUS_ANSWER_NONE, .problem = "out of memory"};
        done(context, &none);
        return;
    }
    ask->done = done;
    ask->context = context;
    ask->deadline_ms = clock_monotonic_ms() + timeout_ms;
    pthread_mutex_lock(&bus->lock);
    ask_locked(bus, ask, subject, data);
    pthread_mutex_unlock(&bus->lock);
}

static struct memory_ask *find_locked(const struct bus_memory *bus, uint64_t number)
{
    struct memory_ask *ask;

    DL_SEARCH_SCALAR(bus->asks, ask, number, number);
    return ask;
}

bool memory_answer_locked(struct bus_memory *bus, const char *subject, struct slice data)
{
    if (strncmp(subject, INBOX, strlen(INBOX)) != 0)
        return false;
    struct memory_ask *ask = find_locked(bus, strtoull(subject + strlen(INBOX), NULL, 10));
    if (!ask)
        return true;
    DL_DELETE(bus->asks, ask);
    ask->data = malloc(data.len + 1);
    if (!ask->data) {
        fail_locked(bus, ask, BUS_ANSWER_NONE, "out of memory");
        return true;
    }
    if (data.len)
        memcpy(ask->data, data.data, data.len);
    ask->answer = (struct bus_answer){.status = BUS_ANSWER_GIVEN, .data = {ask->data, data.len}};
    memory_queue(bus, &ask->task, run_answer);
    return true;
}

uint64_t memory_expire_asks_locked(struct bus_memory *bus, uint64_t now_ms, const char *problem)
{
    while (bus->asks && bus->asks->deadline_ms <= now_ms) {
        struct memory_ask *ask = bus->asks;
        DL_DELETE(bus->asks, ask);
        fail_locked(bus, ask, BUS_ANSWER_NONE, problem);
    }
    return bus->asks ? bus->asks->deadline_ms : UINT64_MAX;
}
