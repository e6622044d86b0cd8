/* What the configuration says of getting into NATS. */
#ifndef ROOMCAST_CLI_NATS_ACCESS_H
#define ROOMCAST_CLI_NATS_ACCESS_H

#include <stdbool.h>

#include <roomcast/config/config.h>
#include <roomcast/io/bus.h>

#include "nats_seal.h"

/* Borrows from both. */
void nats_access_fill(const struct config *config, const struct nats_seal *seal,
                      struct bus_nats_access *access);
/* Of a bus on the event stream. Borrows from both. */
struct bus_nats_options nats_access_options(const struct config *config,
                                            const struct bus_nats_access *access);
/* For --check-config (struct config_request): whether the files can be used. */
bool nats_access_try_out(const struct config *config, char *problem);
/* Logs a warning when NATS, or Redis, is to be spoken to in plaintext beyond this machine. */
void nats_access_warn(const struct config *config, bool with_redis);

#endif
