/* The bus inside one process, seen from inside.
 *
 *   bus_memory.c                making and freeing, the queue and its thread
 *   bus_memory_subscriptions.c  subscriptions, messages, signals
 *   bus_memory_asks.c           questions and their answers
 *   bus_memory_events.c         store and get
 *   bus_memory_store.c          what is stored
 *
 * Whatever is asked takes effect at once, under the lock; whatever has to be told (messages, answers,
 * releases, events) goes, still under the lock, into one queue to one thread. So a message stored after
 * bus_last() stands behind its answer, and a release behind the last message. */
#ifndef ROOMCAST_IO_BUS_MEMORY_H
#define ROOMCAST_IO_BUS_MEMORY_H

#include <pthread.h>
#include <semaphore.h>

#include "bus_adapter.h"
#include "bus_memory_store.h"
#include "bus_shards.h"

/* Messages waiting for the thread; more are dropped and reported, as the NATS client does. */
#define MEMORY_QUEUE_MAX_BYTES (64u * 1024 * 1024)

struct bus_memory;
struct memory_interest;
struct memory_ask;

/* Something to be told; first in the struct that it is part of, which `run` frees. */
struct task {
    struct inbox_item item;
    void (*run)(struct bus_memory *bus, struct task *task);
};

struct bus_memory {
    struct bus base;
    struct bus_callbacks callbacks; /* immutable */
    uint64_t created_s;             /* immutable: Unix seconds */
    struct bus_shards shards;       /* immutable */
    char *live;                     /* immutable: "<prefix>.live." */
    pthread_t thread;
    struct inbox queue;
    sem_t work;

    pthread_mutex_t lock;
    /* under lock */
    struct memory_store *stores; /* of each shard; owned array */
    struct memory_interest *interests;
    size_t patterns;         /* interests whose last token is "*" */
    struct memory_ask *asks; /* utlist, owned: without an answer yet, earliest deadline first */
    uint64_t last_ask;
    size_t queued_bytes; /* of messages */
    bool dropping;       /* reported; until the queue is short again */
    bool stopping;
};

/* --- bus_memory.c --- */

/* Appends; the thread calls `run`. Never fails. */
void memory_queue(struct bus_memory *bus, struct task *task,
                  void (*run)(struct bus_memory *bus, struct task *task));
/* A message could not be queued: reported once until the queue is short again. */
void memory_drop_locked(struct bus_memory *bus);

/* --- bus_memory_subscriptions.c --- */

enum err memory_subscribe(struct bus *base, const char *subject, bus_receive receive, void *context,
                          struct bus_subscription **ret_subscription) MUST_CHECK;
void memory_unsubscribe(struct bus *base, struct bus_subscription *subscription,
                        void (*released)(void *context));
enum err memory_publish(struct bus *base, const char *subject, struct slice data) MUST_CHECK;
/* `reply` NULL: none. False: nobody subscribes. */
bool memory_fan_out_locked(struct bus_memory *bus, struct slice subject, struct slice data, uint64_t seq,
                           const char *reply);
/* At the end. */
void memory_free_subscriptions(struct bus_memory *bus);

/* --- bus_memory_asks.c --- */

void memory_ask(struct bus *base, const char *subject, struct slice data, uint64_t timeout_ms,
                bus_ask_done done, void *context);
/* Whether `subject` is where an answer goes; it is taken, unless it comes too late. */
bool memory_answer_locked(struct bus_memory *bus, const char *subject, struct slice data);
/* Answers those whose deadline is not after `now_ms`. The next deadline; UINT64_MAX: none. */
uint64_t memory_expire_asks_locked(struct bus_memory *bus, uint64_t now_ms, const char *problem);

/* --- bus_memory_events.c --- */

void memory_store(struct bus *base, const struct bus_store_request *request, bus_store_done done,
                  void *context);
void memory_get(struct bus *base, const struct bus_get_request *request, bus_last_done done, void *context);

#endif
