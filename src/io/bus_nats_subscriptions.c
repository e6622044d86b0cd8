/* natsSubscription_Destroy() while a message of that subscription is being read is a use after free: the
 * reading thread holds the object without a reference (nats.c 3.4.1, natsConn_processMsg; upstream 637). So a
 * subscription is ended in steps: natsSubscription_Unsubscribe() takes it out of the connection's table; a
 * flush, whose PONG comes through the same reading thread, proves that it let go; then it is destroyed.
 *
 * Its last callback is another matter: closing it puts a control message behind all its messages in the queue
 * of the delivery thread, which calls on_complete() for it and drops what it may still find (nats.c,
 * _deliverMsgs). This needs no connection. */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include <roomcast/base/clock.h>

#include "bus_nats.h"

#define REAP_COUNT   64 /* subscriptions that are enough for a flush of their own */
#define REAP_MS      50 /* how long fewer wait for others */
#define FLUSH_MS     500
#define FLUSH_GAP_MS 100

/* --- messages --- */

static void free_message(struct bus_message *base)
{
    struct nats_message *message = (struct nats_message *)base;

    nats_message_spent(message->msg);
    free(message);
}

/* What the server adds to a republished message: nats-server, server/stream.go. Not asked for in others:
 * nats.c takes all headers apart then, as many as a stranger has sent, on the thread that delivers
 * everything. */
static uint64_t read_stream_seq(natsMsg *msg)
{
    const char *text;
    uint64_t seq = 0;

    if (natsMsgHeader_Get(msg, "Nats-Sequence", &text) != NATS_OK || !text)
        return 0;
    for (; *text >= '0' && *text <= '9' && seq < UINT64_MAX / 10 - 1; text++)
        seq = seq * 10 + (uint64_t)(*text - '0');
    return *text == '\0' ? seq : 0;
}

/* Whoever publishes may put anything there. */
static const char *read_reply(natsMsg *msg)
{
    const char *reply = natsMsg_GetReply(msg);

    return reply && bus_is_subject(reply) ? reply : NULL;
}

static void on_message(natsConnection *connection, natsSubscription *wire, natsMsg *msg, void *closure)
{
    struct bus_subscription *subscription = closure;
    struct bus_nats *bus = subscription->bus;
    struct nats_message *message = malloc(sizeof *message);

    (void)connection;
    (void)wire;
    if (!message) {
        natsMsg_Destroy(msg);
        pthread_mutex_lock(&bus->lock);
        bus->dropped = true;
        bus_nats_kick_locked(bus);
        pthread_mutex_unlock(&bus->lock);
        return;
    }
    message->msg = msg;
    message->base = (struct bus_message){
        .context = subscription->context,
        .subject = slice_of(natsMsg_GetSubject(msg)),
        .data = {natsMsg_GetData(msg), (size_t)natsMsg_GetDataLength(msg)},
        .reply = read_reply(msg),
        .stream_seq = subscription->is_live ? read_stream_seq(msg) : 0,
        .free = free_message,
    };
    if (bus_nats_open(bus, message->base.subject, &message->base.data))
        subscription->receive(subscription->context, &message->base);
    else
        free_message(&message->base);
}

/* The lists that a subscription can be in, by its state. */
static struct bus_subscription **list_locked(struct bus_nats *bus, enum subscription_state state)
{
    switch (state) {
    case SUBSCRIPTION_WAITING:
        return &bus->waiting;
    case SUBSCRIPTION_ATTACHING:
    case SUBSCRIPTION_ATTACHED:
        return &bus->attached;
    case SUBSCRIPTION_ENDING:
        return &bus->ending;
    case SUBSCRIPTION_UNFLUSHED:
        return &bus->unflushed;
    case SUBSCRIPTION_FLUSHED:
        break;
    }
    return NULL;
}

static void move_locked(struct bus_subscription *subscription, enum subscription_state state)
{
    struct bus_nats *bus = subscription->bus;
    struct bus_subscription **from = list_locked(bus, subscription->state), **to = list_locked(bus, state);

    if (from)
        DL_DELETE(*from, subscription);
    if (to)
        DL_APPEND(*to, subscription);
    subscription->state = state;
}

/* Without a callback to come. `released`, when owed, is called outside the lock. */
static void free_released(struct bus_subscription *subscription)
{
    if (subscription->released)
        subscription->released(subscription->context);
    free(subscription);
}

/* --- the beginning --- */

