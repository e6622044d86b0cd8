/* `roomcast --dev`: node and relay in one process on the in-process bus, for a developer's own machine. */
#ifndef ROOMCAST_CLI_DEV_H
#define ROOMCAST_CLI_DEV_H

#include <roomcast/config/config.h>

/* What takes the place of the defaults: loopback only, every chat open, a key that everybody knows. */
extern const char *const dev_defaults[];
/* Returns the exit code. */
int run_dev(const struct config *config);

#endif
