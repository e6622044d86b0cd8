/* One worker: a thread with its loop, its WebSocket server, its sessions and its rooms.
 *
 *   sockets --> worker --requests--> hub
 *   hub --answers, frames--> inbox --> worker --> sockets
 *
 * A turn of its loop: what the sockets brought, the inbox, timers; then everything that was queued for a
 * session leaves in one write per session, and what has ended is freed.
 *
 * Thread: start and join on the main thread; orders, questions and worker_ask_stop() from any; all else
 * inside. */
#ifndef ROOMCAST_NODE_WORKER_H
#define ROOMCAST_NODE_WORKER_H

#include <stdint.h>

#include <roomcast/base/err.h>
#include <roomcast/base/inbox.h>

#include "shared.h"

struct worker;
struct console_task;

/* Two steps, because the hub wants the outlets and the workers want the hub. */
enum err worker_new(struct node_shared *shared, unsigned index, struct worker **ret_worker) MUST_CHECK;
struct hub_outlet *worker_outlet(struct worker *worker);
/* Listens on `port` of option listen (0: any free one) and starts the thread. ERR_IO with `problem` (256
 * bytes). */
enum err worker_start(struct worker *worker, const char *host, uint16_t port, uint16_t *ret_port,
                      char *problem) MUST_CHECK;

/* What the node wants of the worker. */
struct worker_order {
    struct inbox_item item; /* first */
    enum worker_order_kind {
        ORDER_DRAIN, /* send everybody away for `reason`, evenly over `spread_ms`, and whoever still opens */
        ORDER_STOP_DRAIN, /* no more of it, unless the node ends */
        ORDER_SHED,       /* send away `count` at most, of those that lose little by it */
        ORDER_CONSOLE,    /* its part of `task` (console_task.h), for an operator */
        ORDER_RELIEVE, /* memory is short: close who takes in nothing, until `bytes` fewer wait in the queues
                        */
    } kind;
    enum close_reason reason;
    uint64_t spread_ms;
    uint32_t count;
    uint64_t bytes;
    struct console_task *task;
};
/* Any thread. The worker gets a copy. ERR_NO_MEMORY. */
enum err worker_give_order(struct worker *worker, const struct worker_order *order) MUST_CHECK;
/* Any thread. Clients that are connected and not being closed. */
uint32_t worker_staying(const struct worker *worker);
/* Any thread. Bytes that wait in its clients' queues, as of its last turn. */
uint64_t worker_queued_bytes(const struct worker *worker);
/* Any thread. More is revoked (revoked.h). */
void worker_ask_revoked(struct worker *worker);
/* Any thread. The issuer has ended a fetch (issuer.h). */
void worker_look_again(struct worker *worker);
/* End the thread; sessions still open are cut. */
void worker_ask_stop(struct worker *worker);
void worker_join(struct worker *worker);
/* After worker_join. Accepts NULL, nulls. */
void worker_free(struct worker **worker);

#endif
