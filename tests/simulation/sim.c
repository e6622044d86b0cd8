#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "seeded.h"

#define STEPS_MAX 3000000u
#define QUIET_MS  60000u /* virtual time in which everything has to be caught up */

struct sim_block {
    struct sim_block *next;
    max_align_t bytes[];
};

void *sim_alloc(struct sim *sim, size_t size)
{
    struct sim_block *block = calloc(1, sizeof *block + size);

    SIM_CHECK(sim, block);
    block->next = sim->blocks;
    sim->blocks = block;
    return block->bytes;
}

uint32_t sim_roll(struct sim *sim, uint32_t bound)
{
    return (uint32_t)seeded_below(&sim->random, bound);
}

bool sim_chance(struct sim *sim, unsigned per_mille)
{
    return !sim->is_over && sim_roll(sim, 1000) < per_mille;
}

void sim_say(struct sim *sim, const char *format, ...)
{
    if (!sim->is_verbose)
        return;
    va_list arguments;
    va_start(arguments, format);
    printf("%8llu  ", (unsigned long long)sim->now_ms);
    vprintf(format, arguments);
    putchar('\n');
    va_end(arguments);
}

struct room_key sim_room_key(unsigned room)
{
    struct uuid uuid = {.bytes = {[15] = (uint8_t)(room + 1)}};
    struct room_key key;

    room_key_for_chat(&uuid, &key);
    return key;
}

/* --- virtual time --- */

