/* The end of a node, as far as its clients are concerned. */
#include <roomcast/base/clock.h>
#include <roomcast/base/log.h>
#include <roomcast/core/drain_plan.h>

#include "control.h"
#include "node_internal.h"

bool node_is_draining(const struct node *node)
{
    return shared_is_draining(&node->shared);
}

unsigned node_clients(const struct node *node)
{
    return atomic_load(&node->shared.connections);
}

unsigned node_drain_clients(const struct node *node)
{
    return atomic_load(&node->drain_clients);
}

uint64_t node_drain_spread_ms(const struct node *node)
{
    const struct config *config = node->shared.config;
    return drain_plan_spread(config->drain_spread_s * 1000, config->drain_timeout_s * 1000);
}

bool node_drain_is_over(const struct node *node)
{
    if (!node_is_draining(node))
        return false;
    uint64_t end_ms = atomic_load(&node->drain_began_ms) + node->shared.config->drain_timeout_s * 1000;
    return node_clients(node) == 0 || clock_monotonic_ms() >= end_ms;
}

static void order_drain(struct node *node)
{
    const struct worker_order drain = {
        .kind = ORDER_DRAIN,
        .reason = CLOSE_DRAINING,
        .spread_ms = node_drain_spread_ms(node),
    };
    for (unsigned i = 0; i < node->workers_started; i++) {
        if (worker_give_order(node->workers[i], &drain) != ERR_OK) /* they are cut in the end */
            log_error("out_of_memory", LOG_TEXT("doing", "sending clients away"));
    }
}

void node_drain(struct node *node, const char *cause)
{
    if (atomic_exchange(&node->is_drain_asked, true))
        return;
    unsigned clients = node_clients(node);
    atomic_store(&node->drain_clients, clients);
    atomic_store(&node->drain_began_ms, clock_monotonic_ms());
    atomic_store(&node->shared.state, NODE_DRAINING);
    metrics_set(METRIC_DRAINING, 1);
    log_info("drain_started", LOG_TEXT("cause", cause), LOG_U64("clients", clients),
             LOG_U64("spread_ms", node_drain_spread_ms(node)),
             LOG_U64("timeout_s", node->shared.config->drain_timeout_s));
    struct control *control = atomic_load(&node->control);
    if (control)
        control_wake(control);
    order_drain(node);
}
