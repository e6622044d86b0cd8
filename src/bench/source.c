#include "source.h"

#include <stdio.h>
#include <string.h>

uint32_t source_publishers(const struct bench_options *options)
{
    if (options->via == VIA_NATS || options->via == VIA_REDIS)
        return 0;
    if (options->in_flight > 0)
        return (uint32_t)options->in_flight;
    return options->via == VIA_TYPING ? (uint32_t)options->rooms : 1;
}

enum err source_new(const struct bench_options *options, const struct layout *layout, struct crowd *crowd,
                    struct source **ret_source, char *problem)
{
    struct source *source = NULL;
    enum err err;

    snprintf(problem, SOURCE_PROBLEM_SIZE, "out of memory");
    if (options->via == VIA_NATS)
        err = source_nats_new(options, &source, problem);
    else if (options->via == VIA_REDIS)
        err = source_redis_new(options, &source, problem);
    else
        err = source_client_new(options, &source, problem);
    if (err)
        return err;
    source->options = options;
    source->layout = layout;
    source->crowd = crowd;
    *ret_source = source;
    return ERR_OK;
}

void source_free(struct source **source)
{
    if (*source)
        (*source)->free(*source);
    *source = NULL;
}

void source_write_data(const struct source *source, const struct marker *event, char *text)
{
    size_t len = source->options->payload;

    memcpy(text, "{\"m\":\"", 6);
    marker_fill(event, text + 6, len - 8);
    memcpy(text + len - 2, "\"}", 2);
}
