#include "revocations_bus.h"

#include <stdio.h>

#include <roomcast/wire/subject.h>

#define MEMORY_BYTES (64u * 1024 * 1024) /* every shard full, twice */

enum err revocations_bus_nats(const struct config *config, const struct bus_nats_access *access,
                              const struct bus_callbacks *callbacks, struct bus **ret_bus, char *problem)
{
    char prefix[SUBJECT_SIZE], name[96], stream[96];
    subject_format_revocations(config->nats_prefix, prefix);
    snprintf(name, sizeof name, "%s-revocations", config->node_name);
    snprintf(stream, sizeof stream, "%s_revocations", config->stream_name);
    const struct bus_nats_options options = {
        .urls = (const char *const *)config->nats_url.items,
        .urls_count = config->nats_url.count,
        .access = access,
        .name = name,
        .prefix = prefix,
        .stream = stream,
        .send_at_once = true,
    };
    return bus_nats_new(&options, callbacks, ret_bus, problem);
}

enum err revocations_bus_memory(const struct config *config, const struct bus_callbacks *callbacks,
                                struct bus **ret_bus)
{
    char prefix[SUBJECT_SIZE];
    subject_format_revocations(config->nats_prefix, prefix);
    const struct bus_memory_options options = {.prefix = prefix, .max_bytes = MEMORY_BYTES};
    return bus_memory_new(&options, callbacks, ret_bus);
}
