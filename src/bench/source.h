/* How events come in: one interface over the bus, Redis, typing clients and a raw server's own publish
 * frames.
 *
 * Thread: the one of loop 0. */
#ifndef ROOMCAST_BENCH_SOURCE_H
#define ROOMCAST_BENCH_SOURCE_H

#include <roomcast/base/err.h>

#include "crowd.h"
#include "hops.h"
#include "options.h"

#define SOURCE_PROBLEM_SIZE 256

struct source {
    /* Sends `count` events of one room. `publisher`: which publisher client sends them, where such are used.
     */
    enum err (*publish)(struct source *source, const struct marker *events, uint32_t count,
                        uint32_t publisher);
    void (*free)(struct source *source);
    const struct bench_options *options; /* borrowed */
    const struct layout *layout;         /* borrowed */
    struct crowd *crowd;                 /* borrowed */
    struct hops *hops; /* borrowed; NULL unless the source is Redis and the moments are wanted */
};

/* Connects; the crowd need not be open yet. ERR_CONFIG, ERR_UNAVAILABLE, ERR_NO_MEMORY with `problem`
 * (SOURCE_PROBLEM_SIZE) filled. */
enum err source_new(const struct bench_options *options, const struct layout *layout, struct crowd *crowd,
                    struct source **ret_source, char *problem) MUST_CHECK;
/* Accepts NULL, nulls. */
void source_free(struct source **source);
/* How many publisher clients the crowd must have for it. */
uint32_t source_publishers(const struct bench_options *options);

/* The ways, each in its own file. */
enum err source_nats_new(const struct bench_options *options, struct source **ret_source,
                         char *problem) MUST_CHECK;
enum err source_redis_new(const struct bench_options *options, struct source **ret_source,
                          char *problem) MUST_CHECK;
enum err source_client_new(const struct bench_options *options, struct source **ret_source,
                           char *problem) MUST_CHECK;

/* `{"m":"<marker and letters>"}` of exactly options->payload bytes: an event's data. `text` has so many. */
void source_write_data(const struct source *source, const struct marker *event, char *text);

#endif
