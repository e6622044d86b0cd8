#include <stdio.h>

#include <roomcast/base/random.h>
#include <roomcast/bench/bench.h>

int main(int argc, char **argv)
{
    if (random_init() != ERR_OK) {
        fprintf(stderr, "roomcast-bench: the system has no source of randomness\n");
        return 1;
    }
    return bench_run(argc - 1, argv + 1);
}
