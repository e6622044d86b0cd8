#include <roomcast/relay/relay.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>
#include <roomcast/io/http_server.h>
#include <roomcast/io/loop.h>
#include <roomcast/wire/event_map.h>
#include <roomcast/wire/seal.h>
#include <roomcast/wire/server_message.h>

#include "admin_http.h"
#include "beat.h"
#include "console.h"
#include "intake.h"
#include "lanes.h"
#include "lease_driver.h"
#include "presence_feed.h"
#include "redis_watch.h"
#include "revoker.h"
#include "source_http.h"
#include "source_nats.h"
#include "source_pubsub.h"
#include "source_stream.h"
#include "streams.h"

#define NAME_SIZE        65
#define HTTP_CONNECTIONS 256
#define HTTP_TIMEOUT_S   30
#define LEASE_LEAST_MS   500  /* below that, ordinary delays of the network would let it lapse */
#define RELEASE_MS       1000 /* for the last record of the lease */

struct relay {
    const struct config *config;       /* borrowed */
    struct bus *bus, *revocations_bus; /* borrowed */
    char name[NAME_SIZE];
    struct event_map *map;
    struct intake intake;
    struct redis_watch watch;
    struct keeper *keeper, *revocations_keeper;
    struct loop *loop;
    struct loop_wake *end;
    pthread_t loop_thread;
    bool loop_started;
    struct tenure tenure;
    struct lanes *lanes;
    struct revoker *revoker;
    struct lease_driver *lease;
    struct beat *beat;
    struct presence_feed *presence; /* NULL: not configured */
    struct source_context sources;  /* what they all need */
    struct batches *batches;
    struct source_http http_source;
    struct source_nats *nats_source; /* NULL: not configured */
    struct source_stream *stream;    /* NULL: not configured */
    struct source_pubsub *pubsub;    /* NULL: not configured */
    struct relay_console *console;
    struct admin_http admin;
    struct http_server *server;
    atomic_bool stopping;
};

/* --- start --- */

enum err relay_event_map(const struct config *config, struct event_map **ret_map)
{
    struct event_rule *rules = calloc(config->events_count + 1, sizeof *rules);

    if (!rules)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < config->events_count; i++)
        rules[i] = (struct event_rule){
            .event = config->events[i].event,
            .type = config->events[i].type,
            .route = config->events[i].to_user ? ROUTE_TO_USER : ROUTE_TO_CHAT,
        };
    enum err err = event_map_new(rules, config->events_count, ret_map);
    free(rules);
    return err;
}

static enum err make_map(struct relay *relay)
{
    enum err err = relay_event_map(relay->config, &relay->map);
    relay->intake =
        (struct intake){.map = relay->map, .max_event_bytes = relay->config->relay_max_event_bytes};
    return err;
}

static void choose_name(struct relay *relay)
{
    snprintf(relay->name, sizeof relay->name, "%s", relay->config->node_name ? relay->config->node_name : "");
    if (relay->name[0] == '\0' && gethostname(relay->name, sizeof relay->name) != 0)
        relay->name[0] = '\0';
    relay->name[sizeof relay->name - 1] = '\0';
    if (relay->name[0] == '\0')
        snprintf(relay->name, sizeof relay->name, "relay");
}

static void end_loop(void *context)
{
    loop_stop(((struct relay *)context)->loop);
}

static void *run_loop(void *context)
{
    loop_run(((struct relay *)context)->loop);
    return NULL;
}

static enum err start_lanes(struct relay *relay)
{
    enum err err = loop_new(&relay->loop);

    if (err == ERR_OK)
        err = loop_wake_new(relay->loop, end_loop, relay, &relay->end);
    if (err != ERR_OK)
        return err;
    const struct lanes_options options = {
        .loop = relay->loop,
        .bus = relay->bus,
        .prefix = relay->config->nats_prefix,
        .tenure = &relay->tenure,
        .store_timeout_ms = relay->config->relay_store_timeout_ms,
        .on_unavailable = keeper_suspect,
        .context = relay->keeper,
    };
    return lanes_new(&options, &relay->lanes);
}

static enum err start_revoker(struct relay *relay)
{
    const struct revoker_options options = {
        .config = relay->config,
        .loop = relay->loop,
        .bus = relay->revocations_bus,
        .lanes = relay->lanes,
        .tenure = &relay->tenure,
        .on_unavailable = keeper_suspect,
        .context = relay->revocations_keeper,
    };
    return revoker_new(&options, &relay->revoker);
}

