#include "bench_bus.h"

#include <time.h>

#include <roomcast/base/clock.h>

#include "bench_access.h"
#include "source.h"

#define CONNECT_MS 5000

static void on_event(void *context, enum bus_event event)
{
    (void)context;
    (void)event;
}

enum err bench_bus_open(const struct bench_options *options, struct bus **ret_bus, char *problem)
{
    struct bus *bus = NULL;
    const struct bus_nats_options nats = {
        .urls = &options->nats_url,
        .urls_count = 1,
        .access = bench_access_get(options->access),
        .name = "roomcast-bench",
        .prefix = options->nats_prefix,
        .stream = options->stream_name,
        .shards = (unsigned)options->stream_shards,
    };
    enum err err = bus_nats_new(&nats, &(struct bus_callbacks){.on_event = on_event}, &bus, problem);

    if (err)
        return err;
    for (uint64_t begin = clock_monotonic_ms(); !bus_is_up(bus);) {
        if (clock_monotonic_ms() - begin > CONNECT_MS) {
            snprintf(problem, SOURCE_PROBLEM_SIZE, "no connection to NATS at %s: is --nats-url right?",
                     options->nats_url);
            bus_free(&bus);
            return ERR_UNAVAILABLE;
        }
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    *ret_bus = bus;
    return ERR_OK;
}
