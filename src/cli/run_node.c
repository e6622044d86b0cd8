#include "run_node.h"

#include <stdio.h>

#include <roomcast/base/log.h>
#include <roomcast/io/bus.h>
#include <roomcast/node/node.h>

#include "bus_metrics.h"
#include "nats_access.h"
#include "revocations_bus.h"
#include "serving.h"
#include "signals.h"

static void on_bus_event(void *context, enum bus_event event)
{
    bus_metrics_on_event(event);
    node_on_bus_event(context, event);
}

static void on_elected(void *context, const struct bus *bus, bus_shard_set shards)
{
    bus_metrics_on_elected(bus, shards);
    node_on_elected(context, shards);
}

static void on_revocations_bus_event(void *context, enum bus_event event)
{
    node_on_revocations_bus_event(context, event);
}

static void on_revocations_elected(void *context, const struct bus *bus, bus_shard_set shards)
{
    (void)bus;
    (void)shards;
    node_on_revocations_elected(context);
}

/* Until it is to end and the clients have gone. */
static int serve(struct node *node, struct bus *bus, struct bus *revocations_bus)
{
    char problem[256] = "";
    int status = 0;
    if (node_start(node, bus, revocations_bus, problem) != ERR_OK) {
        log_error("start_failed", LOG_TEXT("problem", problem));
        status = 1;
    } else {
        struct serving serving = {.node = node, .reloads = true};
        serving_wait(&serving);
        serving_drain(&serving);
    }
    node_stop(node);
    return status;
}

static int serve_with_revocations(const struct config *config, const struct bus_nats_access *access,
                                  struct node *node, struct bus *bus)
{
    char problem[256] = "";
    struct bus_callbacks callbacks = {
        .on_event = on_revocations_bus_event, .context = node, .on_elected = on_revocations_elected};
    struct bus *revocations_bus;
    if (revocations_bus_nats(config, access, &callbacks, &revocations_bus, problem) != ERR_OK) {
        fprintf(stderr, "roomcast: nats: %s\n", problem);
        return 2;
    }
    int status = serve(node, bus, revocations_bus);
    bus_free(&revocations_bus);
    return status;
}

/* With its buses for the node; they go before the node that listens to them. */
static int serve_on_nats(const struct config *config, struct node *node)
{
    char problem[256] = "";
    struct bus_nats_access access;
    struct nats_seal seal;
    if (nats_seal_init(&seal, config) != ERR_OK) {
        fprintf(stderr, "roomcast: out of memory\n");
        return 1;
    }
    nats_access_fill(config, &seal, &access);
    nats_access_warn(config, false);
    const struct bus_nats_options options = nats_access_options(config, &access);
    struct bus_callbacks callbacks = {.on_event = on_bus_event, .context = node, .on_elected = on_elected};
    struct bus *bus;
    if (bus_nats_new(&options, &callbacks, &bus, problem) != ERR_OK) {
        fprintf(stderr, "roomcast: nats: %s\n", problem);
        nats_seal_fini(&seal);
        return 2;
    }
    int status = serve_with_revocations(config, &access, node, bus);
    bus_free(&bus);
    nats_seal_fini(&seal);
    return status;
}

int run_node(const struct config *config)
{
    signals_block();
    char problem[256] = "";
    struct node_options options = {.config = config, .metrics = METRIC_NODE};
    struct node *node;
    if (node_new(&options, &node, problem) != ERR_OK) {
        fprintf(stderr, "roomcast: %s\n", problem);
        return 2;
    }
    int status = serve_on_nats(config, node);
    node_free(&node);
    log_info("stopped", LOG_I64("status", status));
    return status;
}