static void on_lost(void *context)
{
    struct relay *relay = context;

    lanes_abandon(relay->lanes);
    revoker_abandon(relay->revoker);
}

static void on_resumed(void *context)
{
    struct relay *relay = context;

    lanes_hurry(relay->lanes);
    revoker_hurry(relay->revoker);
}

static bool is_idle(void *context)
{
    struct relay *relay = context;

    return lanes_is_idle(relay->lanes) && revoker_is_idle(relay->revoker);
}

static enum err start_lease(struct relay *relay)
{
    const struct lease_driver_options options = {
        .loop = relay->loop,
        .bus = relay->bus,
        .prefix = relay->config->nats_prefix,
        .name = relay->name,
        .ttl_ms = relay->config->relay_lease_ms,
        .tenure = &relay->tenure,
        .on_lost = on_lost,
        .on_resumed = on_resumed,
        .is_idle = is_idle,
        .context = relay,
    };
    return lease_driver_new(&options, &relay->lease);
}

static enum err start_beat(struct relay *relay)
{
    const struct beat_options options = {
        .loop = relay->loop,
        .bus = relay->bus,
        .prefix = relay->config->nats_prefix,
        .name = relay->name,
        .listen = relay->config->relay_listen,
        .interval_ms = relay->config->cluster_heartbeat_ms,
        .tenure = &relay->tenure,
    };
    return beat_new(&options, &relay->beat);
}

static enum err start_presence(struct relay *relay, char *problem)
{
    const struct presence_feed_options options = {
        .config = relay->config,
        .bus = relay->bus,
        .instance = beat_instance(relay->beat),
        .tenure = &relay->tenure,
    };
    return relay->config->presence_publish ? presence_feed_new(&options, &relay->presence, problem) : ERR_OK;
}

static bool reads_patterns(const struct config *config)
{
    return config->redis_patterns.count > 0 && config->redis_patterns.items[0][0] != '\0';
}

static enum err start_sources(struct relay *relay, char *problem)
{
    relay->sources = (struct source_context){
        .config = relay->config,
        .intake = &relay->intake,
        .revoker = relay->revoker,
        .watch = &relay->watch,
        .tenure = &relay->tenure,
    };
    enum err err = batches_new(&relay->sources, relay->loop, &relay->batches);

    relay->http_source = (struct source_http){&relay->sources, relay->lease, relay->batches};
    if (err == ERR_OK && relay->config->relay_nats_requests)
        err = source_nats_new(&relay->sources, relay->bus, relay->batches, &relay->nats_source);
    if (err == ERR_OK && relay->config->redis_stream && relay->config->redis_stream[0])
        err = source_stream_new(&relay->sources, &relay->stream, problem);
    if (err == ERR_OK && reads_patterns(relay->config))
        err = source_pubsub_new(&relay->sources, &relay->pubsub, problem);
    if (err == ERR_OK)
        err = relay_console_new(&relay->sources, relay->bus, beat_instance(relay->beat), &relay->console,
                                problem);
    return err;
}

static enum err start_server(struct relay *relay, char *problem)
{
    char host[256];
    struct http_server_options options = {
        .host = host,
        .max_body_bytes = source_http_max_body(relay->config),
        .max_connections = HTTP_CONNECTIONS,
        .timeout_s = HTTP_TIMEOUT_S,
    };
    enum err err = config_split_address(relay->config->relay_listen, host, &options.port);

    if (err != ERR_OK) {
        snprintf(problem, 256, "relay.listen: %s", err_text(err));
        return err;
    }
    relay->admin = (struct admin_http){.relay = relay, .events = &relay->http_source};
    return http_server_new(&options, admin_http_handle, &relay->admin, &relay->server, problem);
}

static enum err start(struct relay *relay, char *problem)
{
    enum err err = make_map(relay);

    if (err == ERR_OK)
        err = streams_keep_events(relay->config, relay->bus, &relay->keeper);
    if (err == ERR_OK)
        err = streams_keep_revocations(relay->config, relay->revocations_bus, &relay->revocations_keeper);
    if (err == ERR_OK)
        err = start_lanes(relay);
    if (err == ERR_OK)
        err = start_revoker(relay);
    if (err == ERR_OK)
        err = start_lease(relay);
    if (err == ERR_OK)
        err = start_beat(relay);
    if (err == ERR_OK)
        err = start_presence(relay, problem);
    if (err == ERR_OK)
        err = start_sources(relay, problem);
    if (err == ERR_OK && pthread_create(&relay->loop_thread, NULL, run_loop, relay) != 0)
        err = ERR_IO;
    if (err != ERR_OK)
        return err;
    relay->loop_started = true;
    err = start_server(relay, problem);
    if (err == ERR_OK)
        beat_begin(relay->beat, http_server_port(relay->server));
    return err;
}

