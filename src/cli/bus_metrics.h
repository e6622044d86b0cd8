/* Turns what happens to the bus's connection into log lines and metrics: the same for node and relay. */
#ifndef ROOMCAST_CLI_BUS_METRICS_H
#define ROOMCAST_CLI_BUS_METRICS_H

#include <roomcast/io/bus.h>

void bus_metrics_on_event(enum bus_event event);

#endif