static void end_locked(struct bus_subscription *subscription)
{
    struct bus_nats *bus = subscription->bus;

    if (bus->ending_count++ == 0)
        bus->ending_since_ms = clock_monotonic_ms();
    if (bus->ending_count == 1 || bus->ending_count == REAP_COUNT)
        bus_nats_kick_locked(bus);
    move_locked(subscription, SUBSCRIPTION_ENDING);
}

/* On the library's delivery thread, once per attached subscription, after its last message. */
static void on_complete(void *closure)
{
    struct bus_subscription *subscription = closure;
    struct bus_nats *bus = subscription->bus;
    void (*released)(void *context) = NULL;
    void *context = subscription->context;

    pthread_mutex_lock(&bus->lock);
    subscription->complete = true;
    if (subscription->state >= SUBSCRIPTION_ENDING) {
        released = subscription->released;
        subscription->released = NULL;
    }
    if (subscription->state == SUBSCRIPTION_FLUSHED)
        free(subscription);
    pthread_mutex_unlock(&bus->lock);
    if (released)
        released(context);

    pthread_mutex_lock(&bus->lock);
    if (--bus->wires == 0)
        pthread_cond_broadcast(&bus->settled);
    pthread_mutex_unlock(&bus->lock);
}

/* From SUBSCRIPTION_ATTACHING, counted in `users` and `wires`, on to ATTACHED, or back to WAITING when the
 * connection has just been closed for good. */
static natsStatus attach(struct bus_subscription *subscription)
{
    struct bus_nats *bus = subscription->bus;
    natsSubscription *wire = NULL;
    natsStatus s =
        natsConnection_Subscribe(&wire, bus->connection, subscription->subject, on_message, subscription);

    if (s == NATS_OK && natsSubscription_SetOnCompleteCB(wire, on_complete, subscription) != NATS_OK) {
        natsSubscription_Destroy(wire);
        wire = NULL;
        s = NATS_CONNECTION_CLOSED;
    }
    pthread_mutex_lock(&bus->lock);
    subscription->wire = wire;
    if (s != NATS_OK)
        bus->wires--;
    move_locked(subscription, wire ? SUBSCRIPTION_ATTACHED : SUBSCRIPTION_WAITING);
    if (subscription->unwanted)
        end_locked(subscription);
    bus->users--;
    pthread_cond_broadcast(&bus->settled);
    pthread_mutex_unlock(&bus->lock);
    return s;
}

static void begin_attach_locked(struct bus_subscription *subscription)
{
    move_locked(subscription, SUBSCRIPTION_ATTACHING);
    subscription->bus->users++;
    subscription->bus->wires++;
}

/* "<prefix>.live..." */
static bool is_live(const struct bus_nats *bus, const char *subject)
{
    size_t len = strlen(bus->prefix);
    return strncmp(subject, bus->prefix, len) == 0 && strncmp(subject + len, ".live.", 6) == 0;
}

enum err nats_subscribe(struct bus *base, const char *subject, bus_receive receive, void *context,
                        struct bus_subscription **ret_subscription)
{
    struct bus_nats *bus = (struct bus_nats *)base;
    size_t size = strlen(subject) + 1;
    struct bus_subscription *subscription = calloc(1, sizeof *subscription + size);

    if (!subscription)
        return ERR_NO_MEMORY;
    subscription->bus = bus;
    subscription->receive = receive;
    subscription->context = context;
    memcpy(subscription->subject, subject, size);
    subscription->is_live = is_live(bus, subject);

    pthread_mutex_lock(&bus->lock);
    if (bus->stopping) {
        pthread_mutex_unlock(&bus->lock);
        free(subscription);
        return ERR_BUSY;
    }
    subscription->state = SUBSCRIPTION_WAITING;
    DL_APPEND(bus->waiting, subscription);
    bool now = bus->state == LINK_UP;
    if (now)
        begin_attach_locked(subscription);
    pthread_mutex_unlock(&bus->lock);
    if (now)
        attach(subscription);
    *ret_subscription = subscription;
    return ERR_OK;
}

void subscriptions_attach(struct bus_nats *bus)
{
    pthread_mutex_lock(&bus->lock);
    while (bus->waiting && (bus->state == LINK_CONNECTED || bus->state == LINK_UP)) {
        struct bus_subscription *subscription = bus->waiting;
        begin_attach_locked(subscription);
        pthread_mutex_unlock(&bus->lock);
        natsStatus s = attach(subscription);
        pthread_mutex_lock(&bus->lock);
        if (s != NATS_OK)
            break;
    }
    pthread_mutex_unlock(&bus->lock);
}

