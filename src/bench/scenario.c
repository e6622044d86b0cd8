#include "scenario.h"

#include <string.h>

const struct scenario scenarios[] = {
    {"fanout", "events to rooms: deliveries/s, latency, server CPU per delivery", true, true, false,
     fanout_run},
    {"burst", "--burst events to one room at once, again when all have arrived: how long until the last has",
     true, true, false, burst_run},
    {"idle", "hold connections: memory of each, CPU; with --busy also after traffic", true, false, false,
     idle_run},
    {"connect", "open connections, --opening at a time: handshakes/s, server CPU of each", false, false,
     false, connect_run},
    {"slow", "fanout beside readers that have stopped (--stalled) or a hot room (--hot), and without them",
     true, true, false, slow_run},
    {"churn", "connections join new rooms and leave them again: cost and latency, beside the load of fanout",
     true, true, true, room_churn_run},
    {"jitter", "every connection is cut again and again and resumes: what is delivered all the same", true,
     true, true, jitter_run},
    {"avalanche", "all connections are lost at once and come back: how fast, and with everything", true, true,
     true, avalanche_run},
};
const size_t scenario_count = sizeof scenarios / sizeof scenarios[0];

const struct scenario *scenario_find(const char *name)
{
    for (size_t i = 0; i < scenario_count; i++)
        if (strcmp(scenarios[i].name, name) == 0)
            return &scenarios[i];
    return NULL;
}
