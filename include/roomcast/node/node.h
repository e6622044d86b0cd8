/* A node: worker threads with the clients, the hub with the rooms, the admin listener.
 *
 * Thread: everything on the main thread, but what says that it may be called from any. The node has threads
 * of its own. */
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

/* For --check-config (struct config_request): whether the keys of auth.* can be used. Fails as node_new does.
 */
enum err node_try_keys(const struct config *config, char *problem) MUST_CHECK;
/* Reads the keys and sets the process's descriptor limit. ERR_CONFIG, ERR_IO, ERR_NO_MEMORY with `problem`
 * (256 bytes) saying what is wrong with which option. */
enum err node_new(const struct node_options *options, struct node **ret_node, char *problem) MUST_CHECK;
/* Listens, starts the threads and returns. `revocations_bus`: as in relay_options. Both are borrowed, and
 * freed by the caller between node_stop and node_free. ERR_IO, ERR_NO_MEMORY with `problem` (256 bytes):
 * node_stop and node_free are due all the same.
 */
enum err node_start(struct node *node, struct bus *bus, struct bus *revocations_bus,
                    char *problem) MUST_CHECK;
/* Any thread. To be called from the bus's on_event, between node_new and node_free. */
void node_on_bus_event(struct node *node, enum bus_event event);
void node_on_revocations_bus_event(struct node *node, enum bus_event event);
/* The same for their on_elected. */
void node_on_elected(struct node *node, bus_shard_set shards);
void node_on_revocations_elected(struct node *node);
uint16_t node_port(const struct node *node);
uint16_t node_admin_port(const struct node *node);
/* Any thread. True when clients can be served; otherwise appends what is missing: "nats: not connected". */
bool node_ready(struct node *node, struct buffer *missing);

/* Any thread, once started. Reads again what may change while it runs: the listener's certificate and key,
 * and the files that the secrets and the public key of auth.* came from; and fetches the issuer's keys. What
 * cannot be read stays as it was; who is connected stays; the log and the metrics tell. */
void node_reload(struct node *node);

/* The way out: node_drain(), wait until node_drain_is_over(), node_stop().
 *
 * Any thread, once started. Not ready from now on; new upgrades get 503; every client is sent away with 4200
 * over drain.spread_s, evenly, the silent ones first. Later calls change nothing. `cause`: for the log. */
void node_drain(struct node *node, const char *cause);
/* Any thread. */
bool node_is_draining(const struct node *node);
/* Any thread. Every client has gone, or drain.timeout_s is over. */
bool node_drain_is_over(const struct node *node);
/* Any thread. Connections that are open, or about to be. */
unsigned node_clients(const struct node *node);
/* Any thread. Connections there were when the drain began; 0 before. */
unsigned node_drain_clients(const struct node *node);
/* Any thread. The spread that drain.timeout_s leaves room for. */
uint64_t node_drain_spread_ms(const struct node *node);

/* Cuts who is still there, ends the threads, leaves the bus's subjects. */
void node_stop(struct node *node);
/* After node_stop, and after both buses were freed. Accepts NULL, nulls. */
void node_free(struct node **node);

#endif
