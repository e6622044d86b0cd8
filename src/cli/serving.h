/* A node from its start to the end of its drain, as signals and operators want it.
 *
 * SIGHUP: node_reload(); where nothing can be reloaded (--dev), it is as SIGTERM, for a terminal that is
 * closed. SIGTERM or SIGINT begins the drain, and the next one ends the process at once. After POST /drain
 * the first one is taken as known: an orchestrator's hook asks for the drain, and its signal follows.
 *
 * Thread: main, with signals_block() in effect. */
#ifndef ROOMCAST_CLI_SERVING_H
#define ROOMCAST_CLI_SERVING_H

#include <stdbool.h>

#include <roomcast/node/node.h>

struct serving {
    struct node *node; /* borrowed; started */
    bool reloads;      /* on SIGHUP */
    bool is_released;  /* a signal ends the process */
};

/* Until somebody wants the node to drain; it does when this returns. */
void serving_wait(struct serving *serving);
/* Until every client has gone, or drain.timeout_s is over. */
void serving_drain(struct serving *serving);

#endif