static bool is_before(const struct sim_task *a, const struct sim_task *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void swap(struct sim_task *a, struct sim_task *b)
{
    struct sim_task task = *a;
    *a = *b;
    *b = task;
}

static void add_task(struct sim *sim, struct sim_task task)
{
    if (sim->tasks_count == sim->tasks_capacity) {
        sim->tasks_capacity = sim->tasks_capacity ? 2 * sim->tasks_capacity : 256;
        sim->tasks = realloc(sim->tasks, sim->tasks_capacity * sizeof *sim->tasks);
        SIM_CHECK(sim, sim->tasks);
    }
    unsigned at = sim->tasks_count++;
    task.order = ++sim->order;
    sim->tasks[at] = task;
    while (at > 0 && is_before(&sim->tasks[at], &sim->tasks[(at - 1) / 2])) {
        swap(&sim->tasks[at], &sim->tasks[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

static struct sim_task take_task(struct sim *sim)
{
    struct sim_task first = sim->tasks[0];
    unsigned at = 0;

    sim->tasks[0] = sim->tasks[--sim->tasks_count];
    for (;;) {
        unsigned least = at;
        for (unsigned child = 2 * at + 1; child <= 2 * at + 2; child++) {
            if (child < sim->tasks_count && is_before(&sim->tasks[child], &sim->tasks[least]))
                least = child;
        }
        if (least == at)
            return first;
        swap(&sim->tasks[at], &sim->tasks[least]);
        at = least;
    }
}

void sim_in(struct sim *sim, uint64_t ms, sim_run run, void *object, uint64_t argument)
{
    add_task(sim, (struct sim_task){
                      .at_ms = sim->now_ms + ms, .run = run, .object = object, .argument = argument});
}

void sim_in_with(struct sim *sim, uint64_t ms, sim_run run, void *object, struct frame *frame)
{
    add_task(sim, (struct sim_task){.at_ms = sim->now_ms + ms, .run = run, .object = object, .frame = frame});
}

/* --- a run --- */

static void publish_next(struct sim *sim, void *object, uint64_t left)
{
    (void)object;
    /* In bursts: what a queue does not take at once is a large part of what can go wrong. */
    unsigned burst = sim_roll(sim, 8) == 0 ? 1 + sim_roll(sim, 12) : 1;
    unsigned room = sim_roll(sim, ROOMS);
    for (; burst > 0 && left > 0; burst--, left--)
        sim_publish(sim, sim_roll(sim, 4) ? room : sim_roll(sim, ROOMS));
    uint64_t pause = 2 * sim->plan.chaos_ms / (sim->plan.events ? sim->plan.events : 1);
    if (left > 0)
        sim_in(sim, sim_roll(sim, (uint32_t)(2 * pause + 2)), publish_next, NULL, left);
}

static void begin(struct sim *sim)
{
    sim->session_rules = (struct session_rules){
        .messages = {0}, .queue = sim->plan.queue, .max_rooms = ROOMS, .open_authorization = true};
    sim_stream_init(sim);
    sim_relay_start(sim);
    for (unsigned i = 0; i < NODES; i++) {
        sim->nodes[i].number = i;
        sim_node_start(sim, &sim->nodes[i]);
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct sim_client *client = &sim->clients[i];
        client->number = i;
        for (unsigned room = 0; room < ROOMS; room++) {
            client->in_room[room] = sim_roll(sim, 3) > 0;
            client->cursors[room].index = ANYWHERE;
        }
        client->in_room[i % ROOMS] = true;
        client->pace_ms = i % 3 == 0 ? 5 + sim_roll(sim, 60) : sim_roll(sim, 3);
        sim_client_come(sim, client, sim_roll(sim, (uint32_t)sim->plan.chaos_ms / 4));
    }
    sim_in(sim, 1, publish_next, NULL, sim->plan.events);
    sim_faults_begin(sim);
}

static void step(struct sim *sim)
{
    struct sim_task task = take_task(sim);

    SIM_CHECK(sim, task.at_ms >= sim->now_ms);
    sim->now_ms = task.at_ms;
    sim->task_frame = task.frame;
    sim->counts->steps++;
    task.run(sim, task.object, task.argument);
    frame_unref(&task.frame);
}

static void run_until(struct sim *sim, uint64_t end_ms)
{
    uint64_t first = sim->counts->steps;

    while (sim->tasks_count > 0 && sim->tasks[0].at_ms <= end_ms) {
        step(sim);
        SIM_CHECK(sim, sim->counts->steps - first < STEPS_MAX);
    }
    sim->now_ms = end_ms;
}

static void end(struct sim *sim)
{
    for (unsigned i = 0; i < NODES; i++)
        if (sim->nodes[i].is_alive)
            sim_node_kill(sim, &sim->nodes[i]);
    while (sim->tasks_count > 0)
        frame_unref(&sim->tasks[--sim->tasks_count].frame);
    free(sim->tasks);
    sim_stream_fini(sim);
    while (sim->blocks) {
        struct sim_block *block = sim->blocks;
        sim->blocks = block->next;
        free(block);
    }
}

static void make_plan(struct sim *sim)
{
    struct sim_plan *plan = &sim->plan;
    unsigned kind = (unsigned)(sim->seed % 4);

    *plan = (struct sim_plan){
        .live_loss = sim_roll(sim, 3) ? sim_roll(sim, 60) : 0,
        .live_twice = sim_roll(sim, 30),
        .answer_loss = sim_roll(sim, 3) ? sim_roll(sim, 50) : 0,
        .trouble = sim_roll(sim, 5),
        .events = 40 + sim_roll(sim, 200),
        .frame_bytes = 60,
        .chaos_ms = 10000 + sim_roll(sim, 30000),
        .max_per_room = 1000,
        .rules = {.max_events = EVENTS_MAX,
                  .max_bytes = 1 << 20,
                  .fresh_ms = sim_roll(sim, 1000),
                  .verify_every_ms = 2000 + sim_roll(sim, 3000),
                  .repair_timeout_ms = 60000},
        .queue = {.max_frames = 4 + sim_roll(sim, 30), .max_bytes = 1000 + sim_roll(sim, 4000)},
    };
    if (kind == 0 || kind == 1)
        return;
    if (kind == 2 || sim_roll(sim, 2)) { /* retention and small histories */
        if (sim_roll(sim, 2))
            plan->max_per_room = 3 + sim_roll(sim, 20);
        else
            plan->max_age_ms = 3 * plan->rules.verify_every_ms;
        plan->rules.max_events = 4 + sim_roll(sim, 60);
        plan->rules.max_bytes = 400 + sim_roll(sim, 6000);
        plan->rules.repair_timeout_ms = 2000 + sim_roll(sim, 20000);
    }
    if (kind == 3) {
        plan->rolls_back = sim_roll(sim, 2);
        plan->forgets = plan->rolls_back && sim_roll(sim, 2);
        plan->is_recreated = sim_roll(sim, 3) == 0;
        plan->diverges = sim_roll(sim, 2);
        plan->is_stale = sim_roll(sim, 2);
        if (plan->is_stale && plan->max_age_ms != 0) /* as feed.h demands */
            plan->max_age_ms += STALE_MAX_MS;
        plan->is_unreadable = sim_roll(sim, 2);
    }
}

bool sim_plan_loses(const struct sim_plan *plan)
{
    return plan->rolls_back || plan->is_recreated || plan->diverges || plan->is_stale ||
           plan->is_unreadable || plan->max_age_ms != 0 || plan->max_per_room < EVENTS_MAX;
}

void sim_play(uint64_t seed, bool is_verbose, struct sim_counts *counts)
{
    static struct sim sim; /* static: a failing check leaves by longjmp, and the debugger finds it */

    sim = (struct sim){
        .seed = seed, .random = seed, .is_verbose = is_verbose, .counts = counts, .now_ms = 1000};
    make_plan(&sim);
    begin(&sim);
    run_until(&sim, sim.now_ms + sim.plan.chaos_ms);
    sim_faults_end(&sim);
    uint64_t end_ms = sim.now_ms + QUIET_MS;
    /* When all is caught up, a few more events: what looked repaired has to work. */
    do
        run_until(&sim, sim.now_ms + 1000);
    while (sim.now_ms < end_ms && !sim_is_quiet(&sim));
    for (unsigned room = 0; room < ROOMS; room++)
        sim_publish(&sim, room);
    run_until(&sim, sim.now_ms + 1000);
    end_ms = sim.now_ms + QUIET_MS;
    while (sim.now_ms < end_ms && !sim_is_quiet(&sim))
        run_until(&sim, sim.now_ms + 1000);
    sim_check_end(&sim);
    counts->seeds++;
    end(&sim);
}
