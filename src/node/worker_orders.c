/* What the node wants of the worker: a drain, and its pace. */
#include "worker_internal.h"

#include <stdlib.h>

#include <roomcast/base/metrics.h>
#include <roomcast/core/drain_plan.h>

#include "console_task.h"

#define SETTLED_S 5  /* who has just come may have come from another node that drains: others first */
#define ARRIVED_S 15 /* who has just come is not sent on: nobody is passed around */

static void drop(struct worker_order *order)
{
    if (order->kind == ORDER_CONSOLE)
        console_task_end_part(order->task);
    free(order);
}

enum err worker_give_order(struct worker *worker, const struct worker_order *order)
{
    struct worker_order *copy = malloc(sizeof *copy);
    if (!copy)
        return ERR_NO_MEMORY;
    *copy = *order;
    if (!inbox_put(&worker->orders, &copy->item))
        drop(copy);
    return ERR_OK;
}

/* The end of the node has the last word: it neither stops, nor becomes another drain. */
static bool is_ending(const struct worker *worker)
{
    return worker->drain.is_on && worker->drain.reason == CLOSE_DRAINING;
}

static void begin_drain(struct worker *worker, const struct worker_order *order)
{
    if (is_ending(worker))
        return;
    worker->drain = (struct worker_drain){
        .is_on = true,
        .reason = order->reason,
        .clients = worker_staying(worker),
        .began_ms = worker->now_ms,
        .spread_ms = order->spread_ms,
    };
    worker_drain_on(worker);
}

void worker_drain_on(struct worker *worker)
{
    const struct worker_drain *drain = &worker->drain;
    if (!drain->is_on)
        return;
    uint32_t due = drain_plan_due(drain->clients, worker_staying(worker), worker->now_ms - drain->began_ms,
                                  drain->spread_ms);
    due -= worker_send_settled_away(worker, due, drain->reason, SETTLED_S);
    worker_send_anybody_away(worker, due, drain->reason);
}

static void shed(struct worker *worker, const struct worker_order *order)
{
    uint32_t closed =
        worker->drain.is_on ? 0 : worker_send_settled_away(worker, order->count, order->reason, ARRIVED_S);
    atomic_fetch_add(&worker->shared->rebalanced, closed);
}

void worker_take_orders(struct worker *worker)
{
    struct inbox_item *item = inbox_take(&worker->orders);
    while (item) {
        struct inbox_item *next = item->next;
        struct worker_order *order = (struct worker_order *)item;
        switch (order->kind) {
        case ORDER_DRAIN:
            begin_drain(worker, order);
            break;
        case ORDER_STOP_DRAIN:
            worker->drain.is_on = is_ending(worker);
            break;
        case ORDER_SHED:
            shed(worker, order);
            break;
        case ORDER_CONSOLE:
            worker_work_for_console(worker, order->task);
            break;
        case ORDER_RELIEVE:
            metrics_add(METRIC_MEMORY_SHED_CONNECTIONS, worker_close_slowest(worker, order->bytes));
            break;
        }
        free(order);
        item = next;
    }
}

void worker_drop_orders(struct worker *worker)
{
    inbox_close(&worker->orders);
    struct inbox_item *item = inbox_take(&worker->orders);
    while (item) {
        struct inbox_item *next = item->next;
        drop((struct worker_order *)item);
        item = next;
    }
}
