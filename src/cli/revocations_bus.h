/* The bus of the revocations, beside the events'. */
#ifndef ROOMCAST_CLI_REVOCATIONS_BUS_H
#define ROOMCAST_CLI_REVOCATIONS_BUS_H

#include <roomcast/config/config.h>
#include <roomcast/io/bus.h>

/* As bus_nats_new(), with a connection of its own; `access` has to outlive it. */
enum err revocations_bus_nats(const struct config *config, const struct bus_nats_access *access,
                              const struct bus_callbacks *callbacks, struct bus **ret_bus,
                              char *problem) MUST_CHECK;
/* As bus_memory_new(). */
enum err revocations_bus_memory(const struct config *config, const struct bus_callbacks *callbacks,
                                struct bus **ret_bus) MUST_CHECK;

#endif
