#include "bus_nats.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/condition.h>
#include <roomcast/base/log.h>
#include <roomcast/base/random.h>

#include "tls_exit.h"

#define LAST_FLUSH_MS    1000
#define LIBRARY_CLOSE_MS 5000

void bus_nats_kick_locked(struct bus_nats *bus)
{
    bus->kicked = true;
    pthread_cond_signal(&bus->work);
}

/* --- signals --- */

/* As natsConnection_Publish(), an event to the shard that holds its subject. */
static natsStatus publish_placed(const struct bus_nats *bus, natsConnection *connection, const char *subject,
                                 struct slice data)
{
    if (!bus_shards_moves(&bus->shards, subject))
        return natsConnection_Publish(connection, subject, data.data, (int)data.len);
    char *place = bus_shards_place(&bus->shards, bus_shards_find(&bus->shards, subject), subject);
    natsStatus s =
        place ? natsConnection_Publish(connection, place, data.data, (int)data.len) : NATS_NO_MEMORY;
    free(place);
    return s;
}

static enum err nats_publish(struct bus *base, const char *subject, struct slice data)
{
    struct bus_nats *bus = (struct bus_nats *)base;
    natsConnection *connection = link_get(bus);
    struct buffer sealed = {.data = NULL};
    natsStatus s;

    if (!connection)
        return ERR_UNAVAILABLE;
    if (data.len > INT32_MAX)
        s = NATS_MAX_PAYLOAD;
    else if (!bus_nats_seal(bus, subject, &data, &sealed))
        s = NATS_NO_MEMORY;
    else
        s = publish_placed(bus, connection, subject, data);
    link_put(bus);
    buffer_fini(&sealed);
    if (s == NATS_OK)
        return ERR_OK;
    return s == NATS_MAX_PAYLOAD ? ERR_TOO_BIG : ERR_UNAVAILABLE;
}

static bool nats_is_up(struct bus *base)
{
    struct bus_nats *bus = (struct bus_nats *)base;

    pthread_mutex_lock(&bus->lock);
    bool up = bus->state == LINK_UP;
    pthread_mutex_unlock(&bus->lock);
    return up;
}

/* --- elections --- */

/* Which server leads now does not matter to us. */
static void on_elected(void *context, struct bus_message *message)
{
    struct nats_elections *elections = context;
    struct bus_nats *bus = elections->bus;

    bus_message_free(&message);
    pthread_mutex_lock(&bus->lock);
    bus->elected |= UINT64_C(1) << (elections - bus->elections);
    bus_nats_kick_locked(bus);
    pthread_mutex_unlock(&bus->lock);
}

/* What the server tells of elections (server/jetstream_cluster.go, sendStreamLeaderElectAdvisory). */
static enum err subscribe_elections(struct bus_nats *bus, unsigned shard)
{
    struct nats_elections *elections = &bus->elections[shard];
    char subject[160];

    elections->bus = bus;
    snprintf(subject, sizeof subject, "$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED.%s",
             bus->shards.streams[shard]);
    return nats_subscribe(&bus->base, subject, on_elected, elections, &elections->subscription);
}

static enum err subscribe_own(struct bus_nats *bus)
{
    char subject[64];
    enum err err;

    snprintf(subject, sizeof subject, "%s.*", bus->inbox);
    err = nats_subscribe(&bus->base, subject, nats_on_answer, bus, &bus->inbox_subscription);
    for (unsigned i = 0; bus->callbacks.on_elected && i < bus->shards.count && err == ERR_OK; i++)
        err = subscribe_elections(bus, i);
    return err;
}

/* --- the keeper --- */

static void tell(struct bus_nats *bus, enum bus_event event)
{
    if (bus->callbacks.on_event)
        bus->callbacks.on_event(bus->callbacks.context, event);
}

