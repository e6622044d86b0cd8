/* Turns what happens to the bus's connection and streams into log lines and metrics: the same for node and
 * relay. */
#ifndef ROOMCAST_CLI_BUS_METRICS_H
#define ROOMCAST_CLI_BUS_METRICS_H

#include <roomcast/io/bus.h>

void bus_metrics_on_event(enum bus_event event);
/* For on_elected of bus_callbacks. */
void bus_metrics_on_elected(const struct bus *bus, bus_shard_set shards);

#endif
