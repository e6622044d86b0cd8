#include "bus_memory.h"

#include <stdlib.h>
#include <time.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/clock.h>

struct event_task {
    struct task task;
    enum bus_event event;
};

/* --- the queue and its thread --- */

void memory_queue(struct bus_memory *bus, struct task *task, void (*run)(struct bus_memory *, struct task *))
{
    task->run = run;
    if (!inbox_put(&bus->queue, &task->item))
        abort(); /* it is never closed */
}

static void wake(void *context)
{
    sem_post(context);
}

/* Until something is queued or a question's time is up. */
static void wait_for_work(struct bus_memory *bus)
{
    pthread_mutex_lock(&bus->lock);
    uint64_t until_ms = memory_expire_asks_locked(bus, clock_monotonic_ms(), "no answer in time");
    pthread_mutex_unlock(&bus->lock);
    struct timespec until = {.tv_sec = (time_t)(until_ms / 1000),
                             .tv_nsec = (long)(until_ms % 1000) * 1000000};

    /* It ends early for a signal, too: then there is nothing to do. */
    if (until_ms == UINT64_MAX)
        sem_wait(&bus->work);
    else
        sem_clockwait(&bus->work, CLOCK_MONOTONIC, &until);
}

static void *deliver(void *arg)
{
    struct bus_memory *bus = arg;
    struct inbox_item *item;

    for (;;) {
        wait_for_work(bus);
        while ((item = inbox_take(&bus->queue)) != NULL) {
            while (item) {
                struct task *task = (struct task *)item;
                item = item->next;
                task->run(bus, task);
            }
        }
        pthread_mutex_lock(&bus->lock);
        bool stop = bus->stopping;
        pthread_mutex_unlock(&bus->lock);
        if (stop && inbox_count(&bus->queue) == 0)
            return NULL;
    }
}

static void run_event(struct bus_memory *bus, struct task *task)
{
    if (bus->callbacks.on_event)
        bus->callbacks.on_event(bus->callbacks.context, ((struct event_task *)task)->event);
    free(task);
}

static void queue_event(struct bus_memory *bus, enum bus_event event)
{
    struct event_task *task = calloc(1, sizeof *task);

    if (!task)
        return;
    task->event = event;
    memory_queue(bus, &task->task, run_event);
}

/* Once until the queue is short again. */
void memory_drop_locked(struct bus_memory *bus)
{
    if (!bus->dropping)
        queue_event(bus, BUS_EVENT_DROPPED);
    bus->dropping = true;
}

/* --- the rest --- */

static enum err memory_ensure_stream(struct bus *base, const struct bus_stream_options *options,
                                     char *problem)
{
    (void)base;
    (void)options;
    (void)problem;
    return ERR_OK;
}

static bool memory_is_up(struct bus *base)
{
    (void)base;
    return true;
}

static void free_struct(struct bus_memory *bus)
{
    for (unsigned i = 0; bus->stores && i < bus->shards.count; i++)
        memory_store_fini(&bus->stores[i]);
    free(bus->stores);
    bus_shards_fini(&bus->shards);
    inbox_fini(&bus->queue);
    sem_destroy(&bus->work);
    pthread_mutex_destroy(&bus->lock);
    free(bus->live);
    free(bus);
}

/* The thread tells everything that is queued before it ends. */
static void memory_free(struct bus *base)
{
    struct bus_memory *bus = (struct bus_memory *)base;

    pthread_mutex_lock(&bus->lock);
    bus->stopping = true;
    memory_expire_asks_locked(bus, UINT64_MAX, "the bus is closed");
    pthread_mutex_unlock(&bus->lock);
    sem_post(&bus->work);
    pthread_join(bus->thread, NULL);
    memory_free_subscriptions(bus);
    free_struct(bus);
}

static const struct bus_ops memory_ops = {
    .subscribe = memory_subscribe,
    .unsubscribe = memory_unsubscribe,
    .publish = memory_publish,
    .ask = memory_ask,
    .store = memory_store,
    .get = memory_get,
    .ensure_stream = memory_ensure_stream,
    .is_up = memory_is_up,
    .free = memory_free,
};

static char *join(const char *prefix, const char *part)
{
    struct buffer text;

    buffer_init(&text, 256);
    buffer_append_text(&text, prefix);
    buffer_append_text(&text, part);
    return buffer_take(&text);
}

static enum err make_stores(struct bus_memory *bus, const struct bus_memory_options *options)
{
    enum err err = bus_shards_init(&bus->shards, options->prefix, "memory", options->shards);

    if (err != ERR_OK)
        return err;
    bus->stores = calloc(bus->shards.count, sizeof *bus->stores);
    if (!bus->stores)
        return ERR_NO_MEMORY;
    for (unsigned i = 0; i < bus->shards.count; i++)
        memory_store_init(&bus->stores[i], options->max_bytes / bus->shards.count);
    return ERR_OK;
}

enum err bus_memory_new(const struct bus_memory_options *options, const struct bus_callbacks *callbacks,
                        struct bus **ret_bus)
{
    struct bus_memory *bus = calloc(1, sizeof *bus);

    if (!bus)
        return ERR_NO_MEMORY;
    bus->base = (struct bus){.ops = &memory_ops, .shards = &bus->shards};
    if (callbacks)
        bus->callbacks = *callbacks;
    bus->created_s = clock_wall_ms() / 1000;
    pthread_mutex_init(&bus->lock, NULL);
    sem_init(&bus->work, 0, 0);
    inbox_init(&bus->queue, wake, &bus->work);
    bus->live = join(options->prefix, ".live.");
    enum err err = bus->live ? make_stores(bus, options) : ERR_NO_MEMORY;
    if (err == ERR_OK && pthread_create(&bus->thread, NULL, deliver, bus) != 0)
        err = ERR_IO;
    if (err != ERR_OK) {
        free_struct(bus);
        return err;
    }
    queue_event(bus, BUS_EVENT_UP);
    *ret_bus = &bus->base;
    return ERR_OK;
}
