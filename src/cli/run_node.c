#include "run_node.h"

#include <stdio.h>

#include <roomcast/base/log.h>
#include <roomcast/io/bus.h>
#include <roomcast/node/node.h>

#include "bus_metrics.h"
#include "signals.h"

static void on_bus_event(void *context, enum bus_event event)
{
    bus_metrics_on_event(event);
    node_on_bus_event(context, event);
}

/* Until a signal has come and the clients have gone. */
static int serve(const struct config *config, struct node *node, struct bus *bus)
{
    char problem[256] = "";
    int status = 0;
    if (node_start(node, bus, problem) != ERR_OK) {
        log_error("start_failed", LOG_TEXT("problem", problem));
        status = 1;
    } else {
        int number = signals_wait();
        log_info("stopping", LOG_I64("signal", number), LOG_U64("drain_timeout_s", config->drain_timeout_s));
    }
    node_stop(node, status == 0 ? config->drain_timeout_s * 1000 : 0);
    return status;
}

/* With a bus for the node; the bus goes before the node that listens to it. */
static int serve_on_nats(const struct config *config, struct node *node)
{
    char problem[256] = "";
    struct bus_nats_options options = {
        .urls = (const char *const *)config->nats_url.items,
        .urls_count = config->nats_url.count,
        .name = config->node_name,
        .prefix = config->nats_prefix,
        .stream = config->stream_name,
    };
    struct bus_callbacks callbacks = {.on_event = on_bus_event, .context = node};
    struct bus *bus;
    if (bus_nats_new(&options, &callbacks, &bus, problem) != ERR_OK) {
        fprintf(stderr, "roomcast: nats.url: %s\n", problem);
        return 2;
    }
    int status = serve(config, node, bus);
    bus_free(&bus);
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
