/* A connection to the node's NATS, for what the generator publishes there or watches. */
#ifndef ROOMCAST_BENCH_BENCH_BUS_H
#define ROOMCAST_BENCH_BENCH_BUS_H

#include <roomcast/io/bus.h>

#include "options.h"

/* Waits until it is up. ERR_CONFIG, ERR_UNAVAILABLE, ERR_NO_MEMORY with `problem` (SOURCE_PROBLEM_SIZE)
 * filled; then there is nothing to free. */
enum err bench_bus_open(const struct bench_options *options, struct bus **ret_bus, char *problem) MUST_CHECK;

#endif
