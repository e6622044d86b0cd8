/* roomcast-relay: brings domain events to the nodes, by NATS. Wires only: arguments, configuration,
 * build, run, exit code. */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include <roomcast/base/log.h>
#include <roomcast/base/random.h>
#include <roomcast/config/config.h>
#include <roomcast/io/bus.h>
#include <roomcast/relay/relay.h>

#include "bus_metrics.h"
#include "nats_access.h"
#include "process.h"
#include "revocations_bus.h"
#include "signals.h"

static const char summary[] =
    "roomcast-relay: brings domain events from Redis, HTTP and NATS requests to the roomcast nodes\n"
    "\n"
    "usage: roomcast-relay [options]\n";

/* What spans several options. */
static const char *check(const struct config *config)
{
    const char *fault = nats_seal_check(config);
    if (!fault)
        fault = process_check_admin_key(config);
    return fault ? fault : relay_check(config);
}

/* The bus speaks before there is a relay and after it has gone. */
struct listener {
    pthread_mutex_t lock;
    struct relay *relay; /* under lock */
};

static void on_bus_event(void *context, enum bus_event event)
{
    struct listener *listener = context;
    bus_metrics_on_event(event);
    pthread_mutex_lock(&listener->lock);
    if (listener->relay)
        relay_on_bus_event(listener->relay, event);
    pthread_mutex_unlock(&listener->lock);
}

static void on_elected(void *context, const struct bus *bus, bus_shard_set shards)
{
    struct listener *listener = context;
    bus_metrics_on_elected(bus, shards);
    pthread_mutex_lock(&listener->lock);
    if (listener->relay)
        relay_on_elected(listener->relay);
    pthread_mutex_unlock(&listener->lock);
}

static void on_revocations_bus_event(void *context, enum bus_event event)
{
    struct listener *listener = context;
    pthread_mutex_lock(&listener->lock);
    if (listener->relay)
        relay_on_revocations_bus_event(listener->relay, event);
    pthread_mutex_unlock(&listener->lock);
}

static void on_revocations_elected(void *context, const struct bus *bus, bus_shard_set shards)
{
    struct listener *listener = context;
    (void)bus;
    (void)shards;
    pthread_mutex_lock(&listener->lock);
    if (listener->relay)
        relay_on_revocations_elected(listener->relay);
    pthread_mutex_unlock(&listener->lock);
}

static void set_relay(struct listener *listener, struct relay *relay)
{
    pthread_mutex_lock(&listener->lock);
    listener->relay = relay;
    pthread_mutex_unlock(&listener->lock);
}

/* Until a signal has come and what is in flight is stored, or the time for that is over. */
static int serve(const struct config *config, struct bus *bus, struct bus *revocations_bus,
                 struct listener *listener)
{
    char problem[256] = "";
    struct relay_options options = {.config = config, .bus = bus, .revocations_bus = revocations_bus};
    struct relay *relay = NULL;
    enum err err = relay_start(&options, &relay, problem);
    if (err != ERR_OK) {
        fprintf(stderr, "roomcast-relay: %s\n", problem);
        return err == ERR_CONFIG ? 2 : 1;
    }
    set_relay(listener, relay);
    if (config->relay_api_key[0] == '\0')
        log_warn("http_publishing_off",
                 LOG_TEXT("reason", "relay.api_key is not set: POST /v1/events refuses everybody"));
    int number = signals_wait();
    log_info("stopping", LOG_I64("signal", number), LOG_U64("drain_timeout_s", config->drain_timeout_s));
    set_relay(listener, NULL);
    relay_stop(&relay, config->drain_timeout_s * 1000);
    return 0;
}

static int serve_with_revocations(const struct config *config, const struct bus_nats_access *access,
                                  struct bus *bus, struct listener *listener)
{
    char problem[256] = "";
    const struct bus_callbacks callbacks = {
        .on_event = on_revocations_bus_event, .context = listener, .on_elected = on_revocations_elected};
    struct bus *revocations_bus;
    if (revocations_bus_nats(config, access, &callbacks, &revocations_bus, problem) != ERR_OK) {
        fprintf(stderr, "roomcast-relay: nats: %s\n", problem);
        return 2;
    }
    int status = serve(config, bus, revocations_bus, listener);
    bus_free(&revocations_bus);
    return status;
}

static int run(const struct config *config)
{
    char problem[256] = "";
    struct listener listener = {.lock = PTHREAD_MUTEX_INITIALIZER};
    const struct bus_callbacks callbacks = {
        .on_event = on_bus_event, .context = &listener, .on_elected = on_elected};
    struct bus_nats_access access;
    struct nats_seal seal;
    if (nats_seal_init(&seal, config) != ERR_OK) {
        fprintf(stderr, "roomcast-relay: out of memory\n");
        return 1;
    }
    nats_access_fill(config, &seal, &access);
    nats_access_warn(config, true);
    struct bus_nats_options options = nats_access_options(config, &access);
    options.send_at_once = true;
    struct bus *bus;
    signals_block();
    if (bus_nats_new(&options, &callbacks, &bus, problem) != ERR_OK) {
        fprintf(stderr, "roomcast-relay: nats: %s\n", problem);
        nats_seal_fini(&seal);
        return 2;
    }
    int status = serve_with_revocations(config, &access, bus, &listener);
    bus_free(&bus);
    bus_nats_close_library();
    nats_seal_fini(&seal);
    log_info("stopped", LOG_I64("status", status));
    return status;
}

int main(int argc, char **argv)
{
    process_protect();
    if (random_init() != ERR_OK) {
        fprintf(stderr, "roomcast-relay: the system has no source of randomness\n");
        return 1;
    }
    struct config_request request = {
        .program = CONFIG_RELAY,
        .name = "roomcast-relay",
        .summary = summary,
        .argc = argc - 1,
        .argv = argv + 1,
        .check = check,
        .try_out = nats_access_try_out,
    };
    struct config *config;
    int status;
    if (!process_configure(&request, &config, &status))
        return status;
    log_init((enum log_level)config->log_level, (enum log_format)config->log_format, config->node_name);
    status = process_settle(config, "roomcast-relay") ? run(config) : 2;
    config_free(&config);
    return status;
}
