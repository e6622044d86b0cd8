#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "seeded.h"

#define GREETING_MS 500

void world_begin(struct world *world, uint64_t seed, const struct plan *plan, struct counts *counts)
{
    *world = (struct world){.plan = *plan, .seed = seed, .now_ms = 1000000, .counts = counts};
    for (unsigned i = 0; i < plan->nodes; i++)
        node_start(world, i);
}

void world_end(struct world *world)
{
    for (unsigned i = 0; i < NODES_MAX; i++) {
        if (world->nodes[i].condition != ABSENT)
            membership_fini(&world->nodes[i].membership);
    }
    for (size_t slot = 0; slot < SLOTS; slot++)
        free(world->mail[slot].at);
}

unsigned world_serving(const struct world *world)
{
    unsigned count = 0;

    for (unsigned i = 0; i < NODES_MAX; i++)
        count += world->nodes[i].condition == SERVING;
    return count;
}

uint64_t world_clients(const struct world *world)
{
    uint64_t sum = world->under_way;

    for (unsigned i = 0; i < NODES_MAX; i++)
        sum += world->nodes[i].connections;
    return sum;
}

/* --- clients --- */

void world_send_back(struct world *world, unsigned from, uint64_t count, uint64_t within_ms)
{
    for (uint64_t i = 0; i < count; i++) {
        uint64_t ticks = 2 + seeded_below(&world->seed, within_ms / TICK_MS - 1);
        world->returning[(world->now_ms / TICK_MS + ticks) % SLOTS][from]++;
    }
    world->under_way += count;
}

static void arrive(struct world *world, unsigned from)
{
    unsigned to = balancer_choose(world, from);

    world->under_way--;
    if (to == NODES_MAX) {
        world_send_back(world, from, 1, world->plan.back_ms);
        return;
    }
    world->nodes[to].connections++;
    world->nodes[to].arrived[world->now_ms / TICK_MS % ARRIVALS]++;
}

static void take_arrivals(struct world *world)
{
    uint64_t *returning = world->returning[world->now_ms / TICK_MS % SLOTS];

    for (unsigned i = 0; i < NODES_MAX; i++)
        world->nodes[i].arrived[world->now_ms / TICK_MS % ARRIVALS] = 0;
    for (unsigned from = 0; from < NODES_MAX; from++) {
        uint64_t count = returning[from];
        returning[from] = 0;
        for (uint64_t n = 0; n < count; n++)
            arrive(world, from);
    }
}

static uint64_t settled(const struct node *node)
{
    uint64_t fresh = 0;

    for (size_t i = 0; i < ARRIVALS; i++)
        fresh += node->arrived[i];
    return node->connections > fresh ? node->connections - fresh : 0;
}

/* --- what is heard --- */

static void hear(struct world *world, const struct delivery *delivery)
{
    struct node *node = &world->nodes[delivery->to];

    if (node->condition == ABSENT || node->life != delivery->to_life || node->is_cut_off)
        return;
    enum membership_change change =
        membership_hear(&node->membership, &delivery->beat, world->now_ms + node->clock_ms);
    if (change == MEMBERSHIP_JOINED && node->next_beat_ms > world->now_ms + GREETING_MS)
        node->next_beat_ms = world->now_ms + seeded_below(&world->seed, GREETING_MS);
    bool is_known = change == MEMBERSHIP_JOINED || change == MEMBERSHIP_LEFT || change == MEMBERSHIP_UPDATED;
    if (change == MEMBERSHIP_JOINED || (is_known && delivery->beat.state != HEARTBEAT_SERVING))
        node->change_heard_ms = world->now_ms;
}

static void take_mail(struct world *world)
{
    size_t slot = world->now_ms / TICK_MS % SLOTS, count = world->mail[slot].count;

    world->mail[slot].count = 0;
    for (size_t i = 0; i < count; i++)
        hear(world, &world->mail[slot].at[i]);
}

struct expiring {
    struct world *world;
    struct node *node;
};

static void on_expired(void *context, const struct member *member)
{
    struct expiring *expiring = context;

    (void)member;
    expiring->world->counts->expired++;
    expiring->node->change_heard_ms = expiring->world->now_ms;
}

/* --- what must hold whenever a node sends clients away --- */

static void check_rate(struct world *world, struct node *node)
{
    uint64_t most = world->plan.rules.per_minute, burst = most / 60 + 1, sum = 0;

    for (size_t i = 0; i < MINUTE_STEPS; i++)
        sum += node->shed_in[i];
    assert_true(sum <= most + burst);
}

static void on_shed(struct world *world, struct node *node, uint64_t count)
{
    uint64_t mean = world_clients(world) / world_serving(world);

    assert_int_equal(node->condition, SERVING);
    assert_false(node->is_cut_off);
    assert_true(node->change_heard_ms == 0 ||
                world->now_ms >= node->change_heard_ms + world->plan.rules.quiet_ms);
    node->shed_in[world->now_ms / 1000 % MINUTE_STEPS] += count;
    check_rate(world, node);
    if (world->is_even) { /* nobody gives away what is not too much */
        assert_true(node->connections - count >= mean - mean / 20);
        world->shed_in_peace += count;
    }
    world->last_shed_ms = world->now_ms;
    world->counts->shed += count;
}

static void rebalance(struct world *world, unsigned number)
{
    struct node *node = &world->nodes[number];
    struct rebalance_self self = {
        .connections = node->connections,
        .shed_total = node->shed_total,
        .serving = node->condition == SERVING && !node->is_cut_off,
    };
    struct rebalance_step step =
        rebalance_run(&node->rebalance, &node->membership, &self, world->now_ms + node->clock_ms);
    uint64_t may_go = settled(node), count = step.count < may_go ? step.count : may_go;

    world->counts->started += step.event == REBALANCE_STARTED;
    world->counts->done += step.event == REBALANCE_DONE;
    world->counts->futile += step.event == REBALANCE_FUTILE;
    if (count == 0)
        return;
    on_shed(world, node, count);
    node->shed_total += count;
    node->connections -= count;
    world_send_back(world, number, count, world->plan.back_ms);
}

/* --- time --- */

static void turn(struct world *world, unsigned number)
{
    struct node *node = &world->nodes[number];
    struct expiring expiring = {.world = world, .node = node};

    if (world->now_ms % 1000 == 0)
        node->shed_in[world->now_ms / 1000 % MINUTE_STEPS] = 0;
    membership_expire(&node->membership, world->now_ms + node->clock_ms, on_expired, &expiring);
    rebalance(world, number);
    if (node->condition == DRAINING)
        node_drain_on(world, number);
    if (node->condition != ABSENT && world->now_ms >= node->next_beat_ms)
        node_beat(world, number, node->condition == DRAINING ? HEARTBEAT_DRAINING : HEARTBEAT_SERVING);
}

void world_run(struct world *world, uint64_t ms)
{
    for (uint64_t end_ms = world->now_ms + ms; world->now_ms < end_ms;) {
        world->now_ms += TICK_MS;
        take_mail(world);
        take_arrivals(world);
        for (unsigned i = 0; i < NODES_MAX; i++) {
            if (world->nodes[i].condition != ABSENT)
                turn(world, i);
        }
    }
}
