#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "seeded.h"

#ifndef SIM_SEEDS
#define SIM_SEEDS 2000
#endif
#define MINUTE_MS    60000u
#define CALM_MS      (10 * MINUTE_MS) /* so long nothing has been shed: it is over */
#define LEAST_EXCESS 8

static struct world world;
static struct counts counts;
static struct {
    uint64_t runs, scaled_out, shed, excess;
    double worst_high, worst_low, worst_effort;
    uint64_t longest_ms;
} seen;

static uint64_t chance(uint64_t bound)
{
    return seeded_below(&world.seed, bound);
}

static uint64_t one_of(uint64_t *seed, const uint64_t *values, size_t count)
{
    return values[seeded_below(seed, count)];
}
#define ONE_OF(seed, ...)                                                                                    \
    one_of(seed, (const uint64_t[]){__VA_ARGS__}, sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

/* Mostly few: what many cost grows with their square. */
static unsigned nodes_of(uint64_t *seed)
{
    uint64_t kind = seeded_below(seed, 20);

    if (kind == 0)
        return 21 + (unsigned)seeded_below(seed, NODES_MAX - 20);
    return kind < 4 ? 9 + (unsigned)seeded_below(seed, 12) : 2 + (unsigned)seeded_below(seed, 7);
}

static struct plan plan_of(uint64_t *seed)
{
    struct plan plan = {.balancer = (enum balancer)seeded_below(seed, BALANCERS), .nodes = nodes_of(seed)};

    plan.interval_ms = ONE_OF(seed, 1000, 2000, 5000, 5000, 10000);
    plan.rules.threshold = ONE_OF(seed, 1100, 1200, 1200, 1500);
    plan.rules.per_minute = ONE_OF(seed, 600, 1200, 1200, 6000);
    plan.rules.quiet_ms = ONE_OF(seed, 5000, 15000, 15000, 60000);
    plan.loss = (unsigned)ONE_OF(seed, 0, 20, 100, 300);
    plan.delay_ms = ONE_OF(seed, 0, 100, 1000, 2000);
    if (plan.delay_ms > plan.interval_ms / 4)
        plan.delay_ms = plan.interval_ms / 4;
    plan.back_ms = ONE_OF(seed, 500, 2500, 3500);
    return plan;
}

/* --- trouble --- */

static void disturb(unsigned number)
{
    struct node *node = &world.nodes[number];

    switch (chance(4)) {
    case 0:
        if (node->condition == SERVING && world_serving(&world) > 1)
            node_kill(&world, number);
        break;
    case 1:
        if (node->condition == SERVING && world_serving(&world) > 1)
            node_drain(&world, number, 1000 + chance(30000));
        break;
    case 2:
        if (node->condition == ABSENT)
            node_start(&world, number);
        break;
    case 3:
        if (node->condition != ABSENT) {
            node->is_cut_off = !node->is_cut_off;
            counts.cut_off += node->is_cut_off;
        }
        break;
    }
}

static void make_trouble(void)
{
    unsigned most = world.plan.nodes < NODES_MAX ? world.plan.nodes + 1 : NODES_MAX;

    world.is_troubled = true;
    for (uint64_t end_ms = world.now_ms + 4 * MINUTE_MS; world.now_ms < end_ms;) {
        world_run(&world, 1000 * (1 + chance(ONE_OF(&world.seed, 5, 60))));
        disturb((unsigned)chance(most));
    }
    world.is_troubled = false;
}

/* Everything works again, and who ends has ended. */
static void end_trouble(void)
{
    for (unsigned i = 0; i < NODES_MAX; i++)
        world.nodes[i].is_cut_off = false;
    world_run(&world, MINUTE_MS);
    while (world_serving(&world) < 2) {
        for (unsigned i = 0; i < 2; i++) {
            if (world.nodes[i].condition == ABSENT)
                node_start(&world, i);
        }
        world_run(&world, 1000);
    }
}

/* --- what must come of it --- */

struct spread {
    uint64_t nodes, mean, most, least, over, excess, largest; /* over: nodes above the threshold */
};

static struct spread measure(void)
{
    struct spread spread = {.nodes = world_serving(&world), .least = UINT64_MAX};

    spread.mean = world_clients(&world) / spread.nodes;
    for (unsigned i = 0; i < NODES_MAX; i++) {
        uint64_t connections = world.nodes[i].connections;
        if (world.nodes[i].condition != SERVING)
            continue;
        spread.most = connections > spread.most ? connections : spread.most;
        spread.least = connections < spread.least ? connections : spread.least;
        spread.excess += connections > spread.mean ? connections - spread.mean : 0;
        spread.over += connections * 1000 * spread.nodes > world_clients(&world) * world.plan.rules.threshold;
    }
    spread.largest = spread.most - spread.mean;
    return spread;
}

static bool is_honest(void)
{
    return world.plan.balancer != ALL_GO_BACK;
}

/* How often a client has to be sent away, on average, until it is elsewhere than where too many are. */
static uint64_t tries(const struct spread *before)
{
    uint64_t others = before->nodes - (before->over < before->nodes ? before->over : before->nodes - 1);

    return (before->nodes + others - 1) / others * (world.plan.balancer == HALF_GO_BACK ? 2 : 1);
}

/* Until nothing has been shed for long. */
static void wait_for_calm(const struct spread *before)
{
    uint64_t began_ms = world.now_ms,
             minutes = 6 + 6 * before->largest * tries(before) / world.plan.rules.per_minute;

    world.last_shed_ms = world.now_ms;
    while (world.now_ms < world.last_shed_ms + CALM_MS) {
        world_run(&world, 10000);
        if (is_honest())
            assert_true(world.now_ms < began_ms + minutes * MINUTE_MS + CALM_MS);
        else if (world.now_ms > began_ms + 120 * MINUTE_MS)
            return;
    }
    if (world.last_shed_ms - began_ms > seen.longest_ms)
        seen.longest_ms = world.last_shed_ms - began_ms;
}

static uint64_t root(uint64_t square)
{
    uint64_t result = 0;

    while ((result + 1) * (result + 1) <= square)
        result++;
    return result;
}

/* A balancer that throws dice does not fill nodes evenly. */
static uint64_t noise(uint64_t mean)
{
    return 3 * root(mean) + LEAST_EXCESS;
}

static void check_end(const struct spread *before, bool is_scale_out)
{
    struct spread after = measure();
    uint64_t high = after.mean * world.plan.rules.threshold / 1000;

    assert_int_equal(world.under_way, 0);
    assert_true(after.most <= (high > after.mean + LEAST_EXCESS ? high : after.mean + LEAST_EXCESS) + 1);
    assert_true(world.shed_in_peace <= 4 * before->excess * tries(before) + 100 * before->nodes);
    if (after.mean >= 100 && (double)after.most / (double)after.mean > seen.worst_high)
        seen.worst_high = (double)after.most / (double)after.mean;
    if (before->excess >= 100 && (double)world.shed_in_peace / (double)before->excess > seen.worst_effort)
        seen.worst_effort = (double)world.shed_in_peace / (double)before->excess;
    seen.shed += world.shed_in_peace;
    seen.excess += before->excess;
    if (!is_scale_out || world.plan.balancer == HALF_GO_BACK || before->over == 0 ||
        before->largest <= LEAST_EXCESS)
        return;
    seen.scaled_out++;
    assert_true(after.least + after.mean * 15 / 100 + noise(after.mean) >= after.mean);
    if (after.mean >= 100 && (double)after.least / (double)after.mean < seen.worst_low)
        seen.worst_low = (double)after.least / (double)after.mean;
}

/* All come back: the first hundred of each node, and then ever rarer tries. */
static void check_futile(const struct spread *before)
{
    assert_true(world.shed_in_peace <= before->nodes * 100 * 8);
}

static void run_to_calm(bool is_scale_out)
{
    uint64_t clients = world_clients(&world);
    struct spread before = measure();

    world.is_even = true;
    wait_for_calm(&before);
    assert_int_equal(world_clients(&world), clients);
    if (is_honest())
        check_end(&before, is_scale_out);
    else
        check_futile(&before);
    seen.runs++;
}

static void begin(uint64_t seed)
{
    uint64_t planning = seed;
    struct plan plan = plan_of(&planning);

    world_begin(&world, planning, &plan, &counts);
}

/* --- the plans --- */

static void some_are_full_and_others_new(uint64_t seed)
{
    begin(seed);
    unsigned full = 1 + (unsigned)chance(world.plan.nodes - 1);
    uint64_t each = chance(ONE_OF(&world.seed, 50, 500, 3000));

    for (unsigned i = 0; i < full; i++)
        world.nodes[i].connections = each;
    run_to_calm(true);
    world_end(&world);
}

static void trouble_first(uint64_t seed)
{
    begin(seed);
    for (unsigned i = 0; i < world.plan.nodes; i++)
        world.nodes[i].connections = chance(ONE_OF(&world.seed, 50, 500, 3000));
    make_trouble();
    end_trouble();
    run_to_calm(false);
    world_end(&world);
}

/* --- the tests --- */

static void new_nodes_get_their_share_and_then_there_is_calm(void **state)
{
    (void)state;
    seeded_runs(SIM_SEEDS / 2, some_are_full_and_others_new);
}

static void after_any_trouble_there_is_calm_and_meanwhile_nobody_is_disturbed(void **state)
{
    (void)state;
    seeded_runs(SIM_SEEDS / 2, trouble_first);
}

static void everything_was_exercised(void **state)
{
    (void)state;
    printf("%llu runs, %llu of them with new nodes; the fullest node held %.2f and the emptiest %.2f of the "
           "mean;\n",
           (unsigned long long)seen.runs, (unsigned long long)seen.scaled_out, seen.worst_high,
           seen.worst_low);
    printf("%.2f clients were sent away for each that was too many, %.2f at worst; calm after %llu s at the "
           "latest\n",
           (double)seen.shed / (double)seen.excess, seen.worst_effort,
           (unsigned long long)seen.longest_ms / 1000);
    printf("started %llu done %llu futile %llu shed %llu joined %llu died %llu drained %llu cut off %llu "
           "lost beats "
           "%llu expired %llu\n",
           (unsigned long long)counts.started, (unsigned long long)counts.done,
           (unsigned long long)counts.futile, (unsigned long long)counts.shed,
           (unsigned long long)counts.joined, (unsigned long long)counts.died,
           (unsigned long long)counts.drained, (unsigned long long)counts.cut_off,
           (unsigned long long)counts.lost_beats, (unsigned long long)counts.expired);
    if (getenv("ROOMCAST_SEED"))
        return;
    assert_true(counts.started && counts.done && counts.futile && counts.shed && counts.joined);
    assert_true(counts.died && counts.drained && counts.cut_off && counts.lost_beats && counts.expired);
    assert_true(seen.scaled_out > SIM_SEEDS / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_nodes_get_their_share_and_then_there_is_calm),
        cmocka_unit_test(after_any_trouble_there_is_calm_and_meanwhile_nobody_is_disturbed),
        cmocka_unit_test(everything_was_exercised),
    };
    seen.worst_low = 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
