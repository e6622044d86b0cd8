#include "world.h"

#include <stdio.h>
#include <stdlib.h>

#include <roomcast/core/drain_plan.h>

#include "seeded.h"

/* --- beats --- */

static bool is_lost(struct world *world, unsigned from, unsigned to)
{
    if (world->nodes[from].is_cut_off || world->nodes[to].is_cut_off)
        return true;
    return world->is_troubled && seeded_below(&world->seed, 1000) < world->plan.loss;
}

static void post(struct world *world, unsigned to, const struct heartbeat *beat)
{
    uint64_t ticks = seeded_below(&world->seed, world->plan.delay_ms / TICK_MS + 1);
    size_t slot = (world->now_ms / TICK_MS + 1 + ticks) % SLOTS;

    if (world->mail[slot].count == world->mail[slot].capacity) {
        size_t capacity = world->mail[slot].capacity * 2 + 16;
        struct delivery *at = realloc(world->mail[slot].at, capacity * sizeof *at);
        if (!at)
            abort();
        world->mail[slot].at = at;
        world->mail[slot].capacity = capacity;
    }
    world->mail[slot].at[world->mail[slot].count++] =
        (struct delivery){.to = to, .to_life = world->nodes[to].life, .beat = *beat};
}

void node_beat(struct world *world, unsigned number, enum heartbeat_state state)
{
    struct node *node = &world->nodes[number];
    uint64_t interval_ms = world->plan.interval_ms;
    struct heartbeat beat = {
        .kind = HEARTBEAT_OF_NODE,
        .state = state,
        .number = ++node->beats,
        .interval_ms = interval_ms,
        .connections = node->connections,
        .shed_total = node->shed_total,
    };

    snprintf(beat.instance, sizeof beat.instance, "node-%u.%u", number, node->life);
    node->next_beat_ms =
        world->now_ms + interval_ms - interval_ms / 20 + seeded_below(&world->seed, interval_ms / 10 + 1);
    for (unsigned to = 0; to < NODES_MAX; to++) {
        if (world->nodes[to].condition == ABSENT)
            continue;
        if (is_lost(world, number, to))
            world->counts->lost_beats++;
        else
            post(world, to, &beat);
    }
}

/* --- life --- */

void node_start(struct world *world, unsigned number)
{
    struct node *node = &world->nodes[number];
    char instance[HEARTBEAT_INSTANCE_MAX + 1];
    unsigned life = node->life + 1;

    *node =
        (struct node){.condition = SERVING, .life = life, .clock_ms = seeded_below(&world->seed, 1u << 30)};
    snprintf(instance, sizeof instance, "node-%u.%u", number, life);
    membership_init(&node->membership, instance, world->plan.interval_ms, world->now_ms + node->clock_ms);
    rebalance_init(&node->rebalance, &world->plan.rules);
    node_beat(world, number, HEARTBEAT_SERVING);
    world->counts->joined++;
}

static void end(struct world *world, unsigned number)
{
    struct node *node = &world->nodes[number];

    world_send_back(world, number, node->connections, world->plan.back_ms);
    membership_fini(&node->membership);
    node->connections = 0;
    node->condition = ABSENT;
}

void node_kill(struct world *world, unsigned number)
{
    world->counts->died++;
    end(world, number);
}

void node_drain(struct world *world, unsigned number, uint64_t spread_ms)
{
    struct node *node = &world->nodes[number];

    node->condition = DRAINING;
    node->drain_from = node->connections;
    node->drain_began_ms = world->now_ms;
    node->drain_spread_ms = spread_ms;
    node_beat(world, number, HEARTBEAT_DRAINING);
}

void node_drain_on(struct world *world, unsigned number)
{
    struct node *node = &world->nodes[number];
    uint64_t due = drain_plan_due((uint32_t)node->drain_from, (uint32_t)node->connections,
                                  world->now_ms - node->drain_began_ms, node->drain_spread_ms);

    node->connections -= due;
    world_send_back(world, number, due, world->plan.back_ms);
    if (node->connections > 0)
        return;
    node_beat(world, number, HEARTBEAT_LEAVING);
    world->counts->drained++;
    end(world, number);
}
