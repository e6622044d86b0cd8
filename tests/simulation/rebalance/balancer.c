#include "world.h"

#include "seeded.h"

static unsigned serving(const struct world *world, unsigned *ret_numbers)
{
    unsigned count = 0;

    for (unsigned i = 0; i < NODES_MAX; i++) {
        if (world->nodes[i].condition == SERVING)
            ret_numbers[count++] = i;
    }
    return count;
}

static unsigned emptier(const struct world *world, unsigned a, unsigned b)
{
    return world->nodes[b].connections < world->nodes[a].connections ? b : a;
}

static unsigned emptiest(const struct world *world, const unsigned *numbers, unsigned count)
{
    unsigned least = numbers[0];

    for (unsigned i = 1; i < count; i++)
        least = emptier(world, least, numbers[i]);
    return least;
}

unsigned balancer_choose(struct world *world, unsigned from)
{
    unsigned numbers[NODES_MAX], count = serving(world, numbers);
    bool may_go_back = world->nodes[from].condition == SERVING;

    if (count == 0)
        return NODES_MAX;
    unsigned any = numbers[seeded_below(&world->seed, count)];
    switch (world->plan.balancer) {
    case ROUND_ROBIN:
        return numbers[world->next_in_turn++ % count];
    case LEAST_CONNECTIONS:
        return emptiest(world, numbers, count);
    case TWO_CHOICES:
        return emptier(world, any, numbers[seeded_below(&world->seed, count)]);
    case HALF_GO_BACK:
        return may_go_back && seeded_below(&world->seed, 2) == 0 ? from : any;
    case ALL_GO_BACK:
        return may_go_back ? from : any;
    case RANDOM:
    case BALANCERS:
        break;
    }
    return any;
}
