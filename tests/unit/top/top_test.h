/* Beats for the tests of the view. */
#ifndef ROOMCAST_TESTS_TOP_TEST_H
#define ROOMCAST_TESTS_TOP_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "top_model.h"

#define INTERVAL 1000u

/* A serving node's, with round numbers. */
static inline struct heartbeat node_beat(const char *name, uint64_t number)
{
    struct heartbeat beat = {
        .kind = HEARTBEAT_OF_NODE,
        .state = HEARTBEAT_SERVING,
        .number = number,
        .interval_ms = INTERVAL,
        .release = "0.1.0",
        .admin = "10.0.0.1:9090",
        .connections = 1000,
        .max_connections = 50000,
        .rooms = 120,
        .cpu_permille = 345,
        .memory_bytes = 64u << 20,
        .uptime_s = 3700,
    };
    snprintf(beat.name, sizeof beat.name, "%s", name);
    snprintf(beat.instance, sizeof beat.instance, "%.80s.k3x9", name);
    return beat;
}

static inline struct heartbeat relay_beat(const char *name, uint64_t number, bool active)
{
    struct heartbeat beat = node_beat(name, number);
    beat.kind = HEARTBEAT_OF_RELAY;
    beat.connections = beat.rooms = beat.max_connections = 0;
    beat.active = active;
    return beat;
}

#endif
