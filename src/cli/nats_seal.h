/* nats.seal as a bus wants it, with its counters. */
#ifndef ROOMCAST_CLI_NATS_SEAL_H
#define ROOMCAST_CLI_NATS_SEAL_H

#include <roomcast/config/config.h>
#include <roomcast/io/bus.h>
#include <roomcast/wire/seal.h>

struct nats_seal {
    struct bus_seal base; /* first */
    struct seal *seal;    /* owned; NULL: there is no key, and nothing is sealed */
    const char *prefix;   /* borrowed from the configuration */
};

/* Why the options about it do not fit together, a static message; NULL when they do. */
const char *nats_seal_check(const struct config *config);
/* Immutable afterwards. ERR_CONFIG: nats_seal_check() knows why. ERR_NO_MEMORY. */
enum err nats_seal_init(struct nats_seal *seal, const struct config *config) MUST_CHECK;
void nats_seal_fini(struct nats_seal *seal);
/* NULL when nothing is sealed. */
const struct bus_seal *nats_seal_get(const struct nats_seal *seal);

#endif
