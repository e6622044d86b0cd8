#include <roomcast/bench/bench.h>

#include "documented.h"

const struct manual_program *const *documented_programs(void)
{
    static struct manual_program bench = {
        .description = "It opens WebSocket connections by the thousand, publishes events on a schedule, and "
                       "measures when\n"
                       "each reaches each member; what comes late is not left out.",
        .see_also = "roomcast(1), roomcast-relay(1)",
    };
    static const struct manual_program *const programs[] = {&bench, NULL};

    bench.self = bench_command();
    return programs;
}