static void report(struct bus_nats *bus)
{
    pthread_mutex_lock(&bus->lock);
    bool lost = bus->lost, dropped = bus->dropped, up = bus->state == LINK_UP;
    bus_shard_set elected = bus->elected;
    bus->lost = bus->dropped = false;
    bus->elected = 0;
    pthread_mutex_unlock(&bus->lock);

    if (lost)
        requests_fail_all(&bus->requests, BUS_UNKNOWN, "the connection was lost");
    if (lost && bus->reported_up) {
        bus->reported_up = false;
        tell(bus, BUS_EVENT_DOWN);
    }
    if (up && !bus->reported_up) {
        bus->reported_up = true;
        tell(bus, BUS_EVENT_UP);
    }
    if (dropped)
        tell(bus, BUS_EVENT_DROPPED);
    if (elected && bus->callbacks.on_elected)
        bus->callbacks.on_elected(bus->callbacks.context, &bus->base, elected);
}

/* Until something changes or is due; false when the bus is to be closed. */
static bool wait_for_work(struct bus_nats *bus)
{
    pthread_mutex_lock(&bus->lock);
    while (!bus->kicked) {
        uint64_t until_ms = subscriptions_reap_at_locked(bus);
        struct timespec until;

        if (bus->state == LINK_NONE && bus->open_at_ms < until_ms)
            until_ms = bus->open_at_ms;
        if (until_ms <= clock_monotonic_ms())
            break;
        until.tv_sec = (time_t)(until_ms / 1000);
        until.tv_nsec = (long)(until_ms % 1000) * 1000000;
        if (until_ms == UINT64_MAX)
            pthread_cond_wait(&bus->work, &bus->lock);
        else
            pthread_cond_timedwait(&bus->work, &bus->lock, &until);
    }
    bus->kicked = false;
    bool go_on = !bus->stopping;
    pthread_mutex_unlock(&bus->lock);
    return go_on;
}

static enum link_state link_state(struct bus_nats *bus)
{
    pthread_mutex_lock(&bus->lock);
    enum link_state state = bus->state;
    pthread_mutex_unlock(&bus->lock);
    return state;
}

static void *keep(void *arg)
{
    struct bus_nats *bus = arg;

    do {
        enum link_state state = link_state(bus);
        if (state == LINK_NONE && bus->open_at_ms <= clock_monotonic_ms())
            link_open(bus);
        if (state == LINK_CLOSED) {
            report(bus);
            link_close(bus);
        }
        subscriptions_attach(bus);
        link_finish(bus);
        report(bus);
        subscriptions_reap(bus, clock_monotonic_ms());
    } while (wait_for_work(bus));

    if (link_state(bus) == LINK_UP)
        natsConnection_FlushTimeout(bus->connection, LAST_FLUSH_MS);
    link_close(bus);
    subscriptions_free(bus);
    nats_ReleaseThreadMemory();
    return NULL;
}

/* --- making and freeing --- */

static void free_struct(struct bus_nats *bus)
{
    for (int i = 0; i < bus->urls_count; i++) {
        if (bus->urls[i])
            wipe(bus->urls[i], strlen(bus->urls[i]));
        free(bus->urls[i]);
    }
    free(bus->urls);
    free(bus->name);
    free(bus->prefix);
    bus_shards_fini(&bus->shards);
    pthread_cond_destroy(&bus->work);
    pthread_cond_destroy(&bus->settled);
    pthread_mutex_destroy(&bus->lock);
    free(bus);
}

/* The library itself stays until bus_nats_close_library(): other buses of the process use it, and it cannot
 * be opened again once closed while something of it is in use. */
static void nats_free(struct bus *base)
{
    struct bus_nats *bus = (struct bus_nats *)base;

    pthread_mutex_lock(&bus->lock);
    bus->stopping = true;
    bus_nats_kick_locked(bus);
    pthread_mutex_unlock(&bus->lock);
    pthread_join(bus->keeper, NULL);
    requests_stop(&bus->requests);
    free_struct(bus);
}

static const struct bus_ops nats_ops = {
    .subscribe = nats_subscribe,
    .unsubscribe = nats_unsubscribe,
    .publish = nats_publish,
    .ask = nats_ask,
    .store = nats_store,
    .get = nats_get,
    .ensure_stream = nats_ensure_stream,
    .is_up = nats_is_up,
    .free = nats_free,
};

static void init_sync(struct bus_nats *bus)
{
    pthread_mutex_init(&bus->lock, NULL);
    condition_init_monotonic(&bus->work);
    pthread_cond_init(&bus->settled, NULL);
}

