#include "presence_publisher.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/inbox.h>
#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>
#include <roomcast/io/redis_client.h>
#include <roomcast/wire/json_text.h>

#include "backoff.h"
#include "source.h"
#include "wakeup.h"

#define LOG_EVERY_MS 1000
#define WAIT_MS      1000u
/* What another relay had to publish is kept until it would have been replaced, had it died before. */
#define RECENT_LEASES 3
#define RECENT_MS     1000u
#define RECENT_MAX    10000u
#define EVENT_MAX     4096

struct parcel {
    struct inbox_item item; /* first */
    size_t len;
    char text[];
};

/* A change that was heard while another relay was to publish it. */
struct recent {
    struct room_key chat, user;
    bool online;
    uint64_t heard_ms, heard_wall_ms;
    struct recent *prev, *next;
};

struct presence_publisher {
    const struct config *config;
    struct tenure *tenure;
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
    /* the caller's */
    struct recent *recent; /* owned: not published, the oldest first; none while this relay is active */
    size_t recent_count;
    struct buffer event;
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

/* --- the caller's --- */

static void send(struct presence_publisher *publisher, struct slice text)
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

static void write_event(struct buffer *out, const struct room_key *chat, const struct room_key *user,
                        bool online, uint64_t wall_ms)
{
    struct uuid id;
    char text[UUID_TEXT_SIZE], at[CLOCK_TEXT_SIZE];
    uuid_generate_random(&id);
    uuid_format(&id, text);
    clock_format(wall_ms, at);
    buffer_clear(out);
    buffer_appendf(out,
                   "{\"id\":\"%s\",\"event_type\":\"presence.changed\",\"aggregate_id\":\"%s\","
                   "\"aggregate_type\":\"chat\",\"occurred_at\":\"%s\",\"version\":1,\"metadata\":{},"
                   "\"payload\":{\"chat_id\":\"%s\",\"user_id\":",
                   text, chat->name, at, chat->name);
    json_append_string(out, room_key_name(user));
    buffer_appendf(out, ",\"is_online\":%s}}", online ? "true" : "false");
}

static void tell_now(struct presence_publisher *publisher, const struct room_key *chat,
                     const struct room_key *user, bool online, uint64_t wall_ms)
{
    write_event(&publisher->event, chat, user, online, wall_ms);
    if (!buffer_failed(&publisher->event))
        send(publisher, buffer_slice(&publisher->event));
}

static void remove_oldest(struct presence_publisher *publisher)
{
    struct recent *oldest = publisher->recent;
    DL_DELETE(publisher->recent, oldest);
    publisher->recent_count--;
    free(oldest);
}

/* By now the other relay has published it, or this one would have taken over. */
static void forget_old(struct presence_publisher *publisher, uint64_t now_ms)
{
    uint64_t kept_ms = RECENT_LEASES * publisher->config->relay_lease_ms + RECENT_MS;
    while (publisher->recent &&
           (now_ms - publisher->recent->heard_ms > kept_ms || publisher->recent_count > RECENT_MAX))
        remove_oldest(publisher);
}

static void keep(struct presence_publisher *publisher, const struct room_key *chat,
                 const struct room_key *user, bool online, uint64_t now_ms)
{
    struct recent *recent = malloc(sizeof *recent);
    if (!recent) {
        note_dropped("out of memory");
        return;
    }
    *recent = (struct recent){
        .chat = *chat, .user = *user, .online = online, .heard_ms = now_ms, .heard_wall_ms = clock_wall_ms()};
    DL_APPEND(publisher->recent, recent);
    publisher->recent_count++;
    forget_old(publisher, now_ms);
}

static void publish_recent(struct presence_publisher *publisher, uint64_t now_ms)
{
    forget_old(publisher, now_ms);
    while (publisher->recent) {
        const struct recent *next = publisher->recent;
        tell_now(publisher, &next->chat, &next->user, next->online, next->heard_wall_ms);
        remove_oldest(publisher);
    }
}

void presence_publisher_run(struct presence_publisher *publisher, uint64_t now_ms)
{
    if (tenure_is_valid(publisher->tenure))
        publish_recent(publisher, now_ms);
}

void presence_publisher_tell(struct presence_publisher *publisher, const struct room_key *chat,
                             const struct room_key *user, bool online, uint64_t now_ms)
{
    if (tenure_is_valid(publisher->tenure)) {
        publish_recent(publisher, now_ms);
        tell_now(publisher, chat, user, online, clock_wall_ms());
    } else {
        keep(publisher, chat, user, online, now_ms);
    }
}

enum err presence_publisher_new(const struct config *config, struct tenure *tenure,
                                struct presence_publisher **ret_publisher, char *problem)
{
    struct presence_publisher *publisher = calloc(1, sizeof *publisher);
    const struct redis_options options = {
        .url = config->redis_url,
        .connect_timeout_ms = SOURCE_CONNECT_TIMEOUT_MS,
        .command_timeout_ms = SOURCE_COMMAND_TIMEOUT_MS,
    };
    if (!publisher)
        return ERR_NO_MEMORY;
    publisher->config = config;
    publisher->tenure = tenure;
    buffer_init(&publisher->event, EVENT_MAX);
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
    while (publisher->recent)
        remove_oldest(publisher);
    buffer_fini(&publisher->event);
    redis_client_free(&publisher->redis);
    inbox_fini(&publisher->inbox);
    wakeup_fini(&publisher->wakeup);
    free(publisher);
    *pointer = NULL;
}
