#ifndef ROOMCAST_CLI_RUN_NODE_H
#define ROOMCAST_CLI_RUN_NODE_H

#include <roomcast/config/config.h>

/* A node on NATS, from start to the end of its drain. Returns the exit code. */
int run_node(const struct config *config);

#endif
