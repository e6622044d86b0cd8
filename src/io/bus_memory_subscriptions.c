#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "bus_memory.h"

#define SUBJECT_MAX 256 /* bytes of one that bus_subscribe_below() may concern */

struct bus_subscription {
    struct task release;
    bus_receive receive;
    void *context;
    void (*released)(void *context);
    struct memory_interest *interest; /* under lock; NULL once unsubscribed */
    struct bus_subscription *prev, *next;
};

/* The subscriptions of one subject, or of all that match it: its last token may be "*". */
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
    char text[]; /* subject, data, and the reply with its NUL */
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
                        struct slice data, uint64_t seq, const char *reply)
{
    size_t reply_size = reply ? strlen(reply) + 1 : 0;
    size_t bytes = sizeof(struct memory_message) + subject.len + data.len + reply_size;
    struct memory_message *message =
        bus->queued_bytes + bytes <= MEMORY_QUEUE_MAX_BYTES ? malloc(bytes) : NULL;

    if (!message) {
        memory_drop_locked(bus);
        return;
    }
    memcpy(message->text, subject.data, subject.len);
    if (data.len)
        memcpy(message->text + subject.len, data.data, data.len);
    char *reply_at = message->text + subject.len + data.len;
    if (reply)
        memcpy(reply_at, reply, reply_size);
    message->subscription = subscription;
    message->bytes = bytes;
    message->base = (struct bus_message){
        .context = subscription->context,
        .subject = {message->text, subject.len},
        .data = {message->text + subject.len, data.len},
        .reply = reply ? reply_at : NULL,
        .stream_seq = seq,
        .free = free_message,
    };
    bus->queued_bytes += bytes;
    memory_queue(bus, &message->task, run_message);
}

static struct memory_interest *find_locked(struct bus_memory *bus, struct slice subject)
{
    struct memory_interest *interest;

    HASH_FIND(hh, bus->interests, subject.data, subject.len, interest);
    return interest;
}

/* "a.b.c": who subscribes to "a.b.*"? */
static struct memory_interest *find_pattern_locked(struct bus_memory *bus, struct slice subject)
{
    char pattern[SUBJECT_MAX];
    size_t len = subject.len;

    while (len > 0 && subject.data[len - 1] != '.')
        len--;
    if (bus->patterns == 0 || len == 0 || len >= sizeof pattern)
        return NULL;
    memcpy(pattern, subject.data, len);
    pattern[len] = '*';
    return find_locked(bus, (struct slice){pattern, len + 1});
}

bool memory_fan_out_locked(struct bus_memory *bus, struct slice subject, struct slice data, uint64_t seq,
                           const char *reply)
{
    struct memory_interest *const interests[] = {find_locked(bus, subject),
                                                 find_pattern_locked(bus, subject)};
    struct bus_subscription *subscription;

    for (size_t i = 0; i < 2; i++)
        if (interests[i])
            DL_FOREACH(interests[i]->subscriptions, subscription)
    send_locked(bus, subscription, subject, data, seq, reply);
    return interests[0] || interests[1];
}

enum err memory_publish(struct bus *base, const char *subject, struct slice data)
{
    struct bus_memory *bus = (struct bus_memory *)base;
    enum err err = ERR_OK;

    pthread_mutex_lock(&bus->lock);
    if (bus->stopping)
        err = ERR_UNAVAILABLE;
    else if (!memory_answer_locked(bus, subject, data))
        memory_fan_out_locked(bus, slice_of(subject), data, 0, NULL);
    pthread_mutex_unlock(&bus->lock);
    return err;
}

/* --- subscriptions --- */

static bool is_pattern(const struct memory_interest *interest)
{
    return interest->subject[strlen(interest->subject) - 1] == '*';
}

static struct memory_interest *interest_locked(struct bus_memory *bus, const char *subject)
{
    size_t len = strlen(subject);
    struct memory_interest *interest;

    interest = find_locked(bus, slice_of(subject));
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
    bus->patterns += is_pattern(interest);
    return interest;
}

static void leave_locked(struct bus_memory *bus, struct bus_subscription *subscription)
{
    struct memory_interest *interest = subscription->interest;

    DL_DELETE(interest->subscriptions, subscription);
    subscription->interest = NULL;
    if (!interest->subscriptions) {
        bus->patterns -= is_pattern(interest);
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
