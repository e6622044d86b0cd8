/* A node: worker threads with the clients, the hub with the rooms, the admin listener.
 *
 * Thread: everything on the main thread except node_on_bus_event and node_ready. The node has threads of its
 * own. */
#ifndef ROOMCAST_NODE_NODE_H
#define ROOMCAST_NODE_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include <roomcast/base/buffer.h>
#include <roomcast/base/err.h>
#include <roomcast/base/metrics.h>
#include <roomcast/config/config.h>
#include <roomcast/io/bus.h>

struct node;

struct node_options {
    const struct config *config; /* borrowed; outlives the node */
    enum metric_program metrics; /* what /metrics shows: METRIC_NODE, or METRIC_BOTH with a relay inside */
};

/* Reads the keys and sets the process's descriptor limit. ERR_CONFIG, ERR_IO, ERR_NO_MEMORY with `problem`
 * (256 bytes) saying what is wrong with which option. */
enum err node_new(const struct node_options *options, struct node **ret_node, char *problem) MUST_CHECK;
/* Listens, starts the threads and returns. `bus` is borrowed, and freed by the caller between node_stop and
 * node_free. ERR_IO, ERR_NO_MEMORY with `problem` (256 bytes): node_stop and node_free are due all the same.
 */
enum err node_start(struct node *node, struct bus *bus, char *problem) MUST_CHECK;
/* To be called from the bus's on_event, on any thread, between node_new and node_free. */
void node_on_bus_event(struct node *node, enum bus_event event);
uint16_t node_port(const struct node *node);
uint16_t node_admin_port(const struct node *node);
/* Any thread. True when clients can be served; otherwise appends what is missing: "nats: not connected". */
bool node_ready(struct node *node, struct buffer *missing);

/* Stops accepting, sends every client away with 4200, waits until all have gone or `timeout_ms` has passed,
 * ends the threads, leaves the bus's subjects. */
void node_stop(struct node *node, uint64_t timeout_ms);
/* After node_stop, and after the bus was freed. Accepts NULL, nulls. */
void node_free(struct node **node);

#endif
