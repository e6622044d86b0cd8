#include "streams.h"

#define REVOCATIONS_MAX_BYTES_STORED (64u << 20) /* every shard full, twice */
#define REVOCATIONS_DEDUP_S          60u

enum err streams_keep_events(const struct config *config, struct bus *bus, struct keeper **ret_keeper)
{
    /* JetStream takes no duplicate window beyond the age of the messages. */
    uint64_t dedup_s = config->stream_dedup_s, max_age_s = config->stream_max_age_s;
    const struct keeper_options options = {
        .bus = bus,
        .stream = config->stream_name,
        .what = "stream",
        .shape = {.in_memory = config->stream_storage == STORAGE_MEMORY,
                  .replicas = (unsigned)config->stream_replicas,
                  .max_age_s = max_age_s,
                  .max_bytes = config->stream_max_bytes,
                  .max_per_subject = config->stream_max_per_room,
                  .dedup_s = dedup_s < max_age_s ? dedup_s : max_age_s},
    };

    return keeper_new(&options, ret_keeper);
}

enum err streams_keep_revocations(const struct config *config, struct bus *bus, struct keeper **ret_keeper)
{
    /* One message a shard, which says itself until when its records count: none may go by its age. */
    const struct keeper_options options = {
        .bus = bus,
        .stream = "revocations",
        .what = "revocations",
        .shape = {.in_memory = config->stream_storage == STORAGE_MEMORY,
                  .replicas = (unsigned)config->stream_replicas,
                  .max_bytes = REVOCATIONS_MAX_BYTES_STORED,
                  .max_per_subject = 1,
                  .dedup_s = REVOCATIONS_DEDUP_S},
    };

    return keeper_new(&options, ret_keeper);
}
