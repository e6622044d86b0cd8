#include <stdlib.h>
#include <string.h>

#include <roomcast/base/buffer.h>

#include "bus_memory.h"

struct store_answer {
    struct task task;
    bus_store_done done;
    void *context;
    struct bus_store_result result;
};

struct last_answer {
    struct task task;
    bus_last_done done;
    void *context;
    struct bus_last_result result; /* its data is `data` */
    char data[];
};

static void run_store_answer(struct bus_memory *bus, struct task *task)
{
    struct store_answer *answer = (struct store_answer *)task;

    (void)bus;
    answer->done(answer->context, &answer->result);
    free(answer);
}

/* What JetStream's republish does. */
static void republish_locked(struct bus_memory *bus, const struct bus_store_request *request, uint64_t seq)
{
    struct buffer subject;

    buffer_init(&subject, SIZE_MAX / 2);
    buffer_append_text(&subject, bus->live);
    buffer_append_text(&subject, request->subject + strlen(bus->shards.events));
    if (buffer_failed(&subject))
        memory_drop_locked(bus);
    else
        memory_fan_out_locked(bus, buffer_slice(&subject), request->data, seq, NULL);
    buffer_fini(&subject);
}

static struct bus_store_result put_locked(struct bus_memory *bus, const struct bus_store_request *request)
{
    if (bus->stopping)
        return (struct bus_store_result){.status = BUS_UNAVAILABLE, .problem = "the bus is closed"};
    if (strncmp(request->subject, bus->shards.events, strlen(bus->shards.events)) != 0)
        return (struct bus_store_result){.status = BUS_UNAVAILABLE,
                                         .problem = "no stream takes this subject"};
    struct memory_store *store = &bus->stores[bus_shards_find(&bus->shards, request->subject)];
    struct bus_store_result result = memory_store_put(store, request);
    if (result.status == BUS_STORED)
        republish_locked(bus, request, result.stream_seq);
    return result;
}

void memory_store(struct bus *base, const struct bus_store_request *request, bus_store_done done,
                  void *context)
{
    struct bus_memory *bus = (struct bus_memory *)base;
    struct store_answer *answer = calloc(1, sizeof *answer);

    if (!answer) {
        struct bus_store_result result = {.status = BUS_UNAVAILABLE, .problem = "out of memory"};
        done(context, &result);
        return;
    }
    answer->done = done;
    answer->context = context;
    pthread_mutex_lock(&bus->lock);
    answer->result = put_locked(bus, request);
    memory_queue(bus, &answer->task, run_store_answer);
    pthread_mutex_unlock(&bus->lock);
}

static void run_last_answer(struct bus_memory *bus, struct task *task)
{
    struct last_answer *answer = (struct last_answer *)task;

    (void)bus;
    answer->done(answer->context, &answer->result);
    free(answer);
}

static const struct memory_event *find_locked(const struct bus_memory *bus,
                                              const struct bus_get_request *request)
{
    const struct memory_store *store = &bus->stores[request->shard];

    if (bus->stopping)
        return NULL;
    switch (request->kind) {
    case BUS_GET_LAST:
        return memory_store_last(store, request->subject);
    case BUS_GET_NEXT:
        return memory_store_next(store, request->subject, request->seq);
    case BUS_GET_AT_ANY: /* there is one copy */
    case BUS_GET_AT_LEADER:
        return memory_store_at(store, request->subject, request->seq);
    case BUS_GET_EXTENT:
        return NULL;
    }
    return NULL;
}

static struct last_answer *look_up_locked(struct bus_memory *bus, const struct bus_get_request *request)
{
    const struct memory_event *event = find_locked(bus, request);
    struct last_answer *answer = calloc(1, sizeof *answer + (event ? event->len : 0));

    if (!answer)
        return NULL;
    answer->result.status = bus->stopping ? BUS_LAST_UNAVAILABLE : BUS_LAST_NONE;
    if (request->kind == BUS_GET_EXTENT && !bus->stopping) {
        const struct memory_store *store = &bus->stores[request->shard];
        const struct memory_event *first = store->events;
        answer->result.status = BUS_LAST_FOUND;
        answer->result.extent = (struct bus_extent){.first_seq = first ? first->seq : store->last_seq + 1,
                                                    .last_seq = store->last_seq,
                                                    .created_s = bus->created_s,
                                                    .has_quorum = true};
    }
    if (event) {
        memcpy(answer->data, event->data, event->len);
        answer->result = (struct bus_last_result){
            .status = BUS_LAST_FOUND, .stream_seq = event->seq, .data = {answer->data, event->len}};
    }
    return answer;
}

void memory_get(struct bus *base, const struct bus_get_request *request, bus_last_done done, void *context)
{
    struct bus_memory *bus = (struct bus_memory *)base;

    pthread_mutex_lock(&bus->lock);
    struct last_answer *answer = look_up_locked(bus, request);
    if (answer) {
        answer->done = done;
        answer->context = context;
        memory_queue(bus, &answer->task, run_last_answer);
    }
    pthread_mutex_unlock(&bus->lock);
    if (!answer) {
        struct bus_last_result result = {.status = BUS_LAST_UNAVAILABLE};
        done(context, &result);
    }
}
