#include <stdio.h>

#include <roomcast/base/random.h>
#include <roomcast/bench/bench.h>
#include <roomcast/io/bus.h>

int main(int argc, char **argv)
{
    if (random_init() != ERR_OK) {
        fprintf(stderr, "roomcast-bench: the system has no source of randomness\n");
        return 1;
    }
    int status = bench_run(argc - 1, argv + 1);
    bus_nats_close_library();
    return status;
}