static enum err copy_options(struct bus_nats *bus, const struct bus_nats_options *options)
{
    bus->name = strdup(options->name);
    bus->prefix = strdup(options->prefix);
    bus->urls = calloc(options->urls_count, sizeof *bus->urls);
    if (!bus->name || !bus->prefix || !bus->urls ||
        bus_shards_init(&bus->shards, options->prefix, options->stream, options->shards) != ERR_OK)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < options->urls_count; i++) {
        bus->urls[i] = strdup(options->urls[i]);
        bus->urls_count++;
        if (!bus->urls[i])
            return ERR_NO_MEMORY;
    }
    return ERR_OK;
}

static enum err check_urls(const struct bus_nats_options *options, bool *ret_secure, char *problem)
{
    if (options->urls_count == 0 || options->urls_count > 64) {
        snprintf(problem, BUS_PROBLEM_SIZE, "NATS needs 1 to 64 URLs");
        return ERR_CONFIG;
    }
    for (size_t i = 0; i < options->urls_count; i++) {
        bool secure;
        enum err err = bus_nats_url_check(options->urls[i], &secure, problem);
        if (err != ERR_OK)
            return err;
        *ret_secure = *ret_secure || secure;
    }
    return ERR_OK;
}

/* The threads, and the subscriptions of our own. */
static enum err start(struct bus_nats *bus)
{
    if (nats_Open(-1) != NATS_OK || nats_SetMessageDeliveryPoolSize(1) != NATS_OK)
        return ERR_IO;
    enum err err = subscribe_own(bus);
    if (err == ERR_OK)
        err = requests_start(&bus->requests);
    if (err == ERR_OK && pthread_create(&bus->keeper, NULL, keep, bus) != 0) {
        requests_stop(&bus->requests);
        err = ERR_IO;
    }
    if (err != ERR_OK)
        subscriptions_free(bus);
    return err;
}

enum err bus_nats_check(const struct bus_nats_options *options, char *problem)
{
    bool secure = false;
    enum err err = check_urls(options, &secure, problem);

    if (err != ERR_OK)
        return err;
    struct bus_nats *bus = calloc(1, sizeof *bus);
    if (!bus) {
        snprintf(problem, BUS_PROBLEM_SIZE, "%s", err_text(ERR_NO_MEMORY));
        return ERR_NO_MEMORY;
    }
    bus->secure = secure;
    bus->access = options->access;
    err = bus_nats_access_check(bus, problem);
    free(bus);
    return err;
}

static void choose_inbox(struct bus_nats *bus, const char *start)
{
    char random[INBOX_RANDOM + 1];

    assert(strlen(start) <= BUS_INBOX_MAX);
    random_text(random, INBOX_RANDOM);
    snprintf(bus->inbox, sizeof bus->inbox, "%s.%s", start, random);
}

enum err bus_nats_new(const struct bus_nats_options *options, const struct bus_callbacks *callbacks,
                      struct bus **ret_bus, char *problem)
{
    bool secure = false;
    enum err err = check_urls(options, &secure, problem);

    if (err != ERR_OK)
        return err;
    struct bus_nats *bus = calloc(1, sizeof *bus);
    if (!bus)
        return ERR_NO_MEMORY;
    bus->base = (struct bus){.ops = &nats_ops, .shards = &bus->shards};
    bus->secure = secure;
    bus->access = options->access;
    bus->send_at_once = options->send_at_once;
    if (callbacks)
        bus->callbacks = *callbacks;
    choose_inbox(bus, options->inbox ? options->inbox : "_INBOX");
    init_sync(bus);
    err = bus_nats_access_check(bus, problem);
    if (err == ERR_OK)
        err = copy_options(bus, options);
    if (err == ERR_OK)
        err = start(bus);
    if (err != ERR_OK) {
        free_struct(bus);
        return err;
    }
    *ret_bus = &bus->base;
    return ERR_OK;
}

void bus_nats_close_library(void)
{
    natsStatus s = nats_CloseAndWait(LIBRARY_CLOSE_MS);
    tls_forget_compression_methods();
    if (s != NATS_OK && s != NATS_NOT_INITIALIZED)
        log_warn("nats_library_not_closed", LOG_TEXT("problem", nats_status_text(s)));
}
