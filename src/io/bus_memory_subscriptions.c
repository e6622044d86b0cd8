#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "bus_memory.h"

struct bus_subscription {
    struct task release;
    bus_receive receive;
    void *context;
    void (*released)(void *context);
    struct memory_interest *interest; /* under lock; NULL once unsubscribed */
    struct bus_subscription *prev, *next;
};

/* The subscriptions of one subject. */
struct memory_interest {
    UT_hash_handle hh;
    struct bus_subscription *subscriptions; /* utlist, owned */
    char subject[];
};

struct memory_message {
    struct bus_message base; /* first: what the receiver frees */
    struct task task;
    struct bus_subscription *subscription;
    size_t bytes;
    char text[]; /* subject, then data */
};

/* --- messages --- */

static void free_message(struct bus_message *message)
{
    free(message);
}

static void run_message(struct bus_memory *bus, struct task *task)
{
    struct memory_message *message =
        (struct memory_message *)((char *)task - offsetof(struct memory_message, task));
    struct bus_subscription *subscription = message->subscription;

    pthread_mutex_lock(&bus->lock);
    bus->queued_bytes -= message->bytes;
    if (bus->queued_bytes < MEMORY_QUEUE_MAX_BYTES / 2)
        bus->dropping = false;
    pthread_mutex_unlock(&bus->lock);
    subscription->receive(subscription->context, &message->base);
}

static void send_locked(struct bus_memory *bus, struct bus_subscription *subscription, struct slice subject,
                        struct slice data, uint64_t seq)
{
    size_t bytes = sizeof(struct memory_message) + subject.len + data.len;
    struct memory_message *message =
        bus->queued_bytes + bytes <= MEMORY_QUEUE_MAX_BYTES ? malloc(bytes) : NULL;

    if (!message) {
        memory_drop_locked(bus);
        return;
    }
    memcpy(message->text, subject.data, subject.len);
    if (data.len)
        memcpy(message->text + subject.len, data.data, data.len);
    message->subscription = subscription;
    message->bytes = bytes;
    message->base = (struct bus_message){
        .context = subscription->context,
        .subject = {message->text, subject.len},
        .data = {message->text + subject.len, data.len},
        .stream_seq = seq,
        .free = free_message,
    };
    bus->queued_bytes += bytes;
    memory_queue(bus, &message->task, run_message);
}

void memory_fan_out_locked(struct bus_memory *bus, struct slice subject, struct slice data, uint64_t seq)
{
    struct memory_interest *interest;
    struct bus_subscription *subscription;

    HASH_FIND(hh, bus->interests, subject.data, subject.len, interest);
    if (interest)
        DL_FOREACH(interest->subscriptions, subscription)
    send_locked(bus, subscription, subject, data, seq);
}

enum err memory_publish(struct bus *base, const char *subject, struct slice data)
{
    struct bus_memory *bus = (struct bus_memory *)base;
    enum err err = ERR_OK;

    pthread_mutex_lock(&bus->lock);
    if (bus->stopping)
        err = ERR_UNAVAILABLE;
    else
        memory_fan_out_locked(bus, slice_of(subject), data, 0);
    pthread_mutex_unlock(&bus->lock);
    return err;
}

/* --- subscriptions --- */

static struct memory_interest *interest_locked(struct bus_memory *bus, const char *subject)
{
    size_t len = strlen(subject);
    struct memory_interest *interest;

    HASH_FIND(hh, bus->interests, subject, len, interest);
    if (interest)
        return interest;
    interest = calloc(1, sizeof *interest + len + 1);
    if (!interest)
        return NULL;
    memcpy(interest->subject, subject, len + 1);
    HASH_ADD_KEYPTR(hh, bus->interests, interest->subject, len, interest);
    if (!interest->hh.tbl) {
        free(interest);
        return NULL;
    }
    return interest;
}

static void leave_locked(struct bus_memory *bus, struct bus_subscription *subscription)
{
    struct memory_interest *interest = subscription->interest;

    DL_DELETE(interest->subscriptions, subscription);
    subscription->interest = NULL;
    if (!interest->subscriptions) {
        HASH_DEL(bus->interests, interest);
        free(interest);
    }
}

enum err memory_subscribe(struct bus *base, const char *subject, bus_receive receive, void *context,
                          struct bus_subscription **ret_subscription)
{
    struct bus_memory *bus = (struct bus_memory *)base;
    struct bus_subscription *subscription = calloc(1, sizeof *subscription);
    enum err err = subscription ? ERR_OK : ERR_NO_MEMORY;

    pthread_mutex_lock(&bus->lock);
    if (bus->stopping)
        err = ERR_BUSY;
    if (err == ERR_OK && !(subscription->interest = interest_locked(bus, subject)))
        err = ERR_NO_MEMORY;
    if (err == ERR_OK) {
        subscription->receive = receive;
        subscription->context = context;
        DL_APPEND(subscription->interest->subscriptions, subscription);
        *ret_subscription = subscription;
    }
    pthread_mutex_unlock(&bus->lock);
    if (err != ERR_OK)
        free(subscription);
    return err;
}

/* All messages of the subscription stood before this in the queue. */
static void run_release(struct bus_memory *bus, struct task *task)
{
    struct bus_subscription *subscription = (struct bus_subscription *)task;

    (void)bus;
    if (subscription->released)
        subscription->released(subscription->context);
    free(subscription);
}

void memory_unsubscribe(struct bus *base, struct bus_subscription *subscription,
                        void (*released)(void *context))
{
    struct bus_memory *bus = (struct bus_memory *)base;

    pthread_mutex_lock(&bus->lock);
    leave_locked(bus, subscription);
    subscription->released = released;
    memory_queue(bus, &subscription->release, run_release);
    pthread_mutex_unlock(&bus->lock);
}

/* Those that their owners still hold. */
void memory_free_subscriptions(struct bus_memory *bus)
{
    struct memory_interest *interest, *next;
    struct bus_subscription *subscription;

    HASH_ITER(hh, bus->interests, interest, next)
    {
        while ((subscription = interest->subscriptions) != NULL) {
            DL_DELETE(interest->subscriptions, subscription);
            free(subscription);
        }
        HASH_DEL(bus->interests, interest);
        free(interest);
    }
}
