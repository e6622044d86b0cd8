#include "faulty_bus.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <roomcast/base/random.h>

#include "bus_adapter.h"

struct faulty_bus {
    struct bus base;
    struct bus *inner;
    atomic_bool down, refuse, alternate;
    atomic_uint percent, stores;
    _Atomic(enum err) stream;
    pthread_mutex_t lock;
    bool holding;             /* under lock */
    struct held_answer *held; /* under lock: the newest first */
};

/* Stands between the caller and the inner bus to keep an answer back. */
struct held_answer {
    struct held_answer *next;
    struct faulty_bus *bus;
    bus_store_done done;
    void *context;
    struct bus_store_result result;
};

/* Stands between the caller and the inner bus to turn an answer into none. */
struct lost_answer {
    bus_store_done done;
    void *context;
};

static struct faulty_bus *of(struct bus *bus)
{
    return (struct faulty_bus *)bus;
}

static enum err subscribe(struct bus *bus, const char *subject, bus_receive receive, void *context,
                          struct bus_subscription **ret_subscription)
{
    return of(bus)->inner->ops->subscribe(of(bus)->inner, subject, receive, context, ret_subscription);
}

static void unsubscribe(struct bus *bus, struct bus_subscription *subscription,
                        void (*released)(void *context))
{
    bus_unsubscribe(of(bus)->inner, &subscription, released);
}

static enum err publish(struct bus *bus, const char *subject, struct slice data)
{
    return bus_publish(of(bus)->inner, subject, data);
}

static void ask(struct bus *base, const char *subject, struct slice data, uint64_t timeout_ms,
                bus_ask_done done, void *context)
{
    if (atomic_load(&of(base)->down))
        done(context, &(struct bus_answer){.status = BUS_ANSWER_NONE, .problem = "injected"});
    else
        bus_ask(of(base)->inner, subject, data, timeout_ms, done, context);
}

static void answer(bus_store_done done, void *context, enum bus_store_status status)
{
    const struct bus_store_result result = {.status = status, .problem = "injected"};

    done(context, &result);
}

static void lose_answer(void *context, const struct bus_store_result *result)
{
    struct lost_answer *lost = context;

    (void)result;
    answer(lost->done, lost->context, BUS_UNKNOWN);
    free(lost);
}

static void store_and_lose_answer(struct faulty_bus *bus, const struct bus_store_request *request,
                                  bus_store_done done, void *context)
{
    struct lost_answer *lost = malloc(sizeof *lost);

    if (!lost)
        abort();
    *lost = (struct lost_answer){done, context};
    bus_store(bus->inner, request, lose_answer, lost);
}

static bool is_holding(struct faulty_bus *bus)
{
    pthread_mutex_lock(&bus->lock);
    bool holding = bus->holding;
    pthread_mutex_unlock(&bus->lock);
    return holding;
}

static void answer_held(struct held_answer *held)
{
    while (held) {
        struct held_answer *next = held->next;
        held->done(held->context, &held->result);
        free(held);
        held = next;
    }
}

static void hold_answer(void *context, const struct bus_store_result *result)
{
    struct held_answer *held = context;
    struct faulty_bus *bus = held->bus;

    held->result = *result;
    held->result.problem = "";
    pthread_mutex_lock(&bus->lock);
    bool holding = bus->holding;
    if (holding) {
        held->next = bus->held;
        bus->held = held;
    }
    pthread_mutex_unlock(&bus->lock);
    if (!holding)
        answer_held(held);
}

static void store_and_hold_answer(struct faulty_bus *bus, const struct bus_store_request *request,
                                  bus_store_done done, void *context)
{
    struct held_answer *held = calloc(1, sizeof *held);

    if (!held)
        abort();
    *held = (struct held_answer){.bus = bus, .done = done, .context = context};
    bus_store(bus->inner, request, hold_answer, held);
}

static void store(struct bus *base, const struct bus_store_request *request, bus_store_done done,
                  void *context)
{
    struct faulty_bus *bus = of(base);
    bool is_second = atomic_fetch_add(&bus->stores, 1) % 2 != 0;
    bool fails = atomic_load(&bus->alternate) ? is_second : random_below(100) < atomic_load(&bus->percent);

    if (atomic_load(&bus->down)) {
        answer(done, context, BUS_UNAVAILABLE);
    } else if (atomic_load(&bus->refuse)) {
        answer(done, context, BUS_REFUSED);
    } else if (!strstr(request->subject, ".relay.lease") && is_holding(bus)) {
        store_and_hold_answer(bus, request, done, context);
    } else if (!fails) {
        bus_store(bus->inner, request, done, context);
    } else if (random_below(3) == 0) {
        store_and_lose_answer(bus, request, done, context);
    } else {
        answer(done, context, random_below(2) ? BUS_UNKNOWN : BUS_UNAVAILABLE);
    }
}

static void get(struct bus *base, const struct bus_get_request *request, bus_last_done done, void *context)
{
    struct faulty_bus *bus = of(base);

    if (atomic_load(&bus->down))
        done(context, &(struct bus_last_result){.status = BUS_LAST_UNAVAILABLE});
    else
        bus->inner->ops->get(bus->inner, request, done, context);
}

static enum err ensure_stream(struct bus *base, const struct bus_stream_options *options, char *problem)
{
    struct faulty_bus *bus = of(base);
    enum err err = atomic_load(&bus->down) ? ERR_UNAVAILABLE : atomic_load(&bus->stream);

    if (err == ERR_OK)
        return bus_ensure_stream(bus->inner, options, problem);
    snprintf(problem, BUS_PROBLEM_SIZE, "injected: %s", err_text(err));
    return err;
}

static bool is_up(struct bus *bus)
{
    return !atomic_load(&of(bus)->down);
}

static void free_bus(struct bus *bus)
{
    bus_free(&of(bus)->inner);
    answer_held(of(bus)->held);
    pthread_mutex_destroy(&of(bus)->lock);
    free(bus);
}

struct bus *faulty_bus_new(struct bus *inner)
{
    static const struct bus_ops ops = {subscribe, unsubscribe,   publish, ask,     store,
                                       get,       ensure_stream, is_up,   free_bus};
    struct faulty_bus *bus = calloc(1, sizeof *bus);

    if (!bus)
        abort();
    bus->base = (struct bus){.ops = &ops, .shards = inner->shards};
    bus->inner = inner;
    pthread_mutex_init(&bus->lock, NULL);
    return &bus->base;
}

void faulty_bus_set_up(struct bus *bus, bool up)
{
    atomic_store(&of(bus)->down, !up);
}

void faulty_bus_alternate(struct bus *bus, bool alternate)
{
    atomic_store(&of(bus)->alternate, alternate);
}

void faulty_bus_set_faults(struct bus *bus, unsigned percent)
{
    atomic_store(&of(bus)->percent, percent);
}

void faulty_bus_refuse(struct bus *bus, bool refuse)
{
    atomic_store(&of(bus)->refuse, refuse);
}

void faulty_bus_set_stream(struct bus *bus, enum err err)
{
    atomic_store(&of(bus)->stream, err);
}

unsigned faulty_bus_stores(struct bus *bus)
{
    return atomic_load(&of(bus)->stores);
}

void faulty_bus_hold(struct bus *bus, bool hold)
{
    pthread_mutex_lock(&of(bus)->lock);
    struct held_answer *held = hold ? NULL : of(bus)->held;
    of(bus)->holding = hold;
    if (!hold)
        of(bus)->held = NULL;
    pthread_mutex_unlock(&of(bus)->lock);
    answer_held(held);
}
