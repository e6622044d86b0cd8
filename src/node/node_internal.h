/* The node as its own files see it. */
#ifndef ROOMCAST_NODE_NODE_INTERNAL_H
#define ROOMCAST_NODE_NODE_INTERNAL_H

#include <roomcast/io/http_server.h>
#include <roomcast/node/node.h>

#include "console.h"
#include "shared.h"
#include "worker.h"

#define WORKERS_MAX 64

struct node {
    struct node_shared shared;
    struct bus *bus;                 /* borrowed */
    atomic_uint revocations_changes; /* any thread: as bus_changes, of the revocations' bus */
    enum metric_program metrics;
    atomic_uint bus_changes;       /* any thread: times when messages of the bus may have been missed */
    _Atomic bus_shard_set elected; /* any thread: of these streams, since; the hub takes them out */
    struct http_server *admin;
    struct hub *hub;
    _Atomic(struct control *) control; /* NULL before the start */
    struct console *console;
    atomic_uint admin_port; /* 0: does not listen yet */
    struct worker *workers[WORKERS_MAX];
    unsigned workers_count, workers_started;
    uint16_t port;

    /* any thread */
    atomic_bool is_drain_asked;
    _Atomic uint64_t drain_began_ms; /* before the state says so */
    atomic_uint drain_clients;       /* that were here then */
};

/* node_keys.c: the verifier, and the issuer when there is one. ERR_CONFIG, ERR_IO, ERR_NO_MEMORY with
 * `problem` (256 bytes). */
enum err node_keys_init(struct node *node, char *problem) MUST_CHECK;
/* The workers are there, and stay until issuer_stop(). */
enum err node_keys_start(struct node *node, char *problem) MUST_CHECK;
/* Any thread. Takes what the files of auth.* hold now in the place of the keys before, which are kept when
 * one of the files cannot be used; and has the issuer's keys fetched. Says in the log what became of it. */
void node_keys_reload(struct node *node);
/* Any thread. Is there any key to verify a token with? */
bool node_keys_are_there(const struct node *node);

#endif
