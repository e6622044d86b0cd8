/* Nodes that rebalance, in virtual time: each with its own membership, clock and beats, clients that are
 * sent away and come back wherever a load balancer puts them. All chance comes from one seed.
 *
 *   world.c      time, beats, clients
 *   nodes.c      nodes that start, drain, die, and are cut off from NATS
 *   balancer.c   who gets a client
 *   test_rebalancing.c   plans, and what must hold */
#ifndef ROOMCAST_TESTS_REBALANCE_WORLD_H
#define ROOMCAST_TESTS_REBALANCE_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <roomcast/core/membership.h>
#include <roomcast/core/rebalance.h>

#define TICK_MS      100
#define NODES_MAX    50
#define SLOTS        64    /* ticks ahead that anything may be under way */
#define SETTLED_MS   15000 /* a client that has just come is not sent on */
#define ARRIVALS     (SETTLED_MS / TICK_MS)
#define MINUTE_STEPS 60

enum balancer { RANDOM, ROUND_ROBIN, LEAST_CONNECTIONS, TWO_CHOICES, HALF_GO_BACK, ALL_GO_BACK, BALANCERS };

struct plan {
    enum balancer balancer;
    unsigned nodes; /* at the beginning */
    uint64_t interval_ms;
    struct rebalance_rules rules;
    unsigned loss;     /* per mille of beats, while there is trouble */
    uint64_t delay_ms; /* of beats, at most */
    uint64_t back_ms;  /* clients that lost their node are back within this time */
};

enum condition { ABSENT, SERVING, DRAINING };

struct node {
    enum condition condition;
    bool is_cut_off;   /* from NATS */
    unsigned life;     /* changes with each start */
    uint64_t clock_ms; /* ahead of the world's */
    uint64_t connections;
    uint64_t arrived[ARRIVALS]; /* in each of the last ticks, a ring */
    struct membership membership;
    struct rebalance rebalance;
    uint64_t beats, next_beat_ms;
    uint64_t shed_total;
    uint64_t shed_in[MINUTE_STEPS]; /* in each of the last seconds, a ring */
    uint64_t drain_from, drain_began_ms, drain_spread_ms;
    uint64_t change_heard_ms; /* when it last heard of a change of the set of nodes; 0: never */
};

struct delivery {
    unsigned to, to_life;
    struct heartbeat beat;
};

struct counts {
    uint64_t started, done, futile, shed, joined, died, drained, cut_off, lost_beats, expired;
};

struct world {
    struct plan plan;
    uint64_t seed;
    uint64_t now_ms;
    struct node nodes[NODES_MAX];
    struct {
        struct delivery *at;
        size_t count, capacity;
    } mail[SLOTS];
    uint64_t returning[SLOTS][NODES_MAX]; /* clients, by the node that they were on */
    uint64_t under_way;                   /* all of those */
    unsigned next_in_turn;
    bool is_troubled; /* beats are lost */
    bool is_even;     /* nothing but rebalancing happens any more: see on_shed in world.c */
    uint64_t last_shed_ms, shed_in_peace;
    struct counts *counts;
};

void world_begin(struct world *world, uint64_t seed, const struct plan *plan, struct counts *counts);
void world_end(struct world *world);
void world_run(struct world *world, uint64_t ms);
unsigned world_serving(const struct world *world);
/* Of all nodes, and of those on their way. */
uint64_t world_clients(const struct world *world);
/* `count` clients of `from` look for a node within `within_ms`. */
void world_send_back(struct world *world, unsigned from, uint64_t count, uint64_t within_ms);

void node_start(struct world *world, unsigned number);
void node_kill(struct world *world, unsigned number);
void node_drain(struct world *world, unsigned number, uint64_t spread_ms);
void node_drain_on(struct world *world, unsigned number);
void node_beat(struct world *world, unsigned number, enum heartbeat_state state);

/* NODES_MAX: nobody serves. */
unsigned balancer_choose(struct world *world, unsigned from);

#endif
