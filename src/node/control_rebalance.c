/* A node that has too many of the clients sends some to the others: core/rebalance.h says when and how many,
 * the workers choose whom. */
#include "control_internal.h"

#include <roomcast/base/log.h>
#include <roomcast/base/metrics.h>
#include <roomcast/base/random.h>

void control_begin_rebalance(struct control *control)
{
    const struct config *config = control->node->shared.config;
    const struct rebalance_rules rules = {
        .threshold = config->rebalance_threshold,
        .per_minute = config->rebalance_rate,
        .quiet_ms = config->rebalance_quiet_s * 1000,
    };
    rebalance_init(&control->rebalance, &rules);
}

static void order(struct worker *worker, uint64_t count)
{
    const struct worker_order shed = {
        .kind = ORDER_SHED, .reason = CLOSE_REBALANCE, .count = (uint32_t)count};
    if (count > 0 && worker_give_order(worker, &shed) != ERR_OK)
        log_error("out_of_memory", LOG_TEXT("doing", "rebalancing"));
}

/* To each worker by its share of `connections`. What does not divide falls on another worker each time. */
static void share(struct node *node, uint64_t count, uint64_t connections)
{
    uint64_t carried = random_below((uint32_t)connections);
    for (unsigned i = 0; i < node->workers_count; i++) {
        carried += count * worker_staying(node->workers[i]);
        order(node->workers[i], carried / connections);
        carried %= connections;
    }
}

static void tell(struct control *control, enum rebalance_event event, const struct rebalance_self *self)
{
    const struct rebalance *rebalance = &control->rebalance;
    uint64_t shed = self->shed_total - control->shed_before;
    switch (event) {
    case REBALANCE_STARTED:
        control->shed_before = self->shed_total;
        log_info("rebalance_started", LOG_U64("connections", self->connections),
                 LOG_U64("mean", rebalance->mean / 1000), LOG_U64("target", rebalance->target / 1000));
        return;
    case REBALANCE_DONE:
        log_info("rebalance_done", LOG_U64("connections", self->connections),
                 LOG_U64("mean", rebalance->mean / 1000), LOG_U64("shed", shed));
        return;
    case REBALANCE_FUTILE:
        log_warn("rebalance_futile", LOG_U64("connections", self->connections), LOG_U64("shed", shed),
                 LOG_U64("pause_s", rebalance->pause_ms / 1000));
        return;
    case REBALANCE_INTERRUPTED:
        log_info("rebalance_interrupted", LOG_U64("connections", self->connections), LOG_U64("shed", shed),
                 LOG_TEXT("reason", "nodes have come, gone, begun to drain or lost NATS; it begins anew when "
                                    "that was long enough ago"));
        return;
    case REBALANCE_NOTHING:
        return;
    }
}

void control_run_rebalance(struct control *control)
{
    struct node *node = control->node;
    const struct rebalance_self self = {
        .connections = control_staying(node),
        .shed_total = atomic_load(&node->shared.rebalanced),
        .serving = atomic_load(&node->shared.state) == NODE_SERVING,
    };
    struct rebalance_step step =
        rebalance_run(&control->rebalance, &control->membership, &self, control->now_ms);
    metrics_set(METRIC_REBALANCE_MEAN, (int64_t)(control->rebalance.mean / 1000));
    metrics_set(METRIC_REBALANCE_SHEDDING, control->rebalance.shedding);
    tell(control, step.event, &self);
    if (step.count > 0)
        share(node, step.count, self.connections);
}