/* --- the end --- */

void nats_unsubscribe(struct bus *base, struct bus_subscription *subscription,
                      void (*released)(void *context))
{
    struct bus_nats *bus = (struct bus_nats *)base;

    pthread_mutex_lock(&bus->lock);
    subscription->released = released;
    if (subscription->state == SUBSCRIPTION_ATTACHING)
        subscription->unwanted = true;
    else
        end_locked(subscription);
    pthread_mutex_unlock(&bus->lock);
}

uint64_t subscriptions_reap_at_locked(const struct bus_nats *bus)
{
    uint64_t at_ms = UINT64_MAX;

    if (bus->ending_count >= REAP_COUNT)
        at_ms = 0;
    else if (bus->ending_count > 0)
        at_ms = bus->ending_since_ms + REAP_MS;
    if (bus->unflushed && bus->state == LINK_UP && bus->flush_at_ms < at_ms)
        at_ms = bus->flush_at_ms;
    return at_ms;
}

static void unsubscribe_ending(struct bus_nats *bus)
{
    pthread_mutex_lock(&bus->lock);
    while (bus->ending) {
        struct bus_subscription *subscription = bus->ending;
        natsSubscription *wire = subscription->wire;
        void (*released)(void *context) = NULL;
        void *context = subscription->context;

        bus->ending_count--;
        if (wire)
            move_locked(subscription, SUBSCRIPTION_UNFLUSHED);
        else
            DL_DELETE(bus->ending, subscription);
        if (subscription
                ->complete) { /* on_complete() came before the unsubscribe, with the connection's end */
            released = subscription->released;
            subscription->released = NULL;
        }
        pthread_mutex_unlock(&bus->lock);
        if (!wire)
            free_released(subscription);
        else if (released)
            released(context);
        else
            natsSubscription_Unsubscribe(wire);
        pthread_mutex_lock(&bus->lock);
    }
    pthread_mutex_unlock(&bus->lock);
}

static void destroy_flushed(struct bus_nats *bus)
{
    pthread_mutex_lock(&bus->lock);
    while (bus->unflushed) {
        struct bus_subscription *subscription = bus->unflushed;
        natsSubscription *wire = subscription->wire;

        subscription->wire = NULL;
        move_locked(subscription, SUBSCRIPTION_FLUSHED);
        if (subscription->complete)
            free(subscription); /* else on_complete() does */
        pthread_mutex_unlock(&bus->lock);
        natsSubscription_Destroy(wire);
        pthread_mutex_lock(&bus->lock);
    }
    pthread_mutex_unlock(&bus->lock);
}

/* While the connection is down nothing is flushed; the rest waits for the next time. */
void subscriptions_reap(struct bus_nats *bus, uint64_t now_ms)
{
    pthread_mutex_lock(&bus->lock);
    bool due = subscriptions_reap_at_locked(bus) <= now_ms;
    pthread_mutex_unlock(&bus->lock);
    if (!due)
        return;
    unsubscribe_ending(bus);
    pthread_mutex_lock(&bus->lock);
    bool flush = bus->unflushed && bus->state == LINK_UP && bus->flush_at_ms <= now_ms;
    pthread_mutex_unlock(&bus->lock);
    if (!flush)
        return;
    if (natsConnection_FlushTimeout(bus->connection, FLUSH_MS) == NATS_OK)
        destroy_flushed(bus);
    else
        bus->flush_at_ms = clock_monotonic_ms() + FLUSH_GAP_MS;
}

void subscriptions_detach(struct bus_nats *bus)
{
    struct bus_subscription *subscription;

    destroy_flushed(bus);
    pthread_mutex_lock(&bus->lock);
    DL_FOREACH(bus->ending, subscription)
    {
        natsSubscription_Destroy(subscription->wire);
        subscription->wire = NULL;
    }
    while (bus->attached) {
        subscription = bus->attached;
        natsSubscription_Destroy(subscription->wire);
        subscription->wire = NULL;
        subscription->complete = false;
        move_locked(subscription, SUBSCRIPTION_WAITING);
    }
    pthread_mutex_unlock(&bus->lock);
}

void subscriptions_free(struct bus_nats *bus)
{
    struct bus_subscription *subscription, *next;

    unsubscribe_ending(bus);
    DL_FOREACH_SAFE(bus->waiting, subscription, next)
    free(subscription);
    bus->waiting = NULL;
}
