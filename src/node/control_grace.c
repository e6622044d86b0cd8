/* A node without the bus: its clients miss what is said meanwhile, and get it when the bus is back. So they
 * stay for a while; after that they do better with another node.
 *
 *   STARTING --revocations known--> SERVING --down--> CUT_OFF --nats.grace_s--> ISOLATED: nobody new, and who
 *                                      ^-------up--------+-------------up----------+      is there is sent
 * away
 *
 * What is revoked stays known, so only a node that loses the bus while it is STARTING goes back there.
 * A drain may begin at any moment, from another thread, and stands. */
#include "control_internal.h"

#include <roomcast/base/log.h>

#define SPREAD_MAX_MS 10000 /* they miss something already: not as patient as a drain */
#define STEP_MAX_MS   1000  /* a process that was stopped was not cut off for that long */

static bool change_state(struct control *control, enum node_state from, enum node_state to)
{
    return atomic_compare_exchange_strong(&control->node->shared.state, &from, to);
}

static void order(struct control *control, const struct worker_order *order)
{
    struct node *node = control->node;
    for (unsigned i = 0; i < node->workers_count; i++) {
        if (worker_give_order(node->workers[i], order) != ERR_OK)
            log_error("out_of_memory", LOG_TEXT("doing", "telling a worker of an isolation"));
    }
}

static void isolate(struct control *control)
{
    uint64_t spread_ms = control->node->shared.config->drain_spread_s * 1000;
    if (!change_state(control, NODE_CUT_OFF, NODE_ISOLATED))
        return;
    if (spread_ms > SPREAD_MAX_MS)
        spread_ms = SPREAD_MAX_MS;
    log_warn("isolated", LOG_U64("cut_off_ms", control->cut_ms),
             LOG_U64("clients", node_clients(control->node)), LOG_U64("spread_ms", spread_ms));
    order(control,
          &(struct worker_order){.kind = ORDER_DRAIN, .reason = CLOSE_ISOLATED, .spread_ms = spread_ms});
}

static void come_back(struct control *control)
{
    enum node_state to = revoked_is_loaded(control->node->shared.revoked) ? NODE_SERVING : NODE_STARTING;
    control->cut_ms = 0;
    if (change_state(control, NODE_STARTING, to) || change_state(control, NODE_CUT_OFF, to) ||
        !change_state(control, NODE_ISOLATED, to))
        return;
    log_info("isolation_over", LOG_U64("clients", node_clients(control->node)));
    order(control, &(struct worker_order){.kind = ORDER_STOP_DRAIN});
}

void control_watch_bus(struct control *control)
{
    uint64_t grace_ms = control->node->shared.config->nats_grace_s * 1000;
    uint64_t step_ms = control->now_ms - control->grace_at_ms;
    control->grace_at_ms = control->now_ms;
    if (bus_is_up(control->node->bus)) {
        come_back(control);
        return;
    }
    if (change_state(control, NODE_SERVING, NODE_CUT_OFF) ||
        change_state(control, NODE_STARTING, NODE_CUT_OFF))
        return;
    control->cut_ms += step_ms < STEP_MAX_MS ? step_ms : STEP_MAX_MS;
    if (grace_ms > 0 && control->cut_ms >= grace_ms)
        isolate(control);
}
