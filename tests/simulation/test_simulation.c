/* Thousands of runs of the whole delivery core in virtual time (sim.h), each with its own faults, each
 * checked at every step. ROOMCAST_SEED=<n> plays one run and tells what happens; ROOMCAST_SEEDS=<n> so many.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

#include <roomcast/base/random.h>

#ifndef SIM_SEEDS
#define SIM_SEEDS 30000
#endif

static void print_counts(const struct sim_counts *counts)
{
#define ROW(name) print_message("%-22s %llu\n", #name, (unsigned long long)counts->name);
    SIM_COUNTS(ROW)
#undef ROW
}

/* A simulation that exercises nothing finds nothing. */
static void check_counts(const struct sim_counts *counts)
{
#define ROW(name)                                                                                            \
    if (counts->name == 0)                                                                                   \
        fail_msg("%s: never happened", #name);
    SIM_COUNTS(ROW)
#undef ROW
}

static void every_client_gets_every_event_once_and_in_order_or_is_told(void **state)
{
    (void)state;
    const char *only = getenv("ROOMCAST_SEED"), *many = getenv("ROOMCAST_SEEDS");
    uint64_t seeds = many ? strtoull(many, NULL, 10) : SIM_SEEDS;
    struct sim_counts counts = {0};

    assert_int_equal(random_init(), ERR_OK);
    if (only) {
        sim_play(strtoull(only, NULL, 10), true, &counts);
        print_counts(&counts);
        return;
    }
    for (uint64_t seed = 1; seed <= seeds; seed++)
        sim_play(seed, false, &counts);
    print_counts(&counts);
    check_counts(&counts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_client_gets_every_event_once_and_in_order_or_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
