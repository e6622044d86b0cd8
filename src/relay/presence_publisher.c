#include "presence_publisher.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/inbox.h>
#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>
#include <roomcast/io/redis_client.h>

#include "backoff.h"
#include "source.h"
#include "wakeup.h"

#define LOG_EVERY_MS 1000
#define WAIT_MS      1000u

struct parcel {
    struct inbox_item item; /* first */
    size_t len;
    char text[];
};

struct presence_publisher {
    struct redis_client *redis; /* the thread's */
    struct wakeup wakeup;
    struct inbox inbox;
    atomic_size_t waiting;
    atomic_bool ending;
    pthread_t thread;
    bool started;
    /* the thread's */
    struct parcel *next; /* taken, not sent */
    struct backoff backoff;
};

static void note_dropped(const char *reason)
{
    static struct log_limit limit = LOG_LIMIT(LOG_EVERY_MS);
    uint64_t suppressed;
    metrics_inc(METRIC_RELAY_PRESENCE_DROPPED);
    if (log_limit_pass(&limit, clock_monotonic_ms(), &suppressed))
        log_warn("presence_dropped", LOG_TEXT("reason", reason), LOG_U64("suppressed", suppressed));
}

/* --- the thread --- */

static struct parcel *take(struct presence_publisher *publisher)
{
    if (!publisher->next)
        publisher->next = (struct parcel *)(void *)inbox_take(&publisher->inbox);
    return publisher->next;
}

static void done(struct presence_publisher *publisher, struct parcel *parcel)
{
    publisher->next = (struct parcel *)(void *)parcel->item.next;
    free(parcel);
    atomic_fetch_sub(&publisher->waiting, 1);
}

static bool connected(struct presence_publisher *publisher)
{
    uint64_t now_ms = clock_monotonic_ms();
    if (redis_client_is_connected(publisher->redis))
        return true;
    if (backoff_left(&publisher->backoff, now_ms) > 0)
        return false;
    if (redis_client_connect(publisher->redis) == ERR_OK) {
        backoff_succeed(&publisher->backoff);
        return true;
    }
    backoff_fail(&publisher->backoff, clock_monotonic_ms());
    return false;
}

static void publish(struct presence_publisher *publisher, struct parcel *parcel)
{
    struct slice text = {parcel->text, parcel->len};
    if (redis_publish(publisher->redis, PRESENCE_CHANNEL, text) == ERR_OK)
        metrics_inc(METRIC_RELAY_PRESENCE_PUBLISHED);
    else
        note_dropped(redis_client_problem(publisher->redis));
}

static void *run(void *context)
{
    struct presence_publisher *publisher = context;
    for (;;) {
        struct parcel *parcel = take(publisher);
        bool ending = atomic_load(&publisher->ending);
        if (parcel && connected(publisher)) {
            publish(publisher, parcel);
            done(publisher, parcel);
        } else if (ending) {
            break;
        } else {
            uint64_t left_ms = backoff_left(&publisher->backoff, clock_monotonic_ms());
            wakeup_wait(&publisher->wakeup, parcel && left_ms > 0 ? left_ms : WAIT_MS);
        }
    }
    return NULL;
}

/* --- everybody's --- */

void presence_publisher_send(struct presence_publisher *publisher, struct slice text)
{
    struct parcel *parcel = NULL;
    bool is_full = atomic_fetch_add(&publisher->waiting, 1) >= PRESENCE_QUEUE_MAX;
    if (!is_full)
        parcel = malloc(sizeof *parcel + text.len);
    if (!parcel) {
        atomic_fetch_sub(&publisher->waiting, 1);
        note_dropped(is_full ? "too many wait for Redis" : "out of memory");
        return;
    }
    parcel->len = text.len;
    memcpy(parcel->text, text.data, text.len);
    if (!inbox_put(&publisher->inbox, &parcel->item))
        abort(); /* it is never closed */
}

enum err presence_publisher_new(const char *redis_url, struct presence_publisher **ret_publisher,
                                char *problem)
{
    struct presence_publisher *publisher = calloc(1, sizeof *publisher);
    const struct redis_options options = {
        .url = redis_url,
        .connect_timeout_ms = SOURCE_CONNECT_TIMEOUT_MS,
        .command_timeout_ms = SOURCE_COMMAND_TIMEOUT_MS,
    };
    if (!publisher)
        return ERR_NO_MEMORY;
    wakeup_init(&publisher->wakeup);
    inbox_init(&publisher->inbox, wakeup_raise, &publisher->wakeup);
    enum err err = redis_client_new(&options, &publisher->redis, problem);
    if (err == ERR_OK && pthread_create(&publisher->thread, NULL, run, publisher) != 0)
        err = ERR_IO;
    if (err != ERR_OK) {
        presence_publisher_free(&publisher);
        return err;
    }
    publisher->started = true;
    *ret_publisher = publisher;
    return ERR_OK;
}

void presence_publisher_free(struct presence_publisher **pointer)
{
    struct presence_publisher *publisher = *pointer;
    if (!publisher)
        return;
    atomic_store(&publisher->ending, true);
    wakeup_raise(&publisher->wakeup);
    if (publisher->started)
        pthread_join(publisher->thread, NULL);
    while (take(publisher)) {
        note_dropped("the relay ends");
        done(publisher, publisher->next);
    }
    redis_client_free(&publisher->redis);
    inbox_fini(&publisher->inbox);
    wakeup_fini(&publisher->wakeup);
    free(publisher);
    *pointer = NULL;
}