static void log_started(const struct relay *relay)
{
    const struct config *config = relay->config;

    log_info("relay_started", LOG_TEXT("name", relay->name),
             LOG_U64("http_port", http_server_port(relay->server)), LOG_TEXT("stream", config->stream_name),
             LOG_U64("shards", config->stream_shards),
             LOG_TEXT("redis_stream", relay->stream ? config->redis_stream : ""),
             LOG_TEXT("redis_group", relay->stream ? config->redis_group : ""),
             LOG_U64("redis_patterns", relay->pubsub ? config->redis_patterns.count : 0),
             LOG_TEXT("nats_requests", relay->nats_source ? "taken" : "not taken"));
}

const char *relay_check(const struct config *config)
{
    /* Each dead letter would be read as a bad event and become another one, and trimming would take good
     * events. */
    if (strcmp(config->redis_stream, config->redis_dead_stream) == 0)
        return "redis.dead_stream is the same as redis.stream: dead letters need a stream of their own";
    if (config->relay_lease_ms > 0 && config->relay_lease_ms < LEASE_LEAST_MS)
        return "relay.lease_ms must be 0 (this is the only relay) or at least 500";
    if (config->relay_nats_requests && config->nats_seal != SEAL_OFF)
        return "relay.nats_requests takes what is not sealed, and nats.seal says that not everybody on "
               "NATS is trusted: set the first to false and publish by Redis or HTTP, or the second to off";
    if (config->stream_max_bytes > 0 &&
        config->stream_max_bytes / config->stream_shards < config->relay_max_event_bytes)
        return "stream.max_bytes, divided by stream.shards, must hold an event of relay.max_event_bytes at "
               "least: raise the first";
    for (size_t i = 0; i < config->events_count; i++)
        if (server_says(slice_of(config->events[i].type)))
            return "events: a row has a type that nodes say of themselves (connected, ack, error, pong, "
                   "chat.typing, presence.changed, presence.state, unsubscribed or disconnect), so clients "
                   "would take the event for that: choose another type";
    return NULL;
}

enum err relay_start(const struct relay_options *options, struct relay **ret_relay, char *problem)
{
    struct relay *relay = calloc(1, sizeof *relay);

    problem[0] = '\0';
    if (!relay) {
        snprintf(problem, 256, "%s", err_text(ERR_NO_MEMORY));
        return ERR_NO_MEMORY;
    }
    relay->config = options->config;
    relay->bus = options->bus;
    relay->revocations_bus = options->revocations_bus;
    tenure_init(&relay->tenure);
    redis_watch_init(&relay->watch, options->redis_optional);
    choose_name(relay);
    enum err err = start(relay, problem);
    if (err != ERR_OK) {
        if (problem[0] == '\0')
            snprintf(problem, 256, "%s", err_text(err));
        relay_stop(&relay, 0);
        return err;
    }
    log_started(relay);
    *ret_relay = relay;
    return ERR_OK;
}

/* --- while it runs --- */

void relay_on_bus_event(struct relay *relay, enum bus_event event)
{
    if (event == BUS_EVENT_UP) {
        keeper_suspect(relay->keeper); /* other servers may have come than went */
        lanes_hurry(relay->lanes);     /* there is somebody again who stores */
    }
    if (relay->presence && (event == BUS_EVENT_UP || event == BUS_EVENT_DROPPED))
        presence_feed_suspect(relay->presence);
}

void relay_on_revocations_bus_event(struct relay *relay, enum bus_event event)
{
    if (event == BUS_EVENT_UP) {
        keeper_suspect(relay->revocations_keeper);
        revoker_hurry(relay->revoker);
    }
}

void relay_on_elected(struct relay *relay)
{
    lanes_hurry(relay->lanes);
}

void relay_on_revocations_elected(struct relay *relay)
{
    revoker_hurry(relay->revoker);
}

static bool lease_ready(enum lease_status_kind kind, struct buffer *missing)
{
    if (kind == LEASE_STATUS_UNKNOWN)
        buffer_append_text(missing, "lease: it is not known yet which relay is active\n");
    else if (kind == LEASE_STATUS_PAUSED)
        buffer_append_text(missing, "lease: it cannot be renewed\n");
    return kind == LEASE_STATUS_STANDBY || kind == LEASE_STATUS_ACTIVE;
}

