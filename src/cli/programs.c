#include "programs.h"

#include "commands.h"

static const struct command_flag node_flags[] = {
    {"--dev", COMMAND_NO_VALUE, NULL,
     "run node and relay in one process, without NATS, for development: on loopback only, with every chat "
     "open",
     0},
};

static const struct command node = {
    .name = "roomcast",
    .title = "a WebSocket node that brings domain events to browsers",
    .usage = "[options]\n--dev [options]",
    .flags = node_flags,
    .flags_count = sizeof node_flags / sizeof node_flags[0],
    .notes =
        "SIGTERM and SIGINT, and POST /drain on the admin listener, send the clients to other nodes over\n"
        "drain.spread_s; a second signal ends the process at once. SIGHUP reads the certificate and the "
        "secrets\n"
        "that came from files again.\n"
        "\n"
        "Exit status 0: it drained and ended. 1: it could not start. 2: the configuration is wrong.",
    .has_options = true,
};

const struct manual_program roomcast_program = {
    .self = &node,
    .commands = commands,
    .options = CONFIG_BOTH,
    .description =
        "Services say what happened on a Redis event bus; roomcast-relay checks and numbers the events and\n"
        "stores them in NATS JetStream; nodes, of which this is one, deliver them over WebSockets to\n"
        "everyone who is in the chat, in order and without holes. Without a command a node is run, which\n"
        "needs NATS and roomcast-relay.\n"
        "\n"
        "The commands make development tokens, publish events, listen as a client, and watch a cluster.",
    .see_also = "roomcast.yaml(5), roomcast-relay(1), roomcast-bench(1), nats-server(8), redis-server(1)",
};

static const struct command relay = {
    .name = "roomcast-relay",
    .title = "brings domain events from Redis, HTTP and NATS requests to the roomcast nodes",
    .usage = "[options]",
    .notes =
        "On SIGTERM and SIGINT it stops reading, stores what is in flight within drain.timeout_s, and ends.\n"
        "\n"
        "Exit status 0: it ended so. 1: it could not start. 2: the configuration is wrong.",
    .has_options = true,
};

const struct manual_program relay_program = {
    .self = &relay,
    .options = CONFIG_RELAY,
    .description =
        "The relay reads domain events from a Redis stream, from Redis Pub/Sub and by HTTP, gives each its\n"
        "place in its chat, and stores it once in NATS JetStream. An entry of the stream is acknowledged\n"
        "only when NATS has stored it; what cannot be used goes to the stream redis.dead_stream with the\n"
        "reason. Of several relays one works and the others wait.",
    .see_also = "roomcast.yaml(5), roomcast(1)",
};
