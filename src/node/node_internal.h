/* The node as its own files see it. */
#ifndef ROOMCAST_NODE_NODE_INTERNAL_H
#define ROOMCAST_NODE_NODE_INTERNAL_H

#include <roomcast/io/http_server.h>
#include <roomcast/node/node.h>

#include "shared.h"
#include "worker.h"

#define WORKERS_MAX 64

struct node {
    struct node_shared shared;
    struct bus *bus;                 /* borrowed */
    atomic_uint revocations_changes; /* any thread: as bus_changes, of the revocations' bus */
    enum metric_program metrics;
    atomic_uint bus_changes; /* any thread: times when messages of the bus may have been missed */
    struct http_server *admin;
    struct hub *hub;
    _Atomic(struct control *) control; /* NULL before the start */
    atomic_uint admin_port;            /* 0: does not listen yet */
    struct worker *workers[WORKERS_MAX];
    unsigned workers_count, workers_started;
    uint16_t port;

    /* any thread */
    atomic_bool is_drain_asked;
    _Atomic uint64_t drain_began_ms; /* before the state says so */
    atomic_uint drain_clients;       /* that were here then */
};

#endif