/* In the moment after it has become the active one, Pub/Sub's source has not seen it yet; from then on its
 * connection stands in the watch. */
static bool redis_ready(struct relay *relay, enum lease_status_kind kind, struct buffer *missing)
{
    bool ready = kind != LEASE_STATUS_ACTIVE || !relay->pubsub || relay->watch.optional ||
                 source_pubsub_is_at_work(relay->pubsub);

    if (!ready)
        buffer_append_text(missing, "redis (pubsub): not connected yet\n");
    return redis_watch_ready(&relay->watch, missing) && ready;
}

bool relay_ready(struct relay *relay, struct buffer *missing, bool *ret_standby)
{
    struct lease_status status;
    bool ready = true;

    lease_driver_status(relay->lease, &status); /* once: all that follows is of this moment */
    *ret_standby = status.kind == LEASE_STATUS_STANDBY;
    if (atomic_load(&relay->stopping)) {
        buffer_append_text(missing, "stopping\n");
        return false;
    }
    if (!bus_is_up(relay->bus) || !bus_is_up(relay->revocations_bus)) {
        buffer_append_text(missing, "nats: not connected\n");
        ready = false;
    } else if (!keeper_ready(relay->keeper, missing) || !keeper_ready(relay->revocations_keeper, missing) ||
               !lease_ready(status.kind, missing)) {
        ready = false;
    } else if (relay->nats_source && !source_nats_is_ready(relay->nats_source)) {
        buffer_append_text(missing, "nats: requests are not heard yet (relay.nats_requests)\n");
        ready = false;
    }
    return redis_ready(relay, status.kind, missing) && ready;
}

uint16_t relay_http_port(const struct relay *relay)
{
    return http_server_port(relay->server);
}

/* --- stop --- */

static void stop_reading(struct relay *relay, uint64_t deadline_ms)
{
    atomic_store(&relay->stopping, true);
    if (relay->batches)
        batches_stop(relay->batches);
    if (relay->nats_source)
        source_nats_stop(relay->nats_source);
    if (relay->stream)
        source_stream_stop(relay->stream, deadline_ms);
    if (relay->pubsub)
        source_pubsub_stop(relay->pubsub, deadline_ms);
}

static void wait_for_sources(struct relay *relay, uint64_t deadline_ms)
{
    if (relay->stream)
        source_stream_join(relay->stream);
    if (relay->pubsub)
        source_pubsub_join(relay->pubsub);
    if (relay->batches)
        batches_join(relay->batches, deadline_ms);
}

static void stop_loop(struct relay *relay)
{
    if (!relay->loop_started)
        return;
    loop_wake_send(relay->end);
    pthread_join(relay->loop_thread, NULL);
    relay->loop_started = false;
}

void relay_stop(struct relay **pointer, uint64_t timeout_ms)
{
    struct relay *relay = *pointer;

    if (!relay)
        return;
    uint64_t deadline = clock_monotonic_ms() + timeout_ms;
    stop_reading(relay, deadline);
    relay_console_stop(relay->console);
    if (relay->keeper)
        keeper_stop(relay->keeper);
    if (relay->revocations_keeper)
        keeper_stop(relay->revocations_keeper);
    wait_for_sources(relay, deadline);
    if (relay->loop_started)
        lease_driver_release(relay->lease, timeout_ms < RELEASE_MS ? timeout_ms : RELEASE_MS);
    stop_loop(relay);
    presence_feed_free(&relay->presence); /* while the tenure is valid: it tells what it has heard */
    tenure_end(&relay->tenure);
    beat_free(&relay->beat);
    lanes_free(&relay->lanes);     /* gives what is left back to the sources ... */
    revoker_free(&relay->revoker); /* ... as this does */
    relay_console_free(&relay->console);
    http_server_free(&relay->server); /* so that every open request is answered */
    lease_driver_free(&relay->lease); /* which its thread asks who is active */
    source_stream_free(&relay->stream);
    source_pubsub_free(&relay->pubsub);
    source_nats_free(&relay->nats_source);
    batches_free(&relay->batches);
    if (relay->end)
        loop_wake_free(&relay->end);
    loop_free(&relay->loop);
    keeper_free(&relay->keeper);
    keeper_free(&relay->revocations_keeper);
    event_map_free(&relay->map);
    redis_watch_fini(&relay->watch);
    free(relay);
    *pointer = NULL;
}
