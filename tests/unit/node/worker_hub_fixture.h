/* A worker whose hub runs, on the in-process bus.   Thread: the test's. */
#ifndef ROOMCAST_TESTS_WORKER_HUB_FIXTURE_H
#define ROOMCAST_TESTS_WORKER_HUB_FIXTURE_H

#include "worker_fixture.h"

#include <roomcast/io/bus.h>

#include "held_hub.h"

static struct bus *bus;
static atomic_uint bus_changes;
static _Atomic bus_shard_set elected;

static void on_bus_event(void *context, enum bus_event event)
{
    (void)context;
    (void)event;
}

static int start_with_hub(void **state)
{
    struct bus_memory_options bus_options = {.prefix = "test", .max_bytes = 1024 * 1024};
    struct bus_callbacks callbacks = {.on_event = on_bus_event};
    world.config = (struct config){.nats_prefix = (char *)"test",
                                   .node_name = (char *)"node-a",
                                   .limits_message_depth = 8,
                                   .rooms_join_timeout_ms = 3000,
                                   .cluster_heartbeat_ms = 1000,
                                   .rooms_verify_s = 30,
                                   .rooms_repair_s = 30,
                                   .resume_max_events = 1000,
                                   .resume_max_bytes = 1024 * 1024,
                                   .resume_cache_bytes = 4 * 1024 * 1024};
    if (start(state) != 0)
        return 1;
    world.shared.rules.messages = (struct rate_limit_rule){.count = 1000, .period_ms = 1000, .burst = 1000};
    struct hub_outlet *outlet = worker_outlet(world.worker);
    struct hub_options options = {.config = &world.config,
                                  .instance = "node-a.itself",
                                  .bus = NULL,
                                  .bus_changes = &bus_changes,
                                  .elected = &elected,
                                  .deflating = &world.shared.deflating,
                                  .workers = &outlet,
                                  .workers_count = 1};
    if (bus_memory_new(&bus_options, &callbacks, &bus) != ERR_OK)
        return 1;
    options.bus = bus;
    return hub_start(&options, &world.shared.hub) == ERR_OK ? 0 : 1;
}

static int stop_with_hub(void **state)
{
    release_hub();
    hub_stop(world.shared.hub);
    bus_free(&bus);
    hub_free(&world.shared.hub);
    return stop(state);
}

#endif
