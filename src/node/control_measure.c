/* How this node is. */
#include "control_internal.h"

#include <stdio.h>

#include <roomcast/base/clock.h>
#include <roomcast/base/metrics.h>
#include <roomcast/base/usage.h>

void control_begin_sample(struct control *control)
{
    control->sample = (struct control_sample){.at_us = clock_monotonic_us(), .cpu_us = usage_cpu_us()};
}

static uint64_t cpu_permille(const struct control *control)
{
    uint64_t elapsed_us = clock_monotonic_us() - control->sample.at_us;
    return elapsed_us > 0 ? (usage_cpu_us() - control->sample.cpu_us) * 1000 / elapsed_us : 0;
}

static enum heartbeat_state state_of(const struct node *node)
{
    switch (atomic_load(&node->shared.state)) {
    case NODE_STARTING:
        return HEARTBEAT_STARTING;
    case NODE_SERVING:
        return HEARTBEAT_SERVING;
    case NODE_CUT_OFF:
        return HEARTBEAT_CUT_OFF;
    case NODE_ISOLATED:
        return HEARTBEAT_ISOLATED;
    case NODE_DRAINING:
        return HEARTBEAT_DRAINING;
    case NODE_LEAVING:
        return HEARTBEAT_LEAVING;
    }
    return HEARTBEAT_UNKNOWN;
}

/* Where the admin listener is; the port is known once it listens. */
static void write_admin(const struct node *node, char *text)
{
    char host[256];
    uint16_t port;
    unsigned actual = atomic_load(&node->admin_port);
    if (config_split_address(node->shared.config->admin_listen, host, &port) != ERR_OK)
        return;
    bool is_v6 = strchr(host, ':') != NULL;
    snprintf(text, HEARTBEAT_ADMIN_MAX + 1, "%s%s%s:%u", is_v6 ? "[" : "", host, is_v6 ? "]" : "",
             actual ? actual : port);
}

static uint64_t count_of(enum metric metric)
{
    int64_t value = metrics_get(metric);
    return value > 0 ? (uint64_t)value : 0;
}

uint64_t control_staying(const struct node *node)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < node->workers_count; i++)
        count += worker_staying(node->workers[i]);
    return count;
}

void control_measure(struct control *control, struct heartbeat *beat)
{
    const struct node *node = control->node;
    const struct config *config = node->shared.config;
    uint64_t accepted = count_of(METRIC_HANDSHAKES_ACCEPTED), open = count_of(METRIC_CONNECTIONS);
    *beat = (struct heartbeat){
        .kind = HEARTBEAT_OF_NODE,
        .state = state_of(node),
        .interval_ms = config->cluster_heartbeat_ms,
        .connections = control_staying(node),
        .max_connections = node->shared.max_connections,
        .rooms = count_of(METRIC_ROOMS),
        .cpu_permille = cpu_permille(control),
        .memory_bytes = usage_memory_bytes(),
        .uptime_s = (clock_monotonic_ms() - control->born_ms) / 1000,
        .accepted_total = accepted,
        .closed_total = accepted > open ? accepted - open : 0,
        .events_total = count_of(METRIC_EVENTS_RECEIVED),
        .deliveries_total = count_of(METRIC_DELIVERIES),
        .queued_bytes = count_of(METRIC_QUEUED_BYTES),
        .lagging = count_of(METRIC_LAGGING),
        .blocked = count_of(METRIC_BLOCKED),
        .age_ms_total = metrics_observed_sum_us(HISTOGRAM_EVENT_RELAYED) / 1000,
        .age_count = metrics_observed(HISTOGRAM_EVENT_RELAYED),
        .shed_total = atomic_load(&node->shared.rebalanced),
    };
    snprintf(beat->instance, sizeof beat->instance, "%s", node->shared.instance);
    snprintf(beat->name, sizeof beat->name, "%s", config->node_name);
    snprintf(beat->release, sizeof beat->release, "%s", ROOMCAST_VERSION);
    write_admin(node, beat->admin);
}
